"""The change that members vote on about recovery: of how many of them it takes the shares.

Owns the row and the rule that a threshold is one that the members can reach. Recovery is off until
they set it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from strongroom.enclave.formats.recovery import SHARED_AMONG_MAX
from strongroom.enclave.governance.refusals import Ground, refuse

if TYPE_CHECKING:
    from strongroom.enclave.governance.rules import Rules

RECOVERY_THRESHOLD = "recovery_threshold"
"""Among the limits (rules.py), but changed by a row of its own."""


def threshold_of(limits: tuple[tuple[str, int], ...]) -> int:
    """k; 0 while recovery is off."""
    return dict(limits).get(RECOVERY_THRESHOLD, 0)


def check_threshold(limits: tuple[tuple[str, int], ...], members: int) -> None:
    """Check that so many members can reach the threshold.

    Raises:
        ProgramError: ``lock-out``.
    """
    threshold = threshold_of(limits)
    if not 0 <= threshold <= min(members, SHARED_AMONG_MAX):
        refuse(
            Ground.LOCK_OUT,
            f"{threshold} members are needed for recovery, and {members} would be left: "
            "set_recovery_threshold first",
        )


def limits_with(rules: "Rules", values: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """The limits after `set_recovery_threshold`."""
    kept = {name: value for name, value in rules.limits if name != RECOVERY_THRESHOLD}
    if values["threshold"]:
        kept[RECOVERY_THRESHOLD] = values["threshold"]
    return tuple(sorted(kept.items()))
