"""How recovery lies in the state: members' keys, generations, who holds and who checked, which
epochs are covered (enclave/programs/governance.py declares the maps). Decides nothing."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache

from strongroom.consensus.types import Digest, Epoch, Height, Milliseconds, PublicKey
from strongroom.enclave.formats.recovery import Generation, RecoveryKey
from strongroom.enclave.governance.recovery_changes import RECOVERY_THRESHOLD
from strongroom.enclave.governance.tables import Tables
from strongroom.enclave.programs.governance import (
    EPOCH_BOXES,
    GENERATION_CHECKS,
    GENERATION_PARTS,
    GENERATIONS,
    LIMITS,
    RECOVERY_KEYS,
    SHARES_HELD,
)
from strongroom.enclave.programs.state import SCAN_MAX

AGREED = PublicKey(b"")
"""In place of a node key: the box that enough nodes said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedKey:
    """A member's recovery key on the ledger."""

    member: PublicKey
    key: RecoveryKey
    height: Height
    """The recent height that it named: one that names no newer one is a replay."""
    time_ms: Milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRecord:
    """A generation that is whole on the ledger."""

    number: int
    digest: Digest
    basis: Digest
    stain: int
    """What the count of suspicions was when it was made: later epochs' secrets are sealed under it
    only while there is no further one."""
    maker: PublicKey
    parts: int
    height: Height
    """Where its last part stands."""
    time_ms: Milliseconds
    active: bool


