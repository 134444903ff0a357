"""service.json: what a client starts from."""

import json
from pathlib import Path
from typing import Any

import pytest

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import ChainId
from strongroom.enclave.proofs.genesis import pin_of
from strongroom.node.client.trust.service import load_service

CHAIN = ChainId(bytes(range(32)))
GOOD: dict[str, Any] = {
    "service": pin_of(CHAIN),
    "chain": CHAIN.hex(),
    "endpoints": ["https://127.0.0.1:7400", "https://[::1]:7401/"],
    "ca": "ca.pem",
}


def test_it_is_found_in_the_folder_or_named_itself(tmp_path: Path) -> None:
    (tmp_path / "service.json").write_text(json.dumps(GOOD))
    for where in (tmp_path, tmp_path / "service.json", str(tmp_path)):
        service = load_service(where)
        assert (service.pin, service.chain) == (pin_of(CHAIN), CHAIN)
        assert service.endpoints == ("https://127.0.0.1:7400", "https://[::1]:7401")
        assert service.ca == tmp_path / "ca.pem"
        assert service.keys.directory == tmp_path / "keys"


def test_an_absolute_bundle_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "service.json").write_text(json.dumps(GOOD | {"ca": "/etc/bundle.pem"}))
    assert load_service(tmp_path).ca == Path("/etc/bundle.pem")


def test_without_one_it_says_how_to_start_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault, match="strongroom cluster up"):
        load_service(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "change",
    [
        {"service": "sr1-nonsense"},
        {"service": 7},
        {"chain": "00" * 32},
        {"endpoints": []},
        {"endpoints": "https://127.0.0.1:7400"},
        {"endpoints": ["http://127.0.0.1:7400"]},
        {"endpoints": ["https://127.0.0.1"]},
        {"endpoints": ["https://127.0.0.1:7400/path"]},
        {"endpoints": [7]},
        {"ca": None},
    ],
)
def test_a_damaged_one_is_an_operators_fault(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / "service.json").write_text(json.dumps(GOOD | change))
    with pytest.raises(OperatorFault, match="damaged"):
        load_service(tmp_path)
