"""Micro-benchmark of the vault: µs of CPU of an ask beside its evidence, and of a beat. By hand:

.venv/bin/python -m tests.enclave.bench_vault [--profile]

An ask is a transaction in a session, whole: envelope, arguments, evidence, policy, state, sealing.
What judging its evidence takes is measured within it and taken off; so is the program's own part.
No time is compared with a bound here.
"""

import cProfile
import pstats
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.enclave.chain import Made
from tests.enclave.programs.vault.world import IN_WEST, PRINTERS, Room, VaultChain, policy_of

from strongroom.consensus.types import Height
from strongroom.enclave.attestation.release_policy import ReleasePolicy
from strongroom.enclave.programs.vault import asking as asking_
from strongroom.enclave.programs.vault import standing, vault
from strongroom.enclave.programs.vault.boxes import begins
from strongroom.enclave.programs.vault.judging import decode_claims, failing, judge_evidence

ROOMS = 100
BEATS = 20
POLICY = policy_of(PRINTERS, IN_WEST, {"claim": "bootcount", "greaterOrEquals": 1})


def measure() -> str:
    """One line each for asking, beating, and for what they are made of."""
    chain = VaultChain()
    key = chain.key(pieces=BEATS + 1, policy=POLICY)
    rooms = [Room(who=f"room {at}") for at in range(ROOMS)]
    for room in rooms:
        chain.of(room.who)
    evidence = [chain.shown(room) for room in rooms]
    judging = _timed(lambda: [_judge(chain, one) for one in evidence]) / ROOMS
    judged_again = _timed(lambda: [_judge(chain, one) for one in evidence]) / ROOMS
    with (
        _within(standing, "judge_evidence") as judged,
        _within(asking_, "see_evidence") as seen,
        _within(asking_, "ask") as own,
    ):
        asking, asked, leases = _ask(chain, key, rooms, evidence)
    beating, wrote = _beat(chain, rooms, leases)
    claims, policy = decode_claims(_judge(chain, evidence[0]).encode_claims()), POLICY
    deciding = _timed(
        lambda: [failing(ReleasePolicy.parse(policy), claims, 0) for _ in range(1_000)]
    )
    return (
        f"evidence alone {judging:.0f} µs, its certificates known {judged_again:.0f} µs\n"
        f"ask {asking:.0f} µs, {asking - judged[0] / ROOMS:.0f} beside its evidence, of which the "
        f"verdict {(seen[0] - judged[0]) / ROOMS:.0f}, the rest of the program "
        f"{(own[0] - seen[0]) / ROOMS:.0f}; write set {asked:.0f} B\n"
        f"beat with a piece {beating:.0f} µs; write set {wrote:.0f} B\n"
        f"policy of 3 conditions {deciding / 1_000:.1f} µs\n"
        f"carry a box {_carry(chain):.0f} µs\n"
    )


def _judge(chain: VaultChain, evidence: bytes):  # type: ignore[no-untyped-def]
    context = chain.executor._runner._context
    assert context.attestation is not None
    return judge_evidence(
        evidence,
        chain=context.chain,
        policy=context.attestation,
        countries={},
        blocks=lambda height: context.block(Height(height)),
        now_ms=chain.now,
    )


def _ask(
    chain: VaultChain, key: str, rooms: list[Room], evidence: list[bytes]
) -> tuple[float, float, list[bytes]]:
    sealed = []
    for room, shown in zip(rooms, evidence, strict=True):
        call = chain.call("vault.ask", key=key, purpose="print", evidence=shown)
        sealed.append(chain.of(room.who).seal_call(call)[1])
    taken = _execute(chain, chain.make({0: [sealed]}))
    leases: list[bytes] = []
    while len(leases) < ROOMS:
        page = chain.look("maker", "leases", key="/toy", after=len(leases))
        leases += [one["lease"] for one in page]
    return taken / ROOMS, len(chain.outcomes[-1].write_set) / ROOMS, leases


def _beat(chain: VaultChain, rooms: list[Room], leases: list[bytes]) -> tuple[float, float]:
    taken = wrote = 0.0
    for number in range(1, BEATS + 1):
        sealed = []
        for room, lease in zip(rooms, leases, strict=True):
            call = chain.call("vault.beat", lease=lease, number=number, used=0, piece=number)
            sealed.append(chain.of(room.who).seal_call(call)[1])
        taken += _execute(chain, chain.make({0: [sealed]}))
        wrote += len(chain.outcomes[-1].write_set)
    assert chain.look("maker", "lease", lease=leases[0])["beat"] == BEATS
    return taken / ROOMS / BEATS, wrote / ROOMS / BEATS


@contextmanager
def _within(module: Any, name: str) -> Iterator[list[float]]:
    """Time spent in a function of a module, or in an operation of the vault, while this lasts."""
    spent, real = [0.0], getattr(module, name)

    def timed(*given: Any, **named: Any) -> Any:
        began = time.thread_time()
        try:
            return real(*given, **named)
        finally:
            spent[0] += (time.thread_time() - began) * 1e6

    operation = vault.transactions.get(name)
    if operation is None:
        setattr(module, name, timed)
    else:
        operation.function = timed
    yield spent
    if operation is None:
        setattr(module, name, real)
    else:
        operation.function = real


def _carry(chain: VaultChain) -> float:
    runner = chain.executor._runner
    runner._turn_to("vault")

    def carry() -> None:
        for _ in range(200):
            begins(runner._context, chain.tip.epoch)

    taken = _timed(carry) / 200
    runner.state.roll_back()
    return taken


def _execute(chain: VaultChain, block: Made) -> float:
    run = chain.run_of(block)
    began = time.thread_time()
    chain.outcomes += chain.executor.execute(run, [block.batches])
    return (time.thread_time() - began) * 1e6


def _timed(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1e6


if __name__ == "__main__":
    if "--profile" in sys.argv:
        profile = cProfile.Profile()
        profile.runcall(measure)
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    else:
        sys.stdout.write(measure())
