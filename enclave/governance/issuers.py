"""Whose word on people counts: issuers of tokens and their keys, as one value that members govern.

Owns what is a legal state of them, and what adding and removing come to. Pure, like rules.py. Each
pin of a key has a serial that is given once, so that what an older pin vouched for never comes
back; a key that members removed is remembered, so that no observation brings it back
(observing.py).
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import AttestationError, NotCanonical
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.programs.people.issuers import GuestRule, Issuer
from strongroom.enclave.tokens.jose import canonical_jwk, read_key, strict_claims, thumbprint

ISSUERS_MAX = 16
ISSUER_KEYS_MAX = 32
"""Pinned keys of one issuer. When there are as many, members remove old ones."""
ISSUERS_BYTES_MAX = 192 * 1024
"""Of all of it, encoded: it stands in the public document."""
UNPINNED_MAX = 512
"""Removed keys that are remembered; when there are as many, no observation adds a key any more."""
JWK_BYTES_MAX = 1024
"""An RSA key of 4,096 bits takes 716."""
ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519")


class PinnedKey(NamedTuple):
    """One key of an issuer, and the one algorithm that it signs with."""

    issuer: str
    kid: str
    """Its name in tokens."""
    serial: int
    algorithm: str
    jwk: str
    """The public key as RFC 7638 writes it."""
    thumbprint: bytes
    """RFC 7638: SHA-256 over that."""
    observed: bool
    """It came by observation, not by vote."""

    @property
    def digest(self) -> bytes:
        """What observers must agree on: key, name and algorithm."""
        said = codec.encode((self.issuer, self.kid, self.algorithm, self.jwk))
        return labels.labelled_digest(labels.ISSUER_KEY, said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuers:
    """All issuers, their keys, and what was removed."""

    entries: tuple[Issuer, ...] = ()
    """Ascending by URL."""
    keys: tuple[PinnedKey, ...] = ()
    """Ascending by URL and kid."""
    unpinned: tuple[tuple[str, bytes], ...] = ()
    """(URL, thumbprint) of removed keys, ascending."""
    serial: int = 0
    """How many pins there have been."""

    def issuer(self, url: str) -> Issuer:
        """One of them.

        Raises:
            ProgramError: ``arguments``.
        """
        found = next((one for one in self.entries if one.url == url), None)
        if found is None:
            refuse(Ground.ARGUMENTS, "issuer: there is none of this URL: add_issuer first")
        return found

    def keys_of(self, url: str) -> tuple[PinnedKey, ...]:
        """Keys of one issuer."""
        return tuple(key for key in self.keys if key.issuer == url)

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        entries = tuple((one.url, one.encode()) for one in self.entries)
        return (entries, tuple(map(tuple, self.keys)), self.unpinned, self.serial)

    @classmethod
    def from_wire(cls, value: object) -> "Issuers":
        """Read fields of the codec, from a document that came from an enclave.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        entries, keys, unpinned, serial = codec.fields(
            value, tuple, tuple, tuple, int, name="issuers"
        )
        for entry in codec.listed(entries, name="issuers", count_max=ISSUERS_MAX):
            codec.fields(entry, str, bytes, name="issuer")
        for key in codec.listed(keys, name="keys", count_max=ISSUERS_MAX * ISSUER_KEYS_MAX):
            codec.fields(key, str, str, int, str, str, bytes, bool, name="issuer's key")
        for one in codec.listed(unpinned, name="removed keys", count_max=UNPINNED_MAX):
            codec.fields(one, str, bytes, name="removed key")
        return cls(
            entries=tuple(_read_issuer(*entry) for entry in entries),
            keys=tuple(PinnedKey(*key) for key in keys),
            unpinned=unpinned,
            serial=serial,
        )

    def check(self) -> None:
        """Check that it is not too much.

        Raises:
            ProgramError: ``full``.
        """
        if len(codec.encode(self.to_wire())) > ISSUERS_BYTES_MAX:
            refuse(
                Ground.FULL,
                f"issuers and keys take at most {ISSUERS_BYTES_MAX} bytes: remove some first",
            )


def _read_issuer(url: str, encoded: bytes) -> Issuer:
    value = codec.decode(encoded)
    guests = type(value) is tuple and len(value) == 6 and value[3]
    shape = (str, str, tuple, type(None) if guests is None else tuple, int, bool)
    audience, claim, regions, guests, life_ms, observed = codec.fields(value, *shape, name="issuer")
    for pair in regions:
        codec.fields(pair, str, str, name="issuer's region")
    if guests is not None and len(guests) != len(GuestRule._fields):
        raise NotCanonical("issuer: the rule for guests has other fields")
    rule = None if guests is None else GuestRule(*guests)
    return Issuer(url, audience, claim, regions, rule, life_ms, observed)


