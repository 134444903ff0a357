"""The command's process reads no authorities of the system, and trusts none by default; every
connection names its own context.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.node import layout

NODE = Path(layout.__file__).parent
PROGRAM = """
import json, ssl, sys
from strongroom.node.terminal.authorities import leave_out_authorities
if sys.argv[1] == "command":
    leave_out_authorities()
import aiohttp, aiohttp.connector as connector
defaults = [connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED]
told = [one.cert_store_stats()["x509"] for one in defaults]
after = ssl.create_default_context().cert_store_stats()["x509"]
print(json.dumps([told, after, defaults[0].verify_mode, defaults[0].check_hostname]))
"""
OPENING = {"get", "post", "put", "head", "ws_connect", "request"}


def _contexts(kind: str) -> tuple[list[int], int, int, bool]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind], capture_output=True, text=True, check=True
    )
    told, after, mode, names = json.loads(done.stdout)
    return told, after, mode, names


def test_a_command_reads_no_authorities_and_its_defaults_trust_nobody() -> None:
    told, after, mode, names = _contexts("command")
    assert told == [0, 0]
    assert (mode, names) == (2, True)
    assert after == _contexts("program")[1]


def test_a_program_that_uses_the_client_keeps_its_defaults() -> None:
    told, after, _, _ = _contexts("program")
    assert told == [after, after]


def _sessions(tree: ast.AST) -> list[ast.Call]:
    """Calls that open a connection through a session of aiohttp's."""
    return [
        call
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in OPENING
        and ast.unparse(call.func.value).rpartition(".")[2].strip("_") in ("http", "session")
    ]


FILES = [path for path in sorted(NODE.rglob("*.py")) if "import aiohttp" in path.read_text()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.stem}/{path.stem}")
def test_every_connection_names_its_own_context(path: Path) -> None:
    for call in _sessions(ast.parse(path.read_text())):
        assert "ssl" in {word.arg for word in call.keywords}, ast.unparse(call)


def test_connections_are_found() -> None:
    assert sum(len(_sessions(ast.parse(path.read_text()))) for path in FILES) >= 12
