"""Real tokens admit: members mark an issuer, and whom its tokens name opens sessions (T57)."""

from collections.abc import Callable
from functools import cache

import pytest
from tests.enclave.chain import Chain, codes, person
from tests.enclave.fixtures import FoundedCluster, key_named, make_cluster_genesis
from tests.enclave.programs.people.world import PeopleChain
from tests.openid.provider import HOUR, Provider

from strongroom.enclave.execution.public_work import PRESENTED_MAX
from strongroom.enclave.programs.people.tables import STANDINGS, SUBJECTS
from strongroom.enclave.programs.roster_tables import SPONSORED, USAGE


@cache
def closed() -> FoundedCluster:
    return make_cluster_genesis(
        4,
        members={"member0": key_named("member0")},
        programs=("payments", "people", "system"),
        limits={"activation_delay_ms": 0, "open_admission": 0},
    )


class ClosedChain(PeopleChain):
    """Nobody is on its roster; members marked the issuer, unless it is told otherwise."""

    def __init__(self, *, marked: bool = True) -> None:
        Chain.__init__(self, closed())
        self.provider = Provider(people={"alice": {"ctry": "DE", "acct": 0}})
        self.provider.rotate("ES256")
        self._votes = 0
        self.choose()
        if marked:
            assert not self.vote("admit_issuer", issuer=self.provider.url)

    def presented(self, who: str, token: str, *, url: str = "", close: bool = True) -> str:
        call = self.call("people.present", issuer=url or self.provider.url, token=token)
        return codes(self.commit(self.open(who, call, close=close)[1]))[0]

    def opens(self, who: str) -> str:
        return codes(self.commit(self.open(who)[1]))[0]


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_stranger_presents_his_token_and_is_a_user_until_it_ends(algorithm: str) -> None:
    chain = ClosedChain()
    if algorithm != "ES256":
        assert not chain.pin(chain.provider.rotate(algorithm))
    assert chain.opens("alice") == "not admitted"
    assert chain.presented("alice", chain.token()) == "executed"
    assert chain.region("alice") == "europe"
    session = chain.session("alice")
    chain.pass_s(HOUR - 1)
    assert chain.opens("alice") == "executed"
    chain.pass_s(1)
    assert chain.opens("alice") == "not admitted"
    assert chain.do(session, "payments.open", account="a").ok, "what is open goes on"
    assert chain.presented("alice", chain.token()) == "executed"
    assert chain.opens("alice") == "executed"


@pytest.mark.parametrize("case", ["stolen", "audience", "signature", "late", "junk", "long"])
def test_T57_what_the_program_refuses_admits_nobody_and_leaves_nothing(case: str) -> None:
    chain = ClosedChain()
    tokens: dict[str, Callable[[], str]] = {
        "stolen": lambda: chain.token("mallory"),
        "audience": lambda: chain.token(aud="another"),
        "signature": lambda: chain.token()[:-8] + "AAAAAAAA",
        "late": lambda: chain.token(
            iat=chain.provider.now_s - 2 * HOUR, exp=chain.provider.now_s - HOUR
        ),
        "junk": lambda: "a.b.c",
        "long": lambda: "A" * 15_000,
    }
    token = tokens[case]()
    state = chain.executor._runner.state
    before = [state.maps[schema].copy() for schema in (STANDINGS, SUBJECTS, USAGE, SPONSORED)]
    assert chain.presented("alice", token) == "not admitted"
    after = [state.maps[schema].copy() for schema in (STANDINGS, SUBJECTS, USAGE, SPONSORED)]
    assert before == after
    assert chain.opens("alice") == "not admitted"


def test_an_older_token_of_a_subject_admits_no_second_key() -> None:
    chain = ClosedChain()
    older = chain.token("other")
    chain.pass_s(5)
    assert chain.presented("alice", chain.token()) == "executed"
    assert chain.presented("other", older) == "not admitted"
    chain.pass_s(5)
    assert chain.presented("other", chain.token("other")) == "executed", "a newer one does"
    assert chain.opens("alice") == "not admitted", "one subject stands for one identity"


