"""Nobody takes what is there for all: places for secrets, numbers, pages."""

from typing import Any

import pytest
from tests.enclave.chain import person
from tests.enclave.programs.vault.world import (
    OWNER,
    POLICY,
    K,
    Room,
    VaultChain,
    beats,
    brought,
    limited,
)

from strongroom.enclave.programs.roster_tables import USAGE
from strongroom.enclave.programs.vault import asking, boxes, clones, shares, standing, views
from strongroom.enclave.programs.vault.tables import (
    BOXES,
    FREEZES,
    GROUPS,
    LEASES,
    ROOMS,
    SHARES,
    SLOTS,
    TOTALS,
)


@pytest.fixture
def chain() -> VaultChain:
    return VaultChain()


def takes_all(chain: VaultChain, who: str, most: int = 50) -> int:
    """How many secrets somebody can have kept who takes all that he gets."""
    for at in range(most):
        chain.must(who, "new", name=f"k{at}", policy=POLICY)
        result = chain.tell(who, "put", key=f"/k{at}", secret=bytes(32))
        if not result.ok:
            assert result.code == "full", result.message
            return at
    return most


def test_a_hostile_member_with_all_whom_it_brought_leaves_every_others_users_their_share() -> None:
    chain = limited(open_admission=0, secrets_per_member=12)
    thieves = [f"thief{at}" for at in range(9)]
    brought(chain, "member0", *thieves, "honest0")
    brought(chain, "member1", "honest1")
    taken = [takes_all(chain, who) for who in thieves]
    assert taken == [2, 2, 1, 1, 1, 1, 1, 1, 1], "each leaves the next one a part of the rest"
    assert takes_all(chain, "honest0") == 1, "also in the thieves' own group"
    assert takes_all(chain, "member0") == 0
    assert takes_all(chain, "honest1") == 2, "as if nobody had taken anything"
    assert [takes_all(chain, f"member{at}") for at in (2, 3)] == [2, 2]
    chain.must(thieves[0], "destroy", key="/k0")
    chain.must("member0", "put", key="/k0", secret=bytes(32))
    maps = chain.executor._runner.state.maps
    kept = maps[SHARES].copy()
    assert sum(maps[GROUPS].copy().values()) == sum(kept.values()) == len(maps[BOXES].copy())


def test_rooms_that_one_vouches_for_and_keys_of_theirs_count_as_ones_own() -> None:
    chain = limited(open_admission=0, secrets_per_user=3)
    brought(chain, "member0", "thief")
    rooms = [f"room{at}" for at in range(3)]
    for room in rooms:
        who = f"id:{person(room).id.hex()}"
        assert chain.do(chain.of("thief"), "roster.vouch", room=who).ok
    assert [takes_all(chain, who) for who in rooms] == [3, 0, 0]
    assert takes_all(chain, "thief") == 0


def test_members_share_what_there_is_also_beside_what_former_ones_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """25 places for four members and the others: five each; a former member's are not theirs."""
    monkeypatch.setattr(shares, "BOXES_MAX", 25)
    monkeypatch.setattr(shares, "PART_OF_REST", 1)
    chain = limited(open_admission=0)
    assert takes_all(chain, "member0") == 3, "it leaves as much as it takes"
    brought(chain, "member0", "friend")
    assert takes_all(chain, "friend") == 1
    runner = chain.executor._runner
    everybody = runner._context.members
    former = everybody - {person("member0").id}
    try:
        runner._context.members = former
        assert shares._share(runner._context) == (25 - 4) // 4
    finally:
        runner._context.members = everybody
    assert shares._share(runner._context) == 5


def test_one_owner_keeps_its_share_of_secrets_and_leaves_the_rest_to_others() -> None:
    chain = limited(secrets_per_user=3)
    for name in ("a", "b", "c", "d"):
        chain.must("mallory", "new", name=name, policy=POLICY)
    for name in ("a", "b", "c"):
        chain.must("mallory", "put", key=f"/{name}", secret=bytes(32))
    told = {"secret": bytes(32), "old_until_ms": 2**50}
    assert chain.refused("mallory", "put", key="/d", secret=bytes(32)) == "full"
    assert chain.refused("mallory", "rotate", key="/a", **told) == "full"
    assert chain.lease(Room(), chain.key("toy"))["half"] == K
    chain.must("mallory", "rotate", key="/a", **(told | {"old_until_ms": 0}))
    chain.must("mallory", "destroy", key="/b")
    chain.must("mallory", "put", key="/d", secret=bytes(32))
    maps = chain.executor._runner.state.maps
    assert sorted(maps[SHARES].copy().values()) == [1, 3]
    assert maps[TOTALS].copy()["boxes"] == len(maps[BOXES].copy()) == 4
    for name in ("a", "c", "d"):
        chain.must("mallory", "destroy", key=f"/{name}")
    assert list(maps[SHARES].copy().values()) == [1]


