"""`node init --operator` with words that no card can say: nothing is made, and nothing left."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from strongroom.consensus.errors import ClientFault
from strongroom.node.cli.main import make_app
from strongroom.node.client.identities import KeyFolder
from strongroom.node.membership.node_keys import operator_file


@pytest.mark.parametrize(
    ("folder", "options"),
    [
        ("n1", ("--operator", "../bank1", "--region", "zurich")),
        ("n1", ("--operator", "b\u0430nk1", "--region", "zurich")),
        ("n1", ("--operator", "b" * 65, "--region", "zurich")),
        ("n1", ("--operator", "bank1", "--member", "a/b", "--region", "zurich")),
        ("n 1", ("--operator", "bank1", "--region", "zurich")),
        ("n1", ("--operator", "bank1", "--region", "zu rich")),
        ("n1", ("--operator", "bank1", "--region", "zurich", "--country", "ch")),
        ("n1", ("--operator", "bank1")),
        ("n1", ("--operator", "bank1", "--region", "zurich", "--rpc", "0x0:7400")),
        ("n1", ("--operator", "bank1", "--region", "zurich", "--announce-peer", "0.0.0.0:1")),
    ],
)
def test_what_is_refused_leaves_nothing(
    tmp_path: Path, folder: str, options: tuple[str, ...]
) -> None:
    place = tmp_path / "bank1"
    command = ["node", "init", str(place / folder), *options]
    result = CliRunner().invoke(make_app("node"), command)
    assert result.exit_code in (1, 2), result.output
    assert result.stderr.startswith("error: ")
    assert not place.exists()


def test_an_operator_of_64_bytes_has_a_key_file(tmp_path: Path) -> None:
    keys = KeyFolder(tmp_path)
    assert keys.new(operator_file("b" * 64)).name == "b" * 64 + ".operator"
    with pytest.raises(ClientFault):
        keys.new("b" * 65)
