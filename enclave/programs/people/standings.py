"""Where a person is, now: what the runner, grants and rooms ask (VAULT §5); and who he is, for the
roster, when an issuer's tokens admit.

Owns the one answer. It costs two looks into maps and no cryptography: a token is checked once, when
it is presented.
"""

from strongroom.enclave.programs.framework import Bearer, Context
from strongroom.enclave.programs.governance import ISSUER_KEYS
from strongroom.enclave.programs.people.tables import STANDINGS, Standing


def region_of(context: Context, identity: bytes) -> str | None:
    """The region of a person by block time; None when nobody vouches for one now: no token was
    presented, it has ended, or its issuer or the key that signed it was removed; and in a service
    whose genesis does not name `people`. A query is asked by the host's clock too, where that is
    later: while no block is made, block time stands, and tokens end all the same. Two steps."""
    try:
        standings = context.map(STANDINGS)
    except KeyError:
        return None
    standing = standings.get(identity)
    if standing is None:
        return None
    issuer, _, region, until_ms, kid, serial = standing
    if until_ms <= context.time_ms or until_ms <= context.clock_ms:
        return None
    key = context.map(ISSUER_KEYS).get((issuer, kid))
    return region if key is not None and key[0] == serial else None


def bearer_of(context: Context, identity: bytes) -> Bearer | None:
    """Whom a token names that counts now, however its region is called. Three steps."""
    if region_of(context, identity) is None:
        return None
    row = context.map(STANDINGS).get(identity)
    held = None if row is None else Standing(*row)
    return None if held is None else Bearer(held.issuer, held.subject, held.until_ms)