def test_an_issuer_that_is_not_marked_admits_nobody_nor_one_that_members_dismissed() -> None:
    chain = ClosedChain(marked=False)
    assert chain.presented("alice", chain.token()) == "not admitted"
    assert not chain.vote("admit_issuer", issuer=chain.provider.url)
    assert chain.presented("alice", chain.token()) == "executed"
    assert not chain.vote("dismiss_issuer", issuer=chain.provider.url)
    assert chain.opens("alice") == "not admitted"
    assert not chain.vote("admit_issuer", issuer=chain.provider.url)
    assert chain.opens("alice") == "executed"


def test_who_loses_the_issuer_is_out_though_it_is_marked_still() -> None:
    chain = ClosedChain()
    assert chain.presented("alice", chain.token()) == "executed"
    assert not chain.vote("remove_issuer", issuer=chain.provider.url)
    assert chain.opens("alice") == "not admitted"
    assert chain.presented("alice", chain.token()) == "not admitted"


def test_an_issuer_that_is_removed_and_chosen_again_admits_nobody_until_members_say_so() -> None:
    """What was removed does not come back by the side door."""
    chain = ClosedChain()
    assert not chain.vote("remove_issuer", issuer=chain.provider.url)
    assert chain.vote("admit_issuer", issuer=chain.provider.url) == "arguments", "there is none"
    chain.choose()
    assert chain.presented("alice", chain.token()) == "not admitted"
    assert not chain.vote("admit_issuer", issuer=chain.provider.url)
    assert chain.presented("alice", chain.token()) == "executed"


def test_what_a_person_adds_is_charged_to_person_and_issuer_and_not_to_the_key() -> None:
    chain = ClosedChain()
    chain.presented("alice", chain.token())
    session = chain.session("alice")
    assert chain.do(session, "payments.open", account="a").ok
    state = chain.executor._runner.state
    assert sorted(entries for entries, _ in state.maps[SPONSORED].copy().values()) == [2]
    told = chain.ask("alice", "roster.standing")
    assert (told["admitted"], told["entries"]) == ("token", 2)
    assert person("alice").id in state.maps[STANDINGS].copy()


def test_T11_forged_tokens_fill_their_own_lanes_share_alone() -> None:
    chain = ClosedChain()
    forged = chain.token("x")[:-8] + "AAAAAAAA"
    call = chain.call("people.present", issuer=chain.provider.url, token=forged)
    flood = [chain.open(f"x{n}", call, close=True)[1] for n in range(PRESENTED_MAX // 4 + 2)]
    good = chain.call("people.present", issuer=chain.provider.url, token=chain.token())
    outcome = chain.commit_lanes({0: [flood], 3: [[chain.open("alice", good, close=True)[1]]]})
    assert codes(outcome) == [
        *["not admitted"] * (PRESENTED_MAX // 4),
        *["no room"] * 2,
        "executed",
    ]


def test_T03_whom_a_replica_answered_last_and_when_changes_nothing_that_all_decide() -> None:
    """Replicas answer other queries at other times: an opening is judged by block time on each."""
    chain = ClosedChain()
    assert chain.presented("alice", chain.token()) == "executed"
    other = chain.new_executor(1)
    for made, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        other.apply(made.header, outcome)
    late = int(chain.tip.time_ms) + 2 * HOUR * 1000
    assert isinstance(
        chain.executor.query(chain.query_envelope("alice", "people.standing")[1], clock_ms=late),
        bytes,
    )
    made = chain.make({0: [[chain.open("alice")[1]]]})
    run = chain.run_of(made, parent=chain.executor.header)
    (here,), (there,) = (each.execute(run, [made.batches]) for each in (chain.executor, other))
    assert codes(here) == ["executed"]
    assert here.encode() == there.encode()
    assert chain.executor.root == other.root
