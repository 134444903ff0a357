"""A cluster's own logic, without processes: verdicts, plans, waiting."""

import json
from pathlib import Path
from typing import Any

import pytest

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cluster import cluster as clusters
from strongroom.node.cluster import growth
from strongroom.node.cluster.cluster import Cluster, verdict_on
from strongroom.node.cluster.creation import create
from strongroom.node.cluster.node_process import NodeFailed, NodeProcess
from strongroom.node.cluster.plan import Plan
from strongroom.node.cluster.up import bring_up
from strongroom.node.config import Address, NodeConfig, dumps
from strongroom.node.layout import ClusterLayout
from strongroom.node.machine import ports


def quiet(_text: str) -> None: ...


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    layout = ClusterLayout(tmp_path)
    return Cluster(layout, tuple(NodeProcess(layout.node(f"n{number}")) for number in range(4)))


def test_one_peer_that_refuses_a_nodes_evidence_is_shown_before_all_that_accept_it() -> None:
    good, bad, unknown = (
        {"n1": "good (SIMULATED)"},
        {"n1": "measurement"},
        {"n1": "not checked yet"},
    )
    assert verdict_on("n1", [unknown, good, bad, good], runs=True) == "measurement"
    assert verdict_on("n1", [unknown, good, good], runs=True) == "good (SIMULATED)"
    assert verdict_on("n1", [unknown, {}], runs=True) == "not checked yet"


def test_of_a_node_that_does_not_run_only_what_was_found_wrong_is_said() -> None:
    good, bad = {"n1": "good (SIMULATED)"}, {"n1": "measurement"}
    assert verdict_on("n1", [good, bad], runs=False) == "measurement"
    assert verdict_on("n1", [good], runs=False) == "not running"
    assert verdict_on("n1", [{"n1": "not checked yet"}, {}], runs=False) == "not running"


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        (Plan(nodes=0), "--nodes is from 1 to 128"),
        (Plan(nodes=129), "--nodes is from 1 to 128"),
        (Plan(nodes=11), "need --port-stride 11"),
        (Plan(base_port=1023), "--base-port is 0 or from 1024"),
        (Plan(base_port=65_522), "--base-port is 0 or from 1024"),
    ],
)
def test_a_plan_that_cannot_be_met_says_what_can(plan: Plan, problem: str) -> None:
    with pytest.raises(OperatorFault, match=problem):
        plan.check()


def test_ports_are_base_plus_i_then_one_stride_further_for_peers_and_two_for_health() -> None:
    free = ports.reserve_free(1)
    base = free.ports[0]
    free.release()
    reservation = Plan(nodes=3, base_port=base, port_stride=5).reserve_ports()
    try:
        rows = (base, base + 5, base + 10)
        assert reservation.ports == [row + index for row in rows for index in range(3)]
    finally:
        reservation.release()


async def test_a_cluster_whose_port_is_taken_is_not_made(tmp_path: Path) -> None:
    taken = ports.reserve_free(1)
    try:
        with pytest.raises(ports.PortTaken):
            await create(tmp_path / "new", Plan(nodes=1, base_port=taken.ports[0]), say=quiet)
    finally:
        taken.release()
    assert list(tmp_path.iterdir()) == []


async def test_a_ceremony_that_fails_leaves_no_half_made_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    async def fails(directory: Path, **how: Any) -> None:
        assert {spec.region for spec in how["nodes"]} <= dict(how["countries"]).keys()
        seen.append(sorted(path.name for path in directory.iterdir()))
        assert not (tmp_path / "new").exists()
        raise OperatorFault("the ceremony fails")

    monkeypatch.setattr("strongroom.node.cluster.creation.found", fails)
    with pytest.raises(OperatorFault, match="the ceremony fails"):
        await create(tmp_path / "new", Plan(nodes=2, base_port=0), say=quiet)
    assert seen == [["ca.pem", "credential", "keys", "n0", "n1"]]
    assert list(tmp_path.iterdir()) == []


