"""vectors.json.xz: receipts with the verdict that every verifier must come to.

One JSON list of {"name", "base", "verdict", "pin", "receipt"}, xz-compressed; a receipt that is not
UTF-8 stands as "base64" instead. Made anew by UPDATE_VECTORS=1 (test_vectors.py).
"""

import json
import lzma
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from tests.node.receipt_checker.cases import Case
from tests.node.receipt_checker.services import Forged

FILE = Path(__file__).with_name("vectors.json.xz")


def read_vectors() -> list[Case]:
    """The committed ones."""
    return [_read(one) for one in json.loads(lzma.decompress(FILE.read_bytes()))]


def write_vectors(cases: list[Case]) -> None:
    """Replace the committed ones."""
    text = json.dumps([_written(case) for case in cases], indent=0)
    FILE.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def _written(case: Case) -> dict[str, Any]:
    own = {"name": case.name, "base": case.base, "verdict": case.verdict, "pin": case.forged.pin}
    try:
        return own | {"receipt": case.forged.text.decode()}
    except UnicodeDecodeError:
        return own | {"base64": b64encode(case.forged.text).decode()}


def _read(one: dict[str, Any]) -> Case:
    text = one["receipt"].encode() if "receipt" in one else b64decode(one["base64"])
    return Case(one["name"], one["base"], Forged(text, one["pin"]), one["verdict"])
