"""What a snapshot costs in CPU time: freezing at its height, the worst share of a block, loading.
Run it by hand:

.venv/bin/python -m tests.enclave.bench_snapshots [accounts]
"""

import sys
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from tests.enclave.snapshot_world import Ledger

from strongroom.consensus.types import Digest, Height
from strongroom.enclave.execution.snapshotting import Capture
from strongroom.enclave.formats.snapshot import SnapshotBox, StreamReader
from strongroom.enclave.heap import tune_collector
from strongroom.enclave.programs.payments import ACCOUNTS, BALANCES, MOVEMENTS, OWNERS
from strongroom.enclave.sessions.sessions import Session

BLOCKS = 4096
MOVEMENTS_EACH = 5


def fill(ledger: Ledger, accounts: int) -> None:
    """Accounts with some movements each, and an open session for each."""
    maps = ledger.executor._runner.state.maps
    table = ledger.executor._tables.current
    for number in range(accounts):
        owner = sha256(b"owner %d" % number).digest()
        maps[ACCOUNTS].restore((owner, "main"), number)
        maps[OWNERS].restore(number, (owner, "main"))
        maps[BALANCES].restore(number, (1_000_000 + number, MOVEMENTS_EACH))
        for movement in range(MOVEMENTS_EACH):
            maps[MOVEMENTS].restore(
                (number, movement), (number, 5, number + 1, "x" * 40, 1_000_000)
            )
        id, statement = (Digest(sha256(part + owner).digest()) for part in (b"id", b"statement"))
        table._add(id, Session(Digest(owner), bytes(48), 40, 2**40 - 1), statement)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.thread_time()
    made = work()
    return (time.thread_time() - began) * 1e3, made


def measure(accounts: int) -> str:
    ledger = Ledger()
    fill(ledger, accounts)
    executor = ledger.executor
    tune_collector()
    copying, tables = timed(executor._freeze)
    items = sum(table.count for table in tables)
    state = executor._state_due(Height(executor.height + BLOCKS))
    box = ledger.cluster.secrets[0].snapshot_box
    capture = Capture(state, tables, ledger.genesis.chain, box)
    heights = range(executor.height + 1, executor.height + BLOCKS + 1)
    shares = [timed(lambda: capture.advance(Height(height)))[0] for height in heights]  # noqa: B023
    chunks = capture._kept
    sealing = SnapshotBox(ledger.genesis.chain, state.header, box)

    def read() -> StreamReader:
        reader = StreamReader()
        for index, chunk in enumerate(chunks):
            reader.feed(sealing.open(index, len(chunks), chunk))
        reader.end()
        return reader

    reading, reader = timed(read)
    fresh, _ = ledger.fresh()
    installing, _ = timed(lambda: fresh.load(state, reader.tables, capture.root))
    assert fresh.state_digest() == executor.state_digest()
    size = sum(map(len, chunks))
    return (
        f"{accounts} accounts, {items} items · {size / 2**20:.1f} MiB in {len(chunks)} chunks · "
        f"freeze {copying:.1f} ms · {sum(shares):.0f} ms over {BLOCKS} blocks, worst block "
        f"{max(shares):.1f} ms · open {reading:.0f} ms, install {installing:.0f} ms\n"
    )


if __name__ == "__main__":
    sys.stdout.write(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
