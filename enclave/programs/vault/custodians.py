"""Where rooms ask for halves: what custodians say of themselves (VAULT §4).

Owns their announcements. An address gives nobody any right: whose key it is says the key, and a
false one costs a room a half, which does not open then.
"""

from typing import Any

from strongroom.enclave.programs.framework import Context, ProgramError, digest_text
from strongroom.enclave.programs.roster import charge
from strongroom.enclave.programs.schema import Identity
from strongroom.enclave.programs.vault.tables import vault
from strongroom.enclave.text import is_line

ENDPOINT_MAX = 256
CUSTOMER_MAX = 64
CUSTODIANS_SHOWN_MAX = 500
ANNOUNCED_BYTES = 512
"""What an announcement counts, the first time."""
CUSTODIANS = vault.map("custodians", key=bytes, value=(str, int, str))
"""Identity → (endpoint, block time, customer's name)."""


@vault.transaction
def announce(context: Context, *, endpoint: str, customer: str = "") -> dict[str, Any]:
    """Say, as a custodian, where rooms ask for halves, and whose it is; an empty endpoint: nowhere
    for now."""
    if len(endpoint) > ENDPOINT_MAX or not is_line(endpoint):
        raise ProgramError("endpoint", f"a line of at most {ENDPOINT_MAX} characters")
    if endpoint and not endpoint.startswith(("http://", "https://")):
        raise ProgramError("endpoint", "expected http://HOST:PORT or https://HOST:PORT")
    if len(customer) > CUSTOMER_MAX or not is_line(customer):
        raise ProgramError("customer", f"a line of at most {CUSTOMER_MAX} characters")
    if context.map(CUSTODIANS).get(context.identity) is None:
        charge(context, 1, ANNOUNCED_BYTES)
    context.map(CUSTODIANS).put(context.identity, (endpoint, context.time_ms, customer))
    return {
        "custodian": digest_text(context.identity),
        "endpoint": endpoint,
        "customer": customer,
    }


@vault.query
def custodian(context: Context, *, identity: Identity) -> dict[str, Any]:
    """Where a custodian is asked."""
    found = context.map(CUSTODIANS).get(identity)
    if found is None:
        raise ProgramError("custodian-away", "that custodian has not announced itself: tell it to")
    return _shown(identity, *found)


@vault.query
def custodians(
    context: Context, *, after: Identity | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """All that announced themselves, in order of identity."""
    if not 1 <= limit <= CUSTODIANS_SHOWN_MAX:
        raise ProgramError("limit", f"limit is 1 to {CUSTODIANS_SHOWN_MAX}")
    found = context.map(CUSTODIANS).scan(after=after, limit=limit)
    return [_shown(identity, *said) for identity, said in found]


def customer_of(context: Context, identity: bytes) -> str:
    """Whose custodian it is, by its own word; nothing when it never said."""
    said = context.map(CUSTODIANS).get(identity)
    return "" if said is None else str(said[2])


def _shown(identity: bytes, endpoint: str, since_ms: int, customer: str) -> dict[str, Any]:
    return {
        "custodian": digest_text(identity),
        "endpoint": endpoint,
        "customer": customer,
        "since_ms": since_ms,
    }
