"""What members, operators and people see of issuers: whose word counts, by which keys, and what a
person asks his provider for.

Pure functions of the public state; signing and calling is governing.py's and client.py's.
"""

from typing import Any

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.governance.document import Document as PublicState
from strongroom.enclave.governance.issuers import PinnedKey
from strongroom.enclave.governance.observing import OBSERVATION_MS
from strongroom.enclave.programs.people.issuers import Issuer
from strongroom.enclave.tokens.jose import encode_base64url


def issuer_documents(state: PublicState) -> list[dict[str, Any]]:
    """All issuers, with their keys, and what operators see beside them."""
    return [_issuer(state, one) for one in state.member_rules().issuers.entries]


def find_issuer(state: PublicState, url: str) -> dict[str, Any]:
    """One of them, by its URL.

    Raises:
        ClientFault: there is none.
    """
    for document in issuer_documents(state):
        if document["issuer"] == url:
            return document
    raise ClientFault(f"members chose no issuer {url}: see `strongroom people issuer list`")


def find_key(state: PublicState, url: str, text: str) -> PinnedKey:
    """A pinned key, by its name in tokens or its thumbprint.

    Raises:
        ClientFault: the issuer has none.
    """
    for key in state.member_rules().issuers.keys_of(url):
        if text in (key.kid, encode_base64url(key.thumbprint)):
            return key
    raise ClientFault(f"{url} has no key {text!r}: see `strongroom people issuer show {url}`")


def _issuer(state: PublicState, one: Issuer) -> dict[str, Any]:
    rules = state.member_rules().issuers
    seen: dict[bytes, list[str]] = {}
    for entry in state.observations:
        if entry.issuer == one.url and state.time_ms - entry.seen_ms < OBSERVATION_MS:
            for digest in entry.keys:
                seen.setdefault(digest, []).append(entry.operator)
    pinned = {key.digest for key in rules.keys_of(one.url)}
    return {
        "issuer": one.url,
        "audience": one.audience,
        "claim": one.claim,
        "regions": [{"value": value, "region": region} for value, region in one.regions],
        "guests": None if one.guests is None else one.guests._asdict(),
        "life_ms": one.life_ms,
        "observed": one.observed,
        "keys": [
            {
                "kid": key.kid,
                "algorithm": key.algorithm,
                "thumbprint": encode_base64url(key.thumbprint),
                "by": "operators" if key.observed else "vote",
            }
            for key in rules.keys_of(one.url)
        ],
        "seen": [
            {"digest": digest.hex(), "operators": operators}
            for digest, operators in sorted(seen.items())
            if digest not in pinned
        ],
        "removed": [encode_base64url(print_) for url, print_ in rules.unpinned if url == one.url],
    }
