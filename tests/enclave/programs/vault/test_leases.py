"""Leases: what a room gets, in which order it is refused, how units and pieces are counted."""

import pytest
from tests.enclave.chain import person
from tests.enclave.programs.vault.world import (
    IN_WEST,
    OWNER,
    POLICY,
    PRINTER,
    PRINTERS,
    K,
    Room,
    VaultChain,
    beats,
    policy_of,
)

from strongroom.consensus.types import ChainId
from strongroom.enclave.formats.piece_keys import piece_key
from strongroom.enclave.primitives import Secret
from strongroom.enclave.programs.vault import asking, views


@pytest.fixture
def chain() -> VaultChain:
    return VaultChain()


def test_a_room_of_the_right_code_gets_the_key_and_another_does_not(chain: VaultChain) -> None:
    key = chain.key()
    answer = chain.lease(Room(), key)
    assert answer["half"] == K
    assert (answer["piece"], answer["heartbeat_ms"]) == (0, 10_000)
    assert answer["until_ms"] == chain.now + 30_000
    modified = Room(measurement=bytes(48), who="modified")
    assert chain.denied(modified, key) == "policy"
    assert chain.why(modified, key).startswith("measurement equals ")


def test_pieces_come_in_order_one_a_beat_and_never_the_whole_key(chain: VaultChain) -> None:
    room, key = Room(), chain.key(pieces=3)
    answer = chain.lease(room, key)
    owner = person(OWNER).id
    assert answer["half"] == piece_key(Secret(K), owner, "toy", 1, 0).reveal()
    beat = beats(chain, room, answer["lease"])
    assert beat(piece=2).code == "piece"
    assert beat(piece=1).value["piece_key"] == piece_key(Secret(K), owner, "toy", 1, 1).reveal()
    assert beat(piece=1).value["piece_key"] == piece_key(Secret(K), owner, "toy", 1, 1).reveal()
    assert beat(piece=2).value["piece_key"] == piece_key(Secret(K), owner, "toy", 1, 2).reveal()
    assert beat(piece=3).code == "piece"
    assert beat(piece=-1).value["piece_key"] == b""


def test_the_bounds_of_an_idle_lease_are_those_by_which_its_room_beats(chain: VaultChain) -> None:
    """T52: what an owner reads before a revocation holds for a room that has nothing to do."""
    room, key = Room(), chain.key(quantity=5)
    lease = chain.lease(room, key)["lease"]
    beat = beats(chain, room, lease)

    def shown() -> tuple[int, str]:
        one = chain.look(room.who, "lease", lease=lease)
        return one["bounds"]["connected_ms"], one["state"]

    assert shown() == (10_000, "open")
    idle = beat(used=1).value
    assert idle["heartbeat_ms"] == 60_000
    assert shown() == (60_000, "open")
    chain.wait(59_000)
    chain.commit()
    assert shown() == (60_000, "open"), "it may be silent for so long"
    chain.wait(2_000)
    chain.commit()
    assert shown() == (60_000, "late")
    assert beat(used=1, reserve=1).value["heartbeat_ms"] == 10_000
    assert shown() == (10_000, "open")
    chain.must(room.who, "use", lease=lease, unit=1, digest=bytes(32))
    chain.must(room.who, "use", lease=lease, unit=2, digest=bytes(32))
    assert shown() == (10_000, "open"), "what it was told at its newest beat"
    chain.wait(24_000)
    chain.commit()
    connected, state = shown()
    assert (connected < 10_000, state) == (True, "late"), "never past the lease's own end"


def test_T52_after_a_revocation_no_further_piece_from_the_next_transaction_on(
    chain: VaultChain,
) -> None:
    room, key = Room(), chain.key(pieces=12)
    beat = beats(chain, room, chain.lease(room, key)["lease"])
    for piece in range(1, 7):
        assert beat(piece=piece).value["piece_key"]
    chain.must(OWNER, "revoke", key="/toy")
    refused = beat(piece=7)
    assert (refused.code, refused.value) == ("revoked", None)
    chain.wait(1)
    assert chain.denied(room, key) == "revoked"


# --- units ----------------------------------------------------------------------------------------


