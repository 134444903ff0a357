"""ROOMS §6 on real processes, with everything in hand: after a withdrawal, the epoch's end and its
grace, all ledger secrets, disks, memories and today's keys open nothing of a data set (T66)."""

import asyncio
import os
from pathlib import Path

import pytest

pytest.importorskip("numpy", reason="the extra `rooms` is not installed")

from tests.enclave.programs.rooms.world import data_terms
from tests.enclave.programs.vault.world import POLICY
from tests.integration.test_epochs import all_until, decide, running, votes_in
from tests.integration.test_forgetting import contents, found_in, pids, replaced
from tests.waiting import seen

from strongroom.enclave.outside.chunks import DataPlace
from strongroom.enclave.primitives import Secret
from strongroom.node.clean_rooms.bringing import node_doors
from strongroom.node.client import Client
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.demo.occupancy.in_hand import InHand, KeyInVault, copied, try_everything

pytestmark = [
    pytest.mark.processes,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="reads other processes' memory"),
]

LIMITS = (("activation_delay_ms", 0), ("grace_ms", 1_000))
GOING, STAYING = "going", "staying"
ROWS = b"rows that nobody may read again " * 100_000


class Owned:
    """One data set, and what somebody copied of it from disks."""

    def __init__(self, name: str, client: Client) -> None:
        self.key, self.secret = KeyInVault(client.identity.id, name), Secret.fresh()
        self.place = DataPlace(client.service.chain, client.identity.id, name, 1)
        self.chunks: list[bytes] = []

    async def bring(self, client: Client, cluster: Cluster) -> None:
        name = self.key.name
        await client.call("vault.new", name=name, policy=POLICY)
        await client.call("vault.put", key=f"/{name}", secret=self.secret.reveal())
        terms = data_terms(recipients=(client.identity.id,)).encode()
        await client.call("rooms.publish", name=name, terms=terms, key=f"/{name}")
        async with node_doors(client.service) as doors:
            stored = await doors.store([ROWS], self.secret, self.place)
            names = await doors.names(stored.root, stored.chunks)
        size = {"chunks": stored.chunks, "size_class": stored.size_class}
        await client.call("rooms.add", name=name, root=bytes(stored.root), **size)
        self.chunks = copied(cluster, names)

    async def in_hand(self, cluster: Cluster) -> InHand:
        return await asyncio.to_thread(try_everything, cluster, self.key, self.place, self.chunks)


async def test_P10_T66_with_everything_in_hand_nothing_opens_erased_rows(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    async with running(folder, limits=LIMITS) as cluster:
        async with Client.connect(folder, identity="member0") as client:
            sets = {name: Owned(name, client) for name in (GOING, STAYING)}
            for one in sets.values():
                await one.bring(client, cluster)
                assert len(one.chunks) > 2
                control = await one.in_hand(cluster)
                assert control.keys == {one.secret.reveal()}, (
                    "the control: it opens while it stands"
                )
                assert control.opened == len(one.chunks)
            await client.call("rooms.withdraw_data", data=f"/{GOING}")
            with pytest.raises(ProgramFailed, match="withdrawn"):
                await client.call(
                    "rooms.extend", name=GOING, root=bytes(32), chunks=99, size_class=30
                )
            still = await sets[GOING].in_hand(cluster)
            assert still.keys == {sets[GOING].secret.reveal()}, (
                "the control: withdrawn is not forgotten yet, and the attempt sees it"
            )
        enclaves = pids(cluster)
        await decide(cluster, "rotate", compromised=False)
        await all_until(cluster, votes_in(1))
        await replaced(cluster, enclaves)
        await all_until(cluster, votes_in(1))

        async def settled() -> InHand | None:
            found = await sets[GOING].in_hand(cluster)
            return found if found.epochs == (1,) else None

        gone = await seen(settled, lambda found: found is not None, pause=0.2)
        assert gone is not None
        assert gone.boxes >= 2
        assert gone.ledger_secrets == 2
        assert gone.write_sets >= still.write_sets
        assert not gone.keys
        assert not gone.opened
        stays = await sets[STAYING].in_hand(cluster)
        assert stays.keys == {sets[STAYING].secret.reveal()}, "the attempt still sees"
        assert stays.opened == len(sets[STAYING].chunks)
        secret = sets[GOING].secret.reveal()
        for name, pid in pids(cluster).items():
            assert not found_in(pid, [secret]), f"{name}'s enclave still holds the data key"
        for path in folder.rglob("*"):
            assert secret not in contents(path), path
        async with Client.connect(folder, identity="member0") as client:
            shown = (await client.query("rooms.data_set", data=(b"", GOING))).value
            assert shown["state"] == "withdrawn"
