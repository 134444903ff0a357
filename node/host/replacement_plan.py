"""When the enclave's process is replaced, in which order, and what becomes of a step that fails
(DESIGN §5, Grace; P10, T13).

Pure: events in, effects out; enclave_replacement.py carries the effects out, one after the other.
Until the first process has handed over, nothing is lost by any failure: the successor is ended, and
another one is begun later. After that there is no way back: the first process says nothing more,
and what fails then stops the node, which starts as a new boot.
"""

from dataclasses import dataclass
from enum import IntEnum, auto

from strongroom.consensus.types import Height

RANK_SECONDS = 5.0
"""The validator of index r begins this long times r after the change is due: no two change at a
time."""
TRY_AGAIN_SECONDS = 20.0
"""After a change that came to nothing; twice as long after each further one."""
TRY_AGAIN_SECONDS_MAX = 160.0
LEARN_SECONDS = 600.0
"""What a successor has to start and to learn; twice as long after each one that had too little."""
LEARN_SECONDS_MAX = 9_600.0
SHOW_SECONDS = 10.0
"""What it has to look at the newest epochs while every request waits."""


@dataclass(frozen=True, slots=True)
class Look:
    """Once a second, while the enclave says whether a change is due."""

    due: bool
    rank: int
    """Index as a validator; 0 for whoever is none."""
    executes: bool
    """The enclave executes what is final: nobody has to catch it up by outcomes."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Once a second, while a step is under way; nobody looks while requests wait."""


@dataclass(frozen=True, slots=True)
class Started:
    """The successor's process runs."""


@dataclass(frozen=True, slots=True)
class Learned:
    """It knows what a quorum has anchored, up to this height."""

    applied: Height
    executes: bool
    """As in Look, now."""


@dataclass(frozen=True, slots=True)
class EpochsShown:
    """It knows every epoch that the first process may have spoken in."""


@dataclass(frozen=True, slots=True, repr=False)
class HandedOver:
    """The first process gave all that it promised, and says nothing more."""

    handed: bytes
    reached: Height
    """Up to which it had executed."""


@dataclass(frozen=True, slots=True, repr=False)
class TookOver:
    """The successor speaks for this node now; its sealed state."""

    sealed: bytes


@dataclass(frozen=True, slots=True)
class SealedStored:
    """That is durable."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """It has executed again up to this height: less than all if a secret that blocks need is erased
    by now."""

    height: Height


@dataclass(frozen=True, slots=True)
class Switched:
    """All requests go to the successor, and the first process has ended."""


@dataclass(frozen=True, slots=True)
class StepFailed:
    """What was asked for last was refused, or its process ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class StartSuccessor:
    """Started or StepFailed."""


@dataclass(frozen=True, slots=True)
class Teach:
    """Show it the ledger, and that it is the newest; Learned or StepFailed."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Let no further request into the first process: they wait."""


@dataclass(frozen=True, slots=True)
class ShowEpochs:
    """Those that began since it learned; EpochsShown or StepFailed."""


@dataclass(frozen=True, slots=True)
class AskHandOver:
    """Of the first process; HandedOver, or StepFailed if it refused and goes on."""


@dataclass(frozen=True, slots=True, repr=False)
class TakeOver:
    """Of the successor; TookOver or StepFailed."""

    handed: bytes


@dataclass(frozen=True, slots=True, repr=False)
class StoreSealed:
    """SealedStored."""

    sealed: bytes


@dataclass(frozen=True, slots=True)
class Repeat:
    """Have the successor execute what lies between, as recorded; Repeated or StepFailed."""

    above: Height
    up_to: Height


@dataclass(frozen=True, slots=True)
class FollowFrom:
    """The successor stands here, and is caught up by outcomes."""

    height: Height


@dataclass(frozen=True, slots=True)
class Switch:
    """Requests go in again, to the successor; Switched."""


@dataclass(frozen=True, slots=True)
class Abandon:
    """End the successor, whatever it does."""

    reason: str


@dataclass(frozen=True, slots=True)
class Resume:
    """Requests go in again, to the first process."""


@dataclass(frozen=True, slots=True)
class Halt:
    """The node stops: there is nobody left who speaks for this boot."""

    reason: str


PlanEvent = (
    Look
    | Tick
    | Started
    | Learned
    | EpochsShown
    | HandedOver
    | TookOver
    | SealedStored
    | Repeated
    | Switched
    | StepFailed
)
PlanEffect = (
    StartSuccessor
    | Teach
    | Pause
    | ShowEpochs
    | AskHandOver
    | TakeOver
    | StoreSealed
    | Repeat
    | FollowFrom
    | Switch
    | Abandon
    | Resume
    | Halt
)


