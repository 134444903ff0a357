"""A share of this machine's processor time for some processes, by the kernel's own accounting: what
a slower machine does, or a container with a limit.

Owns one control group below this process' own (cgroup v2, else v1), for as long as a context lasts.
All processors run, but for that share of each period only; half of two hyperthreads, by contrast,
is more than half of what they do together.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus.errors import OperatorFault

PERIOD_US = 20_000
"""Short, so that what waits for the next one is small beside a block's way."""
_MOUNTS, _OWN = Path("/proc/self/mounts"), Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class _Groups:
    """Where this process' own control group is."""

    own: Path
    second: bool
    """cgroup v2."""


@contextmanager
def limited(pids: Iterable[int], share: float) -> Iterator[None]:
    """These processes, with all their threads and children to come, get a share of all processors.

    Raises:
        OperatorFault: the kernel lets this user make no group with a limit; says what would help.
    """
    groups = _own_groups()
    quota = max(1_000, round(share * (os.cpu_count() or 1) * PERIOD_US))
    group = groups.own / f"strongroom-bench-{os.getpid()}"
    try:
        if groups.second:
            (groups.own / "cgroup.subtree_control").write_text("+cpu")
        group.mkdir()
    except OSError as fault:
        raise _no_quota(str(fault)) from None
    try:
        try:
            if groups.second:
                (group / "cpu.max").write_text(f"{quota} {PERIOD_US}")
            else:
                (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                (group / "cpu.cfs_quota_us").write_text(str(quota))
            for pid in pids:
                with suppress(ProcessLookupError):
                    (group / "cgroup.procs").write_text(str(pid))
        except OSError as fault:
            raise _no_quota(str(fault)) from None
        yield
    finally:
        for still in (group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (groups.own / "cgroup.procs").write_text(still)
        with suppress(OSError):
            group.rmdir()


def _own_groups() -> _Groups:
    mounts = [line.split() for line in _MOUNTS.read_text().splitlines()]
    paths = dict(
        (controllers, path)
        for _, controllers, path in (line.split(":", 2) for line in _OWN.read_text().splitlines())
    )
    for _, where, kind, options, *_ in mounts:
        if kind == "cgroup2" and "" in paths:
            own = Path(where) / paths[""].lstrip("/")
            with suppress(OSError):
                if "cpu" in (own / "cgroup.controllers").read_text().split():
                    return _Groups(own, second=True)
        if kind == "cgroup" and "cpu" in options.split(","):
            named = next((path for name, path in paths.items() if "cpu" in name.split(",")), "/")
            return _Groups(Path(where) / named.lstrip("/"), second=False)
    raise _no_quota("no control group with a limit on processors is mounted")


def _no_quota(why: str) -> OperatorFault:
    return OperatorFault(
        f"no share of the processors can be set ({why}): run as a user who may make control groups"
    )