class RecoveryTables:
    """Typed access."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    @property
    def threshold(self) -> int:
        """k; 0 while recovery is off."""
        return self.tables.maps.get(LIMITS, RECOVERY_THRESHOLD) or 0

    @property
    def stain(self) -> int:
        """How often there was reason to believe that somebody outside knows W."""
        return self.tables.maps.single("recovery-stain") or 0

    def add_stain(self) -> None:
        """There is, once more."""
        self.tables.maps.set_single("recovery-stain", self.stain + 1)

    @property
    def last_number(self) -> int:
        """Of the newest generation ever; 0: there was none."""
        return self.tables.maps.single("recovery-number") or 0

    @property
    def assembly(self) -> tuple[bytes, int, int] | None:
        """(maker, parts, since) of the generation whose parts are coming in."""
        found: tuple[bytes, int, int] | None = self.tables.maps.single("recovery-assembly")
        return found

    @assembly.setter
    def assembly(self, value: tuple[bytes, int, int] | None) -> None:
        self.tables.maps.set_single("recovery-assembly", value)

    @property
    def barred(self) -> tuple[bytes, tuple[bytes, ...]]:
        """(basis, makers whose generations for it were not found right)."""
        return self.tables.maps.single("recovery-barred") or (b"", ())

    @barred.setter
    def barred(self, value: tuple[bytes, tuple[bytes, ...]]) -> None:
        self.tables.maps.set_single("recovery-barred", value)

    @property
    def left_behind(self) -> tuple[tuple[bytes, int], ...]:
        """(node key, height of its evidence) of nodes that got nothing of this epoch when it
        began."""
        return self.tables.maps.single("recovery-behind") or ()

    @left_behind.setter
    def left_behind(self, value: tuple[tuple[bytes, int], ...]) -> None:
        self.tables.maps.set_single("recovery-behind", value or None)

    # --- members' keys ---

    def key_of(self, member: PublicKey) -> PublishedKey | None:
        """A member's, or a former member's."""
        record = self.tables.maps.get(RECOVERY_KEYS, member)
        return None if record is None else _published(member, record)

    def keys(self) -> tuple[PublishedKey, ...]:
        """All, ascending by member's key."""
        return tuple(
            _published(member, record) for member, record in self.tables.maps.items(RECOVERY_KEYS)
        )

    def keys_of(self, members: Collection[bytes]) -> tuple[PublishedKey, ...]:
        """Those of these members, ascending."""
        return tuple(one for one in self.keys() if one.member in members)

    def write_key(self, one: PublishedKey) -> None:
        """Enter one, or another one of that member."""
        record = (one.key.hybrid, one.key.point, one.height, one.time_ms)
        self.tables.maps.put(RECOVERY_KEYS, one.member, record)

    def forget_key(self, member: PublicKey) -> None:
        """Of one who is no member any more."""
        self.tables.maps.delete(RECOVERY_KEYS, member)

    # --- generations ---

    def generations(self) -> tuple[GenerationRecord, ...]:
        """Those that are whole, ascending."""
        return tuple(
            GenerationRecord(
                number=number,
                digest=digest,
                basis=basis,
                stain=stain,
                maker=maker,
                parts=parts,
                height=height,
                time_ms=time_ms,
                active=active,
            )
            for number, (digest, basis, stain, maker, parts, height, time_ms, active) in (
                self.tables.maps.items(GENERATIONS)
            )
        )

    def record(self, number: int) -> GenerationRecord | None:
        """One of them."""
        return next((one for one in self.generations() if one.number == number), None)

    @property
    def active(self) -> GenerationRecord | None:
        """The one whose shares count."""
        return next((one for one in self.generations() if one.active), None)

    def generation(self, record: GenerationRecord) -> Generation:
        """Its bytes, read."""
        return _read(self.part_bytes(record.number, record.parts))

    def part_bytes(self, number: int, parts: int) -> bytes:
        """All that came in of it, one after the other."""
        found = (self.tables.maps.get(GENERATION_PARTS, (number, at)) for at in range(parts))
        return b"".join(part[0] for part in found if part is not None)

    def part_heights(self, number: int) -> tuple[int, ...]:
        """Where the parts stand that came in of it."""
        with self.tables.maps.uncounted():
            found = self.tables.maps.map(GENERATION_PARTS).scan(prefix=(number,), limit=SCAN_MAX)
        return tuple(height for _, (_, height) in found)

    def write_part(self, number: int, part: int, data: bytes, height: Height) -> bool:
        """Enter a part; was it missing?"""
        if self.tables.maps.get(GENERATION_PARTS, (number, part)) is not None:
            return False
        self.tables.maps.put(GENERATION_PARTS, (number, part), (data, height))
        return True

    def begin(self, one: GenerationRecord) -> None:
        """One is whole: it takes the place of others that are not active."""
        for other in self.generations():
            if not other.active:
                self.drop(other.number)
        self._write(one)
        self.tables.maps.set_single("recovery-number", one.number)

    def activate(self, one: GenerationRecord) -> None:
        """Its shares count from now on, and no others."""
        for other in self.generations():
            if other.number != one.number:
                self.drop(other.number)
        self._write(replace(one, active=True))

    def drop(self, number: int) -> None:
        """Forget one, and all that was said of it. The ledger keeps its bytes."""
        maps = self.tables.maps
        maps.delete(GENERATIONS, number)
        for schema in (GENERATION_PARTS, SHARES_HELD, GENERATION_CHECKS, EPOCH_BOXES):
            for key in [key for key, _ in maps.items(schema) if key[0] == number]:
                maps.delete(schema, key)

    def _write(self, one: GenerationRecord) -> None:
        record = (one.digest, one.basis, one.stain, one.maker, one.parts, one.height, one.time_ms)
        self.tables.maps.put(GENERATIONS, one.number, (*record, one.active))

    # --- what is said of one ---

    def held(self, number: int) -> dict[PublicKey, bool]:
        """Member's key → does its share open?"""
        with self.tables.maps.uncounted():
            found = self.tables.maps.map(SHARES_HELD).scan(prefix=(number,), limit=SCAN_MAX)
        return {member: good for (_, member), (good, _) in found}

    def write_held(self, number: int, member: PublicKey, good: bool, time_ms: int) -> None:
        """A member's word on its share."""
        self.tables.maps.put(SHARES_HELD, (number, member), (good, time_ms))

    def checks(self, number: int) -> tuple[PublicKey, ...]:
        """Nodes whose enclave found it right."""
        with self.tables.maps.uncounted():
            found = self.tables.maps.map(GENERATION_CHECKS).scan(prefix=(number,), limit=SCAN_MAX)
        return tuple(node for (_, node), _ in found)

    def write_check(self, number: int, node: PublicKey) -> None:
        """A node's word on it."""
        self.tables.maps.put(GENERATION_CHECKS, (number, node), True)

    def boxes(self, number: int, epoch: int) -> dict[PublicKey, bytes]:
        """Node key, or AGREED → the epoch's sealed secret."""
        with self.tables.maps.uncounted():
            found = self.tables.maps.map(EPOCH_BOXES).scan(prefix=(number, epoch), limit=SCAN_MAX)
        return {node: box for (_, _, node), box in found}

    def write_box(self, number: int, epoch: int, node: bytes, box: bytes) -> None:
        """A node's word on an epoch's sealed secret, or what is agreed."""
        self.tables.maps.put(EPOCH_BOXES, (number, epoch, node), box)

    def forget_boxes(self, number: int, epoch: int) -> None:
        """What single nodes said."""
        for node in self.boxes(number, epoch):
            self.tables.maps.delete(EPOCH_BOXES, (number, epoch, node))

    def added(self, number: int) -> dict[Epoch, bytes]:
        """Sealed secrets of epochs that began after the generation was made, as agreed."""
        return {
            Epoch(epoch): box
            for (of, epoch, node), box in self.tables.maps.items(EPOCH_BOXES)
            if of == number and node == AGREED
        }


def _published(member: bytes, record: tuple[bytes, bytes, int, int]) -> PublishedKey:
    hybrid, point, height, time_ms = record
    return PublishedKey(
        member=PublicKey(member),
        key=RecoveryKey(hybrid, point),
        height=Height(height),
        time_ms=Milliseconds(time_ms),
    )


@lru_cache(maxsize=4)
def _read(encoded: bytes) -> Generation:
    """Read once, not at each word about it: it cannot change."""
    return Generation.decode(encoded)
