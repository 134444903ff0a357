"""How people lie in the state: the program object, its maps, and a row as a named tuple.

Owns what is kept of a person: issuer, a salted digest of the subject, region, until when. Never the
subject, never a token. Issuers and their keys are governance's (../governance.py, ISSUERS and
ISSUER_KEYS). Knows no rule: those are in presenting.py and standings.py.
"""

from typing import NamedTuple

from strongroom.consensus import codec, labels
from strongroom.consensus.types import ChainId
from strongroom.enclave.programs.framework import Program

people = Program("people")

STANDINGS = people.map("standings", key=bytes, value=(str, bytes, str, int, str, int))
"""Identity → Standing."""
SUBJECTS = people.map("subjects", key=bytes, value=(int, bytes))
"""Digest of a subject → (`iat` of its newest token, in seconds; the identity that presented it)."""


class Standing(NamedTuple):
    """What a person's newest token said."""

    issuer: str
    subject: bytes
    """subject_digest of issuer and subject."""
    region: str
    until_ms: int
    """Block time from which it counts no more: `exp` of the token."""
    kid: str
    """Name of the issuer's key that signed the token."""
    serial: int
    """Of that key: a key that is removed and pinned again has another one, so what it vouched for
    before does not come back."""


def subject_digest(chain: ChainId, issuer: str, subject: str) -> bytes:
    """How a subject is written down: labelled SHA-256 over chain, issuer and subject. Nobody finds
    the same person in two services by it; who guesses a subject can check the guess."""
    return labels.labelled_digest(labels.PERSON, chain + codec.encode((issuer, subject)))
