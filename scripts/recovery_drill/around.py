"""What comes before the greatest disaster of a drill, and after it: members take shares, a disk is
lost, all restart, others join again, receipts and the ledger verify across it.

Owns these steps; their order is scripts/drill.py's, the disaster coming_back.py's.
"""

import asyncio
import shutil
import time
from pathlib import Path

from scripts.recovery_drill.drill import Broken, Drill

from strongroom.consensus.errors import ClientFault
from strongroom.node.client.audit.reader import Reader
from strongroom.node.client.governing import Member
from strongroom.node.client.recovering import RecoveryMember
from strongroom.node.client.recovery_keys import RecoveryKeyFolder
from strongroom.node.cluster.cluster import open_cluster
from strongroom.node.cluster.growth import add_node, remove_node
from strongroom.node.cluster.plan import MEMBERS

SHARE_SECONDS_MAX = 120.0


async def share(drill: Drill, *, turn: int = 0) -> None:
    """Members' keys, then a generation that more than k of them hold; at least number `turn` +
    1."""
    service = open_cluster(drill.directory).service()
    layout = drill.cluster.layout
    deadline = time.monotonic() + SHARE_SECONDS_MAX
    async with Reader(service) as reader:
        members = []
        for name in MEMBERS:
            identity = service.keys.load(name)
            folder = RecoveryKeyFolder(layout.recovery(name), service.chain, identity.public)
            acting = Member(reader, identity)
            members.append(RecoveryMember(reader, acting, identity.public, folder))
            await members[-1].publish_key(new=False)
        while time.monotonic() < deadline:
            held = 0
            for member in members:
                try:
                    checked = await member.check()
                except ClientFault:  # none is made yet
                    break
                held += any(one.good and one.active and one.number > turn for one in checked)
            if held > drill.threshold:
                return
            await asyncio.sleep(0.5)
    raise Broken(f"no shares in force within {SHARE_SECONDS_MAX:g} s")


async def lose_a_disk(drill: Drill) -> None:
    """One node's disk is gone: members remove it, another one takes its place."""
    victim = drill.cluster.members[-1]
    with drill.step("one node's disk lost: removed, and another one joins"):
        await victim.kill()
        for part in (victim.layout.ledger, victim.layout.wal, victim.layout.sealed):
            shutil.rmtree(part)
        with drill.teller.under_way() as say:
            drill.cluster = await remove_node(drill.cluster, victim.name, say=say)
            drill.cluster = await add_node(drill.cluster, region=None, say=say)
    await drill.check_balances("after a disk was lost")


async def restart_all(drill: Drill) -> None:
    """kill -9 of every process, and a start."""
    with drill.step("all nodes killed and started again"):
        await drill.kill_all()
        await drill.start_all()
    await drill.check_balances("after all were restarted")


async def join_again(drill: Drill, count: int) -> None:
    """Others join the recovered service as usual, and vote."""
    for _ in range(count):
        name = f"{count} further nodes join the recovered service, and vote"
        with drill.step(name), drill.teller.under_way() as say:
            drill.cluster = await add_node(drill.cluster, region=None, say=say)
    validators = await drill.cluster.validators()
    drill.expect(len(validators) == count + 1, f"validators after {count} joined: {validators}")
    await drill.check_balances("after others joined")
    if drill.balances:
        await drill.pay_with_receipt()


async def verify_across(drill: Drill, receipt: Path | None) -> None:
    """Receipts from before verify with the same pin, and the ledger as a whole."""
    pin = drill.cluster.service().pin
    with drill.step("verify receipt and verify ledger, across the recovery"):
        if receipt is not None:
            verified = await drill.command("verify", "receipt", str(receipt), "--service", pin)
            drill.expect(verified["verdict"] == "valid", f"a receipt from before: {verified}")
        folder = str(drill.cluster.node(drill.cluster.names[0]).layout.directory)
        checked = await drill.command("verify", "ledger", folder, "--service", pin)
        drill.expect(checked["recoveries"] != [], f"verify ledger names no recovery: {checked}")
        newest = checked["recoveries"][-1]
        drill.figures |= {"recovered_at": newest["height"], "members": newest["members"]}
