"""Where a person is, now: what the runner, grants and rooms ask (VAULT §5).

Owns the one answer. It costs two looks into maps and no cryptography: a token is checked once, when
it is presented.
"""

from strongroom.enclave.programs.framework import Context
from strongroom.enclave.programs.governance import ISSUER_KEYS
from strongroom.enclave.programs.people.tables import STANDINGS


def region_of(context: Context, identity: bytes) -> str | None:
    """The region of a person by block time; None when nobody vouches for one now: no token was
    presented, it has ended, or its issuer or the key that signed it was removed; and in a service
    whose genesis does not name `people`. Two steps."""
    try:
        standings = context.map(STANDINGS)
    except KeyError:
        return None
    standing = standings.get(identity)
    if standing is None:
        return None
    issuer, _, region, until_ms, kid, serial = standing
    if until_ms <= context.time_ms:
        return None
    key = context.map(ISSUER_KEYS).get((issuer, kid))
    return region if key is not None and key[0] == serial else None
