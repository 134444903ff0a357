"""Micro-benchmark of the enclave's hot path: µs of CPU per in-session payment. Run it by hand:

.venv/bin/python -m tests.enclave.bench_execution [--profile | --walled]

With --walled the same runs in a child behind the real walls of an enclave; they cost nothing that
shows.
"""

import cProfile
import pstats
import sys
import time

from tests.enclave.chain import Chain, Made, founded
from tests.enclave.sandbox.child import behind_walls

from strongroom.enclave.outside.client_sessions import ClientSession

PER_BATCH = 500
BATCHES = 4
BLOCKS = 5
ACCOUNTS = 2_000


def with_accounts() -> tuple[Chain, ClientSession]:
    """A chain, and a session of a member who has ACCOUNTS labelled accounts with money."""
    chain = Chain()
    member = chain.session("member0")
    labels = [str(number) for number in range(ACCOUNTS)]
    for start in range(0, ACCOUNTS, 1000):
        assert chain.do(member, "payments.open_many", accounts=labels[start : start + 1000]).ok
        issues = [[f"/{label}", 1_000_000] for label in labels[start : start + 1000]]
        assert chain.do(member, "payments.issue_many", issues=issues).ok
    return chain, member


def measure() -> str:
    """The cost of sealing and of executing payments among labelled accounts of one member."""
    chain, member = with_accounts()
    sealing, blocks = 0.0, []
    for number in range(BLOCKS):
        began = time.thread_time()
        envelopes = _seal(chain, member, number)
        sealing += time.thread_time() - began
        blocks.append(chain.make({0: envelopes}))
    total = BLOCKS * BATCHES * PER_BATCH
    executing = [_execute(chain, block) for block in blocks]
    best = min(executing) / (BATCHES * PER_BATCH) * 1e6
    mean = sum(executing) / total * 1e6
    first = (
        f"envelope {len(envelopes[0][0])} B · seal {sealing / total * 1e6:.1f} µs · "
        f"execute {mean:.1f} µs mean, {best:.1f} µs best block · {total} payments\n"
    )
    outcome = chain.outcomes[-1]
    return first + (
        f"outcome record {len(outcome.encode()) / outcome.count:.0f} B per payment, write set "
        f"{len(outcome.write_set) / outcome.count:.0f} B\n"
    )


def _seal(chain: Chain, member: ClientSession, block: int) -> list[list[bytes]]:
    calls = [
        chain.call(
            "payments.transfer",
            to=f"/{(i * 7 + block) % ACCOUNTS}",
            amount=5,
            source=str(i % ACCOUNTS),
            memo="x" * 40,
        )
        for i in range(BATCHES * PER_BATCH)
    ]
    sealed = [member.seal_call(call)[1] for call in calls]
    return [sealed[at : at + PER_BATCH] for at in range(0, len(sealed), PER_BATCH)]


def _execute(chain: Chain, block: Made) -> float:
    run = chain.run_of(block)
    began = time.thread_time()
    chain.outcomes += chain.executor.execute(run, [block.batches])
    return time.thread_time() - began


if __name__ == "__main__":
    if "--profile" in sys.argv:
        profile = cProfile.Profile()
        profile.runcall(measure)
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    else:
        founded()  # its manufacturer is made by threads, outside
        sys.stdout.write(behind_walls(measure).said if "--walled" in sys.argv else measure())
