"""`strongroom explorer regions`: where regions lie by the members' table, and who stands there."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.enclave.fixtures import REGION, make_cluster_genesis
from typer.testing import CliRunner

from strongroom.node.api.public_state import policy_document
from strongroom.node.cli.main import make_app
from strongroom.node.client.audit import reader
from strongroom.node.client.trust import service

NODES = [
    {"name": "n1", "region": REGION, "status": "validator"},
    {"name": "n0", "region": REGION, "status": "suspended"},
    {"name": "n2", "region": REGION, "status": "removed"},
]


class OneNode:
    """A reader whose node shows this policy and these nodes."""

    def __init__(self, _service: object) -> None:
        pass

    async def __aenter__(self) -> "OneNode":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def ask(self, method: str) -> Any:
        policy = make_cluster_genesis().verified.constitution.policy
        placed = replace(policy, countries=(("oslo", "NO"),))
        return {"service_policy": policy_document(placed), "service_nodes": NODES}[method]


@pytest.fixture(autouse=True)
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "Reader", OneNode)
    monkeypatch.setattr(service, "load_service", lambda _directory: SimpleNamespace())
    monkeypatch.setenv("STRONGROOM_DIR", str(tmp_path))
    (tmp_path / "service.json").write_text("{}")


def run(*more: str) -> str:
    done = CliRunner().invoke(make_app("explorer"), ["explorer", "regions", *more])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_each_region_with_its_country_and_who_stands_there() -> None:
    nowhere = {"region": REGION, "country": None, "basis": None}
    oslo = {"region": "oslo", "country": "NO", "basis": 2, "nodes_allowed": False, "nodes": []}
    here = nowhere | {"nodes_allowed": True, "nodes": ["n0", "n1"]}
    assert json.loads(run("--json")) == sorted((here, oslo), key=lambda one: str(one["region"]))


def test_a_country_is_shown_as_an_operators_word_and_never_as_proven() -> None:
    (line,) = [one for one in run().splitlines() if "oslo" in one]
    assert "NO" in line
    assert "its operator's word" in line
    assert "proven" not in run()
