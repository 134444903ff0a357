"""What people cost a replica: a token, once; a rule of regions, at every call.

    python -m tests.enclave.bench_people [TOKENS]

Process time, so that other work on the machine counts for little; a token is judged by Runner.run,
without the envelope around it; a rule is asked as the runner asks it.
"""

import os
import sys
from time import process_time
from timeit import repeat

from tests.enclave.chain import person
from tests.enclave.programs.people.world import PeopleChain
from tests.openid.provider import ALGORITHMS

from strongroom.enclave.programs.people import checking
from strongroom.enclave.programs.regions import check_caller

TOKENS = 200
ROUNDS, CALLS = 200, 500
_ENVELOPE_BYTES = 64 * 1024
_MILLION = 1_000_000


def token_ms(algorithm: str, tokens: int) -> tuple[float, int]:
    """(milliseconds of one, its bytes): the mean over newer and newer ones."""
    chain = PeopleChain()
    chain.provider.rotate(algorithm, drop=True)
    chain.choose()
    runner, now = chain.executor._runner, chain.provider.now_s
    groups = [f"group-{number:04}" for number in range(40)]
    texts = [chain.token(iat=now - tokens + at, groups=groups) for at in range(tokens)]
    url, alice = chain.provider.url, person("alice").id
    calls = [chain.call("people.present", issuer=url, token=text).encode() for text in texts]
    began = process_time()
    for call in calls:
        runner._steps = _MILLION
        answer = runner.run(call, alice, bytes(32), lambda _: bytes(32), _ENVELOPE_BYTES)
        assert b"europe" in answer[0], answer[0]
    return (process_time() - began) / tokens * 1000, len(texts[0])


def rule_us() -> float:
    """Microseconds in which a caller is found to be where a rule asks, the best of many rounds."""
    chain = PeopleChain()
    chain.choose()
    assert chain.present("alice", chain.token()).ok
    runner = chain.executor._runner
    context, regions = runner.context, frozenset({"europe"})
    runner.at(chain.tip.height, chain.tip.time_ms)
    context.enter(person("alice").id)
    context._meter.left = 1 << 60
    return min(repeat(lambda: check_caller(context, regions), number=CALLS, repeat=ROUNDS)) / (
        CALLS / _MILLION
    )


def main() -> None:
    """Print both, with the load average."""
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else TOKENS
    for algorithm in ALGORITHMS:
        taken, size = token_ms(algorithm, tokens)
        charged = checking.SIGNATURE_STEPS[algorithm] + checking.READING_STEPS
        charged += size // checking.STEP_CHARACTERS
        sys.stdout.write(
            f"{algorithm:8} {taken:.3f} ms a token of {size} bytes, charged {charged} steps\n"
        )
    sys.stdout.write(f"{'rule':8} {rule_us():.3f} µs a call\n")
    sys.stdout.write(f"load {' '.join(f'{one:.1f}' for one in os.getloadavg())}\n")


if __name__ == "__main__":
    main()