def test_T54_units_are_reserved_before_they_are_made_and_never_more_than_there_are(
    chain: VaultChain,
) -> None:
    room, key = Room(), chain.key(quantity=5, allotment=2)
    answer = chain.lease(room, key)
    assert answer["allotment"] == 2
    beat = beats(chain, room, answer["lease"])
    assert beat(reserve=1).code == "allotment"
    assert beat(used=2, reserve=2).value["allotment"] == 2
    assert beat(used=4, reserve=2).code == "quantity"
    assert beat(used=4, reserve=1).value["allotment"] == 1
    assert (beat(used=6).code, beat(used=3).code) == ("used", "used")
    assert beat(used=5, reserve=1).code == "quantity"
    shown = chain.look(OWNER, "key", key="/toy")
    assert (shown["reserved"], shown["used"]) == (5, 4)


def test_T54_a_sixth_part_is_refused_and_each_of_five_has_a_receipt(chain: VaultChain) -> None:
    room, key = Room(), chain.key(quantity=5)
    lease = chain.lease(room, key)["lease"]
    beat = beats(chain, room, lease)
    for part in range(1, 6):
        used = chain.must(room.who, "use", lease=lease, unit=part, digest=bytes(32))
        assert used == {"unit": part, "left": 0}
        result = beat(used=part, reserve=1)
        assert result.ok == (part < 5)
    assert result.code == "quantity"
    assert chain.refused(room.who, "use", lease=lease, unit=6, digest=bytes(32)) == "quantity"
    assert chain.refused(room.who, "use", lease=lease, unit=5, digest=bytes(32)) == "unit"


def test_T54_who_reaches_for_more_than_it_may_have_leaves_a_record(chain: VaultChain) -> None:
    room, key = Room(), chain.key(quantity=5, allotment=2, pieces=3)
    lease = chain.lease(room, key)["lease"]
    beat = beats(chain, room, lease)
    assert beat(reserve=1).code == "allotment"
    assert beat(piece=2).code == "piece"
    for unit in (1, 2):
        chain.must(room.who, "use", lease=lease, unit=unit, digest=bytes(32))
    assert chain.refused(room.who, "use", lease=lease, unit=3, digest=bytes(32)) == "quantity"
    refusals = chain.look(OWNER, "records", key="/toy", refusals=True)["records"]
    assert [one["what"] for one in refusals] == ["allotment", "piece", "quantity"]
    assert {one["lease"] for one in refusals} == {lease}
    held = chain.look(OWNER, "lease", lease=lease)
    assert (held["reserved"], held["used"], held["pieces_given"], held["beat"]) == (2, 2, 1, 0)


@pytest.mark.parametrize(("stop", "code"), [("suspend", "suspended"), ("revoke", "revoked")])
def test_T54_a_key_that_was_stopped_gives_no_unit_a_receipt(
    chain: VaultChain, stop: str, code: str
) -> None:
    """What was made by then is counted by `end`."""
    room, key = Room(), chain.key(quantity=5, allotment=3)
    lease = chain.lease(room, key)["lease"]
    chain.must(room.who, "use", lease=lease, unit=1, digest=bytes(32))
    chain.must(OWNER, stop, key="/toy")
    assert chain.refused(room.who, "use", lease=lease, unit=2, digest=bytes(32)) == code
    refusals = chain.look(OWNER, "records", key="/toy", refusals=True)["records"]
    assert [(one["what"], one["lease"]) for one in refusals] == [(code, lease)]
    assert chain.must(room.who, "end", lease=lease, used=2) == {"returned": 1}
    shown = chain.look(OWNER, "key", key="/toy")
    assert (shown["reserved"], shown["used"]) == (2, 2)


def test_T54_unused_units_come_back_by_end_alone(chain: VaultChain) -> None:
    room, key = Room(), chain.key(quantity=6, allotment=3)
    lease = chain.lease(room, key)["lease"]
    assert chain.must(room.who, "end", lease=lease, used=1) == {"returned": 2}
    assert chain.look(OWNER, "key", key="/toy")["reserved"] == 1
    assert chain.refused(room.who, "end", lease=lease, used=1) == "lapsed"
    twice = chain.lease(room, key)["lease"]
    said = (room.who, "end", {"lease": twice, "used": 1})
    first, second = chain.both(said, said)
    assert (first.value, second.code) == ({"returned": 2}, "lapsed")
    crashed = chain.lease(room, key)["lease"]
    chain.wait(30_001)
    assert chain.refused(room.who, "end", lease=crashed, used=0) == "lapsed"
    assert chain.look(OWNER, "key", key="/toy")["reserved"] == 5, "a crash loses what it reserved"
    assert chain.lease(room, key)["allotment"] == 1


