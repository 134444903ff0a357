"""Owners, rooms, clones and time at random: what holds after every transaction (T52, T53, T54)."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from tests.enclave.fixtures import manufacturer
from tests.enclave.programs.vault.world import (
    OWNER,
    POLICY,
    PRINTERS,
    K,
    Room,
    VaultChain,
    policy_of,
)

from strongroom.enclave.programs.vault.tables import (
    HOLDERS,
    KEYS,
    LEASES,
    Holder,
    Key,
    Lease,
)

STEPS = 300
QUANTITY = 40
CODES = {
    *("no-key", "suspended", "revoked", "not-approved", "evidence", "simulated", "policy"),
    *("not-this-hardware", "machine-busy", "clone", "outside-window", "quantity", "lapsed"),
    *("region", "number", "used", "allotment", "piece", "unit", "keep", "change", "confirm"),
    *("rotate", "active", "draft", "destroyed", "put"),
}
"""All that anything may be refused with here; `internal` is none of them."""


class Walk:
    """One service at random."""

    def __init__(self, seed: int) -> None:
        self.random, self.chain = Random(seed), VaultChain()
        chips = [manufacturer().make_chip() for _ in range(2)]
        self.rooms = [
            Room(name=name, chip=chip, boot=boot, who=f"{name} {at} {boot} {copy}")
            for at, chip in enumerate(chips)
            for name in ("hall", "yard")
            for boot in (1, 2)
            for copy in range(2)
        ]
        self.chain.key("toy", quantity=QUANTITY, allotment=3, pieces=4)
        self.leases: list[tuple[Room, bytes]] = []
        self.given: list[str] = []
        """The key's state whenever key material was given."""

    def step(self) -> None:
        """One transaction of somebody, after some time."""
        chance, chain = self.random, self.chain
        chain.wait(chance.choice((0, 0, 0, 0, 0, 50, 9_000, 31_000)))
        state = self.key().state
        moves = (self.ask, *[self.beat] * 6, self.use, self.use, self.end, self.govern)
        result = chance.choice(moves)()
        if result is None:
            return
        if not result.ok:
            assert result.code in CODES, (result.code, result.message)
        elif isinstance(result.value, dict) and (
            result.value.get("half") or result.value.get("piece_key")
        ):
            self.given.append(state)
            assert result.value.get("half") != K, "pieces, never the whole"

    def ask(self) -> Any:
        tame = self.random.random() < 0.8
        room = self.random.choice(self.rooms[::4] if tame else self.rooms)
        self.chain.of(room.who)
        self.chain.commit()
        result = self.chain.tell(
            room.who,
            "ask",
            key=f"{self.chain.owner}/toy",
            purpose="print",
            evidence=self.chain.shown(room),
        )
        if result.ok:
            self.leases.append((room, result.value["lease"]))
        return result

    def beat(self) -> Any:
        if not self.leases:
            return None
        room, lease = self.random.choice(self.leases[-4:])
        held = self.lease(lease)
        chance = self.random
        return self.chain.tell(
            room.who,
            "beat",
            lease=lease,
            number=held.beat + chance.choice((1,) * 9 + (0,)),
            used=held.used + chance.choice((0, 0, int(held.used < held.reserved), 2)),
            reserve=min(
                chance.choice((0, 0, 1, 3)), 3 - held.reserved + held.used + (chance.random() < 0.1)
            ),
            piece=chance.choice((-1, -1, min(held.pieces, 3), 3)),
        )

    def use(self) -> Any:
        if not self.leases:
            return None
        room, lease = self.random.choice(self.leases[-4:])
        unit = self.lease(lease).reported + self.random.choice((1, 1, 2))
        return self.chain.tell(room.who, "use", lease=lease, unit=unit, digest=bytes(32))

    def end(self) -> Any:
        if not self.leases or self.random.random() < 0.7:
            return None
        room, lease = self.random.choice(self.leases[-4:])
        used = self.lease(lease).used + self.random.choice((0, 0, 1))
        who = room.who if self.random.random() < 0.7 else OWNER
        return self.chain.tell(who, "end", lease=lease, used=used)

    def govern(self) -> Any:
        chain, chance = self.chain, self.random
        what = chance.choice(
            ("suspend", *["resume"] * 3, "change", "change", "resolve", "rotate", "rare")
        )
        if what == "change":
            in_hall = policy_of(PRINTERS, {"claim": "room", "equals": "hall"})
            policy = chance.choice((POLICY, POLICY, in_hall))
            return chain.tell(OWNER, "change", key="/toy", policy=policy)
        if what == "resolve":
            keep, room = chance.choice((1, 2, 3)), chance.choice(("hall", "yard"))
            return chain.tell(OWNER, "resolve", key="/toy", room=room, keep=keep)
        if what == "rotate":
            until = chain.now + 20_000
            return chain.tell(OWNER, "rotate", key="/toy", secret=bytes(32), old_until_ms=until)
        if what == "rare":
            what = "revoke" if chance.random() < 0.05 else "resume"
        return chain.tell(OWNER, what, key="/toy")

    def lease(self, lease: bytes) -> Lease:
        return Lease(*self.maps(LEASES)[lease])

    def key(self) -> Key:
        return Key(*self.maps(KEYS)[1])

    def maps(self, schema: Any) -> dict[Any, Any]:
        return self.chain.executor._runner.state.maps[schema].copy()

    def check(self) -> None:
        """Counts add up, nothing is over, a chip has one lease."""
        key, leases = self.key(), {id: Lease(*row) for id, row in self.maps(LEASES).items()}
        assert key.reserved == sum(held.reserved for held in leases.values()) <= QUANTITY
        assert key.used == sum(held.used for held in leases.values()) <= key.reserved
        assert all(held.reported <= held.used <= held.reserved for held in leases.values())
        live = Counter(
            Holder(*row).chip
            for id, row in self.maps(HOLDERS).items()
            if leases[id].state == "open" and leases[id].until_ms >= self.chain.now
        )
        assert max(live.values(), default=0) <= 1
        assert set(self.given) <= {"active"}


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_units_add_up_and_nothing_is_given_that_may_not_be(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(STEPS):
        walk.step()
        walk.check()
    assert walk.leases, "somebody got something"
    replica = walk.chain.new_executor(1)
    for made, outcome in zip(walk.chain.blocks, walk.chain.outcomes, strict=True):
        replica.apply(made.header, outcome)
    assert replica.state_digest() == walk.chain.executor.state_digest()
