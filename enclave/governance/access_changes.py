"""The changes that members may vote on about privileged access: rows of the table in changes.py."""

from collections.abc import Mapping
from typing import Any

from strongroom.enclave.governance import arguments as kinds
from strongroom.enclave.governance.arguments import Kind

ACCESS_REGIONS_MAX = 32


def _are_regions(value: Any) -> bool:
    if type(value) is not tuple or len(value) > ACCESS_REGIONS_MAX:
        return False
    return all(map(kinds.NAME.holds, value)) and len(set(value)) == len(value)


REGIONS = Kind(
    f"up to {ACCESS_REGIONS_MAX} names of regions with commas between, or nothing",
    _are_regions,
    lambda text: tuple(part.strip(" ") for part in text.split(",")) if text else (),
)
ACCESS_CHANGES: Mapping[str, tuple[Mapping[str, Kind], bool]] = {
    "set_affiliation": ({"key": kinds.KEY, "operator": kinds.NAME}, True),
    "remove_affiliation": ({"key": kinds.KEY}, False),
    "set_access_regions": ({"regions": REGIONS}, True),
}
"""Name → (what it takes, whether it loosens). `write_access` of affiliations.py carries them
out."""
