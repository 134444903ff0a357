"""The one type in which every kind of evidence is answered.

Owns the four answers and how a status is weighed against a policy. `conditional` means:
cryptographically genuine, and the policy must decide; its reason is the status itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.reasons import Reason, refuse

Fact = str | int | bool | list[str]


class Answer(StrEnum):
    """Words of INTERFACES; other tools read them."""

    GOOD = "good"
    CONDITIONAL = "conditional"
    BAD = "bad"
    CANNOT_CHECK = "cannot check"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found."""

    verdict: Answer
    reason: str
    """Stable code: of reasons.py, or the status that was found."""
    detail: str = ""
    """For people; may change."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """What the evidence says, where it was found genuine."""

    @property
    def simulated(self) -> bool:
        """Its root is not a manufacturer's (T26)."""
        return self.facts.get("simulated") is True


def good(reason: str, facts: Mapping[str, Fact]) -> Verdict:
    """Genuine, and nothing speaks against it."""
    return Verdict(
        Answer.GOOD,
        reason,
        "SIMULATED root: no silicon stands behind it" if facts.get("simulated") else "",
        facts,
    )


def settle(
    status: str,
    demands: Demands,
    facts: Mapping[str, Fact],
    *,
    fine: str,
    conditional: frozenset[str],
) -> Verdict:
    """Weigh a status of genuine evidence.

    Args:
        status: as the manufacturer or verifier calls it.
        demands: which statuses the policy accepts, and whether it is strict.
        facts: what was found.
        fine: the one status that is good by itself.
        conditional: those that a policy may accept; any other one is refused.

    Raises:
        AttestationError: ``status-unknown``, or the status itself under a strict policy.
    """
    if status == fine:
        return good(status, facts)
    if status not in conditional:
        refuse(Reason.STATUS_UNKNOWN, f"status {status!r} is on no list")
    if status in demands.accepted:
        return Verdict(Answer.GOOD, status, "accepted by the policy", facts)
    if demands.strict:
        return Verdict(Answer.BAD, status, "genuine, and refused by the strict policy", facts)
    return Verdict(Answer.CONDITIONAL, status, "genuine; a policy must decide", facts)
