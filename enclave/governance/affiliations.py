"""For which operator a key acts, and from which regions people may begin: as members say.

Owns the two tables beside the rules that privileged access asks (grants.py), and how a vote changes
them. An operator's own key acts for it by the policy; any other key, a member's too, for nobody
until members have said so: who is unknown neither asks nor approves.
"""

from collections.abc import Mapping
from typing import Any

from strongroom.consensus.types import PublicKey
from strongroom.enclave.governance.tables import Tables
from strongroom.enclave.programs.grants import AFFILIATIONS

AFFILIATIONS_MAX = 512
_REGIONS = "access_regions"


def operator_of(tables: Tables, key: PublicKey | bytes) -> str | None:
    """The operator that a key acts for; None when nobody has said so."""
    for name, own in tables.policy.operators:
        if own == key:
            return name
    found: str | None = tables.maps.get(AFFILIATIONS, key)
    return found


def access_regions(tables: Tables) -> tuple[str, ...]:
    """In which regions a person must be who begins something; empty: there is no such rule."""
    return tables.maps.single(_REGIONS) or ()


def affiliations(tables: Tables) -> tuple[tuple[bytes, str], ...]:
    """(key, operator), by key: what members have said."""
    return tuple(tables.maps.items(AFFILIATIONS))


def write_access(tables: Tables, change: str, values: Mapping[str, Any]) -> None:
    """Carry a change of access_changes.py out. A full table takes no further key."""
    if change == "set_affiliation":
        known = tables.maps.get(AFFILIATIONS, values["key"]) is not None
        if known or len(tables.maps.items(AFFILIATIONS)) < AFFILIATIONS_MAX:
            tables.maps.put(AFFILIATIONS, values["key"], values["operator"])
    elif change == "remove_affiliation":
        tables.maps.delete(AFFILIATIONS, values["key"])
    else:
        tables.maps.set_single(_REGIONS, values["regions"] or None)
