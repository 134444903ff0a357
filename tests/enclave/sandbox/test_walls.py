"""The walls of an enclave's process, tried from inside: what it may not do ends it at once (DESIGN
§2; T10)."""

import ctypes
import mmap
import os
import platform
import re
import resource
import signal
import socket
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.enclave.sandbox.child import UNCAUGHT, behind_walls

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.primitives import Secret, random_bytes
from strongroom.enclave.sandbox import entering, kernel, landlock, seccomp
from strongroom.enclave.sandbox.entering import ENCLAVE_ID
from strongroom.enclave.sandbox.secret_memory import SecretMemory
from strongroom.enclave.sandbox.walls import raise_walls, survey

PR_GET_NAME, PTRACE_TRACEME = 16, 0
LIBC = ctypes.CDLL(None)


def _anonymous(protection: int) -> object:
    return mmap.mmap(-1, 4096, prot=protection)


FORBIDDEN: dict[str, Callable[[], object]] = {
    "open": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "write a file": lambda: os.open("/tmp/x", os.O_WRONLY | os.O_CREAT),
    "list": lambda: os.listdir("/"),
    "stat": lambda: os.stat("/"),
    "unlink": lambda: os.unlink("/tmp/x"),
    "socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "socketpair": socket.socketpair,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "fork": os.fork,
    "thread": lambda: threading.Thread(target=print).start(),
    "kill": lambda: os.kill(os.getppid(), signal.SIGTERM),
    "ptrace": lambda: LIBC.ptrace(PTRACE_TRACEME, 0, 0, 0),
    "prctl": lambda: LIBC.prctl(PR_GET_NAME, ctypes.create_string_buffer(16)),
    "setuid": lambda: os.setuid(0),
    "limits": lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    "pipe": os.pipe,
    "duplicate": lambda: os.dup(1),
    "a file in memory": lambda: os.memfd_create("x"),
    "executable memory": lambda: _anonymous(mmap.PROT_READ | mmap.PROT_EXEC),
    "receive a descriptor": lambda: LIBC.recvmsg(3, None, 0),
    "read another process": lambda: LIBC.process_vm_readv(os.getppid(), None, 0, None, 0, 0),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_an_enclave_never_does_ends_it(name: str) -> None:
    ended = behind_walls(FORBIDDEN[name])
    assert (ended.said, ended.status) == ("", -signal.SIGSYS)


def test_what_an_enclave_needs_goes_on() -> None:
    def work() -> str:
        grown = bytearray(64 << 20)
        memory = _anonymous(mmap.PROT_READ | mmap.PROT_WRITE)
        derived = Secret(random_bytes(32)).derive(b"label").reveal()
        return f"{len(grown)} {len(derived)} {memory is not None}"

    assert behind_walls(work).said == "67108864 32 True"


HOST_ID = 10_001
"""A host's user that is not root."""


def _as_host_with(*capabilities: int) -> None:
    """Go on as that user, with these capabilities alone, as a unit's AmbientCapabilities give
    them."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (kernel._Capabilities * 2)()
    kernel.prctl(8, 1)  # PR_SET_KEEPCAPS: else the change of user takes all of them
    os.setgroups([])
    os.setresgid(HOST_ID, HOST_ID, HOST_ID)
    os.setresuid(HOST_ID, HOST_ID, HOST_ID)
    for capability in capabilities:
        sets[0].effective |= 1 << capability
        sets[0].permitted |= 1 << capability
        sets[0].inheritable |= 1 << capability
    assert LIBC.capset(header, sets) == 0
    for capability in capabilities:
        assert LIBC.prctl(47, 2, capability, 0, 0) == 0  # PR_CAP_AMBIENT_RAISE


def _seen_from_outside(
    look: Callable[[Path], str], *, before: Callable[[], None] = lambda: None
) -> str:
    """What the parent sees of a child that stands behind its walls and waits."""
    ours, theirs = socket.socketpair()
    host, child = os.getpid(), os.fork()
    if child == 0:
        try:
            before()
            raise_walls(theirs.fileno(), host_pid=host)
            theirs.sendall(b".")
            theirs.recv(1)
        finally:
            os._exit(0)
    theirs.close()
    with ours:
        assert ours.recv(1) == b"."
        seen = look(Path(f"/proc/{child}"))
        ours.sendall(b".")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return seen


def test_no_new_privileges_a_filter_and_no_descriptor_but_the_door() -> None:
    status = _seen_from_outside(lambda process: (process / "status").read_text())
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
    assert re.search(r"^CapEff:\t0{16}$", status, re.MULTILINE) or os.geteuid() != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives an enclave a user of its own")
def test_an_enclave_that_root_started_is_another_user_without_groups() -> None:
    status = _seen_from_outside(lambda process: (process / "status").read_text())
    four = "\t".join([str(ENCLAVE_ID)] * 4)
    assert f"\nUid:\t{four}\n" in status
    assert f"\nGid:\t{four}\n" in status
    assert re.search(r"^Groups:\t *$", status, re.MULTILINE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can go on as a user with capabilities")
def test_an_enclave_whose_host_has_but_the_two_capabilities_is_another_user_with_none() -> None:
    given = (kernel.CAP_SETUID, kernel.CAP_SETGID)
    seen = _seen_from_outside(
        lambda process: (process / "status").read_text(), before=lambda: _as_host_with(*given)
    )
    assert f"\nUid:\t{ENCLAVE_ID}\t{ENCLAVE_ID}\t{HOST_ID}\t{ENCLAVE_ID}\n" in seen
    assert f"\nGid:\t{ENCLAVE_ID}\t{ENCLAVE_ID}\t{ENCLAVE_ID}\t{ENCLAVE_ID}\n" in seen
    for kind in ("Inh", "Prm", "Eff", "Amb"):
        assert re.search(rf"^Cap{kind}:\t0{{16}}$", seen, re.MULTILINE), kind


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can go on as a user with capabilities")
def test_a_host_that_is_not_root_ends_its_enclave_and_reads_nothing_of_it() -> None:
    def look(process: Path) -> str:
        host = os.fork()
        if host:
            return str(os.waitstatus_to_exitcode(os.waitpid(host, 0)[1]))
        try:
            _as_host_with()
            pid = int(process.name)
            os.kill(pid, 0)
            with pytest.raises(PermissionError):
                (process / "mem").open("rb")
            assert LIBC.ptrace(16, pid, 0, 0) == -1  # PTRACE_ATTACH
            os._exit(0)
        except BaseException:
            os._exit(UNCAUGHT)

    given = (kernel.CAP_SETUID, kernel.CAP_SETGID)
    assert _seen_from_outside(look, before=lambda: _as_host_with(*given)) == "0"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can go on as a user with capabilities")
@pytest.mark.parametrize("given", [(), (kernel.CAP_SETUID,), (kernel.CAP_SETGID,)])
def test_without_both_the_enclave_keeps_its_hosts_user_and_says_so(given: tuple[int, ...]) -> None:
    seen = _seen_from_outside(
        lambda process: (process / "status").read_text(), before=lambda: _as_host_with(*given)
    )
    assert f"\nUid:\t{HOST_ID}\t{HOST_ID}\t{HOST_ID}\t{HOST_ID}\n" in seen
    assert re.search(r"^CapPrm:\t0{16}$", seen, re.MULTILINE)


def test_limits_leave_no_process_no_file_no_descriptor_and_a_bound_of_memory() -> None:
    limits = _seen_from_outside(lambda process: (process / "limits").read_text())

    def hard(name: str) -> str:
        found = re.search(rf"^{name} +\S+ +(\S+)", limits, re.MULTILINE)
        assert found is not None
        return found[1]

    assert hard("Max processes") == hard("Max file size") == hard("Max core file size") == "0"
    assert hard("Max data size") == str(entering.MEMORY_BYTES_MAX)
    assert int(hard("Max open files")) < 64


def test_memory_beyond_the_limit_is_an_error_not_the_machines_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(entering, "MEMORY_BYTES_MAX", 256 << 20)
    ended = behind_walls(lambda: len(bytearray(512 << 20)))
    assert ended.said.startswith("MemoryError")
    assert ended.status == UNCAUGHT


def test_nothing_is_loaded_any_more_and_an_attempt_is_an_error() -> None:
    def late() -> object:
        import this

        return this

    assert behind_walls(late).said.startswith(
        "ImportError: this is not loaded, and the walls stand"
    )


def test_T10_a_warning_and_an_uncaught_error_of_a_callback_print_nothing_and_read_no_file() -> None:
    class Noisy:
        def __del__(self) -> None:
            raise RuntimeError("secret text")

    def noisy() -> str:
        warnings.warn("secret text", UserWarning, stacklevel=1)
        Noisy()
        return "goes on"

    assert behind_walls(noisy).said == "goes on"


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot takes root")
def test_without_landlock_root_gives_its_enclave_an_empty_view_of_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr(seccomp, "install", lambda _: None)
    assert behind_walls(lambda: os.path.exists("/etc")).said == "False"
    assert behind_walls(lambda: os.listdir("/")).said.startswith("PermissionError")


def test_landlock_alone_keeps_every_file_away(monkeypatch: pytest.MonkeyPatch) -> None:
    if not landlock.version():
        pytest.skip("this kernel has no Landlock")
    monkeypatch.setattr(seccomp, "install", lambda _: None)
    for act in (FORBIDDEN["open"], FORBIDDEN["write a file"], FORBIDDEN["list"]):
        assert behind_walls(act).said.startswith("PermissionError")


@pytest.mark.parametrize(
    ("version", "masks"),
    [
        (1, (0x1FFF, 0, 0)),
        (2, (0x3FFF, 0, 0)),
        (3, (0x7FFF, 0, 0)),
        (4, (0x7FFF, 3, 0)),
        (7, (0xFFFF, 3, 3)),
    ],
)
def test_each_version_of_landlock_refuses_all_that_it_knows(
    version: int, masks: tuple[int, int, int]
) -> None:
    assert landlock.masks(version) == masks


def test_an_enclave_whose_host_is_gone_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert "the host ended while its enclave started" in behind_walls(lambda: "started").said


@pytest.mark.parametrize("refused", ["landlock", "seccomp", "prctl", "user"])
def test_a_wall_that_the_kernel_has_and_refuses_is_the_end(
    monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(1, "Operation not permitted")

    match refused:
        case "landlock":
            monkeypatch.setattr(landlock, "forbid_everything", refuse)
            monkeypatch.setattr(landlock, "version", lambda: 1)
        case "seccomp":
            monkeypatch.setattr(seccomp, "install", refuse)
        case "prctl":
            monkeypatch.setattr(kernel, "prctl", refuse)
        case _:
            monkeypatch.setattr(entering, "may_change_user", lambda: True)
            for step in ("setgroups", "setresgid"):
                monkeypatch.setattr(os, step, lambda *_: None)
            monkeypatch.setattr(os, "setresuid", refuse)
    ended = behind_walls(lambda: "started")
    assert ended.said.startswith(
        "OperatorFault: a wall of the enclave does not rise on this kernel"
    )


def test_a_processor_whose_calls_are_unknown_runs_no_enclave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(OperatorFault, match="no enclave runs on a riscv64 processor"):
        kernel.this_processor()
    assert "no enclave runs on a riscv64 processor" in behind_walls(lambda: "started").said
    (said,) = survey()
    assert not said.stands


def test_what_a_machine_does_not_have_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> SecretMemory:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr(kernel, "holds", lambda *_: False)
    monkeypatch.setattr(SecretMemory, "map", none)
    missing = {wall.name: wall.summary for wall in survey() if not wall.stands}
    assert set(missing) == {"files", "user", "seeds"}
    assert "no Landlock" in missing["files"]
    assert "Function not implemented" in missing["seeds"]


def test_T10_an_enclaves_seeds_rest_where_its_host_cannot_look() -> None:
    """Not even as root, through /proc/PID/mem."""

    def look(process: Path) -> str:
        regions = [
            line for line in (process / "maps").read_text().splitlines() if "/secretmem" in line
        ]
        if not regions:
            return "none"
        with (process / "mem").open("rb", buffering=0) as memory:
            try:
                os.pread(memory.fileno(), 32, int(regions[0].split("-")[0], 16))
            except OSError as refused:
                return str(refused.strerror)
        return "read"

    seeds = survey()[-1]
    assert _seen_from_outside(look) == ("Input/output error" if seeds.stands else "none")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else first")
def test_without_privilege_the_same_walls_rise_but_the_users_own() -> None:
    def become_somebody() -> None:
        os.setgroups([])
        os.setresgid(ENCLAVE_ID - 1, ENCLAVE_ID - 1, ENCLAVE_ID - 1)
        os.setresuid(ENCLAVE_ID - 1, ENCLAVE_ID - 1, ENCLAVE_ID - 1)

    assert behind_walls(lambda: "stands", before=become_somebody).said == "stands"
    for name in ("open", "socket", "fork", "exec"):
        assert behind_walls(FORBIDDEN[name], before=become_somebody).status == -signal.SIGSYS