class _Stage(IntEnum):
    """What is under way, in its order."""

    NOTHING = auto()
    STARTS = auto()
    LEARNS = auto()
    IS_SHOWN = auto()
    IS_HANDED = auto()
    TAKES_OVER = auto()
    IS_STORED = auto()
    REPEATS = auto()
    SWITCHES = auto()
    HALTED = auto()


class ReplacementPlan:
    """At most one successor at a time."""

    def __init__(self) -> None:
        self._stage = _Stage.NOTHING
        self._due_since: float | None = None
        self._began = 0.0
        """When the stage under way began; learning counts from the start of the process."""
        self._rests_until = 0.0
        self._pause, self._patience = TRY_AGAIN_SECONDS, LEARN_SECONDS
        self._applied = self._reached = Height(0)

    def step(self, event: PlanEvent, now: float) -> list[PlanEffect]:
        """What follows; the answer to a step that was given up is ignored."""
        match event, self._stage:
            case Look(), _Stage.NOTHING:
                return self._begin(event, now)
            case Tick(), _:
                return self._look_at_time(now)
            case StepFailed(reason), stage:
                return self._fail(reason, stage, now)
            case _, stage if stage <= _Stage.IS_HANDED:
                return self._prepare(event, now)
            case _:
                return self._go_over(event)

    def _prepare(self, event: PlanEvent, now: float) -> list[PlanEffect]:
        """Up to the hand-over."""
        match event, self._stage:
            case Started(), _Stage.STARTS:
                self._stage = _Stage.LEARNS
                return [Teach()]
            case Learned(applied, executes), _Stage.LEARNS:
                if not executes:  # the follower would lose the process that it catches up
                    return self._give_up("this node is caught up by outcomes now", now)
                self._stage, self._began, self._applied = _Stage.IS_SHOWN, now, applied
                return [Pause(), ShowEpochs()]
            case EpochsShown(), _Stage.IS_SHOWN:
                self._stage = _Stage.IS_HANDED
                return [AskHandOver()]
            case HandedOver(handed, reached), _Stage.IS_HANDED:
                self._stage, self._reached = _Stage.TAKES_OVER, reached
                return [TakeOver(handed)]
            case _:
                pass
        return []

    def _go_over(self, event: PlanEvent) -> list[PlanEffect]:
        """From the hand-over on."""
        match event, self._stage:
            case TookOver(sealed), _Stage.TAKES_OVER:
                self._stage = _Stage.IS_STORED
                return [StoreSealed(sealed)]
            case SealedStored(), _Stage.IS_STORED:
                self._stage = _Stage.REPEATS
                return [Repeat(self._applied, self._reached)]
            case Repeated(height), _Stage.REPEATS:
                self._stage = _Stage.SWITCHES
                follow = [FollowFrom(height)] if height < self._reached else []
                return [*follow, Switch()]
            case Switched(), _Stage.SWITCHES:
                self._stage, self._due_since = _Stage.NOTHING, None
                self._pause, self._patience = TRY_AGAIN_SECONDS, LEARN_SECONDS
            case _:
                pass
        return []

    def _begin(self, look: Look, now: float) -> list[PlanEffect]:
        if not look.due:
            self._due_since = None
            return []
        self._due_since = now if self._due_since is None else self._due_since
        turn = max(self._rests_until, self._due_since) + RANK_SECONDS * look.rank
        if now < turn or not look.executes:
            return []
        self._stage, self._began = _Stage.STARTS, now
        return [StartSuccessor()]

    def _look_at_time(self, now: float) -> list[PlanEffect]:
        """A successor that does not answer holds up nothing for ever, as long as the first process
        can go on."""
        if self._stage <= _Stage.LEARNS and now - self._began >= self._patience:
            self._patience = min(LEARN_SECONDS_MAX, 2 * self._patience)
            return self._give_up("the next process learned too slowly", now)
        if self._stage is _Stage.IS_SHOWN and now - self._began >= SHOW_SECONDS:
            return [Resume(), *self._give_up("the next process does not answer", now)]
        return []

    def _fail(self, reason: str, stage: _Stage, now: float) -> list[PlanEffect]:
        if stage in (_Stage.NOTHING, _Stage.HALTED):
            return []
        if stage <= _Stage.LEARNS:
            return self._give_up(reason, now)
        if stage <= _Stage.IS_HANDED:
            return [Resume(), *self._give_up(reason, now)]
        self._stage = _Stage.HALTED
        return [Abandon(reason), Halt(reason)]

    def _give_up(self, reason: str, now: float) -> list[PlanEffect]:
        self._stage, self._rests_until = _Stage.NOTHING, now + self._pause
        self._pause = min(TRY_AGAIN_SECONDS_MAX, 2 * self._pause)
        return [Abandon(reason)]
