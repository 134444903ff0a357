"""A member brings users onto the roster: the people of a local cluster's folder, or of an
organisation.

Owns how many are named in one call. The call is sealed, so that no host learns who they are; it may
be made again, for who is admitted stays so.
"""

from collections.abc import Sequence
from pathlib import Path

from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.programs.roster_tables import MANY_MAX
from strongroom.node.client.client import Client

BRING_SECONDS_MAX = 60.0


async def bring(
    directory: Path,
    users: Sequence[bytes],
    *,
    member: str | Identity,
    timeout: float = BRING_SECONDS_MAX,
) -> None:
    """Have a member bring these identities.

    Raises:
        ProgramFailed: it is no member, or its quota is used up.
        StrongroomError: its key cannot be had, or the service does not answer or does not verify.
    """
    async with Client.connect(directory, member, timeout=timeout) as client:
        for start in range(0, len(users), MANY_MAX):
            many = [f"id:{user.hex()}" for user in users[start : start + MANY_MAX]]
            await client.call("roster.bring", users=many)
