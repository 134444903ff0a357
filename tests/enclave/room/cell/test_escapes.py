"""Code that wants out of its cell, tried from inside: the kernel ends it, and the job has no result
(T63). Each attempt is made behind no walls as well, where it gets what it wants."""

import os
import signal
import sys

import pytest

pytest.importorskip("nanoarrow")

from tests.enclave.room.cell.cells import cell
from tests.enclave.room.cell.escapes import KILLED, REACH, UNNAMED

from strongroom.enclave.room.cell.link import CodeFailed

PARENT = {"parent": os.getpid()}
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="walls are Linux's")
HARMLESS_WITHOUT = {"another program in its place"}
"""Without walls it fails, too; only how it ends differs."""


def tried(body: str) -> str:
    return REACH.replace("BODY", body)


@pytest.mark.parametrize("name", KILLED)
def test_T63_the_kernel_ends_code_that_wants(name: str) -> None:
    source = tried(KILLED[name])
    with cell(walls=False) as free:
        gave = free.run(source, parameters=PARENT, words=True)
        assert gave.bytes_ == {"out": b"escaped"}
    with cell() as walled:
        with pytest.raises(CodeFailed, match=r"^$"):
            walled.run(source, parameters=PARENT)
        assert walled.status() == -signal.SIGSYS


@pytest.mark.parametrize("name", UNNAMED)
def test_T63_a_reviewer_finds_nothing_by_a_name_that_is_not_offered(name: str) -> None:
    with cell() as walled, pytest.raises(CodeFailed, match=r"ImportError|NameError|AttributeError"):
        walled.run(tried(UNNAMED[name]), words=True)
