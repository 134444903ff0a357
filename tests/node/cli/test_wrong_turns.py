"""Every wrong turn of the table gets its sentence and its exit status, and the page shows the
table. Those that need a cluster of real processes: tests/node/test_wrong_turns_cluster.py."""

import asyncio
import errno
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS
from tests.node.cli.folders import PIN, stopped_folder
from tests.node.cli.wrong_turns import ROWS, SECTIONS, Place, WrongTurn
from tests.node.client.ledger import FakeNode, Service
from tests.node.client.test_commands import shell
from typer.testing import CliRunner, Result

from strongroom.enclave.proofs.genesis import chain_of
from strongroom.node.cli import explorer_watch
from strongroom.node.cli.main import make_app
from strongroom.node.client.identities import KeyFolder
from strongroom.node.client.passphrases import PASSPHRASE_VARIABLE
from strongroom.node.faults import NotYet
from strongroom.node.layout import DEFAULT_DIRECTORY, ClusterLayout
from strongroom.node.machine import durable_files

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "wrong-turns.md"
HOLE = "…"
OTHER_PIN = "sr1-" + "b" * 51 + "q"
SEVERAL = (2, 20, 200)
"""Seconds that an answer is waited for: a slow machine needs more to send anything."""


@dataclass
class Scene:
    """Where a row is played."""

    folder: Path
    """`strongroom-data` of the folder that the command is run in."""
    patch: pytest.MonkeyPatch
    service: Service | None = None
    words: dict[str, str] = field(default_factory=lambda: {"TXID": "ab" * 32, "PIN": PIN})
    without: str = ""
    """A library that is not installed."""
    undo: ExitStack = field(default_factory=ExitStack)

    @property
    def layout(self) -> ClusterLayout:
        return ClusterLayout(self.folder)

    def edit_service(self, **changes: object) -> None:
        document = json.loads(self.layout.service.read_text())
        del document["chain"]
        self.layout.service.write_text(json.dumps({**document, **changes}))

    def edit_key(self, **changes: object) -> None:
        path = self.layout.identity("alice")
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def a_cluster_beside(scene: Scene) -> None:
    here = scene.folder.parent
    stopped_folder(here / "demo" / DEFAULT_DIRECTORY)
    (here / "mine").mkdir()
    scene.patch.chdir(here / "mine")


def inside_a_cluster(scene: Scene) -> None:
    scene.patch.chdir(stopped_folder(scene.folder))


def a_cluster_below(scene: Scene) -> None:
    stopped_folder(scene.folder.parent / "demo")


def no_node(scene: Scene) -> None:
    shutil.rmtree(scene.folder / "n0")


def damaged_service(scene: Scene) -> None:
    scene.layout.service.write_text('{"service": 3')


def cut_pin(scene: Scene) -> None:
    scene.edit_service(service=PIN[:40])


def other_things(scene: Scene) -> None:
    scene.folder.mkdir()
    (scene.folder / "thesis.txt").touch()


def port_taken(scene: Scene) -> None:
    listener = scene.undo.enter_context(socket.create_server(("127.0.0.1", 0)))
    scene.words["PORT"] = str(listener.getsockname()[1])


def full_disk(scene: Scene) -> None:
    """Its last words are those of the fault itself."""
    file = scene.folder / "n0" / "ledger" / "blocks-000012.log"
    with pytest.MonkeyPatch.context() as patch:
        usage = shutil._ntuple_diskusage(20 * 10**9, 20 * 10**9, 0)
        patch.setattr(shutil, "disk_usage", lambda _: usage)
        fault = durable_files.DiskFault(file, os.strerror(errno.ENOSPC))
    scene.layout.node("n0").log.write_text(f'{{"event": "node.listening"}}\nerror: {fault}\n')


def damaged_key(scene: Scene) -> None:
    scene.layout.identity("alice").write_text("garbage")


def changed_seed(scene: Scene) -> None:
    scene.edit_key(seed="00" * 32)


def open_key(scene: Scene) -> None:
    scene.layout.identity("alice").chmod(0o644)


def another_passphrase(scene: Scene) -> None:
    KeyFolder(scene.layout.keys).new("ann", passphrase="correct horse")
    scene.patch.setenv(PASSPHRASE_VARIABLE, "battery staple")


def another_pin(scene: Scene) -> None:
    scene.edit_service(service=OTHER_PIN, chain=chain_of(OTHER_PIN).hex())


def paused(scene: Scene) -> None:
    assert scene.service is not None
    scene.service.orderer.paused = True


def no_anchor(scene: Scene) -> None:
    def receipt(*_: object) -> None:
        raise NotYet("block 1,204 is final and executed: ask again in a moment")

    scene.patch.setattr(FakeNode, "receipt", receipt)