async def test_three_nodes_are_made_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any, **__: Any) -> None:
        raise OperatorFault("far enough")

    said: list[str] = []
    monkeypatch.setattr("strongroom.node.cluster.creation.found", fails)
    with pytest.raises(OperatorFault):
        await create(tmp_path / "new", Plan(nodes=3, base_port=0), say=said.append)
    assert said[0].startswith("warning: 3 nodes")


async def test_waiting_for_a_quorum_ends_when_too_many_nodes_have_ended(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = dict.fromkeys(("n0", "n1"), "starting") | dict.fromkeys(("n2", "n3"), "stopped")
    monkeypatch.setattr(clusters, "state_of", lambda node: states[node.name])
    with pytest.raises(NodeFailed, match="node n2 ended"):
        await cluster.wait_quorum(quiet)


async def test_waiting_for_a_quorum_names_who_is_late(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = dict.fromkeys(("n0", "n1"), "voting") | dict.fromkeys(("n2", "n3"), "syncing")
    monkeypatch.setattr(clusters, "state_of", lambda node: states[node.name])
    said: list[str] = []
    with pytest.raises(NodeFailed, match=r"node n2 does not vote after 0 s \(state syncing\)"):
        await cluster.wait_quorum(said.append, seconds=0)
    states["n3"] = "voting"
    await cluster.wait_quorum(said.append)


async def test_a_quorum_is_counted_among_the_validators_not_among_folders(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of seven validators two have folders here; n2 and n3 were removed."""
    states = {"n0": "voting", "n1": "starting", "n2": "stopped", "n3": "halted"}
    monkeypatch.setattr(clusters, "state_of", lambda node: states[node.name])
    known = ["n0", "n1"]

    async def validators(_cluster: Cluster) -> tuple[str, ...]:
        return tuple(known)

    monkeypatch.setattr(Cluster, "validators", validators)
    with pytest.raises(NodeFailed, match="node n1 does not vote"):
        await cluster.wait_quorum(quiet, seconds=0)
    states["n1"] = "voting"
    await cluster.wait_quorum(quiet)
    known += [f"elsewhere{number}" for number in range(5)]
    await cluster.wait_quorum(quiet)


async def test_removed_nodes_are_no_longer_told_and_the_others_stay_as_told(tmp_path: Path) -> None:
    """Also when another one was removed before."""
    free = ports.reserve_free(6)
    layout = ClusterLayout(tmp_path)
    names, config = ["n0", "n1", "n2"], {}
    for name, rpc, peer in zip(names, free.ports[:3], free.ports[3:], strict=True):
        node = layout.node(name)
        node.directory.mkdir()
        config[name] = f"https://127.0.0.1:{rpc}"
        at = NodeConfig(
            name=name, directory=node.directory, genesis=layout.genesis,
            rpc=Address("127.0.0.1", rpc), peer=Address("127.0.0.1", peer), peers=(),
        )  # fmt: skip
        node.config.write_text(dumps(at, base=node.directory))
        node.tls_certificate.write_bytes(f"certificate {name}\n".encode())
    free.release()
    layout.ca.write_bytes(b"".join(f"certificate {name}\n".encode() for name in names))
    layout.service.write_text(json.dumps({"endpoints": list(config.values())}))
    there = Cluster(layout, tuple(NodeProcess(layout.node(name)) for name in names))
    growth._publish(there, without=there.node("n1"))
    growth._publish(there, without=there.node("n2"))
    assert json.loads(layout.service.read_text())["endpoints"] == [config["n0"]]
    assert layout.ca.read_bytes() == b"certificate n0\n"
    growth._publish(there, with_node=there.node("n2"))
    assert json.loads(layout.service.read_text())["endpoints"] == [config["n0"], config["n2"]]


@pytest.mark.parametrize("name", ["caf\udce9", "x" * 250, "/".join(["y" * 200] * 20), "a\x1b[2Jb"])
async def test_a_folder_that_files_cannot_name_is_refused_before_anything_is_made(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(OperatorFault, match="choose another") as caught:
        await bring_up(tmp_path / name, say=quiet)
    assert "\x1b" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
