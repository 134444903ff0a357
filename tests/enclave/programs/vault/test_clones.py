"""A room moved, copied, started twice or from an old disk (T53)."""

import pytest
from tests.enclave.chain import person
from tests.enclave.fixtures import manufacturer
from tests.enclave.programs.vault.world import (
    OWNER,
    POLICY,
    K,
    Room,
    VaultChain,
    beats,
    policy_of,
)

ROOM = "hall-7"


@pytest.fixture
def chain() -> VaultChain:
    return VaultChain()


def test_T53_a_copied_disk_freezes_both_until_the_owner_says_which(chain: VaultChain) -> None:
    key = chain.key(pieces=9)
    room = Room(boot=3)
    clone = room.again(who="clone")
    beat = beats(chain, room, chain.lease(room, key)["lease"])
    assert beat(piece=1).ok
    assert chain.denied(clone, key) == "clone"
    assert chain.look(OWNER, "leases", key="/toy")[0]["state"] == "frozen", "before it beats"
    assert beat(piece=2).code == "clone"
    chain.wait(60_000)
    assert (chain.denied(room, key), chain.denied(clone, key)) == ("clone", "clone")
    frozen = chain.look(OWNER, "key", key="/toy")["frozen"]
    assert [one["boot"] for one in frozen[0]["boots"]] == [3, 3]
    assert chain.refused(OWNER, "resolve", key="/toy", room=ROOM, keep=3) == "keep"
    assert chain.refused(OWNER, "resolve", key="/toy", room=ROOM, keep=2) == "keep"
    kept = "id:" + person(room.who).id.hex()
    chain.must(OWNER, "resolve", key="/toy", room=ROOM, keep=3, session=kept)
    assert chain.refused(OWNER, "resolve", key="/toy", room=ROOM, keep=3) == "clone"
    assert beat(piece=2).code == "clone", "what was frozen stays so: it asks anew"
    assert chain.lease(room, key)["piece"] == 0
    assert chain.denied(clone, key) == "clone", "the other one is one too many still"
    assert chain.denied(room, key) in ("clone", "machine-busy")


def test_T53_both_can_be_dismissed_for_a_later_boot(chain: VaultChain) -> None:
    key = chain.key()
    room = Room(boot=3)
    chain.lease(room, key)
    assert chain.denied(room.again(who="clone"), key) == "clone"
    chain.must(OWNER, "resolve", key="/toy", room=ROOM, keep=4)
    chain.wait(40_000)
    assert chain.denied(room, key) == "clone"
    chain.must(OWNER, "resolve", key="/toy", room=ROOM, keep=4)
    assert chain.lease(room.again(boot=4, who="fourth"), key)


def test_T53_a_start_from_an_older_disk_is_a_clone(chain: VaultChain) -> None:
    key, room = chain.key(), Room(boot=5)
    lease = chain.lease(room, key)["lease"]
    chain.must(room.who, "end", lease=lease, used=0)
    assert chain.denied(room.again(boot=4, who="older"), key) == "clone"
    assert chain.denied(room, key) == "clone"


def test_T53_a_restart_waits_until_the_lease_of_the_crashed_boot_is_over(chain: VaultChain) -> None:
    key, room = chain.key(), Room(boot=1)
    chain.lease(room, key)
    again = room.again(boot=2, who="second boot")
    assert chain.denied(again, key) == "machine-busy"
    chain.wait(30_100)
    assert chain.lease(again, key)["piece"] == 0


def test_T53_a_boot_that_goes_on_beside_its_restart_freezes_both(chain: VaultChain) -> None:
    key, room = chain.key(), Room(boot=1)
    beat = beats(chain, room, chain.lease(room, key)["lease"])
    again = room.again(boot=2, who="second boot")
    assert chain.denied(again, key) == "machine-busy"
    assert beat().code == "clone"
    chain.wait(60_000)
    assert chain.denied(again, key) == "clone"
    chain.must(OWNER, "resolve", key="/toy", room=ROOM, keep=2)
    assert chain.lease(again, key)
    assert beat().code == "clone"


