"""How long a leader waits for company, learnt from its own rounds and executions (PROTOCOL §7,
Leader).

A block costs all replicas something whatever is in it, so blocks that follow each other too closely
fill their processors; one that waits too long holds its payments up. What lies between follows from
what a block costs on this machine, and a part of that can be seen without any link in it: how long
executing one takes at least. So a leader aims at so many times that from proposal to proposal, and
at more where executions take longer, because payments leave blocks less of the processors. What a
round takes is part of it: where links alone take as long, a leader waits for a share of that alone,
which is hardly felt there. Owns these estimates, in seconds that arrive with each call. Local and
safe: nobody else rests on them.
"""

from collections import deque

from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.replica.spans import Spans
from strongroom.consensus.types import Height, View

GAP_DELTAS_MAX = 0.25
"""A leader waits no longer than so many Δ0, and as long again for the rest of a full block: others
wait 4Δ for a proposal, and their Δ is Δ0 at least (R9). The leader's own Δ is no measure: strikes
that it alone has seen make it grow here and nowhere else."""
LINKS_SHARE = 0.25
"""Of the shortest round: so long a leader waits where links alone take as long as it aims at, and
never longer than that. More often a block then has a batch of each lane."""
EXECUTION_WEIGHT = 1.5
"""Payments cost a third of what they do in execution elsewhere too: sealing, batches, answers."""
EXECUTIONS_BEYOND_MAX = 2.0
"""What executions take longer adds so many of the shortest at most: larger blocks take longer, so
without a bound each wait would ask for a longer one."""
VOTES_MAX = 16
"""Views of others of which the usual one counts."""
EXECUTIONS_OPEN_MAX = 64
"""Final blocks whose execution is awaited; of more, the oldest are not timed."""


class Patience:
    """What one leader sees of rounds and executions, and what it waits for that."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._proposed: tuple[View, float] | None = None
        self._rounds, self._executions = Spans(), Spans()
        self._votes: deque[float] = deque(maxlen=VOTES_MAX)
        self._heard: tuple[View, float] | None = None
        self._final: deque[tuple[Height, float]] = deque(maxlen=EXECUTIONS_OPEN_MAX)
        self._executed_at = 0.0
        """When the newest execution was over."""
        self._began, self._count = 0.0, 0
        """The run of executions that ended then, of so many blocks: a run becomes durable as one,
        so its executions are told one after the other at one moment."""

    def propose(self, view: View, now: float) -> None:
        """An own proposal goes out."""
        self._close_run(now)
        self._proposed = (view, now)

    def hear(self, view: View, now: float) -> None:
        """Another's proposal is here."""
        self._heard = (view, now)

    def enter(self, view: View, now: float, *, notarized: bool) -> None:
        """A view begins, the one before notarized or not. If that was an own proposal, this is how
        long its round took; of another's, how long the votes; one that was given up says
        nothing."""
        self._close_run(now)
        proposed, heard = self._proposed, self._heard
        self._proposed = self._heard = None
        if proposed is not None and notarized and view == proposed[0] + 1:
            self._rounds.note(now - proposed[1])
        if heard is not None and notarized and view == heard[0] + 1:
            self._votes.append(max(0.0, now - heard[1]))

    def commit(self, height: Height, now: float) -> None:
        """A block is final: its execution begins, unless others come before it."""
        self._close_run(now)
        self._final.append((height, now))

    def execute(self, height: Height, now: float) -> None:
        """Up to this height all is executed."""
        self._close_run(now)
        while self._final and self._final[0][0] <= height:
            _, final_at = self._final.popleft()
            if not self._count:
                self._began = max(final_at, self._executed_at)
            self._count += 1
        self._executed_at = now

    def _close_run(self, now: float) -> None:
        """What was executed at another moment is a run of its own."""
        if self._count and now != self._executed_at:
            self._executions.note((self._executed_at - self._began) / self._count)
            self._count = 0

    @property
    def usual_round(self) -> float:
        """Seconds that a round takes of late; 0: none was seen."""
        return self._rounds.mean

    @property
    def usual_vote(self) -> float:
        """Seconds from another's proposal until the next view begins, the median of the last; 0:
        none was seen. A proposal may come just before the votes for it, a liar's on purpose: that
        says nothing of the others."""
        return sorted(self._votes)[len(self._votes) // 2] if self._votes else 0.0

    @property
    def usual_execution(self) -> float:
        """Seconds that a proposal waits at most, beyond its gap, for the block below it, which is
        final and being executed: as long as an execution takes of late. Its votes would wait for
        the same processors, and without its anchor receipts come a block later. 0: nothing is
        learnt."""
        settings = self._settings
        if not settings.gap_executions:
            return 0.0
        return min(self._executions.mean, GAP_DELTAS_MAX * settings.delta0)

    def gap(self, share: float) -> float:
        """Seconds from entering a view to a proposal.

        Args:
            share: 0 to 1, by the batches of the block below: of a lone one there is little company
                to wait for.
        """
        rounds, executions, settings = self._rounds, self._executions, self._settings
        if not rounds or not executions:
            return 0.0
        least = executions.shortest
        beyond = min(EXECUTION_WEIGHT * (executions.mean - least), EXECUTIONS_BEYOND_MAX * least)
        pace = settings.gap_executions * least + beyond
        wanted = max(pace - rounds.shortest, min(pace, LINKS_SHARE * rounds.shortest))
        most = min(settings.gap_rounds_max * rounds.shortest, GAP_DELTAS_MAX * settings.delta0)
        return share * min(wanted, most)
