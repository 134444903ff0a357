"""Which claims a release policy may speak of, and of which type each is: a closed table.

Owns the names. Who makes the values of a room is room evidence; of the person for whom it asks, the
ledger (PERSON); what is asked of them is release_policy.py. Names are those of EAT (RFC 9711) and
EAR where these have one.
"""

from collections.abc import Mapping
from types import MappingProxyType

Claim = bool | int | str
PERSON = "person."
"""How claims begin that the ledger alone makes, of who vouches for the room, at the time of each
ask and beat: no evidence holds them, and a custodian's own policy misses them."""

_TCB = tuple(
    f"snp.{version}.{component}"
    for version in ("reported", "committed", "launch")
    for component in ("bootloader", "tee", "snp", "microcode")
)

VOCABULARY: Mapping[str, type[bool] | type[int] | type[str]] = MappingProxyType(
    {
        "hwmodel": str,
        "ueid": str,
        "dbgstat": str,
        "measurement": str,
        "hostdata": str,
        "swname": str,
        **dict.fromkeys(_TCB, int),
        "bootcount": int,
        "evidence-age-ms": int,
        "simulated": bool,
        "operator": str,
        "region": str,
        "room": str,
        "grc.jurisdiction-country": str,
        "grc.basis": int,
        "person.region": str,
        "person.country": str,
    }
)
"""Name of a claim → its exact type. docs/release-policy.md says what each means."""
