"""The checker's tables are those of the verifier, and it stays within its bounds."""

import json
import re
from base64 import b64encode
from pathlib import Path

import pytest
from tests.node.receipt_checker.services import receipt
from tests.node.receipt_checker.verdicts import NO_NODE, NODE, NodeChecker, command_line

from strongroom.enclave.attestation.certificates import AMD_ROOTS
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.outside.receipt_text import JSON_BYTES_MAX, JSON_DEPTH_MAX
from strongroom.enclave.text import LETTERS

pytestmark = pytest.mark.processes
CHECKER = Path(__file__).parents[3] / "node" / "web" / "page" / "check"
"""Its modules."""


def test_letters_of_names_are_those_of_the_enclave() -> None:
    pairs = re.findall(r"\[0x([0-9a-f]+), 0x([0-9a-f]+)\]", (CHECKER / "names.js").read_text())
    assert [(int(a, 16), int(b, 16)) for a, b in pairs] == sorted(LETTERS)


def test_roots_of_amd_and_codes_are_those_of_the_enclave() -> None:
    found = re.findall(r'^  "([0-9a-f]{64})": "(\w+)"', (CHECKER / "chain.js").read_text(), re.M)
    assert {bytes.fromhex(digest): name for digest, name in found} == {
        digest: str(product) for digest, product in AMD_ROOTS.items()
    }
    status = (CHECKER / "form.js").read_text().split("const STATUS = [")[1].split("]")[0]
    assert re.findall(r'"([^"]+)"', status) == [code.text for code in Code]


def test_no_module_reaches_a_network_or_runs_text() -> None:
    for file in CHECKER.glob("*.js"):
        source = file.read_text()
        assert not re.search(
            r"\b(fetch|XMLHttpRequest|WebSocket|eval|Function|innerHTML|localStorage|import)\(|"
            r"outerHTML|document\.write|new Worker|sendBeacon",
            source,
        ), file.name


@pytest.mark.skipif(NODE is None, reason=NO_NODE)
def test_T31_hostile_sizes_end_in_a_verdict() -> None:
    """Too long, too deep, too many: refused by a bound, and not by whatever gives way first."""
    whole = receipt()
    head = whole.text.rstrip()[:-1]
    texts = {
        "too long": whole.text + b" " * JSON_BYTES_MAX,
        "long, and no JSON": b" " * JSON_BYTES_MAX,
        "one long text": b'{"format": "' + b"x" * (JSON_BYTES_MAX - 20) + b'"}',
        "a long text without end": b'"' + b"\\" * (JSON_BYTES_MAX - 2),
        "deep": b"[" * JSON_BYTES_MAX,
        "as deep as may be": head + b', "x": ' + b"[" * (JSON_DEPTH_MAX - 1) + b"]" * 31 + b"}",
        "many fields": b"{" + b",".join(b'"%d":0' % at for at in range(200_000)) + b"}",
        "many objects": b"[" + b"{}," * 5_000_000 + b"0]",
        "as many items as may be": head + b', "x": [' + b"0," * 9_000 + b"0]}",
        "many digits": head + b', "x": ' + b"1" * 1_000_000 + b"}",
        "white space at its end": b"{" + b"\xc2\xa0" * 1_000_000 + b"x" + b" " * 1_000_000,
        "deep msgpack": _certificate(whole.text, b"\x91" * 3_000_000),
        "a list that says it is long": _certificate(whole.text, b"\xdd\xff\xff\xff\xff"),
        "bytes that say they are long": _certificate(whole.text, b"\xc6\xff\xff\xff\xff"),
    }
    with NodeChecker() as checker:
        for name, text in texts.items():
            said = command_line(text, whole.pin)[0]
            assert said in ("forged", "incomplete"), name
            assert checker.judge(text, whole.pin).verdict == said, name


def _certificate(text: bytes, data: bytes) -> bytes:
    document = json.loads(text) | {"certificate": b64encode(data).decode()}
    return json.dumps(document).encode()
