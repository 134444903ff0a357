"""The files of a recovery under way, in a node's `recovery/`: whatever a step leaves for a later
one, whole or not at all.

    ground         where the ledger ended when it was followed
    state          the enclave's sealed state; there is none before `begin` is through
    evidence       its evidence, for the lead
    offer          what members are asked to agree to
    certificate    k agreements, once it is open
    for-KEY        what the lead hands to the other node of this key
    end            outcomes of the last blocks, and the sealed keys of the node that goes on
    done           it is through: `state` and `end`, which hold keys, are gone
    before/        the ledger as it was found, if its tail was cut (node/ledger/shortening.py)
"""

from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.consensus.types import Digest, Height
from strongroom.node.layout import NodeLayout
from strongroom.node.machine.durable_files import disk_faults, make_directory, write_atomic


class NotHere(OperatorFault):
    """A step of a recovery comes before another one."""


class AlreadyDone(OperatorFault):
    """This recovery is through: the node has its keys again."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What was followed: members agree to this and to nothing later."""

    certified: Height
    executed: Height
    head: Digest
    """Of the certified block."""

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode((self.certified, self.executed, self.head))

    @classmethod
    def decode(cls, data: bytes) -> "Ground":
        """Read canonical bytes.

        Raises:
            NotCanonical: none.
        """
        certified, executed, head = codec.fields(
            codec.decode(data), int, int, bytes, name="ground of a recovery"
        )
        return cls(Height(certified), Height(executed), Digest(head))


@dataclass(frozen=True, slots=True)
class RecoveryFolder:
    """One node's part of a recovery, on disk."""

    layout: NodeLayout

    @property
    def ground(self) -> Path:
        """Where the ledger ended."""
        return self.layout.recovery / "ground"

    @property
    def state(self) -> Path:
        """The enclave's sealed state."""
        return self.layout.recovery / "state"

    @property
    def evidence(self) -> Path:
        """Its evidence, for the lead."""
        return self.layout.recovery / "evidence"

    @property
    def offer(self) -> Path:
        """What members are asked to agree to."""
        return self.layout.recovery / "offer"

    @property
    def certificate(self) -> Path:
        """What opens the next epoch."""
        return self.layout.recovery / "certificate"

    @property
    def end(self) -> Path:
        """What is to be written into the ledger, and the node's sealed keys."""
        return self.layout.recovery / "end"

    @property
    def done(self) -> Path:
        """Says that it is through, and at which height."""
        return self.layout.recovery / "done"

    @property
    def before(self) -> Path:
        """The ledger as it was found, if its tail was cut."""
        return self.layout.recovery / "before"

    def handed(self, node_key: bytes) -> Path:
        """What the lead hands to another node."""
        return self.layout.recovery / f"for-{node_key.hex()}"

    def read(self, path: Path, step: str) -> bytes:
        """A file that an earlier step left.

        Raises:
            NotHere: it did not.
            AlreadyDone: no step is left.
        """
        self.refuse_if_done()
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise NotHere(
                f"no {path.name} in {self.layout.recovery}: `{step}` comes first"
            ) from None
        except OSError as error:
            raise OperatorFault(f"cannot read {path}: {error.strerror}") from None

    def read_ground(self) -> Ground | None:
        """What was followed; None: nothing was, or an older version of this code did it."""
        try:
            return Ground.decode(self.ground.read_bytes())
        except (FileNotFoundError, NotCanonical):
            return None
        except OSError as error:
            raise OperatorFault(f"cannot read {self.ground}: {error.strerror}") from None

    def refuse_if_done(self) -> None:
        """Raises AlreadyDone: it is through; what holds keys is gone then, also after a kill."""
        if self.done.exists():
            self._forget_keys()
            raise AlreadyDone(
                f"the recovery in {self.layout.recovery} is through: start the node; if its keys "
                "are lost again, move that folder away, and `recover begin`"
            )

    def write(self, path: Path, data: bytes) -> None:
        """Leave a file for a later step, whole or not at all.

        Raises:
            DiskFault: the disk refused; what stood there stands.
        """
        with disk_faults(path):
            make_directory(self.layout.recovery)
            write_atomic(path, data)

    def finish(self) -> None:
        """It is through: what holds keys goes.

        Raises:
            DiskFault: the disk refused.
        """
        self.write(self.done, b"")
        self._forget_keys()

    def _forget_keys(self) -> None:
        with disk_faults(self.layout.recovery):
            for path in (self.end, self.state):
                path.unlink(missing_ok=True)
