"""A job takes what its contract says and no more, on a machine with much memory as on one with
little: two executors fail alike (T65)."""

import subprocess
import sys

import pytest
from tests.hang import HANG_SECONDS

CODE = """
import sys
from strongroom.enclave.room.worker.memory import JobMemory

memory = JobMemory(int(sys.argv[1]) << 20)
memory.narrow(int(sys.argv[2]) << 20)
for size in map(int, sys.argv[3:]):
    try:
        bytearray(size << 20)
        print("taken", end=" ")
    except MemoryError:
        print("refused", end=" ")
"""


@pytest.mark.parametrize("machine", [320, 2048, 1 << 20])
def test_T65_a_job_has_the_memory_of_its_contract_whatever_the_machine_has(machine: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(machine), "256", "200", "300", "200"],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert done.stdout == "taken refused taken ", done.stderr
