"""`./scripts/sizes [ACCOUNTS [SESSIONS]]`: what the state costs an enclave (docs/scale.md).

Accounts and movements are made by the program's own code, sessions by the table's, in a process of
its own for each size; bytes are differences of its resident memory, times are of its processor.
"""

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from scripts.given_sizes import given_sizes
from tests.enclave.snapshot_world import Ledger

from strongroom.consensus.types import Digest, Height
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.execution.snapshotting import Capture
from strongroom.enclave.formats.snapshot import SnapshotBox, StreamReader
from strongroom.enclave.heap import settle, tune_collector
from strongroom.enclave.primitives import Secret
from strongroom.enclave.programs import payments

SIZES = (10_000, 100_000)
MOVEMENTS_EACH = 2
ACCOUNTS_A_BLOCK = 500
BLOCKS = 4096
"""Between two snapshots, as a constitution has it that says nothing else."""
KIB = 1024
_ROW = "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |"
HEADS = (
    "accounts",
    "sessions",
    "bytes an account",
    "bytes a session",
    "longest account ms",
    "freeze ms",
    "worst block ms",
    "all blocks ms",
    "MiB",
    "load ms",
    "cycles ms",
)
_T = TypeVar("_T")


class _Caller:
    """What the program's code asks of a context to open and fill an account."""

    program, height = "payments", Height(1)

    def __init__(self, executor: Executor, identity: bytes) -> None:
        self._maps = executor._runner.state.maps
        self.identity = identity

    def map(self, schema: Any) -> Any:
        return self._maps[schema]


def resident() -> int:
    """Bytes of this process in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS"))
    return int(line.split()[1]) * KIB


def timed(work: Callable[[], _T]) -> tuple[float, _T]:
    """(milliseconds of the processor, what came of it)."""
    began = time.thread_time()
    made = work()
    return (time.thread_time() - began) * 1e3, made


def _owner(number: int) -> bytes:
    return sha256(b"owner %d" % number).digest()


def _open_account(executor: Executor, number: int) -> None:
    state = executor._runner.state
    caller: Any = _Caller(executor, _owner(number))
    state.meter.left = 1_000
    account = payments._create(caller, caller.identity, "")
    maps = caller.map(payments.BALANCES), caller.map(payments.MOVEMENTS)
    for movement in range(MOVEMENTS_EACH):
        held = payments._balance_of(caller, account)
        other = (number * 7 + movement) % (number + 1)
        memo = f"rent {number} {movement}"
        payments._enter(*maps, account, held, caller.height, 1_000, other, memo)
    state.commit()


def fill_accounts(executor: Executor, count: int) -> float:
    """Open accounts with some movements; the longest that one of them took, in milliseconds."""
    longest = 0.0
    for number in range(count):
        took, _ = timed(lambda: _open_account(executor, number))  # noqa: B023
        longest = max(longest, took)
        if number % ACCOUNTS_A_BLOCK == 0:
            executor._runner.state.take_changes()
    return longest


def fill_sessions(executor: Executor, count: int) -> None:
    """Open sessions, each used for a while; keys of the newest are at hand, as the table keeps
    them."""
    table = executor._tables.current
    for number in range(count):
        id, statement = (Digest(sha256(b"%c %d" % (part, number)).digest()) for part in b"is")
        table.open(id, Digest(_owner(number)), statement, Secret.fresh(), close=False)
        session = table.find(id)
        assert session is not None
        for sequence in range(1, 41):
            session.accept(sequence)
    table.take_changes()


def _load(ledger: Ledger, capture: Capture, chunks: list[bytes], state: Any, box: Any) -> Executor:
    opened, reader = SnapshotBox(ledger.genesis.chain, state.header, box), StreamReader()
    for index, chunk in enumerate(chunks):
        reader.feed(opened.open(index, len(chunks), chunk))
    reader.end()
    fresh, _ = ledger.fresh()
    fresh.load(state, reader.tables, capture.root)
    return fresh


def measure(accounts: int, sessions: int) -> tuple[object, ...]:
    """One size's row."""
    ledger = Ledger()
    executor = ledger.executor
    vars(payments)["charge"] = lambda *_: (
        None
    )  # who pays for an account's room is not what is measured
    tune_collector()
    empty = resident()
    longest = fill_accounts(executor, accounts)
    with_accounts = resident()
    fill_sessions(executor, sessions)
    with_sessions = resident()
    settle()
    freezing, tables = timed(executor._freeze)
    state = executor._state_due(Height(executor.height + BLOCKS))
    box = ledger.cluster.secrets[0].snapshot_box
    capture = Capture(state, tables, ledger.genesis.chain, box)
    heights = range(executor.height + 1, executor.height + BLOCKS + 1)
    shares = [timed(lambda: capture.advance(Height(height)))[0] for height in heights]  # noqa: B023
    chunks = capture._kept
    loading, fresh = timed(lambda: _load(ledger, capture, chunks, state, box))
    assert fresh.root == executor.root
    collecting, _ = timed(gc.collect)
    return (
        f"{accounts:,}",
        f"{sessions:,}",
        f"{(with_accounts - empty) / accounts:,.0f}",
        f"{(with_sessions - with_accounts) / sessions:,.0f}",
        f"{longest:.1f}",
        f"{freezing:.1f}",
        f"{max(shares):.1f}",
        f"{sum(shares):,.0f}",
        f"{sum(map(len, chunks)) / 2**20:.1f}",
        f"{loading:,.0f}",
        f"{collecting:.1f}",
    )


def main() -> None:
    """Print one row per size, each from a process of its own."""
    given = given_sizes("./scripts/sizes", __doc__, "ACCOUNTS", "SESSIONS", "ALONE")
    if len(given) == 3:  # the process of one size
        print(_ROW.format(*measure(given[0], given[1])), flush=True)
        return
    sizes = [(given[0], given[-1])] if given else [(size, size // 10) for size in SIZES]
    print(_ROW.format(*HEADS))
    print("|" + "---|" * len(HEADS), flush=True)
    for accounts, sessions in sizes:
        command = [sys.executable, "-m", "scripts.sizes_table", str(accounts), str(sessions), "1"]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
