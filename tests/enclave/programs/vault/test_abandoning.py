"""An answer is given once: a room that never received its lease ends it, and asks again at once."""

import pytest
from tests.enclave.programs.vault.world import OWNER, K, Room, VaultChain, beats

from strongroom.enclave.primitives import digest
from strongroom.enclave.programs.vault.events import ACTS, KEPT


@pytest.fixture
def chain() -> VaultChain:
    return VaultChain()


def own(chain: VaultChain, room: Room, key: str) -> dict[str, object]:
    return {"key": key, "chip": digest(room.chip.chip_id)}


def test_what_never_arrived_is_ended_with_nothing_counted_and_asked_again(
    chain: VaultChain,
) -> None:
    room, key = Room(), chain.key(quantity=2, allotment=2)
    chain.lease(room, key)
    assert chain.denied(room, key) == "machine-busy"
    assert chain.must(room.who, "abandon", **own(chain, room, key)) == {"returned": 2}
    answer = chain.lease(room, key)
    assert (answer["half"], answer["allotment"]) == (K, 2)
    first, second = chain.look(OWNER, "leases", key=key)
    assert (first["state"], first["used"], first["reserved"]) == ("ended", 0, 0)
    assert (second["state"], second["reserved"]) == ("open", 2)
    said = [one["what"] for one in chain.look(OWNER, "records", key=key)["records"]]
    assert said[-3:] == ["ask", "abandon", "ask"]


def test_what_is_abandoned_beats_and_reports_nothing_any_more(chain: VaultChain) -> None:
    """Its first answer may turn up late: it opens what it held, and goes on with nothing."""
    room, key = Room(), chain.key(pieces=3)
    lease = chain.lease(room, key)["lease"]
    chain.must(room.who, "abandon", **own(chain, room, key))
    assert beats(chain, room, lease)(piece=1).code == "lapsed"
    assert chain.refused(room.who, "use", lease=lease, unit=1, digest=bytes(32)) == "lapsed"
    assert chain.refused(room.who, "end", lease=lease, used=0) == "lapsed"
    assert chain.refused(room.who, "abandon", **own(chain, room, key)) == "lapsed"


def test_another_session_abandons_nothing_though_it_names_key_and_chip(chain: VaultChain) -> None:
    room, key = Room(), chain.key()
    chain.lease(room, key)
    for who in ("room session 2", OWNER, "plant"):
        assert chain.refused(who, "abandon", **own(chain, room, key)) == "lapsed"
    assert chain.refused(room.who, "abandon", **own(chain, Room(), key)) == "lapsed"
    (lease,) = chain.look(OWNER, "leases", key=key)
    assert lease["state"] == "open"


def test_T54_a_lease_that_its_room_received_gives_no_unit_back_by_its_hosts_word(
    chain: VaultChain,
) -> None:
    """Nothing of it may have come through since, and all of it may have been made."""
    room, key = Room(), chain.key(quantity=2, allotment=2)
    lease = chain.lease(room, key)["lease"]
    for received in ([lease], [bytes(16), lease]):
        said = own(chain, room, key) | {"received": received}
        assert chain.refused(room.who, "abandon", **said) == "used"
    assert chain.look(OWNER, "key", key="/toy")["reserved"] == 2
    said = own(chain, room, key) | {"received": [bytes(16)]}
    assert chain.must(room.who, "abandon", **said) == {"returned": 2}


def test_rooms_that_abandon_push_out_none_of_their_owners_acts(chain: VaultChain) -> None:
    room, key = Room(), chain.key()
    for _ in range(KEPT[ACTS]):
        chain.lease(room, key)
        chain.must(room.who, "abandon", **own(chain, room, key))
    records = chain.look(OWNER, "records", key=key, limit=500)["records"]
    assert [one["what"] for one in records[:2]] == ["new", "put"]


def test_a_lease_that_arrived_is_ended_not_abandoned(chain: VaultChain) -> None:
    """T54: what a room was seen to use stays counted."""
    room, key = Room(), chain.key(quantity=2, allotment=2)
    lease = chain.lease(room, key)["lease"]
    beats(chain, room, lease)()
    assert chain.refused(room.who, "abandon", **own(chain, room, key)) == "used"
    chain.must(room.who, "end", lease=lease, used=1)
    lease = chain.lease(room, key)["lease"]
    chain.must(room.who, "use", lease=lease, unit=1, digest=bytes(32))
    assert chain.refused(room.who, "abandon", **own(chain, room, key)) == "used"


@pytest.mark.parametrize(
    ("said", "code"), [("suspend", "suspended"), ("revoke", "revoked"), ("end", "revoked")]
)
def test_what_its_owner_stopped_stays_stopped(chain: VaultChain, said: str, code: str) -> None:
    room, key = Room(), chain.key(quantity=1)
    lease = chain.lease(room, key)["lease"]
    words = {"lease": lease, "used": 0} if said == "end" else {"key": "/toy"}
    chain.must(OWNER, said, **words)
    assert chain.refused(room.who, "abandon", **own(chain, room, key)) == code
    (shown,) = chain.look(OWNER, "leases", key=key)
    assert shown["reserved"] == 1


def test_what_is_frozen_stays_frozen(chain: VaultChain) -> None:
    """T53: abandoning is no way out of two starts at once."""
    room, key = Room(), chain.key()
    chain.lease(room, key)
    twin = room.again(who="room session 2")
    assert chain.denied(twin, key) == "clone"
    assert chain.refused(room.who, "abandon", **own(chain, room, key)) == "clone"
    assert chain.refused(twin.who, "abandon", **own(chain, twin, key)) == "lapsed"
    assert chain.denied(room, key) == "clone"


def test_what_lapsed_is_lost(chain: VaultChain) -> None:
    room, key = Room(), chain.key(quantity=1)
    chain.lease(room, key)
    chain.wait(40_000)
    assert chain.refused(room.who, "abandon", **own(chain, room, key)) == "lapsed"