def test_T53_a_clone_that_asks_for_another_key_is_seen_all_the_same(chain: VaultChain) -> None:
    """Clones are of a room, whatever they ask for; each owner decides for its own keys alone."""
    first, second = chain.key("first"), chain.key("second")
    room = Room()
    beat = beats(chain, room, chain.lease(room, first)["lease"])
    assert chain.denied(room.again(who="clone"), second) == "clone"
    assert beat().code == "clone"
    kept = "id:" + person(room.who).id.hex()
    chain.must(OWNER, "resolve", key="/first", room=ROOM, keep=1, session=kept)
    assert chain.lease(room, first)
    assert chain.denied(room, second) == "clone"


def test_T53_another_operators_guest_of_the_same_name_on_the_chip_is_no_clone(
    chain: VaultChain,
) -> None:
    """Who rents a part of the same machine can freeze nobody's room."""
    key, mine = chain.key(), chain.key("other")
    room = Room(boot=3)
    beat = beats(chain, room, chain.lease(room, key)["lease"])
    neighbour = room.again(operator="neighbour", who="neighbour", boot=99)
    assert chain.lease(neighbour, mine)
    assert chain.denied(neighbour.again(boot=98, who="second neighbour"), key) == "machine-busy"
    assert chain.denied(neighbour.again(boot=99, who="second neighbour"), mine) == "clone"
    assert beat().ok


def owned(chain: VaultChain, who: str) -> str:
    """A key of somebody else's, which the same rooms use."""
    chain.must(who, "new", name="mine", policy=POLICY)
    chain.must(who, "put", key="/mine", secret=bytes(32))
    return f"id:{person(who).id.hex()}/mine"


def test_T53_another_owner_does_not_overrule_which_boot_stays(chain: VaultChain) -> None:
    key, mine = chain.key(), owned(chain, "second owner")
    good, old = Room(boot=2), Room(boot=1, who="old disk")
    old.chip = good.chip
    chain.lease(good, key)
    assert (chain.denied(old, key), chain.denied(old, mine)) == ("clone", "clone")
    chain.must(OWNER, "resolve", key="/toy", room=ROOM, keep=2)
    chain.must("second owner", "resolve", key="/mine", room=ROOM, keep=1)
    chain.wait(40_000)
    assert chain.denied(old, key) == "clone", "ruled out by the owner of this key"
    assert chain.lease(good, key)["half"] == K
    assert chain.lease(old, mine), "his own key he may release to it"


def test_T53_another_owner_freezes_nobodys_room_by_a_word(chain: VaultChain) -> None:
    """He keeps a boot that never comes, again and again; the good room asks for his key too."""
    key, mine = chain.key(), owned(chain, "second owner")
    good, old = Room(boot=2), Room(boot=1, who="old disk")
    old.chip = good.chip
    chain.lease(good, key)
    assert (chain.denied(old, key), chain.denied(old, mine)) == ("clone", "clone")
    chain.must(OWNER, "resolve", key="/toy", room=ROOM, keep=2)
    chain.wait(40_000)
    beat = beats(chain, good, chain.lease(good, key)["lease"])
    for _ in range(3):
        chain.must("second owner", "resolve", key="/mine", room=ROOM, keep=2**50)
        assert chain.denied(good, mine) == "clone"
        assert beat().ok
    assert chain.denied(old, key) == "clone"
    assert beat().ok, "the owner's word stands, however often the other asks"
    again = good.again(boot=3, who="good again")
    chain.wait(40_000)
    assert chain.lease(again, key)
    chain.must("second owner", "resolve", key="/mine", room=ROOM, keep=2**50)
    fourth = good.again(boot=4, who="fourth")
    assert chain.denied(fourth, mine) == "clone", "a start that nobody has seen yet"
    assert chain.look(OWNER, "key", key="/toy")["frozen"] == []


def test_T53_the_one_that_stays_is_a_clone_beside_its_own_restart(chain: VaultChain) -> None:
    """The restart shows itself to another owner's key alone."""
    key, mine = chain.key(), owned(chain, "second owner")
    good, old = Room(boot=2), Room(boot=1, who="old disk")
    old.chip = good.chip
    chain.lease(good, key)
    assert (chain.denied(old, key), chain.denied(old, mine)) == ("clone", "clone")
    chain.must(OWNER, "resolve", key="/toy", room=ROOM, keep=2)
    chain.must("second owner", "resolve", key="/mine", room=ROOM, keep=2)
    chain.wait(40_000)
    beat = beats(chain, good, chain.lease(good, key)["lease"])
    assert chain.lease(good.again(boot=3, who="restart"), mine)
    assert beat().code == "clone"