def test_T54_a_lease_lapses_by_block_time_and_nothing_is_reserved_after(chain: VaultChain) -> None:
    room, key = Room(), chain.key(quantity=9, allotment=3, pieces=3)
    lease = chain.lease(room, key)["lease"]
    beat = beats(chain, room, lease)
    chain.wait(29_980)
    assert beat(used=1, reserve=1).ok
    chain.wait(30_000)
    assert beat(used=2, reserve=1, piece=1).code == "lapsed"
    assert chain.look(OWNER, "key", key="/toy")["reserved"] == 4
    chain.must(OWNER, "revoke", key="/toy")
    assert beat(used=2, reserve=1, piece=1).code == "revoked"
    assert chain.look(OWNER, "key", key="/toy")["reserved"] == 4


def test_an_idle_lease_lasts_longer_and_a_working_one_does_not(chain: VaultChain) -> None:
    room, key = Room(), chain.key(allotment=1, pieces=2)
    beat = beats(chain, room, chain.lease(room, key)["lease"])
    assert beat(used=0).value["until_ms"] == chain.now + 30_000
    idle = beat(used=1).value
    assert (idle["until_ms"], idle["heartbeat_ms"]) == (chain.now + 180_000, 60_000)


@pytest.mark.parametrize("tried", [1, 3])
def test_a_long_lease_keeps_its_place_and_locks_nobody_out(
    chain: VaultChain, monkeypatch: pytest.MonkeyPatch, tried: int
) -> None:
    """Few places, so that they go round soon; in the walk past open ones an ask may find none."""
    monkeypatch.setattr(asking, "LEASES_KEPT", 4)
    monkeypatch.setattr(asking, "PLACES_TRIED", tried)
    monkeypatch.setattr(views, "LEASES_KEPT", 4)
    key = chain.key(lease_ms=300_000, heartbeat_ms=100_000)
    honest = [Room(name=f"honest-{at}", who=f"honest {at}") for at in range(2)]
    kept = [beats(chain, one, chain.lease(one, key)["lease"]) for one in honest]
    granted, refused = 0, 0
    for at in range(12):
        busy = Room(name="busy", who=f"busy {at % 2}")
        result = chain.tell(busy.who, "ask", **chain._asked(busy, key, {}))
        if result.ok:
            granted += 1
            chain.must(busy.who, "end", lease=result.value["lease"], used=0)
        else:
            assert result.code == "machine-busy"
            refused += 1
        assert all(beat().ok for beat in kept)
    assert (granted, refused) == ((12, 0) if tried == 3 else (6, 6))
    shown = chain.look(OWNER, "leases", key="/toy")
    assert [one["room"] for one in shown if one["state"] == "open"] == ["honest-0", "honest-1"]
    assert len(shown) == 4
    refusals = chain.look(OWNER, "records", key="/toy", refusals=True)
    assert refusals["total"] == refused, "each has its record"
    assert chain.look(OWNER, "keys")[0]["leases"] == 2 + granted


def test_when_all_places_are_open_the_next_is_refused_until_one_is_over(
    chain: VaultChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "LEASES_KEPT", 2)
    key = chain.key()
    first, second, third = (Room(name=name, who=name) for name in ("one", "two", "three"))
    lease = chain.lease(first, key)["lease"]
    chain.lease(second, key)
    assert chain.denied(third, key) == "machine-busy"
    assert chain.look(OWNER, "records", key="/toy", refusals=True)["total"] == 1
    chain.must(first.who, "end", lease=lease, used=0)
    assert chain.lease(third, key)["half"] == K


# --- refusals -------------------------------------------------------------------------------------


