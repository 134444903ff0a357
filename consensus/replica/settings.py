"""What an operator may tune without touching safety: every local time and depth of a replica, with
its unit.

Limits that all replicas must agree on (validity rules) are constants in blocks.py and validity.py
instead.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times and depths of one replica."""

    delta0: float = 0.25
    """Δ0 in seconds: the message delay that timers start from (R9)."""
    retry: float = 1.0
    """Seconds between repetitions in a view that does not end (R12)."""
    skip_after: float = 3.5
    """Seconds of silence after which a leader is skipped (R11); never less than 13Δ, above twice
    t_view."""
    link_grace: float = 0.25
    """Seconds for which a leader's link may be lost before it is skipped (R11); never less than
    Δ."""
    anchor_gap: float | None = 0.0
    """Seconds that a block which would only anchor waits after an execution: the next batch may
    share its block. None: as learnt (company.py)."""
    min_gap: float = 0.0
    """Seconds from entering a view to a leader's proposal, for each batch of its parent; blocks
    grow under load."""
    gap_executions: float = 0.0
    """A leader aims at so many of the shortest executions of a block from one proposal to the next
    (patience.py); 0: it learns nothing."""
    gap_rounds_max: float = 4.5
    """The most that is waited for that, above a full block: so many of the shortest rounds."""
    idle_block: float | None = None
    """Seconds without a final block after which an empty one is wanted; None: never."""
    depth_max: int = 32
    """Blocks above the final one from which on no new batches are ordered (PROTOCOL §7,
    Back-pressure)."""
    fetch_wait: float = 0.03
    """Seconds that a missing batch or header has to arrive by itself before it is asked for
    (R14)."""
    fetch_timeout_max: float = 5.0
    """Seconds: the longest wait for an answer before another peer is asked (R14)."""
    relay_batches_max: int = 16
    """Unordered batches of one lane that are relayed together (PROTOCOL §7, Work)."""
