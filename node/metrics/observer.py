"""What one node notes of its own work: called a few times a block, never for each transaction.

Owns the numbers of ordering, execution and disk, and how a block's stages are told apart. It reads
clocks and counts; it decides nothing and refuses nothing. A part that works without a node around
it has one of its own, which nobody reads.
"""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from strongroom.consensus.blocks import Header
from strongroom.consensus.replica.events import Cast, Commit
from strongroom.consensus.replica.records import RecordKind
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import PublicKey, SignerIndex
from strongroom.node.metrics.catalogue import FAST, SLOW
from strongroom.node.metrics.tallies import Count, Histogram, Histograms

OPEN_HEIGHTS_MAX = 4_096
"""Final blocks whose recording is awaited and timed; beyond, all are forgotten."""
_NULLIFY_RECORD = bytes((0x96, int(Kind.NULLIFY)))
"""How the record of a NULLIFY certificate begins: six fields, the kind first."""

_KIND_LABELS = {kind: kind.name.lower() for kind in Kind}

Leaves = Sequence[tuple[bytes, int]]
"""(id, code) of each envelope of a block."""


class Journeys(Protocol):
    """What follows sampled transactions (node/tracing); all of it returns at once."""

    def taken(self, ids: Sequence[bytes], envelopes: Sequence[bytes]) -> None: ...
    def batched(self, envelopes: Sequence[bytes], lane: int) -> None: ...
    def signed(self) -> None: ...
    def said(self) -> None: ...
    def recorded(self, now: float) -> None: ...
    def executed(self, now: float) -> None: ...
    def kept(self, now: float) -> None: ...
    def answered(self, header: Header, final: float, leaves: Leaves) -> None: ...


class Observer:
    """The numbers of one node, from its start on."""

    def __init__(self, journeys: Journeys | None = None) -> None:
        self.journeys = journeys
        self.blocks = self.nullified = self.equivocations = 0
        self.traces_dropped = 0
        self.votes: Count = Counter()
        self.codes: Counter[int] = Counter()
        self.refused: Count = Counter()
        self.intervals, self.views = Histogram(SLOW), Histogram(SLOW)
        self.stages, self.fsyncs = Histograms(SLOW), Histogram(FAST)
        self.signed: dict[PublicKey, int] = {}
        """Newest height at which a certificate here has a validator's signature; of the epoch."""
        self.validators: tuple[PublicKey, ...] = ()
        self._block_ms = 0
        self._view_since: float | None = None
        self._final_at: dict[int, float] = {}
        """Unix seconds; of heights that are not answered yet."""
        self._mark = time.perf_counter()
        """When the stage before ended, for the run of blocks that is under way."""

    # --- ordering ---

    def epoch(self, validators: Sequence[PublicKey]) -> None:
        """From now on a signer's index means one of these."""
        self.validators = tuple(validators)
        self.signed = {key: self.signed[key] for key in validators if key in self.signed}

    def view_changed(self) -> None:
        """The replica is in another view."""
        now = time.perf_counter()
        if self._view_since is not None:
            self.views.observe(now - self._view_since)
        self._view_since = now

    def logged(self, kind: int, payload: bytes) -> None:
        """A record was appended to the consensus log: each certificate is, when first held."""
        if kind == RecordKind.CERTIFICATE and payload.startswith(_NULLIFY_RECORD):
            self.nullified += 1

    def synced(self, seconds: float) -> None:
        """What was appended is durable."""
        self.fsyncs.observe(seconds)

    def cast(self, casts: Sequence[Cast]) -> None:
        """The guard signs these."""
        for one in casts:
            self.votes[_KIND_LABELS[one.statement.kind]] += 1

    def drop_trace(self) -> None:
        """A sampled transaction is followed no more."""
        self.traces_dropped += 1

    def accused(self) -> None:
        """The replica holds proof that a validator said two things."""
        self.equivocations += 1

    # --- a block's stages ---

    def batched(self, seconds: float) -> None:
        """A batch of this node's own left; its oldest envelope had waited so long."""
        self.stages["batch"].observe(seconds)

    def final(self, commits: Sequence[Commit]) -> None:
        """Blocks became final here."""
        now = time.time()
        for commit in commits:
            header = commit.header
            self.stages["order"].observe(max(0.0, now - header.time_ms / 1000))
            if self._block_ms:
                self.intervals.observe(max(0.0, (header.time_ms - self._block_ms) / 1000))
            self._block_ms = header.time_ms
            if len(self._final_at) >= OPEN_HEIGHTS_MAX:
                self._final_at.clear()
            self._final_at[header.height] = now
            if commit.certificate is not None:
                self._note_signers(header.height, commit.certificate.signers)
        self.blocks += len(commits)

    def _note_signers(self, height: int, signers: Sequence[SignerIndex]) -> None:
        keys = self.validators
        for index in signers:
            if index < len(keys):
                self.signed[keys[index]] = height

    def recorded(self, commits: Sequence[Commit]) -> None:
        """A run of final blocks is durable, and is given to the enclave now."""
        now, self._mark = time.time(), time.perf_counter()
        for commit in commits:
            since = self._final_at.get(commit.header.height)
            if since is not None:
                self.stages["record"].observe(max(0.0, now - since))
        if self.journeys is not None:
            self.journeys.recorded(now)

    def executing(self) -> None:
        """The enclave is asked to execute."""
        self._mark = time.perf_counter()

    def executed(self, blocks: int) -> None:
        """The enclave has executed so many blocks."""
        mark, self._mark = self._mark, time.perf_counter()
        self.stages["execute"].observe(self._mark - mark, blocks)
        if self.journeys is not None:
            self.journeys.executed(time.time())

    def kept(self) -> None:
        """The outcomes are recorded: whoever waits is answered now."""
        if self.journeys is not None:
            self.journeys.kept(time.time())

    def answered(self, header: Header, codes: bytes, leaves: Leaves) -> None:
        """A block's outcome is new here, and whoever waited for it is answered."""
        executed = codes.count(0)
        self.codes[0] += executed
        if executed != len(codes):
            self.codes.update(code for code in codes if code)
        mark = self._mark
        self.stages["answer"].observe(time.perf_counter() - mark)
        final = self._final_at.pop(header.height, 0.0)
        if self.journeys is not None:
            self.journeys.answered(header, final, leaves)
