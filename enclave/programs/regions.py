"""From where may a program be called? Region rules as the runner asks them (VAULT §5, T58).

Owns what a rule comes to, and the verdict on a caller, for transactions and queries alike. Where a
person is, the program people says; a room, and what else a user vouched for, is where that user is.
A place is a region, or a country: two capital letters, and stands for all regions that members say
lie there. An unknown, lapsed or other region is outside of every rule.
"""

from collections.abc import Iterable, Mapping, Sequence

from strongroom.enclave.attestation.policy import is_country
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.people import region_of
from strongroom.enclave.programs.roster_tables import ROOMS, VOUCHED, voucher_of

SERVICE = "service"
"""In place of a program's name: a rule for calls of all programs."""
UNRULED = frozenset({("people", "present"), ("people", "standing"), ("people", "withdraw")})
"""Operations that no rule stops: by these a person shows where he is, sees what was taken of it,
and takes it back. A session opens before any operation, whatever the rules."""
BOUND_BY_ALL = frozenset({("system", "result")})
"""Operations that tell what any program told before: all rules bind them."""
RULED = frozenset({"payments", "records", "rooms", "vault"})
"""Programs that may have a rule of their own. The others have none but the service's, which leaves
UNRULED free."""
PLACES_MAX = 64
"""Of one rule."""

Rules = Sequence[tuple[str, Sequence[str]]]
"""(program or SERVICE, places)."""


def regions_in(places: Sequence[str], countries: Mapping[str, str]) -> frozenset[str]:
    """All regions that these places stand for; countries are those of members' table."""
    named = frozenset(places)
    lying = {region for region, country in countries.items() if country in named}
    return frozenset(place for place in named if not is_country(place)) | lying


def by_operation(
    rules: Rules, operations: Iterable[tuple[str, str]], countries: Mapping[str, str]
) -> dict[tuple[str, str], frozenset[str]]:
    """(program, operation) → regions from which it may be called; what no rule binds is not
    there."""
    asked = {program: regions_in(places, countries) for program, places in rules}
    if not asked:
        return {}
    everywhere = frozenset.intersection(*asked.values())
    service = asked.get(SERVICE)
    bound = {}
    for operation in operations:
        own = asked.get(operation[0], service)
        if operation in BOUND_BY_ALL:
            own = everywhere
        if own is not None and operation not in UNRULED:
            bound[operation] = own if service is None else own & service
    return bound


def check_caller(context: Context, regions: frozenset[str]) -> None:
    """Check that the caller is in one of these regions, now.

    Raises:
        ProgramError: ``region``, or ``no-one-in-region`` when no issuer speaks for any of them.
    """
    if person_region(context, context.identity) in regions:
        return
    if regions.isdisjoint(context.mapped):
        raise ProgramError("no-one-in-region", "nobody can be where the rule asks: ask members")
    raise ProgramError("region", "not from your region, or it lapsed: strongroom people present")


def person_region(context: Context, identity: bytes) -> str | None:
    """Region of a person, or of the user who vouches for this room; None when unknown or lapsed,
    and in a service without the program people."""
    if not context.knows_people:
        return None
    region = region_of(context, identity)
    if region is None:
        voucher = voucher_of(context.map(VOUCHED), context.map(ROOMS), identity)
        if voucher is not None:
            region = region_of(context, voucher)
    return region
