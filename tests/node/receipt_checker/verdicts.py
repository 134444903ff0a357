"""The verdict of each verifier on a receipt's bytes and a pin: the command line's, and the
checker's in Node.

Owns the process that runs the checker, fed by lines. Chromium: chromium.py.
"""

import json
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus.errors import ReceiptInvalid
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.receipts import verify_receipt
from strongroom.node.cli.proofs import given_pin

HERE = Path(__file__).parent
NODE = shutil.which("node")
NO_NODE = "no node on this machine"


def command_line(text: bytes, pin: str | None) -> tuple[str, str]:
    """Verdict and reason of `strongroom verify receipt`."""
    try:
        given = given_pin(pin)
        verify_receipt(Receipt.from_json(text), given)
    except ReceiptInvalid as fault:
        return fault.verdict, str(fault)
    return "valid", ""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the checker says."""

    verdict: str
    sentence: str
    steps: tuple[bool | None, ...]


class NodeChecker:
    """One process of Node that judges line by line."""

    def __init__(self) -> None:
        assert NODE is not None
        self._process = subprocess.Popen(
            [NODE, str(HERE / "checker.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def judge(self, text: bytes, pin: str | None) -> Judged:
        """One receipt's."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({"receipt": b64encode(text).decode(), "pin": pin})
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline())
        return Judged(found["verdict"], found["sentence"], tuple(found["steps"]))

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)

    def __enter__(self) -> "NodeChecker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def disagreements(
    cases: Iterable[tuple[str, bytes, str | None]], checker: NodeChecker
) -> list[str]:
    """Where the two do not say the same, in words."""
    found = []
    for name, text, pin in cases:
        verdict, reason = command_line(text, pin)
        judged = checker.judge(text, pin)
        if judged.verdict != verdict:
            found.append(f"{name}: {verdict} ({reason}), but {judged.sentence}")
    return found
