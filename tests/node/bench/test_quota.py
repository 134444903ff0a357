"""Half of the machine: by the kernel's quota where it may be set; nothing of it stays behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import so

from strongroom.consensus.errors import OperatorFault
from strongroom.node.bench import disturbances
from strongroom.node.bench.quota import Groups, limited, own_groups, take_away

SPIN = "while True: pass"
FIRST_MOUNTS = """tmpfs {at} tmpfs rw 0 0
cgroup {at}/cpuset cgroup rw,cpuset 0 0
cgroup {at}/cpu,cpuacct cgroup rw,relatime,cpuacct,cpu 0 0
cgroup2 {at}/unified cgroup2 rw 0 0
"""
FIRST_PATHS = "7:cpuset:/sets\n4:cpuacct,cpu:/jobs/one\n1:name=systemd:/init\n0::/\n"


def folders(at: Path, *names: str) -> None:
    for name in names:
        (at / name).mkdir(parents=True)


def test_the_group_of_cgroup_1_is_that_of_the_processor_controller(tmp_path: Path) -> None:
    folders(tmp_path, "cpu,cpuacct/jobs/one", "unified")
    found = own_groups(FIRST_MOUNTS.format(at=tmp_path), FIRST_PATHS)
    mount = tmp_path / "cpu,cpuacct"
    assert found == Groups(mount, mount / "jobs" / "one", second=False)


def test_the_group_of_cgroup_2_is_taken_where_it_has_the_controller(tmp_path: Path) -> None:
    folders(tmp_path, "user/one")
    mounts, paths = f"cgroup2 {tmp_path} cgroup2 rw 0 0\n", "0::/user/one\n"
    (tmp_path / "user" / "one" / "cgroup.controllers").write_text("memory cpuset pids\n")
    with pytest.raises(OperatorFault, match="no control group"):
        own_groups(mounts, paths)
    (tmp_path / "user" / "one" / "cgroup.controllers").write_text("memory cpu pids\n")
    assert own_groups(mounts, paths) == Groups(tmp_path, tmp_path / "user" / "one", second=True)


def test_in_a_container_the_mount_itself_is_the_own_group(tmp_path: Path) -> None:
    folders(tmp_path, "cpu,cpuacct", "unified")
    mount = tmp_path / "cpu,cpuacct"
    assert own_groups(FIRST_MOUNTS.format(at=tmp_path), FIRST_PATHS).own == mount


def test_without_any_control_group_it_says_what_would_help() -> None:
    with pytest.raises(OperatorFault, match="run as a user who may make control groups"):
        own_groups("proc /proc proc rw 0 0\n", "0::/\n")


def test_a_share_is_of_what_this_process_may_use_and_not_of_all_that_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    folders(tmp_path, "jobs/one")
    second = Groups(tmp_path, tmp_path / "jobs" / "one", second=True)
    assert second.settings(0.5) == {"cpu.max": "80000 20000"}
    (tmp_path / "jobs" / "cpu.max").write_text("300000 100000\n")
    (tmp_path / "jobs" / "one" / "cpu.max").write_text("max 100000\n")
    assert second.settings(0.5) == {"cpu.max": "30000 20000"}
    assert second.settings(0.0001) == {"cpu.max": "1000 20000"}

    first = Groups(tmp_path, tmp_path / "jobs" / "one", second=False)
    (tmp_path / "jobs" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "jobs" / "cpu.cfs_period_us").write_text("100000\n")
    assert first.settings(0.25) == {"cpu.cfs_period_us": "20000", "cpu.cfs_quota_us": "40000"}
    (tmp_path / "jobs" / "cpu.cfs_quota_us").write_text("200000\n")
    assert first.settings(0.25) == {"cpu.cfs_period_us": "20000", "cpu.cfs_quota_us": "10000"}


def test_what_is_in_a_group_goes_to_another_and_the_controller_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, home = tmp_path / "home" / "group", tmp_path / "home"
    folders(group, "")
    (group / "cgroup.procs").write_text("4711\n")
    (home / "cgroup.subtree_control").write_text("cpu memory\n")

    def as_the_kernel_does(folder: Path) -> None:
        (folder / "cgroup.procs").unlink()
        os.rmdir(folder)

    monkeypatch.setattr(Path, "rmdir", as_the_kernel_does)
    take_away(group, home, home / "cgroup.subtree_control")
    assert not group.exists()
    assert (home / "cgroup.procs").read_text() == "4711"
    assert (home / "cgroup.subtree_control").read_text() == "-cpu"
    take_away(group, home)


@pytest.mark.processes
def test_a_kernel_that_lets_nobody_make_a_group_is_a_typed_error(tmp_path: Path) -> None:
    folders(tmp_path, "cpu,cpuacct/jobs/one", "unified", "proc")
    (tmp_path / "proc" / "mounts").write_text(FIRST_MOUNTS.format(at=tmp_path))
    (tmp_path / "proc" / "cgroup").write_text(FIRST_PATHS)
    in_the_way = tmp_path / "cpu,cpuacct" / "jobs" / "one" / f"strongroom-bench-{os.getpid()}"
    in_the_way.write_text("")
    entered = False
    with (
        pytest.raises(OperatorFault, match="no share of the processors can be set"),
        limited([], 0.5, process=tmp_path / "proc"),
    ):
        entered = True
    assert not entered
    assert in_the_way.is_file()


@pytest.fixture
def groups() -> Groups:
    """This process' own, in a kernel that lets it have some below."""
    try:
        with limited([], 0.5):
            pass
        return own_groups(
            Path("/proc/self/mounts").read_text(), Path("/proc/self/cgroup").read_text()
        )
    except OperatorFault as fault:
        pytest.skip(str(fault))


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def group_of(groups: Groups, pid: int) -> Path:
    return groups.own / f"strongroom-bench-{pid}"


