"""Should a node that has applied nothing wait for a peer's snapshot, whose, and until when
(PROTOCOL §6)?

Pure: events in, effects out; snapshot_seeker.py carries them out. No wait of it needs a further
block: a snapshot that what is stored here cannot prove is given up, another peer's is tried, and
then genesis does.
"""

from dataclasses import dataclass

from strongroom.consensus.types import Height, PublicKey

ANSWER_SECONDS = 3.0
"""So long a peer has for each chunk, and a quiet chain to name what came; then the next peer is
asked."""
WHOLE_SECONDS, CHUNK_SECONDS = 30.0, 0.5
"""So long a peer has for all chunks together, at first and for each that came, while another could
be asked: one that sends each at the last moment would keep a newcomer waiting for hours (T34)."""
LAST_SECONDS, LAST_CHUNK_SECONDS = 1800.0, 1.0
"""... and so long as the last that can be asked: after it genesis does. A liar delays a newcomer by
three quarters of an hour; an honest link of 300 KB/s brings 800 MB meanwhile, one of 1 MB/s all."""
ASK_AGAIN_SECONDS = 0.5
TRY_AGAIN_SECONDS = 1.0
"""Between two attempts to load what is whole: a key may have come."""
WORTH_BLOCKS = 64
"""A ledger with fewer blocks is applied faster than anybody is asked."""


@dataclass(frozen=True, slots=True)
class ChunkCame:
    """The peer that is asked has sent a chunk."""


@dataclass(frozen=True, slots=True)
class ChunkRefused:
    """It contradicted itself, or offered what is of no use."""


@dataclass(frozen=True, slots=True)
class SnapshotWhole:
    """All chunks are here."""


@dataclass(frozen=True, slots=True)
class SnapshotTried:
    """What became of TrySnapshot."""

    loaded: Height
    """Where the enclave stands now; 0: nowhere yet."""
    gone: bool = False
    """What came was removed: an outcome names another root, or it cannot be used."""
    waits: bool = False
    """It is named and proven, and only a key is missing."""


@dataclass(frozen=True, slots=True)
class FetchSnapshot:
    """Ask this peer for its newest snapshot, chunk by chunk."""

    peer: PublicKey


@dataclass(frozen=True, slots=True)
class AskChunk:
    """Ask for the next chunk again: the question or its answer may be lost."""


@dataclass(frozen=True, slots=True)
class DropSnapshot:
    """Remove what came, and expect nothing more of that peer."""

    reason: str


@dataclass(frozen=True, slots=True)
class TrySnapshot:
    """Have the enclave go on from what is whole, by the certified header of this height;
    SnapshotTried answers."""

    certified: Height


SearchEvent = ChunkCame | ChunkRefused | SnapshotWhole | SnapshotTried
SearchEffect = FetchSnapshot | AskChunk | DropSnapshot | TrySnapshot


class SnapshotSearch:
    """At most one snapshot is sought in a process' life: once something was applied there is no use
    for one."""

    def __init__(self) -> None:
        self._linked: tuple[PublicKey, ...] = ()
        self._asked: set[PublicKey] = set()
        self._fetching = self._whole = self._waits = self._over = False
        self._heard_at = self._asked_at = self._due_at = self._over_at = 0.0
        self._tried_at: float | None = None
        self._shown = (Height(0), Height(0))
        """(newest block, newest outcome) when something moved last."""

    def see(self, linked: tuple[PublicKey, ...]) -> None:
        """Who is linked now."""
        self._linked = linked

    def hopes(self, applied: Height, known: Height) -> bool:
        """Is a snapshot still hoped for, so that nothing is applied yet?

        Args:
            applied: what the enclave stands at.
            known: the newest height that this node knows of.
        """
        return applied == 0 and not self._over and known >= WORTH_BLOCKS

    def seek_again(self) -> None:
        """There is no other way now: whoever had none may have made one meanwhile."""
        self._asked.clear()
        self._over = False

    def note(self, event: SearchEvent, now: float) -> None:
        """What came of an effect."""
        match event:
            case SnapshotWhole():
                self._whole, self._heard_at = True, now
            case ChunkRefused():
                self._forget()
            case SnapshotTried(loaded, gone, waits):
                self._waits = waits
                self._over = self._over or loaded > 0
                if gone:
                    self._forget()
            case ChunkCame():
                self._heard_at = now
                self._due_at += CHUNK_SECONDS
                self._over_at += LAST_CHUNK_SECONDS

    def decide(self, now: float, newest: Height, recorded: Height) -> list[SearchEffect]:
        """Ask the next peer when there is none to wait for; to be called while a snapshot is hoped
        for."""
        effects: list[SearchEffect] = []
        if (newest, recorded) != self._shown:
            self._shown = (newest, recorded)
            if self._whole:
                self._heard_at, self._tried_at = now, None
        if self._fetching and not self._waits and now - self._heard_at > ANSWER_SECONDS:
            effects.append(DropSnapshot("nothing here names it" if self._whole else "no answer"))
            self._forget()
        elif self._fetching and not self._whole and now > self._limit():
            effects.append(DropSnapshot("too slow, and there is another way"))
            self._forget()
        if self._fetching:
            if not self._whole and now - self._asked_at >= ASK_AGAIN_SECONDS:
                self._asked_at = now
                effects.append(AskChunk())
            return effects
        peer = self._next()
        if peer is not None:
            self._due_at, self._over_at = now + WHOLE_SECONDS, now + LAST_SECONDS
            self._asked.add(peer)
            self._fetching, self._heard_at, self._asked_at = True, now, now
            effects.append(FetchSnapshot(peer))
        elif self._asked:
            self._over = True
        return effects

    def attempt(self, certified: Height | None, now: float) -> TrySnapshot | None:
        """Try to load what is whole, as soon as more is proven, and now and then."""
        due = self._tried_at is None or now - self._tried_at >= TRY_AGAIN_SECONDS
        if not self._whole or certified is None or not due:
            return None
        self._tried_at = now
        return TrySnapshot(certified)

    def _limit(self) -> float:
        """Until when the peer that is asked may go on sending."""
        return self._over_at if self._next() is None else self._due_at

    def _next(self) -> PublicKey | None:
        return next((peer for peer in self._linked if peer not in self._asked), None)

    def _forget(self) -> None:
        self._fetching = self._whole = self._waits = False
        self._tried_at = None
