"""What must hold after every event, whatever the liars do (PROTOCOL §10).

Owns the omniscient view: every statement that an honest key ever signed, every block that an honest
node ever stored. It adds the liars' statements for free: if honest statements and f liars could
make two contradicting certificates, that is a violation, whether or not a liar thought of it.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.messages import Range
from strongroom.consensus.replica.events import CastRecord, Commit, FinalRecord
from strongroom.consensus.replica.records import epoch_of_record
from strongroom.consensus.replica.replica import Replica
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import Digest, Epoch, PublicKey, SignerIndex, View
from strongroom.consensus.validators import EpochDescription, Verify
from strongroom.node.network.pace import RANGE_BYTES_PER_SECOND
from strongroom.node.ordering.log import ReadLog

VIEW_MAX = 2**63
VIEWS_HELD_MAX = 130
FINALS_HELD_MAX = 20
SIZES_MAX = {
    "certificates": 3 * 1100,
    "headers": 400,
    "batches": 4000,
    "errands": 512,
    "retired": 3000,
}


class Violation(AssertionError):
    """A safety promise is broken; names what, and who must have lied for it."""

    def __init__(
        self, check: str, detail: str, culprits: frozenset[SignerIndex] = frozenset()
    ) -> None:
        super().__init__(
            f"{check}: {detail}" + (f"; liars: {sorted(culprits)}" if culprits else "")
        )
        self.check, self.culprits = check, culprits


@dataclass
class Omniscient:
    """Every honest statement, with the liars' added for free."""

    epochs: Mapping[Epoch, EpochDescription]
    liars: frozenset[SignerIndex]
    """Seats; those of them that are members of an epoch add their statements there for free."""
    seats_of: Callable[[EpochDescription], frozenset[int]]

    def __post_init__(self) -> None:
        self._headers: dict[Digest, Header] = {}
        self._lost_log: dict[SignerIndex, Epoch] = {}
        self._words: dict[SignerIndex, list[Statement]] = defaultdict(list)
        """What each honest node said in its newest epoch."""
        self._finals: list[Header] = []
        self._said: dict[tuple[SignerIndex, Epoch, View, Kind], Statement] = {}
        self._by: dict[tuple[Epoch, View], dict[tuple[Kind, Digest], set[SignerIndex]]] = {}
        self._newest: dict[SignerIndex, Epoch] = {}
        self._over: dict[SignerIndex, Epoch] = {}
        """Every epoch before this one was over by the log that the node last read."""

    def proposed(self, header: Header) -> None:
        """Take note of a header, whoever made it."""
        self._headers.setdefault(header.digest, header)

    def headers(self) -> tuple[Header, ...]:
        """All that were ever proposed."""
        return tuple(self._headers.values())

    def booted(
        self, node: SignerIndex, epoch: Epoch, log: ReadLog, final: View, *, silent: bool
    ) -> None:
        """A node has read its log: all that it said and that is not final stands there, or it is
        silent (PROTOCOL §5, §6). An epoch of which the log knows the end, or a later one, is over
        for it.

        Args:
            node: who restarts.
            epoch: in which it goes on.
            log: what it has read.
            final: the view of its newest block, if that is of this epoch.
            silent: it will not vote in this epoch.

        Raises:
            Violation: something is missing.
        """
        ends = {
            record.certificate.statement.epoch
            for record in log.records
            if isinstance(record, FinalRecord) and self._is_end(record)
        }
        if epoch <= self._lost_log.get(node, Epoch(-1)):
            if not silent and epoch not in ends:
                raise Violation("whoever lost its log is silent", f"node {node}, epoch {epoch}")
            return
        over = max(map(epoch_of_record, log.records), default=Epoch(0))
        self._over[node] = max(over, self._over.get(node, Epoch(0)))
        logged = {cast.statement for cast in log.records if isinstance(cast, CastRecord)}
        forgotten = {epoch: final}
        for record in log.records:
            if isinstance(record, FinalRecord):
                at = record.certificate.statement
                view = View(VIEW_MAX) if at.epoch in ends else at.view
                forgotten[at.epoch] = max(view, forgotten.get(at.epoch, View(0)))
        for said in self._words[node]:
            lost = self._lost_log.get(node, Epoch(-1)) >= said.epoch
            lost = lost or said.epoch < max(epoch, over)
            if not lost and said not in logged and said.view > forgotten.get(said.epoch, View(0)):
                raise Violation(
                    "promises outlive a crash",
                    f"node {node} forgets {said.kind.name} in view {said.view} of {said.epoch}",
                )

    def _is_end(self, record: FinalRecord) -> bool:
        """Is this an epoch's terminal block? Whoever knows it says nothing there any more, which
        `signed` checks."""
        epoch = record.certificate.statement.epoch
        return record.header.next_epoch != self.epochs[epoch].digest

    def lost_log(self, node: SignerIndex, epoch: Epoch) -> None:
        """A node lost its log when it had come to this epoch."""
        self._lost_log[node] = max(epoch, self._lost_log.get(node, epoch))

    def signed(self, signer: SignerIndex, statement: Statement) -> None:
        """Take a statement of an honest key.

        Raises:
            Violation: a double cast, or a possible pair of contradicting certificates; or one of
                whom the log is lost says anything in that epoch (PROTOCOL §6).
        """
        epoch, view = statement.epoch, statement.view
        if epoch <= self._lost_log.get(signer, Epoch(-1)):
            raise Violation("whoever lost its log is silent", f"epoch {epoch} by {signer}")
        if epoch < max(self._newest.get(signer, Epoch(0)), self._over.get(signer, Epoch(0))):
            raise Violation("nothing is said in an ended epoch", f"epoch {epoch} by {signer}")
        if epoch > self._newest.get(signer, Epoch(0)):
            self._words[signer].clear()
        self._newest[signer] = epoch
        self._words[signer].append(statement)
        key = (signer, epoch, view, statement.kind)
        if self._said.setdefault(key, statement) != statement:
            raise Violation(
                "no honest double cast",
                f"{statement.kind.name} in view {statement.view} by {signer}",
            )
        opposite = {Kind.NULLIFY: Kind.FINALIZE, Kind.FINALIZE: Kind.NULLIFY}.get(statement.kind)
        if opposite is not None and (signer, epoch, view, opposite) in self._said:
            raise Violation("no honest X and F", f"view {view} by {signer}")
        by = self._by.setdefault((epoch, view), defaultdict(set))
        by[statement.kind, statement.digest].add(signer)
        self._check_quorums(epoch, view, by)

    def _check_quorums(
        self, epoch: Epoch, view: View, by: dict[tuple[Kind, Digest], set[SignerIndex]]
    ) -> None:
        members = self.epochs[epoch]
        liars = self.liars & self.seats_of(members)
        possible = [
            key for key, signers in by.items() if len(signers | liars) >= members.quorum.size
        ]
        for kind in (Kind.NOTARIZE, Kind.FINALIZE):
            if sum(at is kind for at, _ in possible) > 1:
                raise Violation(
                    "one certificate per view",
                    f"two {kind.name} quorums in view {view}",
                    self.liars,
                )
        kinds = {kind for kind, _ in possible}
        if {Kind.NULLIFY, Kind.FINALIZE} <= kinds:
            raise Violation("X excludes F", f"both quorums in view {view}", self.liars)
        for kind, digest in possible:
            header = self._headers.get(digest)
            if kind is Kind.FINALIZE and header is not None and header not in self._finals:
                self._check_chain(header)

    def _check_chain(self, header: Header) -> None:
        """All blocks that could be final lie on one chain (T2), whether or not anybody finalised
        them."""
        for other in self._finals:
            lower, upper = sorted((other, header), key=lambda block: block.height)
            below: Header | None = upper
            while below is not None and below.height > lower.height:
                below = self._headers.get(below.parent)
            if below is not None and below.digest != lower.digest:
                raise Violation(
                    "one chain", f"heights {lower.height} and {upper.height}", self.liars
                )
        self._finals = [*self._finals[-FINALS_HELD_MAX:], header]


