"""A service whose members share the key to its ledger: members' keys, makers and checkers that are
told what to say, one secret per epoch."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from tests.enclave.fixtures import FoundedCluster, make_cluster_genesis
from tests.enclave.governance.world import World, seed

from strongroom.consensus import codec
from strongroom.consensus.types import Epoch
from strongroom.enclave.formats.recovery import Generation, RecoveryKey
from strongroom.enclave.governance import recovery_public as says
from strongroom.enclave.governance.recovery import WantedGeneration
from strongroom.enclave.governance.recovery_actions import PART_BYTES_MAX
from strongroom.enclave.governance.recovery_document import GenerationEntry
from strongroom.enclave.keys.keys import EpochSecrets
from strongroom.enclave.keys.recovery import make_generation, seal_epoch, wrapping_of
from strongroom.enclave.primitives import HybridKey


@cache
def recovery_key(name: str, turn: int = 0) -> HybridKey:
    return HybridKey(seed("recovery", name, turn))


def secrets_of(epoch: int) -> EpochSecrets:
    return EpochSecrets(epoch=Epoch(epoch), input_secret=None, ledger=seed("ledger secret", epoch))


@cache
def founded_with(n: int, threshold: int) -> FoundedCluster:
    """Founded by a constitution that says of how many members it takes the shares."""
    return make_cluster_genesis(n, limits={"recovery_threshold": threshold} if threshold else None)


class RecoveryWorld(World):
    """`World`, where recovery is on from the first height that a test sees."""

    def __init__(self, n: int = 4, *, threshold: int = 2, keys: int = 4) -> None:
        super().__init__(n, cluster=founded_with(n, threshold))
        self.names = list(self.members)
        for name in self.names[:keys]:
            self.ok(self.recovery_key(name))

    def set_threshold(self, threshold: int) -> None:
        self.decide("set_recovery_threshold", threshold=threshold)
        self.pass_time(3_600_000)
        self.keep_attested()

    # --- members ---

    def recovery_key(self, name: str, turn: int = 0, *, height: int | None = None) -> bytes:
        at = int(self.tip.height) if height is None else height
        return self.sign(name, says.RECOVERY_KEY, (recovery_key(name, turn).public, b"", at))

    def held(self, name: str, one: Generation) -> bytes:
        return self.sign(name, says.SHARE_HELD, (one.number, one.digest))

    def bad(self, name: str, one: Generation) -> bytes:
        return self.sign(name, says.SHARE_BAD, (one.number, one.digest))

    # --- validators ---

    @property
    def missing(self) -> WantedGeneration:
        found = self.governance.recovery_due(self.tip.time_ms + 10)
        assert found is not None
        return found

    def make(self, **changed: Any) -> Generation:
        """What an honest maker makes of what is due."""
        missing = self.missing
        fields: dict[str, Any] = {
            "chain": self.genesis.chain,
            "number": missing.number,
            "basis": missing.basis,
            "threshold": missing.threshold,
            "members": missing.members,
            "secrets": [secrets_of(at) for at in range(missing.first, missing.epoch + 1)],
        }
        return make_generation(**(fields | changed))

    def parts(self, one: Generation, node: int = 0, size: int = PART_BYTES_MAX) -> list[bytes]:
        parts = codec.split(one.encode(), size)
        return [
            self.say(self.nodes[node], says.GENERATION, (one.number, at, len(parts), part))
            for at, part in enumerate(parts)
        ]

    def check(self, one: Generation, node: int) -> bytes:
        return self.say(self.nodes[node], says.CHECKED, (one.number, one.digest))

    def cover(self, one: Generation, epoch: int, node: int, box: bytes | None = None) -> bytes:
        if box is None:
            wrapping = wrapping_of(one, secrets_of(one.epoch))
            box = seal_epoch(wrapping, secrets_of(epoch), one.chain, one.number)
        return self.say(self.nodes[node], says.EPOCH, (one.number, epoch, box))

    # --- together ---

    def publish(self, node: int = 0, **changed: Any) -> Generation:
        one = self.make(**changed)
        self.ok(*self.parts(one, node))
        return one

    def activate(self, holders: Sequence[str] | None = None) -> Generation:
        one = self.publish()
        self.ok(self.check(one, 1), self.check(one, 2))
        names = self.names[: one.needed] if holders is None else holders
        self.ok(*[self.held(name, one) for name in names])
        return one

    @property
    def entries(self) -> tuple[GenerationEntry, ...]:
        return self.governance.document().recovery.generations

    @property
    def alarms(self) -> tuple[str, ...]:
        return self.governance.document().recovery.alarms


def forged(one: Generation) -> Generation:
    """The same, with the commitments of two shares exchanged."""
    first, second, *rest = one.holders
    return replace(
        one,
        holders=(
            replace(first, commitment=second.commitment),
            replace(second, commitment=first.commitment),
            *rest,
        ),
    )


def key_of(name: str) -> RecoveryKey:
    return RecoveryKey(recovery_key(name).public)