def test_few_old_versions_of_a_key_are_open_beside_the_newest(chain: VaultChain) -> None:
    chain.key("toy")
    told = {"key": "/toy", "secret": bytes(32)}
    for _ in range(boxes.OLD_MAX - 1):
        chain.must(OWNER, "rotate", old_until_ms=2**50, **told)
    chain.must(OWNER, "rotate", old_until_ms=chain.now + 10_000, **told)
    assert chain.refused(OWNER, "rotate", old_until_ms=2**50, **told) == "full"
    chain.must(OWNER, "rotate", old_until_ms=0, **told)
    assert chain.refused(OWNER, "rotate", old_until_ms=2**50, **told) == "full"
    chain.wait(10_001)
    chain.must(OWNER, "rotate", old_until_ms=2**50, **told)
    assert chain.refused(OWNER, "rotate", old_until_ms=2**50, **told) == "full"
    chain.must(OWNER, "revoke", key="/toy@1")
    chain.must(OWNER, "rotate", old_until_ms=2**50, **told)
    held = chain.executor._runner.state.maps[BOXES].copy()
    assert len(held) == boxes.OLD_MAX + 1


def test_a_key_without_a_limit_has_one_and_says_quantity(
    chain: VaultChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the sum would leave 64 bits, and every ask be `internal` for ever."""
    told = {"name": "much", "policy": POLICY, "allotment": 1_000_001}
    assert chain.refused(OWNER, "new", **told) == "terms"
    monkeypatch.setattr(standing, "UNITS_MAX", 2_500_000)
    key = chain.key("toy", allotment=1_000_000)
    rooms = [Room(name=f"hall-{at}", who=f"hall {at}") for at in range(3)]
    granted = [chain.lease(room, key) for room in rooms]
    assert [one["allotment"] for one in granted] == [1_000_000, 1_000_000, 500_000]
    assert chain.denied(Room(name="fourth", who="fourth"), key) == "quantity"
    assert beats(chain, rooms[0], granted[0]["lease"])(used=1, reserve=1).code == "quantity"
    chain.must(rooms[0].who, "end", lease=granted[0]["lease"], used=0)
    assert chain.lease(rooms[0], key)["allotment"] == 1_000_000


@pytest.mark.parametrize("view", ["leases", "records"])
def test_pages_begin_at_a_number_that_can_be(chain: VaultChain, view: str) -> None:
    key = chain.key("toy")
    chain.lease(Room(), key)
    assert chain.look(OWNER, view, key="/toy", after=0)
    assert chain.refusal(OWNER, f"vault.{view}", key="/toy", after=-1) == "after"


def test_rows_that_refused_asks_leave_are_charged_to_who_asks(chain: VaultChain) -> None:
    key = chain.key("toy", window_from_ms=2**52)
    room = Room(boot=2)
    for at in range(3):
        assert chain.denied(room.again(name=f"hall-{at}"), key) == "outside-window"
    assert chain.denied(room.again(name="hall-0", who="copy"), key) == "clone"
    maps = chain.executor._runner.state.maps
    assert (len(maps[ROOMS].copy()), len(maps[FREEZES].copy())) == (3, 1)
    entries, size = clones.SIGHT
    usage = maps[USAGE].copy()
    assert usage[person(room.who).id] == (3 * entries, 3 * size)
    assert usage[person("copy").id] == (entries, size)


def test_an_owner_reads_its_key_and_frees_a_room_among_many_that_others_have_frozen(
    chain: VaultChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may ask may start his own rooms twice, under the honest one's name."""
    monkeypatch.setattr(views, "FROZEN_SHOWN", 2)
    key = chain.key("toy")
    honest = Room(boot=2)
    rooms = [Room(boot=2, operator=f"thief-{at}", who=f"thief {at}") for at in range(5)]
    for room in (honest, *rooms):
        chain.lease(room, key)
        assert chain.denied(room.again(who=f"copy of {room.who}"), key) == "clone"
    assert len(chain.look(OWNER, "key", key="/toy")["frozen"]) == 2
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"room": "", "machine": None}
    for _ in range(4):
        behind = {"room": page["room"], "machine": page["machine"]}
        page = chain.look(OWNER, "frozen", key="/toy", limit=2, **behind)
        found += page["frozen"]
    assert page == {"frozen": [], "room": "", "machine": None}
    assert len({one["machine"] for one in found}) == len(found) == 6
    session = f"id:{person(honest.who).id.hex()}"
    (mine,) = [
        one["machine"] for one in found if any(boot["session"] == session for boot in one["boots"])
    ]
    told = {"key": "/toy", "room": honest.name, "keep": 3, "machine": f"id:{mine}"}
    assert chain.must(OWNER, "resolve", **told)["resolved"] == [{"machine": mine, "keep": 3}]
    assert chain.lease(honest.again(boot=3, who="restarted"), key)
    assert chain.denied(rooms[0].again(boot=3, who="thief again"), key) == "clone"
    assert chain.refused(OWNER, "resolve", **(told | {"room": "no such"})) == "clone"


def test_who_takes_an_old_leases_place_adds_nothing_and_pays_nothing(
    chain: VaultChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a room that asks every minute has used up its user's quota in three weeks, for good."""
    monkeypatch.setattr(asking, "LEASES_KEPT", 3)
    key, room = chain.key("toy"), Room()
    for _ in range(8):
        chain.must(room.who, "end", lease=chain.lease(room, key)["lease"], used=0)
    maps = chain.executor._runner.state.maps
    entries, size = clones.SIGHT
    assert maps[USAGE].copy()[person(room.who).id] == (
        3 * asking.LEASE_ENTRIES + entries,
        3 * asking.LEASE_BYTES + size,
    )
    assert len(maps[LEASES].copy()) == len(maps[SLOTS].copy()) == 3