class Ledger:
    """What honest nodes have stored as final: agreement, order, certificates, durability, no batch
    twice."""

    def __init__(
        self, epochs: Mapping[Epoch, EpochDescription], anchor: Header, verify: Verify
    ) -> None:
        self._epochs, self._anchor, self._verify = epochs, anchor, verify
        self.blocks: dict[int, Commit] = {}
        self.heights: dict[SignerIndex, int] = defaultdict(int)
        self._batches: dict[Digest, int] = {}
        self._certificates: dict[int, Commit] = {}

    def committed(self, node: SignerIndex, commit: Commit) -> None:
        """Take a stored block of an honest node.

        Raises:
            Violation: it contradicts what any honest node has stored.
        """
        header, height = commit.header, commit.header.height
        if height != self.heights[node] + 1:
            raise Violation(
                "order", f"node {node} stores height {height} after {self.heights[node]}"
            )
        self.heights[node] = height
        known = self.blocks.setdefault(height, commit)
        if known.header.digest != header.digest:
            raise Violation(
                "agreement", f"two final blocks at height {height}", self._culprits(known, commit)
            )
        if known.batches != commit.batches:
            raise Violation("agreement", f"different data at height {height}")
        parent = self._anchor if height == 1 else self.blocks[height - 1].header
        if header.parent != parent.digest:
            raise Violation("agreement", f"height {height} does not extend what is final below it")
        self._check_epoch(header, parent)
        if known is commit:
            for digest in commit.batches:
                if self._batches.setdefault(digest, height) != height:
                    raise Violation(
                        "no batch twice", f"heights {self._batches[digest]} and {height}"
                    )
        self._check_certificate(commit)

    def _check_epoch(self, header: Header, parent: Header) -> None:
        """A terminal block is its epoch's last, and what comes after it is of the one epoch that it
        names."""
        ends = parent.next_epoch != self._epochs[parent.epoch].digest
        if header.epoch != parent.epoch + ends:
            raise Violation(
                "an epoch ends once", f"height {header.height} is of epoch {header.epoch}"
            )
        if self._epochs[header.epoch].digest != (
            parent.next_epoch if ends else self._epochs[parent.epoch].digest
        ):
            raise Violation(
                "exactly one next set",
                f"height {header.height} is not of the epoch that its parent names",
            )

    def _check_certificate(self, commit: Commit) -> None:
        certificate = commit.certificate
        if certificate is None:
            return
        try:
            certificate.check(commit.header.chain, self._epochs[commit.header.epoch], self._verify)
        except PeerFault as fault:
            raise Violation("no commit without quorum", str(fault)) from None
        if certificate.kind is not Kind.FINALIZE or certificate.digest != commit.header.digest:
            raise Violation(
                "no commit without quorum", f"height {commit.header.height}: another statement"
            )
        self._certificates.setdefault(commit.header.height, commit)

    def _culprits(self, one: Commit, two: Commit) -> frozenset[SignerIndex]:
        signers = [
            set() if c.certificate is None else set(c.certificate.signers) for c in (one, two)
        ]
        return frozenset(signers[0] & signers[1])

    def booted(self, node: SignerIndex, stored: int) -> None:
        """A node has restarted with blocks up to this height: what it had acknowledged must be
        there (P3)."""
        if stored < self.heights[node]:
            raise Violation(
                "durability", f"node {node} had stored {self.heights[node]}, has {stored}"
            )


