"""What people do themselves: present a token, take back what it gave, ask where they stand.

Owns what follows from a token that was believed. One subject stands for one identity: its newest
token. Tokens of a subject only go forward, by `iat`.
"""

from typing import Any

from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.people.checking import check_token
from strongroom.enclave.programs.people.standings import region_of
from strongroom.enclave.programs.people.tables import (
    STANDINGS,
    SUBJECTS,
    Standing,
    people,
    subject_digest,
)
from strongroom.enclave.programs.roster import charge

STANDING_BYTES, SUBJECT_BYTES = 512, 96
"""Charged, besides an entry each, for a person's first standing and a subject's first token."""


@people.transaction
def present(context: Context, *, issuer: str, token: str) -> dict[str, Any]:
    """Be in the region that an ID token of this issuer tells, until it ends. Its nonce must be made
    for the caller, and it must be newer than the one before of the same subject. The same subject's
    standing under another identity ends."""
    checked = check_token(context, issuer, token)
    own, standings, subjects = context.identity, context.map(STANDINGS), context.map(SUBJECTS)
    subject = subject_digest(context.chain, issuer, checked.subject)
    known = subjects.get(subject)
    if known is not None and checked.issued <= known[0]:
        raise ProgramError(
            "not-newer", "a token as new was presented: log in again, or see people show"
        )
    standing = standings.get(own)
    new = (known is None, standing is None)
    if any(new):
        charge(context, sum(new), SUBJECT_BYTES * new[0] + STANDING_BYTES * new[1])
    if known is not None and known[1] != own:
        former = standings.get(known[1])
        if former is not None and Standing(*former).subject == subject:
            standings.delete(known[1])
    subjects.put(subject, (checked.issued, own))
    row = Standing(issuer, subject, checked.region, checked.until_ms, checked.kid, checked.serial)
    standings.put(own, tuple(row))
    return {"issuer": issuer, "region": row.region, "until_ms": row.until_ms}


@people.transaction
def withdraw(context: Context) -> dict[str, Any]:
    """Be in no region any more, until a newer token is presented."""
    standings = context.map(STANDINGS)
    if standings.get(context.identity) is None:
        raise ProgramError("no-standing", "nobody vouches for you: there is nothing to take back")
    standings.delete(context.identity)
    return {"region": None}


@people.query
def standing(context: Context) -> dict[str, Any]:
    """Where the caller stands: region now, or nil, with the issuer and key that vouch for it, and
    until when."""
    row = context.map(STANDINGS).get(context.identity)
    if row is None:
        return {"region": None, "issuer": None, "kid": None, "until_ms": None}
    held = Standing(*row)
    region = region_of(context, context.identity)
    return {
        "region": region,
        "issuer": held.issuer,
        "kid": held.kid,
        "until_ms": held.until_ms,
    }
