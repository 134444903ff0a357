"""Where one payment's time goes in the enclave, stage by stage: µs of processor, least of some
blocks. Run it by hand:

.venv/bin/python -m tests.enclave.bench_stages

Each stage is timed for all payments of a block, one stage after the other; `whole` is the same
block executed as in service. Least, because what else the machine does only ever adds. To compare
two trees, run it in turns in both (PYTHONPATH=OTHER/.src for the other one's code).
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.enclave.bench_execution import ACCOUNTS, with_accounts
from tests.enclave.chain import Chain, Made, founded

from strongroom.consensus.types import Digest
from strongroom.enclave.formats import merkle
from strongroom.enclave.formats.outcome import leaf_hash
from strongroom.enclave.formats.reading import read_call, read_envelope
from strongroom.enclave.formats.size_classes import RESULT_SIZES, pad
from strongroom.enclave.heap import tune_collector
from strongroom.enclave.outside.client_sessions import ClientSession
from strongroom.enclave.primitives import digest
from strongroom.enclave.programs import PROGRAMS

PER_BLOCK = 500
BLOCKS = 24


def measure() -> dict[str, float]:
    """µs a payment, by stage."""
    chain, member = with_accounts()
    rounds = [_seal(chain, member, number) for number in range(2 * BLOCKS)]
    tune_collector()
    whole = [_whole(chain, envelopes) for _, envelopes in rounds[:BLOCKS]]
    staged = [_staged(chain, envelopes) for _, envelopes in rounds[BLOCKS:]]
    found = {"seal (client)": min(took for took, _ in rounds)}
    found |= {name: min(one[name] for one in staged) for name in staged[0]}
    found["whole"] = min(took for took, _ in whole)
    found["open the result (client)"] = min(took for _, took in whole)
    return {name: round(took / PER_BLOCK * 1e6, 2) for name, took in found.items()}


def _seal(chain: Chain, member: ClientSession, block: int) -> tuple[float, list[bytes]]:
    calls = [
        chain.call(
            "payments.transfer",
            to=f"/{(i * 7 + block) % ACCOUNTS}",
            amount=5,
            source=str(i % ACCOUNTS),
            memo="x" * 40,
        )
        for i in range(PER_BLOCK)
    ]
    began = time.thread_time()
    sealed = [member.seal_call(call)[1] for call in calls]
    return time.thread_time() - began, sealed


def _whole(chain: Chain, envelopes: list[bytes]) -> tuple[float, float]:
    """Executed as a block; and its results opened."""
    made = chain.make({0: [envelopes]})
    run = chain.run_of(made)
    began = time.thread_time()
    (outcome,) = chain.executor.execute(run, [made.batches])
    took = time.thread_time() - began
    session = chain.executor._tables.current  # the keys are the same on both sides
    keys = next(iter(session._warm.values())).keys
    assert keys is not None
    sequences = [read_envelope(envelope)[4] for envelope in envelopes]
    prefix = chain.executor._result_prefix
    ids = [outcome.id_at(at) for at in range(outcome.count)]
    client = ClientSession(
        keys, chain.genesis.chain, chain.genesis.description.epoch, Digest(ids[0])
    )
    assert prefix == client._result_prefix
    began = time.thread_time()
    for at, id in enumerate(ids):
        client.open_result(sequences[at], id, outcome.results[at])
    return took, time.thread_time() - began


def _staged(chain: Chain, envelopes: list[bytes]) -> dict[str, float]:
    executor: Any = chain.executor
    made: Made = chain.make({0: [envelopes]})
    header = made.header
    chain.run_of(made)
    took: dict[str, float] = {}
    intake, runner, prefix = executor._intake, executor._runner, executor._result_prefix
    runner.at(header.height, header.time_ms, header.epoch)

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began = time.thread_time()
        value = work()
        took[name] = time.thread_time() - began
        return value

    operation = PROGRAMS["payments"].transactions["transfer"]
    context, state = runner.context, runner.state
    ids = timed("id", lambda: [digest(envelope) for envelope in envelopes])
    timed("of opening: read the envelope", lambda: [*map(read_envelope, envelopes)])
    opened = timed("open", lambda: [*map(intake.open, envelopes, ids)])
    calls = timed("of run: read the call", lambda: [read_call(one[3]) for one in opened])
    bound = timed("of run: bind", lambda: [operation.bind(call[3]) for call in calls])

    def transfer() -> None:
        context.enter(opened[0][0])
        for one in bound:
            state.meter.left = 1000
            operation.function(context, **one)
            state.roll_back()

    timed("of run: transfer, rolled back", transfer)

    def run() -> list[tuple[bytes, bytes, bytes]]:
        return [
            runner.run(one[3], one[0], id, one[1].blinding, len(envelope), 0)
            for one, id, envelope in zip(opened, ids, envelopes, strict=True)
        ]

    ran = timed("run", run)
    sealed = timed(
        "seal the result",
        lambda: [
            one[1].reply.seal(one[2], pad(result[0], RESULT_SIZES), prefix + id)
            for one, result, id in zip(opened, ran, ids, strict=True)
        ],
    )
    leaves = timed(
        "leaf",
        lambda: [
            leaf_hash(id, 0, digest(box), bytes(32)) for id, box in zip(ids, sealed, strict=True)
        ],
    )
    timed("tree", lambda: merkle.root_of(leaves))
    changes = timed("changes", lambda: (state.take_changes(), executor._tables.take_changes()))
    assert changes[0]
    chain.tip = executor.header  # nothing was advanced: the block never was
    return took


if __name__ == "__main__":
    founded()
    found = measure()
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        sys.stdout.writelines(f"{name:32} {took:6.2f}\n" for name, took in found.items())