def check_memory(node: SignerIndex, replica: Replica, members: int) -> None:
    """Every table of a replica is bounded.

    Raises:
        Violation: one is not.
    """
    bounds = {**SIZES_MAX, "votes": members * 3 * VIEWS_HELD_MAX}
    for name, size in replica.state.sizes.items():
        if size > bounds[name]:
            raise Violation(
                "bounded memory", f"node {node} holds {size} {name}, at most {bounds[name]}"
            )


def check_taken(
    node: SignerIndex, taken: Iterable[bytes], held: Container[bytes], final: Container[bytes]
) -> None:
    """What a client was told is durable in a batch stays so until it is final (PROTOCOL §2, §5).

    Args:
        node: who restarts.
        taken: transactions of own batches that were durable here.
        held: those in batches of its log.
        final: those that some honest node has in a block.

    Raises:
        Violation: one is in neither.
    """
    for transaction in taken:
        if transaction not in held and transaction not in final:
            raise Violation("what is taken is kept", f"node {node} lost {transaction[:40]!r}")


class Stored(Protocol):
    """What a node has for good."""

    @property
    def newest_block(self) -> int: ...

    @property
    def newest_outcome(self) -> int: ...

    def head_at(self, height: int) -> tuple[Header, Certificate | None]: ...


def check_beginning(node: SignerIndex, epoch: Epoch, store: Stored, *, follows: bool) -> None:
    """An epoch begins at a node once the end of the one before is stored there, and executed (R16);
    whoever cannot execute has taken over what that end anchors.

    Raises:
        Violation: it began earlier.
    """
    if epoch == 0:
        return
    ends = (
        header
        for header in (store.head_at(at)[0] for at in range(store.newest_block, 0, -1))
        if header.epoch == epoch - 1
    )
    end = next(ends, None)
    if end is None:
        raise Violation(
            "an epoch begins at its end", f"node {node}, {epoch}: the end is not stored"
        )
    needed = end.anchor.height if follows else end.height
    if store.newest_outcome < needed:
        raise Violation(
            "an epoch begins at its end",
            f"node {node}, {epoch}: executed {store.newest_outcome}, not {needed}",
        )


