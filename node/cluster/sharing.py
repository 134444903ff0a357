"""The shares of a local cluster's members: each publishes a recovery key, checks its share, and
says that it holds it, through the ordinary client.

Owns nothing of how shares are made or checked (node/client/recovering.py). The keys of all members
lie in one folder here, which is what they may not do anywhere else.
"""

import asyncio

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.node.client.audit.reader import Reader
from strongroom.node.client.governing import Member, read_public_state
from strongroom.node.client.recovering import RecoveryMember
from strongroom.node.client.recovery_keys import RecoveryKeyFolder
from strongroom.node.client.trust.service import load_service
from strongroom.node.cluster.cluster import Say
from strongroom.node.cluster.plan import MEMBERS
from strongroom.node.layout import ClusterLayout

SHARING_SECONDS_MAX = 120.0
_POLL_SECONDS = 0.5


async def keep_shares(layout: ClusterLayout, threshold: int, *, say: Say) -> None:
    """Bring it about that a generation is active and every member of the folder holds its share. A
    second time it only looks.

    Raises:
        OperatorFault: members set another threshold, or no generation became active in time.
        StrongroomError: the service does not answer, or a share is wrong.
    """
    service = load_service(layout.directory)
    async with Reader(service) as reader:
        set_to = (await read_public_state(reader)).recovery.threshold
        if set_to != threshold:
            raise OperatorFault(
                f"{layout.directory}: of {set_to} members are shares needed, not of {threshold}: "
                "propose it with `strongroom gov propose set_recovery_threshold`"
            )
        members = {}
        for name in MEMBERS:
            identity = service.keys.load(name)
            folder = RecoveryKeyFolder(layout.recovery(name), service.chain, identity.public)
            acting = Member(reader, identity)
            members[name] = RecoveryMember(reader, acting, identity.public, folder)
            say(f"{name} publishes its recovery key")
            await members[name].publish_key()
        try:
            async with asyncio.timeout(SHARING_SECONDS_MAX):
                await _until_held(reader, members, say)
        except TimeoutError:
            raise OperatorFault(
                "no generation of shares became active: see `strongroom recover status`"
            ) from None


async def _until_held(reader: Reader, members: dict[str, RecoveryMember], say: Say) -> None:
    """Members' keys came one after the other, so that generations for fewer may come first."""
    say("waiting for the nodes' enclaves to make shares, and to check them")
    while True:
        recovery = (await read_public_state(reader)).recovery
        newest = recovery.generations[-1] if recovery.generations else None
        if newest is None or not newest.current or newest.checks < newest.checks_needed:
            await asyncio.sleep(_POLL_SECONDS)
            continue
        for name, member in members.items():
            say(f"{name} checks its share of generation {newest.number}")
            for one in await member.check():
                if one.number == newest.number and not one.good:
                    raise ClientFault(f"{name}: {one.outcome}: {one.detail}")
        if not (await read_public_state(reader)).recovery.alarms:
            return
