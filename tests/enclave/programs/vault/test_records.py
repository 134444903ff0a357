"""What is on record of a key, and that nobody's calls push out what others must find there."""

from typing import Any

import pytest
from tests.enclave.chain import person
from tests.enclave.programs.vault.world import OWNER, Room, VaultChain, beats, brought, limited

from strongroom.enclave.programs.vault import events


@pytest.fixture
def chain() -> VaultChain:
    return VaultChain()


def listed(chain: VaultChain, **which: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chain.look(OWNER, "records", key="/toy", limit=500, **which)[
        "records"
    ]
    return found


def told(chain: VaultChain, **which: bool) -> list[str]:
    return [one["what"] for one in listed(chain, **which)]


def who(name: str) -> str:
    return f"id:{person(name).id.hex()}"


def test_each_call_that_is_wrong_in_itself_is_on_record_apart_from_refusals(
    chain: VaultChain,
) -> None:
    key = chain.key("toy", custodian=who("hsm"), custody="split")
    room = Room()
    lease = chain.lease(room, key)["lease"]
    assert chain.denied(room.again(who="other"), key, purpose="two\nlines") == "purpose"
    for operation, arguments in (
        ("beat", {"number": 2, "used": 0}),
        ("beat", {"number": 1, "used": 9}),
        ("use", {"unit": 1, "digest": b"short"}),
        ("use", {"unit": 7, "digest": bytes(32)}),
        ("end", {"used": 9}),
    ):
        chain.refused(room.who, operation, lease=lease, **arguments)
    assert chain.refused("thief", "beat", lease=lease, number=1, used=0) == "lapsed"
    assert chain.refused("thief", "release", lease=lease, digest=bytes(32)) == "not-the-custodian"
    wrong = "purpose number used digest unit used lapsed not-the-custodian"
    assert told(chain, mistakes=True) == wrong.split()
    assert [one["who"] for one in listed(chain, mistakes=True)[-2:]] == [who("thief")] * 2
    assert told(chain, refusals=True) == []
    assert told(chain) == ["new", "put", "ask"]


@pytest.mark.parametrize("log", [events.REFUSED, events.MISTAKES])
def test_who_is_refused_all_the_time_pushes_out_his_own_refusals_alone(
    chain: VaultChain, monkeypatch: pytest.MonkeyPatch, log: int
) -> None:
    monkeypatch.setitem(events.KEPT, log, 16)
    which = {"refusals": log == events.REFUSED, "mistakes": log == events.MISTAKES}
    key = chain.key("toy")
    room = Room()

    def wrong(caller: str) -> None:
        bad = {"evidence": b"junk"} if log == events.REFUSED else {"purpose": "\n"}
        chain.denied(room.again(who=caller), key, **bad)

    wrong("plant")
    for _ in range(20):
        wrong("thief")
    kept = listed(chain, **which)
    assert [(one["number"], one["who"]) for one in kept] == [
        (1, who("plant")),
        (20, who("thief")),
        (21, who("thief")),
    ]
    for at in range(7):
        wrong(f"thief {at}")
        wrong(f"thief {at}")
    kept = listed(chain, **which)
    assert (len(kept), kept[0]["who"]) == (16, who("thief")), "only many push out the oldest"
    assert [one["number"] for one in kept] == list(range(20, 36))
    wrong("one more")
    assert [one["number"] for one in listed(chain, **which)] == list(range(21, 37))
    page = chain.look(OWNER, "records", key="/toy", after=33, limit=1, **which)
    assert [one["number"] for one in page["records"]] == [34]
    assert page["total"] == 36


def test_rooms_share_the_place_on_record_of_who_vouched_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(events.KEPT, events.REFUSED, 16)
    chain = limited(open_admission=0)
    brought(chain, "member0", OWNER, "thief")
    key, room = chain.key("toy"), Room()
    for at in range(5):
        assert chain.do(chain.of("thief"), "roster.vouch", room=who(f"room {at}")).ok
        chain.denied(room.again(who=f"room {at}"), key, evidence=b"junk")
    kept = listed(chain, refusals=True)
    assert [(one["number"], one["who"]) for one in kept] == [(4, who("thief")), (5, who("thief"))]


def test_a_room_that_never_stops_beating_pushes_out_neither_asks_nor_its_owners_acts(
    chain: VaultChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ring in events.KEPT:
        monkeypatch.setitem(events.KEPT, ring, 3)
    room = Room()
    beat = beats(chain, room, chain.lease(room, chain.key("toy"))["lease"])
    for _ in range(8):
        assert beat().ok
    kept = listed(chain)
    assert [one["what"] for one in kept] == ["new", "put", "ask", "beat", "beat", "beat"]
    assert [one["number"] for one in kept] == [1, 2, 3, 9, 10, 11]
    for _ in range(2):
        chain.must(OWNER, "suspend", key="/toy")
        chain.must(OWNER, "resume", key="/toy")
    acts = ["resume", "suspend", "resume"]
    assert told(chain) == ["ask", "beat", "beat", "beat", *acts]
    assert chain.look(OWNER, "records", key="/toy")["total"] == 15
