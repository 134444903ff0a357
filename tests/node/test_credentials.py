"""A credential is shown in one header only, and lies in a file that only its owner reads."""

import copy
import pickle
from pathlib import Path

import pytest
from typer.testing import CliRunner

from strongroom.consensus.errors import OperatorFault
from strongroom.node.cli.main import make_app
from strongroom.node.config import load
from strongroom.node.credentials import Credential, load_optional, shown_digest
from strongroom.node.organisations import DoorPolicy


def test_it_goes_through_its_file_and_its_digest_is_what_a_node_compares(tmp_path: Path) -> None:
    made = Credential.fresh()
    made.save(tmp_path / "credential")
    assert (tmp_path / "credential").stat().st_mode & 0o777 == 0o600
    read = load_optional(tmp_path / "credential")
    assert read is not None
    assert read.header == made.header
    assert shown_digest(made.header["Authorization"]) == made.digest
    assert load_optional(tmp_path / "nothing") is None


def test_it_has_no_repr_and_is_never_pickled() -> None:
    made = Credential.fresh()
    secret = made.header["Authorization"].removeprefix("Bearer ")
    assert secret not in f"{made!r} {made} {[made]}"
    for way in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            way(made)


@pytest.mark.parametrize(
    "text", ["", "sro1-", "sro1-" + "a" * 42, "sro1-" + "!" * 43, "x" * 48, "sro1-" + "é" * 43]
)
def test_what_is_none_is_refused_and_not_repeated(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as refused:
        Credential(text)
    assert not text or text not in str(refused.value) or text == "sro1-"
    (tmp_path / "credential").write_text(text)
    with pytest.raises(OperatorFault):
        load_optional(tmp_path / "credential")


@pytest.mark.parametrize("header", [None, "", "Basic x", "Bearerx"])
def test_another_scheme_shows_nothing(header: str | None) -> None:
    assert shown_digest(header) is None


def test_an_operator_admits_an_organisation_whose_credential_the_configuration_does_not_hold(
    tmp_path: Path,
) -> None:
    folder, file = tmp_path / "n0", tmp_path / "bank.credential"
    node = CliRunner().invoke(
        make_app("node"), ["node", "init", str(folder), "--genesis", str(tmp_path / "genesis.bin")]
    )
    assert node.exit_code == 0
    assert load(folder / "node.toml").door == DoorPolicy(), "nobody may submit before"
    admit = [
        "node",
        "admit",
        "bank",
        "--config",
        str(folder / "node.toml"),
        "-o",
        str(file),
        "--weight",
        "3",
    ]
    assert CliRunner().invoke(make_app(admit[0]), admit).exit_code == 0
    credential = load_optional(file)
    assert credential is not None
    (bank,) = load(folder / "node.toml").door.organisations
    assert (bank.name, bank.digest, bank.quota.weight) == ("bank", credential.digest, 3)
    secret = file.read_text().strip()
    assert secret not in (folder / "node.toml").read_text()
    assert CliRunner().invoke(make_app(admit[0]), admit).exit_code == 2, "the same name twice"
