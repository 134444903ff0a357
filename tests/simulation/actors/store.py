"""What a node has for good: final blocks, outcomes, and the state that execution made of them.

Owns the two files of that and what is read back from them. Durability is its caller's: it appends
here, and syncs when the contract says so.
"""

from hashlib import sha256

from tests.simulation.actors.actor import Role
from tests.simulation.checkers import BLOCK_BYTES
from tests.simulation.disk import Disk

from strongroom.consensus import codec
from strongroom.consensus.batches import Batch, decode_payload
from strongroom.consensus.blocks import Header
from strongroom.consensus.messages import Range
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.replica.events import Commit, Executed
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Digest, Height
from strongroom.consensus.validators import EpochDescription

BLOCK_RECORD, OUTCOME_RECORD = 101, 102
ZERO = Digest(bytes(32))

Block = tuple[Header, tuple[Batch, ...], Certificate | None]


class Store:
    """Blocks from height 1 on, and outcomes as far as executed."""

    def __init__(self, role: Role, disk: Disk) -> None:
        self._role, self._disk = role, disk
        self.blocks: list[Block] = []
        self.roots: list[Digest] = [ZERO]
        self.seen: set[bytes] = set()
        """Every transaction in a block here."""
        self._state = role.new_state()
        self._wishes: list[Digest] = [role.members.digest]
        for kind, payload in disk.blocks.read():
            assert kind == BLOCK_RECORD
            encoded, batches, certificate = codec.decode(payload)
            held = tuple(Batch.from_wire(batch) for batch in batches)
            known = None if certificate is None else Certificate.from_wire(certificate)
            self._hold((Header.decode(encoded), held, known))
        for _, payload in disk.outcomes.read()[: len(self.blocks)]:
            self._take_root(Digest(payload))

    @property
    def executed(self) -> Height:
        """Newest executed height."""
        return Height(len(self.roots) - 1)

    @property
    def final(self) -> Header:
        """The newest stored header."""
        return self.blocks[-1][0] if self.blocks else self._role.anchor

    @property
    def final_certificate(self) -> Certificate | None:
        """FINALIZE of the newest stored header; None for genesis."""
        return self.blocks[-1][2] if self.blocks else None

    def append(self, commit: Commit, batches: tuple[Batch, ...]) -> None:
        """One more final block, not yet durable."""
        certificate = None if commit.certificate is None else commit.certificate.to_wire()
        wire = (commit.header.encoded, tuple(batch.to_wire() for batch in batches), certificate)
        self._disk.blocks.append(BLOCK_RECORD, codec.encode(wire))
        assert not isinstance(commit.certificate, RecoveryCertificate)
        self._hold((commit.header, batches, commit.certificate))

    def _hold(self, block: Block) -> None:
        self.blocks.append(block)
        for batch in block[1]:
            self.seen.update(decode_payload(batch.payload, batch.header.count))

    def execute(self, *, wrong: bool) -> Executed:
        """Execute the next block, durably; `wrong` plants an execution that is not
        deterministic."""
        header, _, _ = self.blocks[self.executed]
        root = Digest(
            sha256(self.roots[-1] + header.digest + (b"wrong" if wrong else b"")).digest()
        )
        self._disk.outcomes.append(OUTCOME_RECORD, root)
        self._disk.outcomes.sync()
        self._take_root(root)
        return self.outcome(self.executed)

    def _take_root(self, root: Digest) -> None:
        header, batches, _ = self.blocks[self.executed]
        self.roots.append(root)
        transactions = [
            tx for batch in batches for tx in decode_payload(batch.payload, batch.header.count)
        ]
        wish = self._state.execute(header, transactions)
        for start in sorted(self._role.wishes):
            if header.height >= start:
                wish = self._role.wishes[start]
        self._wishes.append(wish)

    def outcome(self, height: int) -> Executed:
        """What execution gave at a height."""
        return Executed(Height(height), self.roots[height], self._wishes[height])

    def take_over(self, height: int) -> Executed:
        """The outcome of the next height, which a quorum anchored: who cannot execute records it
        all the same."""
        assert height == self.executed + 1
        return self.execute(wrong=False)

    def range_of(self, first: int, last: int, certificate: Certificate) -> Range:
        """A RANGE message of stored blocks."""
        return Range(
            tuple((header, batches) for header, batches, _ in self.blocks[first - 1 : last]),
            certificate,
        )

    # --- what a participant reads (Past) ---

    @property
    def newest_block(self) -> Height:
        """Newest stored height."""
        return Height(len(self.blocks))

    @property
    def newest_outcome(self) -> Height:
        """Newest executed height."""
        return self.executed

    @property
    def archived(self) -> Height:
        """Simulated disks have room."""
        return Height(0)

    def is_at_hand(self, height: int) -> bool:
        """What is stored is at hand."""
        return height <= len(self.blocks)

    def head_at(self, height: int) -> tuple[Header, Certificate | None]:
        """A stored header and its own certificate."""
        header, _, certificate = self.blocks[height - 1]
        return header, certificate

    def bytes_at(self, height: int) -> int:
        """About what a block takes."""
        return BLOCK_BYTES + sum(batch.header.size for batch in self.blocks[height - 1][1])

    def executed_at(self, height: int) -> Executed:
        """What execution gave at a height."""
        return self.outcome(height)

    def wish_at(self, height: int) -> tuple[EpochDescription, bytes] | None:
        """What the state wishes next, if it is an epoch that seats can form."""
        wished = self._role.realm.named(self._wishes[height])
        return None if wished is None else (wished, self._role.realm.public_key(wished.epoch))

    def has_transaction(self, envelope: bytes) -> bool:
        """Is it in a block here?"""
        return envelope in self.seen
