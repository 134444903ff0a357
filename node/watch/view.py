"""What the live screen shows at one moment: plain values, frozen, every text escaped.

Owns the shape between model.py, which makes it, and lines.py, plain.py and tests, which read it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One node, by its own word and by that of the feed's node."""

    name: str
    endpoint: str
    state: str
    """Its own word; `no answer` when it gives none."""
    leads: bool
    height: int | None
    lag: int | None
    """Blocks behind the newest that is known."""
    mempool: int | None
    peers: int | None
    view: int | None
    operator: str
    region: str
    verdict: str
    alarm: str
    last_seen: float | None
    """When it last answered, where it does not now."""

    @property
    def answers(self) -> bool:
        """Did it answer when it was asked last?"""
        return self.last_seen is None


@dataclass(frozen=True, slots=True)
class BlockRow:
    """One block's head."""

    height: int
    time: float
    proposer: str
    view: int
    epoch: int
    count: int
    bytes: int
    signers: tuple[str, ...] | None
    hash: str


@dataclass(frozen=True, slots=True)
class Votes:
    """What one node knows of the votes under way, by its own word."""

    view: int
    leader: str
    since: float
    """When the view began there."""
    validators: tuple[str, ...]
    """By their index."""
    proposes: int | None
    """Height of the block that the leader proposes."""
    notarize: tuple[str, ...]
    nullify: tuple[str, ...]
    finalizes: int | None
    """Height of the view before, whose FINALIZE votes come now."""
    finalize: tuple[str, ...]
    lanes: tuple[tuple[str, int], ...]
    """(name, batches that wait beyond the newest block)."""
    strikes: int
    """Timeouts in a row."""
    rests: bool
    """Nothing is there to order, and no clock runs."""


@dataclass(frozen=True, slots=True)
class Note:
    """A line of what happened; `tone` is good, warn, bad or empty."""

    number: int
    time: float
    words: str
    tone: str = ""
    kind: str = "note"
    """For --json: what happened, in one stable word."""


@dataclass(frozen=True, slots=True)
class View:
    """All of the screen."""

    now: float
    name: str
    pin: str
    simulated: bool
    epoch: int | None
    quorum: int | None
    members: int | None
    voting: int
    feed: str
    """LIVE NAME, LOST, or FILES."""
    feed_tone: str
    height: int | None
    age: float | None
    """Seconds since the newest block, by its own time."""
    rate: float
    """Transactions a second, over the last seconds."""
    rates: tuple[float, ...]
    """The same by second, oldest first."""
    interval_p50: float | None
    """Seconds between blocks."""
    interval_p95: float | None
    view: int | None
    leader: str
    view_age: float | None
    votes: Votes | None
    nullified: int
    """Views without a block, among the blocks that are kept."""
    alarms: tuple[str, ...]
    nodes: tuple[NodeRow, ...]
    blocks: tuple[BlockRow, ...]
    """Newest first."""
    notes: tuple[Note, ...]
    """Newest first."""

    @property
    def has_quorum(self) -> bool | None:
        """Do enough nodes vote? None: not known yet."""
        return None if self.quorum is None else self.voting >= self.quorum
