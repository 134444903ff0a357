"""The help of every command is quick: it loads no cryptography, no network, no solver, nothing that
validates.
"""

import json
import subprocess
import sys

import pytest

from strongroom.node.cli.main import WORDS

HEAVY = (
    "aiohttp",
    "asyncio",
    "cbor2",
    "cryptography",
    "distributed",
    "duckdb",
    "joserfc",
    "lightgbm",
    "lmdb",
    "numpy",
    "pkcs11",
    "prometheus_client",
    "pydantic",
    "sklearn",
    "ssl",
    "structlog",
    "textual",
    "uvloop",
    "z3",
    "strongroom.consensus.replica",
    "strongroom.enclave.member",
    "strongroom.enclave.primitives",
    "strongroom.enclave.programs",
    "strongroom.node.client.client",
    "strongroom.node.cluster.cluster",
    "strongroom.node.host",
)
PROGRAM = """
import contextlib, io, json, sys
import typer.main
from strongroom.node.cli.main import make_app

word, heavy = sys.argv[1], json.loads(sys.argv[2])
app = make_app(word)
paths = [[word]]
def walk(command, path):
    for name, child in getattr(command, "commands", {}).items():
        paths.append([*path, name])
        walk(child, [*path, name])
walk(typer.main.get_command(app).commands[word], [word])
for path in paths:
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            app([*path, "--help"])
    except SystemExit as end:
        assert not end.code, path
    assert "Usage:" in said.getvalue(), path
print(json.dumps([len(paths), sorted(set(heavy) & set(sys.modules))]))
"""


@pytest.mark.parametrize("word", [word.name for word in WORDS])
def test_help_of_every_command_loads_nothing_heavy(word: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, word, json.dumps(HEAVY)],
        capture_output=True,
        text=True,
        check=True,
    )
    count, loaded = json.loads(done.stdout)
    assert count >= 1
    assert loaded == []


def test_what_is_heavy_is_seen() -> None:
    """The list is not of names that no module has: `call` itself loads the client."""
    program = "import strongroom.node.client.client, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert {"aiohttp", "asyncio", "cryptography", "ssl", "strongroom.enclave.primitives"} <= set(
        done.stdout.split()
    )
