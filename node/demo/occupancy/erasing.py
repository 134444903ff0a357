"""The end of retention: an owner takes readings back, and everything in hand opens nothing.

Owns the attempts before and after, and the members' votes in between. Erasing itself is the
command's: `strongroom data erase`.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from strongroom.enclave.governance.public import BALLOT, proposal_digest
from strongroom.enclave.outside.chunks import DataPlace
from strongroom.node.client.audit.reader import Reader
from strongroom.node.client.governing import Member, read_public_state
from strongroom.node.cluster.plan import MEMBERS
from strongroom.node.demo.clean_rooms.pool import client_folder
from strongroom.node.demo.clean_rooms.scene import Scene
from strongroom.node.demo.occupancy.in_hand import InHand, KeyInVault, copied, try_everything
from strongroom.node.demo.occupancy.sensing import Site
from strongroom.node.demo.room_processes import run_command
from strongroom.node.terminal.teller import StoryFails

ROTATE = "rotate"
VOTE_SECONDS_MAX, ERASE_SECONDS = 60.0, "90s"
POLL_SECONDS = 0.2
SETTLED_SECONDS_MAX = 30.0
"""Until each enclave has sealed its state anew: it does so when its epoch's grace is over."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What somebody copied while it lay on disks."""

    key: KeyInVault
    place: DataPlace
    chunks: list[bytes]
    secret: bytes
    """The data key itself, as its owner has it: to know it when it comes out."""


async def copy(scene: Scene, site: Site) -> Kept:
    """Copy a data set's first segment from the nodes' disks."""
    shown = await site.shown()
    newest = shown["versions"][-1]
    series = [one for one in shown["versions"] if one["key_version"] == newest["key_version"]]
    first = series[0]
    store = scene.cluster.nodes[0].layout.chunks
    names = (store / "kept" / bytes(first["root"]).hex()).read_bytes()
    chunks = copied(scene.cluster, [names[at : at + 32] for at in range(0, len(names), 32)])
    place = DataPlace(site.party.client.service.chain, site.party.id, site.data, first["version"])
    (secret,) = {bytes.fromhex(one) for one in site.secrets(newest["key_version"])}
    return Kept(KeyInVault(site.party.id, site.data), place, chunks, secret)


def attempt(scene: Scene, kept: Kept) -> InHand:
    """Everything in hand, now."""
    return try_everything(scene.cluster, kept.key, kept.place, kept.chunks)


async def erase(scene: Scene, site: Site) -> dict[str, Any]:
    """`strongroom data erase`, and the members' votes that it waits for; its document."""
    layout = scene.cluster.layout
    folder = client_folder(layout, scene.folder / "eraser", (site.party.name, MEMBERS[0]))
    command = run_command(
        *("data", "erase", site.data, "--yes", "--as", site.party.name),
        *("--member", MEMBERS[0], "--wait", ERASE_SECONDS, "--dir", str(folder.directory)),
    )
    (status, document), _ = await asyncio.gather(command, _vote(scene))
    if status:
        raise StoryFails(f"data erase ended with {status}: {document}")
    told: dict[str, Any] = document
    return told


async def _vote(scene: Scene) -> None:
    """The other members, for the rotation that stands open."""
    service = scene.cluster.service()
    async with Reader(service) as reader, asyncio.timeout(VOTE_SECONDS_MAX):
        while True:
            state = await read_public_state(reader)
            alive = [
                one for one in state.proposals if one.change == ROTATE and one.status == "open"
            ]
            if alive:
                break
            await asyncio.sleep(POLL_SECONDS)
        digest = proposal_digest(ROTATE, (("compromised", False),))
        others = MEMBERS[1 : len(MEMBERS) // 2 + 1]
        voting = [Member(reader, service.keys.load(name)) for name in others]
        await asyncio.gather(*(one.act(BALLOT, (alive[0].id, digest, True)) for one in voting))


async def attempt_until_settled(scene: Scene, kept: Kept) -> InHand:
    """Everything in hand, once every node has sealed what it holds without the ended epoch's
    secret; what is still open then is said by what comes out."""
    newest = 0
    try:
        async with asyncio.timeout(SETTLED_SECONDS_MAX):
            while True:
                found = await asyncio.to_thread(attempt, scene, kept)
                newest = max(found.epochs, default=newest)
                if found.epochs == (newest,) and not found.keys:
                    return found
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        return await asyncio.to_thread(attempt, scene, kept)
