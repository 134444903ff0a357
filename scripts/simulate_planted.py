"""The bugs of tests/simulation/planted.txt, each planted in a copy of the source and looked for."""

import subprocess
from collections.abc import Iterator
from multiprocessing.pool import ThreadPool

from tests.simulation.planted import BUGS, TRY_SECONDS_MAX, Bug, Finding, try_bug


def choose(names: list[str]) -> tuple[Bug, ...]:
    """The bugs of these names, or all.

    Raises:
        KeyError: of the first name that no bug has.
    """
    known = {bug.name: bug for bug in BUGS}
    return tuple(known[name] for name in names) or BUGS


def plant(bugs: tuple[Bug, ...], jobs: int) -> Iterator[Finding]:
    """Try each bug, `jobs` at a time; findings in the order of the bugs."""
    with ThreadPool(jobs) as pool:
        yield from pool.imap(_try, bugs)


def _try(bug: Bug) -> Finding:
    try:
        return try_bug(bug)
    except subprocess.TimeoutExpired:
        return Finding(bug.name, False, 0, f"no answer within {TRY_SECONDS_MAX} s")
