"""The filter of system calls, run here by an interpreter of its own: exactly the list passes, on
either processor."""

import errno
import struct

import pytest

from strongroom.enclave.sandbox import seccomp
from strongroom.enclave.sandbox.kernel import PROCESSORS, Processor

ALLOW, KILL = seccomp.RET_ALLOW, seccomp.RET_KILL_PROCESS
READ_WRITE, EXECUTE = 0x3, 0x4
NUMBERS_MAX = 1024
"""Above every system call that Linux has today."""
INSTRUCTIONS_MAX = 4096
"""BPF_MAXINSNS of <linux/bpf_common.h>."""


def verdict(code: bytes, audit: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """What the kernel would decide: classic BPF over struct seccomp_data."""
    data = struct.pack("=IIQ6Q", number, audit, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    program = list(struct.iter_unpack("=HBBI", code))
    at = accumulator = 0
    while True:
        operation, if_true, if_false, operand = program[at]
        at += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, operand)
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x45:
                at += if_true if accumulator & operand else if_false
            case 0x06:
                return int(operand)
            case _:
                raise AssertionError(f"an instruction that the filter does not use: {operation:#x}")


@pytest.fixture(params=sorted(PROCESSORS))
def processor(request: pytest.FixtureRequest) -> Processor:
    return PROCESSORS[request.param]


def test_exactly_the_listed_calls_pass(processor: Processor) -> None:
    code = seccomp.assemble(processor)
    passing = {
        number for number in range(NUMBERS_MAX) if verdict(code, processor.audit, number) == ALLOW
    }
    assert passing == {
        processor.numbers[name] for name in (*seccomp.ALLOWED, *seccomp.MEMORY_WITHOUT_CODE)
    }
    assert len(passing) == len(seccomp.ALLOWED) + len(seccomp.MEMORY_WITHOUT_CODE)
    assert len(code) // 8 <= INSTRUCTIONS_MAX


def test_a_cell_has_less_and_finds_no_chance(processor: Processor) -> None:
    code = seccomp.assemble(processor, seccomp.CELL)
    found = {number: verdict(code, processor.audit, number) for number in range(NUMBERS_MAX)}
    passing = {number for number, told in found.items() if told == ALLOW}
    withheld = {"close", "getrandom", "getpid", "clock_gettime"}
    assert passing == {
        processor.numbers[name]
        for name in (*seccomp.ALLOWED, *seccomp.MEMORY_WITHOUT_CODE)
        if name not in withheld
    }
    absent = {number for number, told in found.items() if told not in (ALLOW, KILL)}
    assert absent == {processor.numbers["getrandom"]}
    assert found[processor.numbers["getrandom"]] == 0x50000 | errno.ENOSYS


def test_nothing_on_the_list_opens_creates_traces_or_changes_the_filter() -> None:
    names = {*seccomp.ALLOWED, *seccomp.MEMORY_WITHOUT_CODE}
    assert names.isdisjoint(
        {
            "open",
            "openat",
            "socket",
            "connect",
            "execve",
            "clone",
            "fork",
            "ptrace",
            "prctl",
            "seccomp",
            "kill",
            "ioctl",
        }
    )


@pytest.mark.parametrize("name", seccomp.MEMORY_WITHOUT_CODE)
def test_no_memory_becomes_executable(processor: Processor, name: str) -> None:
    code, number = seccomp.assemble(processor), processor.numbers[name]
    assert verdict(code, processor.audit, number, (0, 4096, READ_WRITE)) == ALLOW
    assert verdict(code, processor.audit, number, (0, 4096, READ_WRITE | EXECUTE)) == KILL
    assert verdict(code, processor.audit, number, (0, 4096, EXECUTE | 1 << 40)) == KILL


def test_a_number_of_another_processors_table_does_not_pass(processor: Processor) -> None:
    code = seccomp.assemble(processor)
    others = [one.audit for one in PROCESSORS.values() if one is not processor]
    for audit in (0, 0x40000003, *others):  # 0x40000003: the 32-bit calls of the same machine
        assert {verdict(code, audit, number) for number in range(NUMBERS_MAX)} == {KILL}


def test_x32_calls_do_not_pass() -> None:
    x86_64 = PROCESSORS["x86_64"]
    code = seccomp.assemble(x86_64)
    for number in x86_64.numbers.values():
        assert verdict(code, x86_64.audit, 0x40000000 | number) == KILL
