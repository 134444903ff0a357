"""The change of region rules: from where a program's users may call (VAULT §5).

Owns what narrows and what widens. Entering a rule, or taking places from one, takes effect at once;
what lets in anybody who was out waits. A rule that nobody could meet is refused, never widened.
What a rule means for a call is programs/regions.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from strongroom.enclave.governance.arguments import NAME, Kind
from strongroom.enclave.governance.change_rows import Change
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.governance.thresholds import Class
from strongroom.enclave.programs.regions import PLACES_MAX, RULED, SERVICE, regions_in


def _are_places(value: Any) -> bool:
    if type(value) is not tuple or len(value) > PLACES_MAX:
        return False
    return all(map(NAME.holds, value)) and list(value) == sorted(set(value))


PLACES = Kind(
    f"at most {PLACES_MAX} regions or countries (two capital letters), with commas between; "
    "nothing: no rule",
    _are_places,
    lambda text: tuple(sorted({part.strip(" ") for part in text.split(",")} - {""})),
)
PROGRAM = Kind(
    f"one of {', '.join(sorted(RULED))}, or `{SERVICE}` for calls of all",
    lambda value: type(value) is str and (value in RULED or value == SERVICE),
    str,
)


def set_regions(rules: Rules, values: Mapping[str, Any]) -> Rules:
    """The rules with this program's rule, in place of the one it had.

    Raises:
        ProgramError: ``no-one-in-region``.
    """
    program, places = values["program"], values["regions"]
    had = dict(rules.program_regions)
    had.pop(program, None)
    if places:
        had[program] = places
    after = replace(rules, program_regions=tuple(sorted(had.items())))
    for name in had if places else ():
        if program in (name, SERVICE) and met(after, name).isdisjoint(mapped_regions(after)):
            refuse(
                Ground.NO_ONE_IN_REGION,
                f"nobody could call {name} any more: "
                "name a region that an issuer maps to, or a country with one",
            )
    return after


def widens(rules: Rules, values: Mapping[str, Any]) -> bool:
    """Would this let in anybody who is out?"""
    before = dict(rules.program_regions).get(values["program"], ())
    if not before:
        return False
    after: Sequence[str] = values["regions"]
    countries = dict(rules.policy.countries)
    return not after or any(
        place not in before and countries.get(place) not in before for place in after
    )


ROWS: Mapping[str, Change] = {
    "set_program_regions": Change(
        takes={"program": PROGRAM, "regions": PLACES},
        apply=set_regions,
        loosens=widens,
        group=Class.USERS,
    ),
}
"""For the table of changes.py."""


def mapped_regions(rules: Rules) -> frozenset[str]:
    """Regions of which any issuer speaks: where people can be."""
    issuers = rules.issuers.entries
    told = {region for issuer in issuers for _, region in issuer.regions}
    return frozenset(told | {issuer.guests.region for issuer in issuers if issuer.guests} - {""})


def met(rules: Rules, program: str) -> frozenset[str]:
    """Regions from which a program may be called by its rule and the service's; none: nobody."""
    asked, countries = dict(rules.program_regions), dict(rules.policy.countries)
    own, service = asked.get(program), asked.get(SERVICE)
    if own is None or service is None:
        return regions_in(own or service or (), countries)
    return regions_in(own, countries) & regions_in(service, countries)
