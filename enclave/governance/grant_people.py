"""In which region a person is, as privileged access asks it.

Owns the one question to the program that knows people's regions. While no such program answers,
nobody's region is known: under a rule of regions nothing is begun then.
"""

from strongroom.enclave.governance.action_context import GovernanceView


def region_of_person(_view: GovernanceView, _identity: bytes, _now_ms: int) -> str | None:
    """The region of a person at this block time; None when it is unknown or lapsed."""
    return None
