"""The recovery drill with real processes, short: one node, few payments (VAULT §7, P9; T45, T5B).

What the steps are and what must hold after each: scripts/drill.py. With four nodes, a lost disk and
joiners it takes minutes: marked `long`.
"""

from pathlib import Path

import pytest
from scripts.drill import play
from scripts.recovery_drill.drill import Drill

from strongroom.node.cluster.cluster import open_cluster
from strongroom.node.cluster.temporary_cluster import Stage, running_cluster
from strongroom.node.terminal.teller import Teller

pytestmark = pytest.mark.processes


async def drilled(directory: Path, *, nodes: int, payments: int) -> Drill:
    stage = Stage(nodes=nodes, base_port=0, directory=directory)
    teller, limits = Teller(to_stderr=True), (("recovery_threshold", 2),)
    async with running_cluster(stage, teller, fund=True, limits=limits) as cluster:
        one = Drill(cluster, payments, teller)
        try:
            await play(one, nodes=nodes)
        finally:
            await open_cluster(one.directory).down()
    return one


async def test_P9_lost_keys_of_all_enclaves_come_back_by_k_of_n_members(tmp_path: Path) -> None:
    one = await drilled(tmp_path / "cluster", nodes=1, payments=3)
    assert one.figures["members"] == ["member0", "member1"]


@pytest.mark.long
async def test_P9_four_nodes_lose_a_disk_and_all_keys_and_others_join_again(tmp_path: Path) -> None:
    one = await drilled(tmp_path / "cluster", nodes=4, payments=1_000)
    assert one.figures["members"] == ["member0", "member1"]
