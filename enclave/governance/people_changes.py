"""The changes by which members decide whose word on people counts (VAULT §5).

Owns kinds of arguments and rows for the table of changes.py; what they come to is issuers.py's.
Adding loosens and waits; removing takes effect at once: standings of that issuer, or by that key,
end with the vote, and its tokens admit nobody, also when it is chosen again.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from strongroom.consensus.errors import AttestationError
from strongroom.consensus.types import Height, Milliseconds
from strongroom.enclave.attestation.strict_json import NotStrictJson, read_json
from strongroom.enclave.governance import issuers
from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.arguments import BOOL, NAME, Kind
from strongroom.enclave.governance.change_rows import Change
from strongroom.enclave.governance.issuers import ALGORITHMS, JWK_BYTES_MAX
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.governance.thresholds import Class
from strongroom.enclave.governance.users import forget_issuer
from strongroom.enclave.programs.people.issuers import GuestRule, Issuer
from strongroom.enclave.text import is_ascii_line, is_line
from strongroom.enclave.tokens.jose import decode_base64url

URL_CHARACTERS_MAX = 256
CLAIM_CHARACTERS_MAX = 128
REGION_VALUES_MAX = 256
LIFE_MS_MIN, LIFE_MS_MAX = 60_000, 86_400_000
"""Between which the longest life of an issuer's tokens may lie."""
_THUMBPRINT_SIZE = 32
_SCHEME = "https://"


def _is_url(value: Any) -> bool:
    """One that says whose it is: nothing stands before the host's name."""
    if not _is_word(value, URL_CHARACTERS_MAX) or not value.startswith(_SCHEME):
        return False
    authority = value.removeprefix(_SCHEME).partition("/")[0]
    return authority != "" and "@" not in authority and not any(mark in value for mark in "?#\\")


def _is_word(value: Any, most: int) -> bool:
    """ASCII without spaces."""
    return (
        type(value) is str and 0 < len(value) <= most and is_ascii_line(value) and " " not in value
    )


def _is_value(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= CLAIM_CHARACTERS_MAX and is_line(value)


def _are_regions(value: Any) -> bool:
    if type(value) is not tuple or not 1 <= len(value) <= REGION_VALUES_MAX:
        return False
    if not all(type(pair) is tuple and len(pair) == 2 for pair in value):
        return False
    if not all(_is_value(name) and NAME.holds(region) for name, region in value):
        return False
    names = [name for name, _ in value]
    return names == sorted(set(names))


def _is_scalar(value: Any) -> bool:
    return type(value) in (bool, int) or _is_value(value)


def _is_guest_rule(value: Any) -> bool:
    if value == ():
        return type(value) is tuple
    if type(value) is not tuple or len(value) != 4:
        return False
    claim, guest, member, region = value
    return (
        _is_word(claim, CLAIM_CHARACTERS_MAX)
        and _is_scalar(guest)
        and _is_scalar(member)
        and (type(guest), guest) != (type(member), member)
        and (region == "" or NAME.holds(region))
    )


def _parse_regions(text: str) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(_object(text).items(), key=_value_of))


def _value_of(pair: tuple[str, Any]) -> str:
    return pair[0]


def _parse_guests(text: str) -> tuple[Any, ...]:
    if text == "none":
        return ()
    said = _object(text)
    rest = set(said) - {"claim", "guest", "member", "region"}
    if rest or len(said) < 3:
        raise ValueError(text)
    return (said.get("claim"), said.get("guest"), said.get("member"), said.get("region", ""))


def _object(text: str) -> dict[str, Any]:
    try:
        value = read_json(text)
    except NotStrictJson as error:
        raise ValueError(str(error)) from None
    if not isinstance(value, dict):
        raise ValueError(text)
    return value


def _parse_thumbprint(text: str) -> bytes:
    try:
        return decode_base64url(text)
    except AttestationError as error:
        raise ValueError(text) from error