def test_the_first_refusal_that_applies_is_told(chain: VaultChain) -> None:
    """Everything is wrong at once; what is told first is put right, one by one."""
    room = Room(measurement=bytes(48), region="eu-south")
    busy = Room(chip=room.chip, name="hall-8", who="other")
    chip = {"claim": "ueid", "equals": Room().chip.chip_id.hex()}
    key = chain.key(
        policy=policy_of(PRINTERS),
        approvers=["id:" + person("boss").id.hex()],
        threshold=1,
        quantity=1,
    )
    assert chain.denied(room, f"{chain.owner}/none") == "no-key"
    assert chain.denied(room, f"{key}@2") == "no-key"
    assert chain.denied(room, key) == "not-approved"
    change = chain.look(OWNER, "key", key="/toy")["pending"]["change"]
    assert chain.must("boss", "approve", change=change)["state"] == "in force"
    assert chain.denied(room, key, evidence=b"x") == "evidence"
    assert chain.denied(room, key) == "policy"
    room.measurement = PRINTER
    chain.must(OWNER, "change", key="/toy", policy=policy_of(PRINTERS, chip, IN_WEST))
    assert chain.denied(room, key) == "not-this-hardware"
    chain.must(OWNER, "revoke", key="/toy")
    key = chain.key("second", policy=policy_of(PRINTERS, IN_WEST), quantity=1, lease_ms=20_000)
    held = chain.lease(busy, key)
    assert chain.denied(room, key) == "machine-busy"
    chain.must(busy.who, "end", lease=held["lease"], used=1)
    chain.must(OWNER, "change", key="/second", window_from_ms=chain.now + 10_000)
    assert chain.denied(room, key) == "outside-window"
    chain.wait(10_000)
    assert chain.denied(room, key) == "quantity"
    key = chain.key("third", policy=policy_of(PRINTERS, IN_WEST))
    assert chain.denied(room, key) == "region"
    chain.must(OWNER, "suspend", key="/third")
    assert chain.denied(room, key) == "suspended"
    chain.must(OWNER, "resume", key="/third")
    assert chain.denied(room, key) == "region"
    refusals = chain.look(OWNER, "records", key="/third", refusals=True)
    assert [one["what"] for one in refusals["records"]] == ["region", "suspended", "region"]


def test_T50_evidence_of_another_session_chain_or_time_is_refused(chain: VaultChain) -> None:
    room, key = Room(), chain.key()
    chain.of(room.who)
    early = chain.tip
    assert chain.denied(Room(chip=room.chip, who="thief"), key, evidence=chain.shown(room)) == (
        "evidence"
    )
    assert (
        chain.denied(room, key, evidence=chain.shown(room, chain=ChainId(bytes(32)))) == "evidence"
    )
    assert chain.denied(room, key, room="another") == "evidence"
    stale = chain.shown(room, over=early)
    chain.wait(600_001)
    assert "10 minutes" in chain.why(room, key, evidence=stale)
    assert chain.lease(room, key)["half"] == K


def test_T50_evidence_grows_old_behind_an_open_lease(chain: VaultChain) -> None:
    room, key = Room(), chain.key(lease_ms=400_000, heartbeat_ms=400_000)
    beat = beats(chain, room, chain.lease(room, key)["lease"])
    chain.wait(390_000)
    assert beat().ok
    chain.wait(390_000)
    assert beat().code == "evidence"
    assert beat(evidence=chain.shown(room)).ok
    assert beat(evidence=chain.shown(room.again(region="eu-north"))).ok
    assert beat(evidence=chain.shown(room.again(boot=2))).code == "evidence"


def test_a_lease_is_of_one_session(chain: VaultChain) -> None:
    room, key = Room(), chain.key()
    lease = chain.lease(room, key)["lease"]
    assert chain.refused("thief", "beat", lease=lease, number=1, used=0) == "lapsed"
    assert chain.refused("thief", "end", lease=lease, used=0) == "lapsed"
    assert chain.refused("thief", "use", lease=lease, unit=1, digest=bytes(32)) == "lapsed"
    assert chain.refused(room.who, "beat", lease=lease, number=2, used=0) == "number"


