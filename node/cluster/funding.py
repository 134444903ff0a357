"""The opening amounts of a local cluster's users, issued once, and the roster, through the ordinary
client.

Owns who gets how much. All amounts are issued by one transaction and only while nothing was ever
issued, so that a start which was broken off, or a second one, changes nothing.
"""

from strongroom.node.client import Client
from strongroom.node.client.bringing import bring
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.cluster import Say
from strongroom.node.cluster.plan import BRINGER, ISSUER, MEMBERS, USERS
from strongroom.node.layout import ClusterLayout

OPENING_AMOUNT = 1_000_000
"""Of each user, in the smallest unit."""


async def fund_users(layout: ClusterLayout, *, say: Say) -> None:
    """Issue the opening amounts unless something was issued before.

    Raises:
        StrongroomError: the service does not verify or does not answer.
    """
    say(f"checking the service's evidence against the pin, as {ISSUER}")
    async with Client.connect(layout.directory, identity=ISSUER) as client:
        if (await client.query("payments.supply")).value:
            return
        say(f"issuing {OPENING_AMOUNT:,} each to {', '.join(USERS)}")
        await client.call("payments.issue_many", issues=[[name, OPENING_AMOUNT] for name in USERS])


async def bring_people(layout: ClusterLayout, *, say: Say) -> None:
    """Bring whoever got a key in this folder, beside those that genesis admits, onto the roster.

    Raises:
        StrongroomError: the service does not verify or does not answer.
    """
    people = [file for file in KeyFolder(layout.keys).list() if file.name not in (*MEMBERS, *USERS)]
    if people:
        say(f"{BRINGER} brings {len(people)} further identities of this folder onto the roster")
        await bring(layout.directory, [file.id for file in people], member=BRINGER)
