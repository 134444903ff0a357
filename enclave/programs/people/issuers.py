"""What members say of an issuer of tokens: for whom it speaks, what its word means here.

Owns the record, how it lies in the state, and what a token's claims come to under it. Which issuers
there are, members decide (enclave/governance/issuers.py); which key signed, presenting.py checks.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from strongroom.consensus import codec
from strongroom.enclave.programs.framework import ProgramError

Scalar = str | int | bool


class GuestRule(NamedTuple):
    """How a token says that its person is a guest of the issuer's."""

    claim: str
    guest: Scalar
    """Value of the claim that says so."""
    member: Scalar
    """Value that says the contrary; any other is refused."""
    region: str
    """Where guests count as being, whatever else the token says; "": they are refused."""


class Issuer(NamedTuple):
    """One issuer, as members govern it."""

    url: str
    """As it stands in `iss`, character by character."""
    audience: str
    """The one `aud` of its tokens for this service."""
    claim: str
    """Which claim tells where a person is."""
    regions: tuple[tuple[str, str], ...]
    """(value of that claim, region), ascending by value; any other value is refused."""
    guests: GuestRule | None
    """None: the issuer has no guests, or members do not ask."""
    life_ms: int
    """How long a token may be valid, at most."""
    observed: bool
    """Do observations of f+1 operators add keys (enclave/governance/observing.py), or votes
    alone?"""

    def encode(self) -> bytes:
        """As it lies in the state, without the URL."""
        guests = None if self.guests is None else tuple(self.guests)
        said = (self.audience, self.claim, self.regions, guests, self.life_ms, self.observed)
        return codec.encode(said)

    def region_of(self, claims: Mapping[str, Any]) -> str:
        """Where a token says that its person is.

        Raises:
            ProgramError: ``claim-missing``, ``claim-unknown``, ``guest-unknown``, ``guest``.
        """
        region = self._guests_region(claims)
        if region:
            return region
        value = claims.get(self.claim)
        if type(value) is not str:
            raise ProgramError(
                "claim-missing",
                "the token does not tell a region: ask its provider for the claim",
            )
        found = dict(self.regions).get(value)
        if found is None:
            raise ProgramError(
                "claim-unknown", "members map the token's value to no region: ask them to"
            )
        return found

    def _guests_region(self, claims: Mapping[str, Any]) -> str:
        """The region of guests when this is one; "" when it is none."""
        rule = self.guests
        if rule is None:
            return ""
        value = claims.get(rule.claim)
        if type(value) is type(rule.member) and value == rule.member:
            return ""
        if type(value) is not type(rule.guest) or value != rule.guest:
            raise ProgramError(
                "guest-unknown", "the token does not tell whether you are a guest of its issuer"
            )
        if not rule.region:
            raise ProgramError("guest", "guests of this issuer are not taken: use your own")
        return rule.region


@lru_cache(maxsize=64)
def issuer_of(url: str, encoded: bytes) -> Issuer:
    """Read what lies in the state: once, not at each token."""
    audience, claim, regions, guests, life_ms, observed = codec.decode(encoded)
    rule = None if guests is None else GuestRule(*guests)
    return Issuer(url, audience, claim, regions, rule, life_ms, observed)