def with_issuer(issuers: Issuers, issuer: Issuer) -> Issuers:
    """One more issuer.

    Raises:
        ProgramError: ``taken``, ``full``.
    """
    if any(one.url == issuer.url for one in issuers.entries):
        refuse(Ground.TAKEN, "there is an issuer of this URL: remove_issuer first")
    if len(issuers.entries) >= ISSUERS_MAX:
        refuse(Ground.FULL, f"there are {ISSUERS_MAX} issuers: remove one first")
    return replace(issuers, entries=tuple(sorted((*issuers.entries, issuer), key=_url)))


def with_other_rules(issuers: Issuers, issuer: Issuer) -> Issuers:
    """An issuer under other rules. Its keys are pinned anew, so that what it vouched for under the
    old ones ends.

    Raises:
        ProgramError: ``arguments``: there is none.
    """
    before = issuers.issuer(issuer.url)
    if before == issuer:
        return issuers
    serial, keys = issuers.serial, []
    for key in issuers.keys:
        if key.issuer == issuer.url:
            serial += 1
            key = key._replace(serial=serial)
        keys.append(key)
    entries = tuple(issuer if one == before else one for one in issuers.entries)
    return replace(issuers, entries=entries, keys=tuple(keys), serial=serial)


def without_issuer(issuers: Issuers, url: str) -> Issuers:
    """Without an issuer and all its keys, which no observation brings back.

    Raises:
        ProgramError: ``arguments``: there is none.
    """
    gone = issuers.issuer(url)
    for key in issuers.keys_of(url):
        issuers = without_key(issuers, url, key.thumbprint)
    return replace(issuers, entries=tuple(one for one in issuers.entries if one != gone))


def read_pin(issuer: str, kid: str, algorithm: str, jwk: str) -> PinnedKey:
    """A key as somebody gives it; serial 0, for it is not pinned yet.

    Raises:
        ProgramError: ``arguments``: no public key of this algorithm, or not as RFC 7638 writes it.
    """
    if algorithm not in ALGORITHMS:
        refuse(Ground.ARGUMENTS, f"algorithm: expected one of {', '.join(ALGORITHMS)}")
    try:
        given = strict_claims(jwk.encode("utf-8"), "key")
        if type(given) is not dict:
            refuse(Ground.ARGUMENTS, "key: expected a JWK, an object")
        read_key(given, algorithm)
        canonical = canonical_jwk(given)
    except AttestationError as error:
        refuse(Ground.ARGUMENTS, f"key: no public key that signs with {algorithm} ({error.reason})")
    if canonical != jwk:
        refuse(
            Ground.ARGUMENTS,
            "key: write the JWK as RFC 7638 does: what makes the key, in order, without spaces",
        )
    return PinnedKey(issuer, kid, 0, algorithm, jwk, thumbprint(jwk), observed=False)


def with_key(issuers: Issuers, pin: PinnedKey) -> Issuers:
    """One more key. A vote brings a removed one back; an observation does not.

    Raises:
        ProgramError: ``arguments``: no such issuer; ``taken``: its name or the key stands already;
            ``removed``; ``full``.
    """
    issuers.issuer(pin.issuer)
    known, removed = issuers.keys_of(pin.issuer), (pin.issuer, pin.thumbprint)
    if any(pin.kid == key.kid or pin.thumbprint == key.thumbprint for key in known):
        refuse(Ground.TAKEN, "the issuer has a key of this name, or this key: remove it first")
    if len(known) >= ISSUER_KEYS_MAX:
        refuse(Ground.FULL, f"the issuer has {ISSUER_KEYS_MAX} keys: remove an old one first")
    full = len(issuers.unpinned) >= UNPINNED_MAX
    if pin.observed and (full or removed in issuers.unpinned):
        refuse(Ground.REMOVED, "members removed this key: only their vote brings it back")
    unpinned = issuers.unpinned
    if not full:  # else one that is forgotten would make room for another to be forgotten
        unpinned = tuple(one for one in unpinned if one != removed)
    serial = issuers.serial + 1
    keys = tuple(sorted((*issuers.keys, pin._replace(serial=serial))))
    return replace(issuers, keys=keys, unpinned=unpinned, serial=serial)


def without_key(issuers: Issuers, url: str, print_: bytes) -> Issuers:
    """Without a key. What it signed counts no more, and no observation brings it back.

    Raises:
        ProgramError: ``arguments``: the issuer has no such key.
    """
    kept = tuple(key for key in issuers.keys if (key.issuer, key.thumbprint) != (url, print_))
    if len(kept) == len(issuers.keys):
        refuse(Ground.ARGUMENTS, "key: the issuer has no key of this thumbprint: see people issuer")
    unpinned = issuers.unpinned
    if len(unpinned) < UNPINNED_MAX:
        unpinned = tuple(sorted({*unpinned, (url, print_)}))
    return replace(issuers, keys=kept, unpinned=unpinned)


def _url(issuer: Issuer) -> Any:
    return issuer.url