ISSUER = Kind(
    f"an issuer's URL as it stands in `iss`: https://…, at most {URL_CHARACTERS_MAX} characters",
    _is_url,
    str,
)
AUDIENCE = Kind(
    f"the `aud` of its tokens for this service, at most {URL_CHARACTERS_MAX} characters of ASCII",
    lambda value: _is_word(value, URL_CHARACTERS_MAX),
    str,
)
CLAIM = Kind(
    f"the name of a claim, at most {CLAIM_CHARACTERS_MAX} characters of ASCII",
    lambda value: _is_word(value, CLAIM_CHARACTERS_MAX),
    str,
)
REGIONS = Kind(
    f"1 to {REGION_VALUES_MAX} values of the claim with their regions, "
    'like {"DE":"europe","US":"america"}',
    _are_regions,
    _parse_regions,
)
GUESTS = Kind(
    'none, or like {"claim":"acct","guest":1,"member":0}, with "region" when guests are mapped',
    _is_guest_rule,
    _parse_guests,
)
LIFE = Kind(
    f"a whole number of milliseconds in {LIFE_MS_MIN}..{LIFE_MS_MAX}",
    lambda value: type(value) is int and LIFE_MS_MIN <= value <= LIFE_MS_MAX,
    int,
)
ALGORITHM = Kind(
    f"one of {', '.join(ALGORITHMS)}",
    lambda value: type(value) is str and value in ALGORITHMS,
    str,
)
KID = Kind(
    f"a key's name, at most {CLAIM_CHARACTERS_MAX} characters of ASCII without spaces",
    lambda value: _is_word(value, CLAIM_CHARACTERS_MAX),
    str,
)
JWK = Kind(
    f"a public JWK as RFC 7638 writes it, at most {JWK_BYTES_MAX} bytes",
    lambda value: type(value) is str and value.isascii() and len(value) <= JWK_BYTES_MAX,
    str,
)
THUMBPRINT = Kind(
    "a key's thumbprint, 32 bytes in base64url",
    lambda value: type(value) is bytes and len(value) == _THUMBPRINT_SIZE,
    _parse_thumbprint,
)


def _add_issuer(rules: Rules, values: Mapping[str, Any]) -> Rules:
    return replace(rules, issuers=issuers.with_issuer(rules.issuers, _issuer(values)))


def _set_issuer(rules: Rules, values: Mapping[str, Any]) -> Rules:
    return replace(rules, issuers=issuers.with_other_rules(rules.issuers, _issuer(values)))


def _issuer(values: Mapping[str, Any]) -> Issuer:
    guests = values["guests"]
    return Issuer(
        url=values["issuer"],
        audience=values["audience"],
        claim=values["claim"],
        regions=values["regions"],
        guests=GuestRule(*guests) if guests else None,
        life_ms=values["life_ms"],
        observed=values["observed"],
    )


def _remove_issuer(rules: Rules, values: Mapping[str, Any]) -> Rules:
    return replace(rules, issuers=issuers.without_issuer(rules.issuers, values["issuer"]))


def _forget(view: GovernanceView, values: Mapping[str, Any], _: Height, __: Milliseconds) -> None:
    forget_issuer(view.tables, values["issuer"])


def _add_key(rules: Rules, values: Mapping[str, Any]) -> Rules:
    pin = issuers.read_pin(values["issuer"], values["kid"], values["algorithm"], values["key"])
    return replace(rules, issuers=issuers.with_key(rules.issuers, pin))


def _remove_key(rules: Rules, values: Mapping[str, Any]) -> Rules:
    without = issuers.without_key(rules.issuers, values["issuer"], values["key"])
    return replace(rules, issuers=without)


_ISSUER = {
    "issuer": ISSUER,
    "audience": AUDIENCE,
    "claim": CLAIM,
    "regions": REGIONS,
    "guests": GUESTS,
    "life_ms": LIFE,
    "observed": BOOL,
}
ROWS: Mapping[str, Change] = {
    "add_issuer": Change(takes=_ISSUER, apply=_add_issuer, loosens=True, group=Class.USERS),
    "set_issuer": Change(takes=_ISSUER, apply=_set_issuer, loosens=True, group=Class.USERS),
    "remove_issuer": Change(
        takes={"issuer": ISSUER}, apply=_remove_issuer, carry_out=_forget, group=Class.USERS
    ),
    "add_issuer_key": Change(
        takes={"issuer": ISSUER, "kid": KID, "algorithm": ALGORITHM, "key": JWK},
        apply=_add_key,
        loosens=True,
        group=Class.USERS,
    ),
    "remove_issuer_key": Change(
        takes={"issuer": ISSUER, "key": THUMBPRINT}, apply=_remove_key, group=Class.USERS
    ),
}
"""For the table of changes.py."""