def members(group: Path) -> set[int]:
    return {int(pid) for pid in (group / "cgroup.procs").read_text().split()}


def stat_of(group: Path, name: str) -> int:
    facts = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    return int(facts[name])


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.processes
async def test_a_process_and_its_children_get_their_share_and_are_let_go_alive(
    groups: Groups,
) -> None:
    group = group_of(groups, os.getpid())
    begin = f"import subprocess, sys; input(); subprocess.run([sys.executable, '-c', '{SPIN}'])"
    with subprocess.Popen(
        [sys.executable, "-c", begin], stdin=subprocess.PIPE, process_group=0
    ) as elder:
        try:
            with limited([elder.pid], 0.05):
                assert members(group) == {elder.pid}
                assert elder.stdin is not None
                elder.stdin.write(b"\n")
                elder.stdin.flush()
                await so(lambda: len(members(group)) == 2, "a child begun later is in the group")
                await so(lambda: stat_of(group, "nr_throttled") > 2, "it is held back")
                all_of_them = members(group)
            assert not group.exists()
            assert all(state_of(pid) in "RSD" for pid in all_of_them)
            assert all_of_them <= members(groups.own)
        finally:
            os.killpg(elder.pid, signal.SIGKILL)


@pytest.mark.processes
async def test_a_process_that_dies_and_an_error_leave_no_group_behind(groups: Groups) -> None:
    group = group_of(groups, os.getpid())
    with running("-c", "input()") as dead:
        dead.kill()
        dead.wait()
        with limited([dead.pid], 0.5):
            assert members(group) == set()

    def row_that_fails(node: subprocess.Popen[bytes]) -> None:
        with limited([node.pid], 0.05):
            node.kill()  # and not collected
            raise LookupError

    with running("-c", SPIN) as dying, pytest.raises(LookupError):
        row_that_fails(dying)
    assert not group.exists()


@pytest.mark.processes
async def test_a_bench_that_is_killed_leaves_no_group_behind(groups: Groups) -> None:
    program = (
        "import sys, time\n"
        "from strongroom.node.bench.quota import limited\n"
        "with limited([int(sys.argv[1])], 0.05):\n"
        "    print(flush=True)\n"
        "    time.sleep(3600)\n"
    )
    with running("-c", SPIN) as node, running("-c", program, str(node.pid)) as bench:
        assert bench.stdout is not None
        bench.stdout.readline()
        group = group_of(groups, bench.pid)
        assert members(group) == {node.pid}
        bench.kill()
        await so(lambda: not group.exists(), "the keeper takes the group away")
        assert node.poll() is None
        assert node.pid in members(groups.own)


class NoNodes:
    """A cluster as half_the_machine sees it: its processes are this one's children."""

    nodes = ()


@pytest.mark.processes
async def test_half_of_the_machine_is_by_the_quota_and_by_stops_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, groups: Groups
) -> None:
    nobody: Any = NoNodes()
    with running("-c", SPIN) as child:
        async with disturbances.half_the_machine(nobody) as facts:
            assert facts == {"processor_share": 0.5, "by": "the kernel's quota"}
            assert child.pid in members(group_of(groups, os.getpid()))

        @contextmanager
        def none(*_: object) -> Iterator[None]:
            raise OperatorFault("not here")
            yield

        monkeypatch.setattr(disturbances, "limited", none)
        async with disturbances.half_the_machine(nobody) as facts:
            assert facts["by"] == "stops and starts: not here"
            await so(lambda: state_of(child.pid) == "T", "it is stopped", pause=0.001)
            await so(lambda: state_of(child.pid) == "R", "and goes on", pause=0.001)
            await so(lambda: state_of(child.pid) == "T", "and is stopped again", pause=0.001)
        await so(lambda: state_of(child.pid) == "R", "it runs when the row is over")