def test_T53_a_word_on_a_frozen_machine_leaves_what_was_settled_elsewhere(
    chain: VaultChain,
) -> None:
    key = chain.key()
    good, far = Room(boot=2), Room(boot=2, operator="neighbour", who="far")
    copy = good.again(who="copy")
    chain.lease(good, key)
    assert chain.denied(copy, key) == "clone"
    kept = "id:" + person(good.who).id.hex()
    chain.must(OWNER, "resolve", key="/toy", room=ROOM, keep=2, session=kept)
    assert chain.denied(copy, key) == "clone"
    chain.lease(far, key)
    assert chain.denied(far.again(who="copy of far"), key) == "clone"
    chain.must(OWNER, "resolve", key="/toy", room=ROOM, keep=3)
    assert chain.lease(good, key)


def test_T53_an_owner_who_kept_the_wrong_one_says_so_and_its_lease_is_over(
    chain: VaultChain,
) -> None:
    custodian = "id:" + person("hsm").id.hex()
    key = chain.key("cut", custody="split", custodian=custodian)
    good, old = Room(boot=2), Room(boot=3, who="copy")
    old.chip = good.chip
    chain.lease(good, key)
    assert chain.denied(old, key) == "machine-busy"
    chain.wait(40_000)
    assert chain.denied(good, key) == "clone"
    chain.must(OWNER, "resolve", key="/cut", room=ROOM, keep=3)
    lease = chain.lease(old, key)["lease"]
    assert chain.denied(good, key) == "clone"
    chain.must(OWNER, "resolve", key="/cut", room=ROOM, keep=2)
    assert chain.refused("hsm", "release", lease=lease, digest=bytes(32)) == "clone"
    assert beats(chain, old, lease)().code == "clone"
    chain.wait(40_000)
    assert chain.lease(good, key)
    assert chain.denied(old, key) == "clone", "its boot is higher, and was ruled out"


def test_T53_a_room_of_that_name_elsewhere_does_not_hold_up_the_owners_word(
    chain: VaultChain,
) -> None:
    """Another plant starts its own room of this name twice, with boots that fit no word."""
    key = chain.key()
    good, far = Room(boot=2), Room(boot=900, operator="neighbour", who="far")
    for one in (good, far):
        chain.lease(one, key)
        assert chain.denied(one.again(who=f"copy of {one.who}"), key) == "clone"
    kept = "id:" + person(good.who).id.hex()
    told = {"key": "/toy", "room": ROOM, "keep": 2}
    assert len(chain.must(OWNER, "resolve", session=kept, **told)["resolved"]) == 1
    assert chain.lease(good, key)
    assert chain.denied(far, key) == "clone"
    assert [one["boots"][0]["boot"] for one in chain.look(OWNER, "key", key="/toy")["frozen"]] == [
        900
    ]


def test_T53_one_live_lease_per_key_and_chip(chain: VaultChain) -> None:
    key, room = chain.key(), Room()
    other = Room(chip=room.chip, name="hall-8", who="hall 8")
    lease = chain.lease(room, key)["lease"]
    assert chain.denied(other, key) == "machine-busy"
    assert chain.denied(room, key) == "machine-busy"
    assert chain.lease(Room(who="elsewhere"), key)
    chain.must(room.who, "end", lease=lease, used=0)
    assert chain.lease(other, key)


def test_T53_a_room_that_was_moved_shows_another_chip(chain: VaultChain) -> None:
    room = Room()
    key = chain.key(policy=policy_of({"claim": "ueid", "equals": room.chip.chip_id.hex()}))
    beat = beats(chain, room, chain.lease(room, key)["lease"])
    moved = room.again(chip=manufacturer().make_chip())
    assert beat(evidence=chain.shown(moved)).code == "not-this-hardware"
    assert chain.denied(moved, key) == "not-this-hardware"
    assert beat(evidence=b"no platform at all").code == "evidence"
    assert beat().ok