def small_terminal(scene: Scene) -> None:
    scene.patch.setattr(explorer_watch, "_has_screen", lambda: True)
    scene.patch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((52, 12)))


def no_textual(scene: Scene) -> None:
    scene.without = "textual"


def no_rooms(scene: Scene) -> None:
    scene.without = "duckdb"


@pytest.fixture
def scene(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    monkeypatch.setenv("COLUMNS", "80")
    made = Scene(tmp_path / "new" / DEFAULT_DIRECTORY, monkeypatch)
    with made.undo:
        yield made


def prepared(scene: Scene, row: WrongTurn) -> None:
    if row.place is Place.FOLDER:
        stopped_folder(scene.folder)
    if row.prepare:
        prepare: Callable[[Scene], None] = globals()[row.prepare]
        prepare(scene)


def words_of(row: WrongTurn, scene: Scene) -> list[str]:
    return [scene.words.get(word, word) for word in shlex.split(row.does)]


def invoked(words: list[str]) -> Result:
    command = next(word for word in words if not word.startswith("-") and word != "demo")
    return CliRunner().invoke(make_app(command), words, prog_name="strongroom")


def run_without(words: list[str], library: str) -> tuple[int, str]:
    """The command as a process in which a library is not there; a terminal is said to be."""
    program = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from strongroom.node.cli import explorer_watch\n"
        "explorer_watch._has_screen = lambda: True\n"
        "explorer_watch._check_size = lambda: None\n"
        "from strongroom.node.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def pattern_of(says: str) -> re.Pattern[str]:
    return re.compile(".*?".join(map(re.escape, says.split(HOLE))))


def check(row: WrongTurn, code: int, output: str) -> None:
    assert pattern_of(row.says).search(output), output
    assert code == row.code, output
    assert "Traceback" not in output
    assert "bug in this program" not in output


def named(row: WrongTurn) -> str:
    return row.prepare or row.does[:40]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.place in (Place.NOWHERE, Place.FOLDER)], ids=named
)
def test_a_wrong_turn_gets_its_sentence(scene: Scene, row: WrongTurn) -> None:
    prepared(scene, row)
    words = words_of(row, scene)
    if scene.without:
        code, output = run_without(words, scene.without)
    else:
        done = invoked(words)
        code, output = done.exit_code, done.output
    check(row, code, output)


@pytest.mark.parametrize("row", [row for row in ROWS if row.place is Place.SERVICE], ids=named)
async def test_a_wrong_turn_beside_a_service_gets_its_sentence(
    scene: Scene, row: WrongTurn
) -> None:
    scene.folder.mkdir()
    async with shell(scene.folder) as run:
        scene.service = run.service
        prepared(scene, row)
        done = await asyncio.to_thread(invoked, words_of(row, scene))
        for seconds in SEVERAL if row.prepare == "paused" else ():
            if run.service.payments():
                break
            longer = row.does.replace("--timeout 2", f"--timeout {seconds}")
            done = await asyncio.to_thread(invoked, shlex.split(longer))
        check(row, done.exit_code, done.output)


# --- the page -------------------------------------------------------------------------------------


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def page() -> str:
    """docs/wrong-turns.md as it has to be."""
    lines = [
        "# Wrong turns",
        "",
        "What people do who use `strongroom` for the first time, or at night, and what it answers:",
        "what is wrong, why, and what to do next. A test plays every row of this page. `…` stands",
        "for what differs from run to run; messages begin with `error:`, which is left out.",
        "",
        "Exit status: 0 ok · 1 the answer is no · 2 usage or configuration · 3 unreachable ·",
        "4 cannot check · 130 interrupted. With `--json` the same sentence stands in",
        '`{"ok": false, "error": {"code", "message"}}` on standard output.',
    ]
    for title, rows in SECTIONS.items():
        lines += ["", f"## {title}", "", "| situation | `strongroom …` | answer | exit |"]
        lines += ["|---|---|---|---|"]
        lines += [
            f"| {cell(row.what)} | `{cell(row.does)}` | {cell(row.says)} | {row.code} |"
            for row in rows
        ]
    return "\n".join(lines) + "\n"


def test_the_page_shows_the_table() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "UPDATE_GOLDEN=1 writes it"


def test_there_are_many_rows_and_none_twice() -> None:
    assert len(ROWS) >= 60
    assert len({(row.what, row.does, row.prepare) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_a_sentence_says_more_than_what_is_wrong(row: WrongTurn) -> None:
    """Why, or what next: after a colon, a full stop, a semicolon or an opening bracket."""
    assert re.search(r"[:;(]|\. ", row.says), row.says
