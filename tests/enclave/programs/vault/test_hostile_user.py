"""One user who takes all that he can get, with all the rooms that he may vouch for, and one of the
same member's who works on beside him."""

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
from strongroom.enclave.programs.vault import asking, events

THIEF, PLANT = "thief", "plant"


def vouched(chain: VaultChain, user: str, room: Room) -> Room:
    who = f"id:{person(room.who).id.hex()}"
    assert chain.do(chain.of(user), "roster.vouch", room=who).ok
    return room


def takes_all(chain: VaultChain, key: str) -> None:
    """Places for secrets, leases of another's key, frozen rooms, records, quota."""
    for at in range(40):
        chain.must(THIEF, "new", name=f"k{at}", policy=POLICY)
        if not chain.tell(THIEF, "put", key=f"/k{at}", secret=bytes(32)).ok:
            break
    else:
        pytest.fail("nothing stops him")
    chain.must(THIEF, "announce", endpoint="http://127.0.0.1:1")
    for at in range(8):
        mine = vouched(chain, THIEF, Room(boot=2, operator=f"o{at}", who=f"his {at}"))
        chain.tell(mine.who, "ask", **chain._asked(mine, key, {}))
        copy = vouched(chain, THIEF, mine.again(who=f"copy {at}"))
        chain.tell(copy.who, "ask", **chain._asked(copy, key, {}))
        for _ in range(2):
            chain.denied(copy, key, evidence=b"junk")
            chain.denied(copy, key, purpose="\n")
            chain.refused(copy.who, "put", key="/x", secret=bytes(32))


def test_one_who_takes_all_he_can_get_stops_nobody_elses_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for ring, kept in ((events.REFUSED, 8), (events.MISTAKES, 8)):
        monkeypatch.setitem(events.KEPT, ring, kept)
    monkeypatch.setattr(asking, "LEASES_KEPT", 6)
    chain = limited(open_admission=0, secrets_per_member=16)
    brought(chain, "member0", OWNER, THIEF, PLANT)
    key = chain.key("toy")
    room = vouched(chain, PLANT, Room(boot=2))
    beat = beats(chain, room, chain.lease(room, key)["lease"])
    assert beat(used=9).code == "used"
    assert chain.denied(room.again(name="other"), key) == "machine-busy"
    honest_usage = chain.executor._runner.state.maps[USAGE].copy()[person(PLANT).id]
    takes_all(chain, key)
    assert beat().ok
    assert chain.key("second") == f"{chain.owner}/second", "a place for a secret is left"
    assert _whats(chain, refusals=True)[0] == "machine-busy", "on record still"
    assert _whats(chain, mistakes=True)[0] == "used"
    assert [one for one in _whats(chain) if one != "ask"] == ["new", "put", "beat"]
    assert chain.executor._runner.state.maps[USAGE].copy()[person(PLANT).id] == honest_usage
    # … and who is frozen beside his is found and freed.
    copy = vouched(chain, PLANT, room.again(who="copy of room"))
    assert chain.denied(copy, key) == "clone"
    shown = chain.look(OWNER, "key", key="/toy")["frozen"]
    session = f"id:{person(copy.who).id.hex()}"
    (machine,) = [
        one["machine"] for one in shown if any(boot["session"] == session for boot in one["boots"])
    ]
    told = {"key": "/toy", "room": room.name, "keep": 3, "machine": f"id:{machine}"}
    chain.must(OWNER, "resolve", **told)
    again = vouched(chain, PLANT, room.again(boot=3, who="restarted"))
    assert chain.lease(again, key)["half"] == K


def _whats(chain: VaultChain, **which: Any) -> list[str]:
    page = chain.look(OWNER, "records", key="/toy", limit=500, **which)
    return [one["what"] for one in page["records"]]