BLOCK_BYTES = 500
"""About what a stored block takes without its batches."""


class Served:
    """Ranges of old blocks that honest nodes send: nobody gets them faster than the pace (T31)."""

    def __init__(self) -> None:
        self._next: dict[tuple[SignerIndex, SignerIndex], float] = {}

    def sent(self, sender: SignerIndex, to: SignerIndex, message: Range, now: float) -> None:
        """Take note of a range.

        Raises:
            Violation: the one before is not paid for.
        """
        if now < self._next.get((sender, to), 0.0):
            raise Violation("paced serving", f"node {sender} sends ranges to {to} without end")
        size = sum(
            BLOCK_BYTES + sum(batch.header.size for batch in batches)
            for _, batches in message.blocks
        )
        self._next[sender, to] = now + size / RANGE_BYTES_PER_SECOND


def check_guard(node: SignerIndex, floor: View, final: View, lag: int) -> None:
    """An enclave's guard forgets what is final: its memory is bounded.

    Args:
        node: whose guard it is.
        floor: up to this view it has forgotten.
        final: the view of the newest block in the store.
        lag: in steps of so many views it is told.

    Raises:
        Violation: it remembers more.
    """
    if final - floor > lag:
        raise Violation("bounded memory", f"node {node}: view {final} final, guard keeps {floor}")


def check_log(node: SignerIndex, size: int, believed: int) -> None:
    """A log begins anew when it is long: so its owner must not think it shorter than it is.

    Raises:
        Violation: it does.
    """
    if size > believed:
        raise Violation("bounded disk", f"node {node}: log of {size} bytes, taken for {believed}")


WANTED_BYTES = 8_000
"""Beside its quota, what blocks name of one lane that are not final yet."""


def check_held(
    node: SignerIndex,
    held: list[Batch],
    quota: int,
    members: EpochDescription,
    signed: Callable[[Batch, PublicKey], bool],
) -> None:
    """Every batch held is of the running epoch and signed by its origin, and no origin makes a node
    keep more than its quota, beside what blocks name (T35).

    Args:
        node: who holds them.
        held: what is in its pool and in no final block.
        quota: bytes of one origin.
        members: of its epoch.
        signed: (batch, node key) → is it signed by that key?

    Raises:
        Violation: one is not, or one does.
    """
    sizes: dict[int, int] = defaultdict(int)
    for batch in held:
        header = batch.header
        if header.epoch != members.epoch:
            raise Violation(
                "bounded memory",
                f"node {node} in epoch {members.epoch} holds a batch of epoch {header.epoch}",
            )
        origin = members.validators[header.lane].node_key
        if not signed(batch, origin):
            raise Violation("batches are their origins'", f"node {node}, lane {header.lane}")
        sizes[int(header.lane)] += header.size
    if max(sizes.values(), default=0) > quota + WANTED_BYTES:
        raise Violation(
            "bounded memory", f"node {node} holds {max(sizes.values())} unordered bytes of one lane"
        )
