"""What this enclave wants said of recovery: a generation of shares where one is due, what it found
in another's, the secret of each later epoch under it (VAULT §7; T45, T5A).

Owns when it says so. It answers from executed state and its own ledger secrets; W is looked at and
not kept. Who hears it: governance/recovery_actions.py.
"""

from collections.abc import Callable, Iterator

from strongroom.consensus import codec
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch
from strongroom.enclave.governance import recovery_public
from strongroom.enclave.governance.governance import Governance
from strongroom.enclave.governance.recovery import WantedGeneration
from strongroom.enclave.governance.recovery_actions import PART_BYTES_MAX
from strongroom.enclave.governance.recovery_records import AGREED, GenerationRecord
from strongroom.enclave.keys.keys import EpochSecrets
from strongroom.enclave.keys.keystore import KeyStore
from strongroom.enclave.keys.recovery import (
    check_generation,
    make_generation,
    seal_epoch,
    wrapping_of,
)
from strongroom.enclave.primitives import DoesNotOpen

COVERS_AT_ONCE_MAX = 8
"""Epochs of one generation whose secrets are said at one time."""
Said = tuple[str, tuple[object, ...]]
"""(action, fields) of a public transaction."""


class RecoveryDuties:
    """Makes, checks and extends generations, for one enclave."""

    def __init__(self, keystore: KeyStore, *, rank_ms: int) -> None:
        """Prepare.

        Args:
            keystore: whose secrets, and in whose name.
            rank_ms: the maker of rank r waits this long times r.
        """
        self._keystore, self._rank_ms = keystore, rank_ms
        self._seen: tuple[Digest, int, int] = (NO_DIGEST, 0, 0)
        """(basis, number, when it was first seen to be due, on the host's wall clock)."""
        self._made: tuple[WantedGeneration, bytes] | None = None
        """What this enclave made of the newest that was due: saying it again says the same."""
        self._judged: dict[Digest, bool] = {}
        """Of the generations in state: is it right?"""

    def wanted(
        self, governance: Governance, wall_ms: int, is_time: Callable[[bytes, int], bool]
    ) -> Iterator[Said]:
        """What is to be said now.

        Args:
            governance: executed state.
            wall_ms: the host's clock, Unix milliseconds.
            is_time: was this not said a moment ago?
        """
        own = self._keystore.node_key
        if governance.current.index_of(own) is None:
            return
        missing = governance.recovery_due(wall_ms)
        if missing is not None and self._is_turn(governance, missing, wall_ms):
            made = self._make(missing)
            purpose = b"generation" + missing.basis + missing.number.to_bytes(4, "big")
            if made is not None and is_time(purpose, wall_ms):
                yield from parts_of(missing.number, made)
        records = governance.recovery.generations()
        known = {record.digest for record in records}
        self._judged = {name: right for name, right in self._judged.items() if name in known}
        for record in records:
            if not self._is_right(governance, record):
                continue
            checks = own not in governance.recovery.checks(record.number)
            if checks and is_time(b"checked" + record.digest, wall_ms):
                yield recovery_public.CHECKED, (record.number, record.digest)
            yield from self._covers(governance, record, wall_ms, is_time)

    # --- making ---

    def _is_turn(self, governance: Governance, missing: WantedGeneration, wall_ms: int) -> bool:
        """Rank r waits r times `rank_ms`; with each number another node comes first."""
        own, barred = self._keystore.node_key, governance.recovery_barred(missing)
        if self._seen[:2] != (missing.basis, missing.number) or wall_ms < self._seen[2]:
            self._seen = (missing.basis, missing.number, wall_ms)
        keys = [one.node_key for one in governance.current.validators]
        turned = keys[missing.number % len(keys) :] + keys[: missing.number % len(keys)]
        able = [key for key in turned if key not in barred]
        return own in able and wall_ms >= self._seen[2] + self._rank_ms * able.index(own)

    def _make(self, missing: WantedGeneration) -> bytes | None:
        """None when a secret that it should hold is not here: then it is another's to make."""
        if self._made is not None and self._made[0] == missing:
            return self._made[1]
        held = {one.epoch: one for one in self._keystore.keyring.all()}
        epochs = [Epoch(at) for at in range(missing.first, missing.epoch + 1)]
        if any(epoch not in held for epoch in epochs):
            return None
        try:
            generation = make_generation(
                chain=self._keystore.chain,
                number=missing.number,
                basis=missing.basis,
                threshold=missing.threshold,
                members=missing.members,
                secrets=[held[epoch] for epoch in epochs],
            )
        except DoesNotOpen:
            return None
        self._made = (missing, generation.encode())
        return self._made[1]

    # --- what others made ---

    def _is_right(self, governance: Governance, record: GenerationRecord) -> bool:
        """Opened once: what it holds cannot change."""
        if record.digest not in self._judged:
            generation = governance.recovery.generation(record)
            if self._held(generation.epoch) is None:
                return False  # to be judged when the secret is here
            try:
                check_generation(generation, self._keystore.keyring.all())
            except PeerFault:
                self._judged[record.digest] = False
            else:
                self._judged[record.digest] = True
        return self._judged[record.digest]

    def _covers(
        self,
        governance: Governance,
        record: GenerationRecord,
        wall_ms: int,
        is_time: Callable[[bytes, int], bool],
    ) -> Iterator[Said]:
        """The secrets of epochs that began since."""
        recovery, own = governance.recovery, self._keystore.node_key
        if record.stain != recovery.stain or not recovery.threshold:
            return
        generation = recovery.generation(record)
        covered = recovery.added(record.number)
        later = range(generation.epoch + 1, governance.epoch + 1)
        open_epochs = [Epoch(at) for at in later if at not in covered]
        for epoch in open_epochs[:COVERS_AT_ONCE_MAX]:
            said, held = recovery.boxes(record.number, epoch), self._held(epoch)
            maker = self._held(generation.epoch)
            if own in said or AGREED in said or held is None or maker is None:
                continue
            purpose = b"cover" + record.digest + epoch.to_bytes(8, "big")
            if is_time(purpose, wall_ms):
                wrapping = wrapping_of(generation, maker)
                box = seal_epoch(wrapping, held, generation.chain, generation.number)
                yield recovery_public.EPOCH, (record.number, int(epoch), box)

    def _held(self, epoch: Epoch) -> EpochSecrets | None:
        return next((one for one in self._keystore.keyring.all() if one.epoch == epoch), None)


def parts_of(number: int, generation: bytes) -> Iterator[Said]:
    """A generation as it is published."""
    parts = codec.split(generation, PART_BYTES_MAX)
    for at, part in enumerate(parts):
        yield recovery_public.GENERATION, (number, at, len(parts), part)
