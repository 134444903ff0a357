"""A member with weight 0 speaks and reads, within a user's quota; it brings nobody and vouches for
no room."""

from tests.enclave.chain import Chain
from tests.enclave.sessions.test_session_admission import closed, decide, id_of, opening_of

from strongroom.enclave.programs.governance import WATCHERS


def watching(chain: Chain, weight: int = 0) -> None:
    decide(chain, "set_weight", (("name", "member3"), ("weight", weight)))


def test_it_opens_sessions_and_reads_as_members_do() -> None:
    chain = closed()
    watching(chain)
    assert opening_of(chain, "member3") == "executed"
    assert opening_of(chain, "stranger") == "not admitted"
    session = chain.session("member3")
    assert chain.do(session, "payments.open", account="watched").ok
    assert chain.ask("member3", "roster.users")["users"] == []


def test_it_brings_no_users_and_vouches_for_no_room() -> None:
    chain = closed()
    watching(chain)
    for call in ("roster.bring", "roster.dismiss"):
        refused = chain.once("member3", call, users=[id_of("alice")])
        assert (refused.ok, refused.code) == (False, "not a member")
    assert chain.once("member3", "roster.vouch", room=id_of("room")).code == "not a user"
    assert opening_of(chain, "alice") == "not admitted"
    assert opening_of(chain, "room") == "not admitted"


def test_whom_it_brought_before_go_with_its_weight_and_come_back_with_it() -> None:
    chain = closed()
    chain.once("member3", "roster.bring", users=[id_of("bob")])
    chain.once("bob", "roster.vouch", room=id_of("room"))
    assert opening_of(chain, "room") == "executed"
    watching(chain)
    assert [opening_of(chain, who) for who in ("bob", "room")] == ["not admitted"] * 2
    watching(chain, 1)
    assert [opening_of(chain, who) for who in ("bob", "room")] == ["executed"] * 2
    assert dict(chain.executor.governance._view.tables.maps.items(WATCHERS)) == {}


def test_it_fills_the_state_by_a_users_quota() -> None:
    chain = closed(entries_per_user=3, entries_per_member=50)
    before = chain.ask("member3", "roster.standing")
    assert (before["member"], before["watches"], before["entries_max"]) == (True, False, 50)
    watching(chain)
    after = chain.ask("member3", "roster.standing")
    assert (after["member"], after["watches"], after["entries_max"]) == (False, True, 3)
