"""`cluster add`, `cluster remove`, `node join`, `cluster up --epoch-blocks` on real processes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from strongroom.node.cli.main import make_app
from strongroom.node.client.trust.service import load_service


def strongroom(directory: Path, *arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(
        make_app(arguments[0]),
        [*arguments, "--dir", str(directory), "--json"],
        catch_exceptions=False,
    )
    assert result.exit_code == code, result.output
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "cluster"
    strongroom(directory, "cluster", "up", "--base-port", "0", "--epoch-blocks", "30", "--detach")
    try:
        yield directory
    finally:
        strongroom(directory, "cluster", "down")


def epochs(directory: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = strongroom(directory, "explorer", "epochs")
    return found


def pay(directory: Path) -> dict[str, Any]:
    done: dict[str, Any] = strongroom(
        directory,
        "call",
        "payments.transfer",
        "to=bob",
        "amount=1",
        "--as",
        "alice",
        "--wait",
        "receipt",
    )
    return done


@pytest.mark.long
def test_a_node_joins_by_attestation_and_governance_and_another_leaves(cluster: Path) -> None:
    """P5, P7, T29: one ledger through all of it, and one pin."""
    assert pay(cluster)["result"] == {"balance": 999_999}
    added = strongroom(cluster, "cluster", "add")
    assert (added["name"], added["state"]) == ("n4", "voting")
    assert len(epochs(cluster)[-1]["members"]) == 5
    assert len(load_service(cluster).endpoints) == 5
    assert pay(cluster)["result"] == {"balance": 999_998}
    refused = CliRunner().invoke(
        make_app("cluster"), ["cluster", "add", "--region", "mars", "--dir", str(cluster)]
    )
    assert (refused.exit_code, "gov propose allow_region region=mars" in refused.stderr) == (
        2,
        True,
    )
    assert "mars" not in json.dumps(strongroom(cluster, "gov", "show"))
    assert not (cluster / "n5").exists()
    removed = strongroom(cluster, "cluster", "remove", "n0")
    assert (removed["name"], removed["state"], removed["pid"]) == ("n0", "removed", None)
    assert len(epochs(cluster)[-1]["members"]) == 4
    done = pay(cluster)
    assert done["result"] == {"balance": 999_997}
    assert done["receipt"]["version"] == 2
    nodes = {node["name"]: node["status"] for node in strongroom(cluster, "explorer", "nodes")}
    assert nodes == {
        "n0": "removed",
        "n1": "validator",
        "n2": "validator",
        "n3": "validator",
        "n4": "validator",
    }
    pin = load_service(cluster).pin
    verify = [
        "verify",
        "ledger",
        str(cluster / "n4"),
        "--service",
        pin,
        "--at-least",
        str(done["height"]),
        "--json",
    ]
    result = CliRunner().invoke(make_app(verify[0]), verify, catch_exceptions=False)
    assert json.loads(result.stdout)["verdict"] == "valid", result.output
    strongroom(cluster, "cluster", "down")
    again = strongroom(cluster, "cluster", "up", "--detach")
    assert again["nodes"] == ["n1", "n2", "n3", "n4"]
    assert pay(cluster)["result"] == {"balance": 999_996}


@pytest.mark.long
def test_a_node_joins_after_founders_were_replaced_by_other_operators_nodes(cluster: Path) -> None:
    """Genesis knows none of the machines that took their places; fewer than a quorum of the set is
    known to it."""
    for gone in ("n0", "n1"):
        assert strongroom(cluster, "cluster", "add")["state"] == "voting"
        assert strongroom(cluster, "cluster", "remove", gone)["state"] == "removed"
    added = strongroom(cluster, "cluster", "add")
    assert (added["name"], added["state"]) == ("n6", "voting")
    newest = epochs(cluster)[-1]["members"]
    assert len(newest) == 5
    assert pay(cluster)["result"] == {"balance": 999_999}
    verdicts = {
        node["name"]: node.get("verdict", "") for node in strongroom(cluster, "explorer", "nodes")
    }
    assert not any("not judged" in str(words) for words in verdicts.values()), verdicts
    log = (cluster / "n6" / "node.log").read_text()
    assert "certified validator, not judged yet" in log
    assert "link.judged_anew" in log


@pytest.mark.long
def test_a_prepared_node_says_what_members_must_allow(cluster: Path) -> None:
    prepared = strongroom(
        cluster, "node", "join", "n9", "--operator", "bank9", "--region", "zurich",
        "--rpc", "127.0.0.1:7409", "--peer", "127.0.0.1:7419",
    )  # fmt: skip
    assert (cluster / "n9" / "node.toml").is_file()
    for words in prepared["proposals"]:
        _, _, change, *texts = words.split()
        assert strongroom(
            cluster, "gov", "simulate", change, *texts, code=0 if change == "allow_operator" else 1
        )
    strongroom(cluster, "gov", "show")
