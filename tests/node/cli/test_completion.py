"""What shells complete: written from the commands, tried in real shells, and nothing that lies in a
folder or is typed is ever run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import completions
from tests.hang import HANG_SECONDS
from tests.node.cli.shells import Shell
from tests.node.client.test_commands import PAY, shell
from tests.node.explorer.files import write_ledger
from typer.testing import CliRunner

from strongroom.node.cli.completion import FOLDER, SHELLS
from strongroom.node.cli.main import make_app

BIN = str(Path(sys.executable).parent)
HOSTILE = ("$(touch owned)", "`touch owned`", "a;touch owned", "a|touch owned", "a\ntouch owned")
WORDS = (
    ("strongroom clu\tstat\t", "strongroom cluster status"),
    ("strongroom cluster sto\tn12\t", "strongroom cluster stop n12"),
    ("strongroom call payments.transfer_\t", "strongroom call payments.transfer_many"),
    ("strongroom call payments.transfer amo\t", "strongroom call payments.transfer amount="),
    ("strongroom query payments.st\t--as bo\t", "strongroom query payments.statement --as bob"),
    ("strongroom call --as=bo\t", "strongroom call --as=bob"),
    ("strongroom call x.y --wa\tnon\t", "strongroom call x.y --wait none"),
    ("strongroom explorer wat\t", "strongroom explorer watch"),
    ("strongroom --dir elsewhere keys show car\t", "strongroom --dir elsewhere keys show carol"),
    ("strongroom keys show --dir elsewhere car\t", "strongroom keys show --dir elsewhere carol"),
    ("strongroom verify receipt a-re\t", "strongroom verify receipt a-receipt.json"),
    ("strongroom verify ledger elsew\t", "strongroom verify ledger elsewhere"),
    ("strongroom gov propose set_pro\t", "strongroom gov propose set_program_regions"),
    ("strongroom explorer block lat\t", "strongroom explorer block latest"),
    ("strongroom completion fi\t", "strongroom completion fish"),
    ("strongroom cluster kill -- n12\t", "strongroom cluster kill -- n12"),
    ("strongroom no such thi\t", "strongroom no such thi"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, keys, nodes in (
        ("strongroom-data", ("alice", "bob"), ("n0", "n1", "n12")),
        ("elsewhere", ("carol",), ()),
    ):
        (tmp_path / name / "keys").mkdir(parents=True)
        for key in keys:
            (tmp_path / name / "keys" / f"{key}.json").touch()
        for node in nodes:
            (tmp_path / name / node).mkdir()
    (tmp_path / "a-receipt.json").touch()
    return tmp_path


def asked(folder: Path, *words: str) -> list[str]:
    done = subprocess.run(
        [f"{BIN}/strongroom", "_complete", *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": BIN},
        check=False,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_the_scripts_are_what_the_commands_say() -> None:
    """`./scripts/reference` writes them anew."""
    for name, text in completions.scripts().items():
        assert (FOLDER / name).read_text() == text, name


@pytest.mark.parametrize("name", SHELLS)
def test_the_command_prints_the_script(name: str) -> None:
    script = (FOLDER / f"strongroom.{name}").read_text()
    assert CliRunner().invoke(make_app("completion"), ["completion", name]).stdout == script
    done = CliRunner().invoke(make_app("completion"), ["completion", name, "--json"])
    assert json.loads(done.stdout) == {"shell": name, "script": script}


@pytest.mark.parametrize("name", SHELLS)
def test_a_real_shell_completes_words_options_and_names(name: str, folder: Path) -> None:
    with Shell(name, folder, f"{BIN}:/usr/bin:/bin") as shell:
        for keys, line in WORDS:
            assert " ".join(shell.words_after(keys)).rstrip("/") == line, keys


@pytest.mark.parametrize("name", SHELLS)
def test_a_real_shell_lists_what_may_come(name: str, folder: Path) -> None:
    with Shell(name, folder, f"{BIN}:/usr/bin:/bin") as shell:
        said = shell.shown_after("strongroom cluster st\t\t", "stop")
        assert "start" in said
        assert "status" in said
        said = shell.shown_after("strongroom call --as \t\t", "bob")
        assert "alice" in said


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_a_name_in_a_folder_is_never_run(name: str, hostile: str, folder: Path) -> None:
    (folder / "strongroom-data" / "keys" / f"{hostile}.json").touch()
    (folder / "strongroom-data" / hostile).mkdir()
    (folder / f"z{hostile}").touch()
    with Shell(name, folder, f"{BIN}:/usr/bin:/bin") as shell:
        for keys in (
            "strongroom call --as \t\t",
            "strongroom call --as '$\t\t'",
            "strongroom cluster stop \t\t",
            "strongroom verify receipt z\t",
            "strongroom --dir '$(touch owned)' keys show \t\t",
        ):
            shell.words_after(keys)
            assert not (folder / "owned").exists(), keys


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.parametrize("hostile", HOSTILE[:4], ids=range(4))
def test_an_answer_that_is_no_name_is_never_run(name: str, hostile: str, folder: Path) -> None:
    """Whatever stands first in PATH, what it says is a word at most."""
    (folder / "bin").mkdir()
    liar = folder / "bin" / "strongroom"
    liar.write_text(f"#!/bin/sh\ncat <<'END'\n{hostile}\nEND\n")
    liar.chmod(0o755)
    with Shell(name, folder, f"{folder / 'bin'}:/usr/bin:/bin") as shell:
        shell.words_after("strongroom call --as \t\t")
    assert not (folder / "owned").exists()


# --- answers ---


def test_names_of_the_form_that_the_project_gives_are_answered_and_no_others(folder: Path) -> None:
    for hostile in (*HOSTILE, "-rf", "n1x", "nodes"):
        (folder / "strongroom-data" / "keys" / f"{hostile}.json").touch()
        (folder / "strongroom-data" / hostile).mkdir()
    known = {"alice", "bob", "n1x", "nodes"}
    assert asked(folder, "identity") == sorted(known)
    assert asked(folder, "identity", "", "al") == ["alice"]
    assert asked(folder, "node") == ["n0", "n1", "n12"]
    assert asked(folder, "identity", "elsewhere") == ["carol"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nothing"],
        ["node", "nowhere"],
        ["identity", "a-receipt.json"],
        ["id"],
        ["id", "", "zz"],
        ["id", "", "f" * 65],
        ["node", "\x00"],
    ],
    ids=str,
)
def test_what_cannot_be_answered_is_silence(words: list[str], folder: Path) -> None:
    if "\x00" not in "".join(words):
        assert asked(folder, *words) == []
    (folder / "strongroom-data" / "n0" / "index").mkdir()
    (folder / "strongroom-data" / "n0" / "index" / "data.mdb").write_bytes(b"no LMDB" * 999)
    assert asked(folder, "id") == []


async def test_ids_are_those_of_the_newest_transactions_or_that_begin_so(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        paid = [(await run.json(*PAY))["id"] for _ in range(3)]
        write_ledger(tmp_path / "n0", run.service)
        assert (tmp_path / "service.json").is_file()
        found = asked(tmp_path, "id", str(tmp_path))
        assert set(paid) <= set(found)
        assert found == sorted(found)
        for id in paid:
            for digits in (3, 8, 63, 64):
                assert id in asked(tmp_path, "id", str(tmp_path), id[:digits])
        assert asked(tmp_path, "id", str(tmp_path), "0" * 64) == []
        for log in (tmp_path / "n0" / "ledger").glob("blocks-*.log"):
            log.unlink()
            os.mkfifo(log)
        assert asked(tmp_path, "id", str(tmp_path)) == [], "nobody ever writes into it"


async def test_ids_are_told_of_a_services_folder_and_of_no_other(tmp_path: Path) -> None:
    """Whose folder one stands in, nobody knows: its files are not opened."""
    async with shell(tmp_path) as run:
        await run.json(*PAY)
        write_ledger(tmp_path / "n0", run.service)
        assert asked(tmp_path, "id", str(tmp_path))
        (tmp_path / "service.json").unlink()
        assert asked(tmp_path, "id", str(tmp_path)) == []
        assert asked(tmp_path, "id", str(tmp_path), "0") == []


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    program = (
        "import sys; from strongroom.node.cli.main import main\n"
        "sys.argv = ['strongroom', '_complete', 'identity', '/', '']\n"
        "main()\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module", ["typer", "rich", "pydantic", "asyncio", "cryptography", "aiohttp", "lmdb", "msgpack"]
)
def test_an_answer_loads_next_to_nothing(module: str, loaded: set[str]) -> None:
    assert module not in loaded
    assert not {one for one in loaded if one.startswith("strongroom.enclave")}
