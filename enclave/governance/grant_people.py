"""In which region a person is, as privileged access asks it.

Owns the one question to the program that knows people's regions (programs/people). Where a service
does not run it, nobody's region is known: under a rule of regions nothing is begun then.
"""

from typing import Any, NamedTuple, cast

from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.programs.framework import Context
from strongroom.enclave.programs.people.standings import region_of
from strongroom.enclave.programs.people.tables import STANDINGS


class _Now(NamedTuple):
    """What `region_of` reads of a context."""

    map: Any
    time_ms: int
    clock_ms: int = 0


def region_of_person(view: GovernanceView, identity: bytes, now_ms: int) -> str | None:
    """The region of a person at this block time; None when it is unknown or lapsed."""
    maps = view.tables.maps
    if STANDINGS not in maps.state.maps:
        return None
    with maps.uncounted():
        return region_of(cast(Context, _Now(maps.map, now_ms)), identity)
