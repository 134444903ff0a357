"""A user who installs the wheel in an empty environment and reads only
`help(strongroom.node.client)` gets to a verified receipt."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS

pytestmark = [pytest.mark.processes, pytest.mark.long]

ROOT = Path(__file__).parents[3]
SOURCES = ("consensus", "enclave", "node", "pyproject.toml", "README.md", "LICENSE")
EXTRAS = ("numpy", "duckdb", "textual", "z3", "distributed", "pkcs11", "sklearn")


def run(*command: str, folder: Path) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "STRONGROOM_DIR", "VIRTUAL_ENV")
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=2 * HANG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}{done.stdout[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bin/ of an environment with the wheel and what it needs, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    tree, wheels, environment = folder / "tree", folder / "wheels", folder / "environment"
    tree.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(wheels), ".", folder=tree)
    (wheel,) = wheels.glob("strongroom-*.whl")
    venv.create(environment, with_pip=True)
    run(str(environment / "bin" / "pip"), "install", str(wheel), folder=folder)
    return environment / "bin"


def read_help(text: str) -> tuple[list[str], list[str]]:
    """Commands, and pieces of Python, as the help shows them."""
    commands, pieces, piece = [], [], list[str]()
    for line in [*text.splitlines(), ""]:
        words = line.removeprefix("    ").rstrip()
        if words.startswith("    $ "):
            commands.append(words.removeprefix("    $ "))
        elif words.startswith("    ") or (piece and not words):
            piece.append(words[4:])
        elif piece:
            pieces.append("\n".join(piece).strip() + "\n")
            piece = []
    return commands, [one for one in pieces if "import" in one]


def test_help_alone_leads_to_a_verified_receipt(binaries: Path, tmp_path: Path) -> None:
    python = str(binaries / "python")
    shown = run(python, "-c", "import strongroom.node.client as c; help(c)", folder=tmp_path)
    (up, verify), pieces = read_help(shown)
    assert len(pieces) == 2
    path = f"PATH={binaries}:$PATH"
    run("bash", "-c", f"{path} {up} --base-port 0", folder=tmp_path)
    try:
        for piece in pieces:
            run(python, "-c", piece, folder=tmp_path)
        service = json.loads((tmp_path / "strongroom-data" / "service.json").read_text())
        said = run(
            "bash", "-c", f"{path} {verify}".replace("PIN", service["service"]), folder=tmp_path
        )
        assert "valid" in said.lower()
    finally:
        run(str(binaries / "strongroom"), "cluster", "down", folder=tmp_path)


def test_importing_the_client_loads_no_extra(binaries: Path, tmp_path: Path) -> None:
    look = (
        "import sys; from strongroom.node.client import Client, SyncClient, what_next; "
        f"print([one for one in {EXTRAS} if one in sys.modules])"
    )
    assert run(str(binaries / "python"), "-c", look, folder=tmp_path).strip() == "[]"
