"""Nobody takes what is there for all: places for secrets, numbers, pages."""

import pytest
from tests.enclave.chain import person
from tests.enclave.programs.vault.world import OWNER, POLICY, K, Room, VaultChain, beats

from strongroom.enclave.programs.roster import USAGE
from strongroom.enclave.programs.vault import boxes, clones, standing
from strongroom.enclave.programs.vault.tables import BOXES, FREEZES, ROOMS, SHARES, TOTALS


@pytest.fixture
def chain() -> VaultChain:
    return VaultChain()


def test_one_owner_keeps_its_share_of_secrets_and_leaves_the_rest_to_others(
    chain: VaultChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boxes, "SHARE_MAX", 3)
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
