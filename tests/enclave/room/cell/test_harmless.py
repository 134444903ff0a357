"""What code may do to its own process, and what its bench makes of it: nothing (T63)."""

import math
import signal
from typing import Any

import numpy as np
import pytest

pytest.importorskip("nanoarrow")

from tests.enclave.room.cell.cells import OUT, TABLE, cell
from tests.enclave.room.cell.escapes import REACH

from strongroom.enclave.room.cell.link import CodeFailed
from strongroom.enclave.room.library.shapes import Kind

GIVES = "room.give_table('out', {'k': ['a'], 'n': [1], 'x': [X]})"
SWAPS = """
import enum, math
import numpy as np
modules = enum.sys.modules
Kind = modules["strongroom.enclave.room.library.shapes"].Kind
columns = modules["strongroom.enclave.room.cell.columns"]

def run(room):
    SWAP
    room.give_table("out", {"k": ["a"], "n": [1], "x": [float("inf")]})
"""


@pytest.mark.parametrize(
    "swap",
    [
        "np.isfinite = math.isfinite = lambda _: True",
        "columns._checked = lambda value, kind: value",
        "columns.pack_table = None",
        "modules['numpy'] = modules['math'] = modules['json'] = None",
        "enum.sys.modules.clear()",
        "enum.sys.setrecursionlimit(40)",
        "modules['builtins'].len = lambda _: 0",
        "Kind._value2member_map_.clear()",
        "room._task.asked.clear()",
    ],
)
def test_T63_what_code_swaps_in_its_process_is_its_own(swap: str) -> None:
    with cell() as swapped, pytest.raises(CodeFailed):
        swapped.run(SWAPS.replace("SWAP", swap), TABLE)
    assert math.isfinite(1)
    assert np.isfinite(1)
    assert Kind("real") is Kind.REAL
    with cell() as after:
        gave = after.run(f"def run(room):\n    {GIVES.replace('X', '1.0')}", TABLE)
        assert gave.tables["out"][0].rows == 1


LATER = """
import enum
modules = enum.sys.modules

class Last:
    def __del__(self):
        say()

def say():
    modules["os"].abort()

def run(room):
    HOOK
    room.give_bytes("out", b"once")
"""


@pytest.mark.parametrize(
    "hook",
    [
        "kept.append(Last())\nkept = []",
        "modules['_atexit' if '_atexit' in modules else 'atexit'].register(say)",
        "enum.sys.excepthook = enum.sys.unraisablehook = lambda *_: say()",
        "enum.sys.exitfunc = say",
    ],
)
def test_T63_what_code_leaves_for_its_end_is_never_done(hook: str) -> None:
    """The process does not end by itself: it is killed."""
    first, *rest = hook.split("\n")
    source = LATER.replace("HOOK", first) + "\n".join(rest)
    with cell() as later:
        assert later.run(source).bytes_ == {"out": b"once"}
        assert later.run("def run(room): ...").names() == set()
        later.link.kill()
        assert later.status() == -signal.SIGKILL


SEES: dict[str, Any] = {
    "who called it": "modules['builtins'].list(frames())",
    "what it traces": "enum.sys.settrace(lambda *_: None)",
    "what it profiles": "enum.sys.setprofile(lambda *_: None)",
    "its arguments": "enum.sys.argv",
    "what is loaded": "list(modules)",
}


@pytest.mark.parametrize("name", SEES)
def test_T63_what_code_sees_of_its_process_is_no_secret(name: str) -> None:
    """It may look; keys, people, ledgers, engines have no class and no module here."""
    frames = (
        "def frames():\n    at = enum.sys._getframe()\n    while at:\n"
        "        yield dict(at.f_locals)\n        at = at.f_back\n"
    )
    body = f"{SEES[name]}\n    room.give_bytes('out', b'seen')"
    source = f"import enum\nmodules = enum.sys.modules\n{frames}\ndef run(room):\n    {body}"
    with cell() as seeing:
        assert seeing.run(source, OUT).bytes_ == {"out": b"seen"}


def test_T63_a_swap_in_one_stage_is_judged_in_the_next_as_well() -> None:
    swap = "modules['strongroom.enclave.room.cell.columns']._checked = lambda value, kind: value"
    with cell() as swapped:
        assert swapped.run(REACH.replace("BODY", swap)).bytes_
        with pytest.raises(CodeFailed):
            swapped.run(f"def run(room):\n    {GIVES.replace('X', 'float(1e400)')}", TABLE)
