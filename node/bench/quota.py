"""A share of this machine's processor time for some processes, by the kernel's own accounting: what
a slower machine does, or a container with a limit.

Owns one control group below this process' own (cgroup v2, else v1), for as long as a context lasts.
All processors run, but for that share of each period only; half of two hyperthreads, by contrast,
is more than half of what they do together. A keeper, a process of its own, takes the group away as
soon as its maker is done or gone, however it ended; processes in it go on, without a limit.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus.errors import OperatorFault

PERIOD_US = 20_000
"""Short, so that what waits for the next one is small beside a block's way."""
QUOTA_US_MIN = 1_000
"""The kernel takes no less."""
TAKE_AWAY_SECONDS_MAX = 10.0
"""While processes of the group still begin others."""
_POLL_SECONDS = 0.02
_PROCESS = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class Groups:
    """Where a process' own control group is."""

    mount: Path
    own: Path
    second: bool
    """cgroup v2."""

    def limit(self, folder: Path) -> float | None:
        """Processors that a group's own limit grants; None if it has none."""
        try:
            if self.second:
                quota, period = (folder / "cpu.max").read_text().split()
            else:
                quota = (folder / "cpu.cfs_quota_us").read_text()
                period = (folder / "cpu.cfs_period_us").read_text()
            return int(quota) / int(period) if int(quota) > 0 else None
        except (OSError, ValueError):
            return None

    def processors(self) -> float:
        """What this process may use: its affinity, and the limits of its group and those above."""
        above = [self.own, *self.own.parents]
        inside = [folder for folder in above if folder.is_relative_to(self.mount)]
        limits = [limit for folder in inside if (limit := self.limit(folder)) is not None]
        return min([float(len(os.sched_getaffinity(0))), *limits])

    def settings(self, share: float) -> dict[str, str]:
        """What is written into a group's files so that it gets a share of that."""
        quota = max(QUOTA_US_MIN, round(share * self.processors() * PERIOD_US))
        if self.second:
            return {"cpu.max": f"{quota} {PERIOD_US}"}
        return {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(quota)}


@contextmanager
def limited(pids: Iterable[int], share: float, *, process: Path = _PROCESS) -> Iterator[None]:
    """These processes, with all their threads and children to come, get a share of the processors
    that this one may use.

    Args:
        pids: of processes; one that is gone counts nothing.
        share: between 0 and 1.
        process: what /proc says of this process.

    Raises:
        OperatorFault: the kernel lets this user make no group with a limit; says what would help.
    """
    groups = own_groups((process / "mounts").read_text(), (process / "cgroup").read_text())
    group = groups.own / f"strongroom-bench-{os.getpid()}"
    with _kept(group, groups):
        try:
            if groups.second:
                (groups.own / "cgroup.subtree_control").write_text("+cpu")
            group.mkdir()
            for name, text in groups.settings(share).items():
                (group / name).write_text(text)
            for pid in pids:
                with suppress(ProcessLookupError):
                    (group / "cgroup.procs").write_text(str(pid))
        except OSError as fault:
            raise _no_quota(str(fault)) from None
        yield


def own_groups(mounts: str, paths: str) -> Groups:
    """Where the control group with the processor's controller is.

    Args:
        mounts: as /proc/self/mounts (proc(5)).
        paths: as /proc/self/cgroup (cgroups(7)).

    Raises:
        OperatorFault: there is none.
    """
    by_controllers = dict(
        (controllers, path)
        for _, controllers, path in (line.split(":", 2) for line in paths.splitlines())
    )
    for _, where, kind, options, *_ in (line.split() for line in mounts.splitlines()):
        mount = Path(where)
        if kind == "cgroup2" and "" in by_controllers:
            own = _below(mount, by_controllers[""])
            if "cpu" in _words(own / "cgroup.controllers"):
                return Groups(mount, own, second=True)
        if kind == "cgroup" and "cpu" in options.split(","):
            named = (path for name, path in by_controllers.items() if "cpu" in name.split(","))
            return Groups(mount, _below(mount, next(named, "/")), second=False)
    raise _no_quota("no control group with a limit on processors is mounted")


def _below(mount: Path, path: str) -> Path:
    """A container sees its own group mounted as if it were the first, under its outer name."""
    own = mount / path.lstrip("/")
    return own if own.is_dir() else mount


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


@contextmanager
def _kept(group: Path, groups: Groups) -> Iterator[None]:
    """The keeper reads from a pipe, whose other end nobody but this process has: when that is
    closed, by whatever, the group goes."""
    controllers = groups.own / "cgroup.subtree_control"
    handed_down = [] if not groups.second or "cpu" in _words(controllers) else [str(controllers)]
    keeper = subprocess.Popen(  # noqa: S603 (this very interpreter)
        [sys.executable, "-m", __name__, str(group), str(groups.own), *handed_down],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        if keeper.stdin is not None:
            keeper.stdin.close()
        try:
            keeper.wait(2 * TAKE_AWAY_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()
        take_away(group, groups.own, *map(Path, handed_down))


def take_away(group: Path, home: Path, *handed_down: Path) -> None:
    """Move what is in a group to another one, and remove it; nothing if it is not there.

    Args:
        group: is removed.
        home: where its processes go.
        handed_down: `cgroup.subtree_control`, if the controller has to be taken back there.
    """
    deadline = time.monotonic() + TAKE_AWAY_SECONDS_MAX
    while group.is_dir():
        for pid in _words(group / "cgroup.procs"):
            with suppress(OSError):
                (home / "cgroup.procs").write_text(pid)
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                return
            time.sleep(_POLL_SECONDS)
    for controllers in handed_down:
        with suppress(OSError):
            controllers.write_text("-cpu")


def _no_quota(why: str) -> OperatorFault:
    return OperatorFault(
        f"no share of the processors can be set ({why}): run as a user who may make control groups"
    )


def main() -> None:
    """The keeper: its arguments are those of `take_away`."""
    group, home, *handed_down = map(Path, sys.argv[1:])
    sys.stdin.buffer.read()
    take_away(group, home, *handed_down)


if __name__ == "__main__":
    main()
