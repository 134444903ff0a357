"""The changes that members may vote on about privileged access: rows of the table in changes.py.

Owns their arguments, and what narrows the rule of regions: that takes effect at once, what lets in
anybody who was out waits. What affiliations do to the state is affiliations.py's.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from strongroom.enclave.governance import arguments as kinds
from strongroom.enclave.governance.affiliations import (
    remove_affiliation,
    set_affiliation,
)
from strongroom.enclave.governance.arguments import Kind
from strongroom.enclave.governance.change_rows import Change
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.governance.thresholds import Class

ACCESS_REGIONS_MAX = 32


def _are_regions(value: Any) -> bool:
    if type(value) is not tuple or len(value) > ACCESS_REGIONS_MAX:
        return False
    return all(map(kinds.NAME.holds, value)) and len(set(value)) == len(value)


def _widens(rules: Rules, values: Mapping[str, Any]) -> bool:
    """Would this let in anybody who is out? An empty rule lets in everybody."""
    before, after = rules.access_regions, values["regions"]
    return bool(before) and (not after or not set(after) <= set(before))


REGIONS = Kind(
    f"up to {ACCESS_REGIONS_MAX} names of regions with commas between, or nothing",
    _are_regions,
    lambda text: tuple(part.strip(" ") for part in text.split(",")) if text else (),
)
ROWS: Mapping[str, Change] = {
    "set_affiliation": Change(
        takes={"key": kinds.KEY, "operator": kinds.NAME},
        loosens=True,
        group=Class.MEMBERS,
        carry_out=lambda view, values, _height, _time_ms: set_affiliation(view, values),
    ),
    "remove_affiliation": Change(
        takes={"key": kinds.KEY},
        group=Class.MEMBERS,
        carry_out=lambda view, values, _height, _time_ms: remove_affiliation(view, values),
    ),
    "set_access_regions": Change(
        takes={"regions": REGIONS},
        apply=lambda rules, values: replace(rules, access_regions=values["regions"]),
        loosens=_widens,
        group=Class.MEMBERS,
    ),
}
"""For the table of changes.py."""