def test_an_owner_ends_one_lease_and_nothing_of_it_comes_back(chain: VaultChain) -> None:
    room, key = Room(), chain.key(quantity=9, allotment=3)
    lease = chain.lease(room, key)["lease"]
    beat = beats(chain, room, lease)
    assert chain.must(OWNER, "end", lease=lease, used=0) == {"returned": 0}
    assert beat().code == "revoked"
    assert chain.look(OWNER, "lease", lease=lease)["state"] == "revoked"
    assert chain.look(OWNER, "key", key="/toy")["reserved"] == 3
    assert chain.refused(OWNER, "end", lease=lease, used=0) == "lapsed"
    assert chain.refused(room.who, "end", lease=lease, used=0) == "lapsed"
    assert chain.lease(room, key)["allotment"] == 3


def test_an_owner_that_is_the_room_too_ends_its_lease_as_a_room(chain: VaultChain) -> None:
    chain.key(allotment=3, quantity=9)
    room = Room(who=OWNER)
    lease = chain.lease(room, "/toy")["lease"]
    assert chain.must(OWNER, "end", lease=lease, used=1) == {"returned": 2}


def test_what_is_seen_of_a_lease_are_its_bounds(chain: VaultChain) -> None:
    room, key = Room(), chain.key(pieces=4, allotment=2)
    lease = chain.lease(room, key)["lease"]
    shown = chain.look(OWNER, "lease", lease=lease)
    assert shown["state"] == "open"
    assert shown["bounds"] == {
        "pieces_after_revocation": 0,
        "connected_ms": 10_000,
        "cut_off_ms": 30_000,
        "units": 2,
    }
    assert chain.look(room.who, "lease", lease=lease) == shown
    assert chain.look(OWNER, "leases", key="/toy") == [{"number": 1} | shown]
    assert chain.refusal("thief", "vault.lease", lease=lease) == "no-key"
    chain.wait(10_001)
    chain.commit()
    assert chain.look(OWNER, "lease", lease=lease)["state"] == "late"
    chain.wait(20_000)
    chain.commit()
    lapsed = chain.look(OWNER, "lease", lease=lease)
    assert (lapsed["state"], lapsed["bounds"]["cut_off_ms"]) == ("lapsed", 0)


def test_every_ask_beat_use_and_end_is_recorded_in_a_chain(chain: VaultChain) -> None:
    room, key = Room(), chain.key(pieces=2)
    lease = chain.lease(room, key)["lease"]
    assert beats(chain, room, lease)(piece=1).ok
    chain.must(room.who, "use", lease=lease, unit=1, digest=bytes(32))
    chain.must(room.who, "end", lease=lease, used=1)
    shown = chain.look(OWNER, "records", key="/toy")
    assert [one["what"] for one in shown["records"]] == ["new", "put", "ask", "beat", "use", "end"]
    assert shown["total"] == 6
    assert [
        one["number"] for one in chain.look(OWNER, "records", key="/toy", after=4)["records"]
    ] == [
        5,
        6,
    ]
    assert chain.refusal("thief", "vault.records", key=key) == "no-key"


def test_custodians_record_their_releases_and_nobody_else(chain: VaultChain) -> None:
    room = Room()
    custodian = "id:" + person("hsm").id.hex()
    key = chain.key("cut", custody="split", custodian=custodian, policy=POLICY)
    answer = chain.lease(room, key)
    assert (answer["half"], answer["custody"]) == (K, "split")
    lease = answer["lease"]
    assert chain.refused("thief", "release", lease=lease, digest=bytes(32)) == "not-the-custodian"
    assert chain.must("hsm", "release", lease=lease, digest=bytes(32)) == {
        "until_ms": answer["until_ms"]
    }
    beat = beats(chain, room, lease)
    chain.must("hsm", "announce", endpoint="http://127.0.0.1:7443")
    assert beat().ok
    chain.must("hsm", "announce", endpoint="")
    assert beat().code == "custodian-away"
    assert chain.denied(Room(who="second"), key) == "custodian-away"
    chain.must(OWNER, "suspend", key="/cut")
    assert chain.refused("hsm", "release", lease=lease, digest=bytes(32)) == "suspended"
    chain.must(OWNER, "resume", key="/cut")
    chain.wait(40_000)
    assert chain.refused("hsm", "release", lease=lease, digest=bytes(32)) == "lapsed"
