"""`keys new` in the folder of an organisation that founded a service, or joined one: its own member
brings its people, and no other is named."""

from pathlib import Path

import pytest
from tests.node.membership.ceremony_world import CODE, organisation, run_in_process
from typer.testing import CliRunner

from strongroom.node.cli.main import make_app


async def test_a_new_key_is_brought_by_the_member_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_in_process(monkeypatch, lambda _: CODE)
    one = await organisation(tmp_path, "bank2", 2)
    folder = one.layout.cluster.directory

    def new(name: str) -> str:
        result = CliRunner().invoke(make_app("keys"), ["keys", "new", name, "--dir", str(folder)])
        assert result.exit_code == 0, result.output
        return result.stderr

    assert new("before") == "", "there is no service yet"
    one.layout.cluster.service.write_text("{}")
    said = new("alice")
    assert "bank2 brings it with `strongroom users bring alice --as bank2`" in said
    assert "member0" not in said
    assert new("bank2") == "", "it governs: nobody brings it"
