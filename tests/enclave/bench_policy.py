"""What a release policy costs inside a replica: µs of processor to read it anew and to judge it.
Run it by hand:

.venv/bin/python -m tests.enclave.bench_policy
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from strongroom.enclave.attestation import release_policy
from strongroom.enclave.attestation.release_policy import ReleasePolicy
from strongroom.enclave.attestation.vocabulary import VOCABULARY, Claim

ROUNDS, CALLS = 15, 200

PLANT: list[dict[str, Any]] = [
    {"claim": "measurement", "equals": "5a" * 48},
    {"claim": "simulated", "equals": False},
    {"claim": "ueid", "in": ["c1" * 64, "c2" * 64]},
    {"claim": "region", "equals": "eu-north"},
    {"claim": "snp.committed.microcode", "greaterOrEquals": 211},
    {"claim": "evidence-age-ms", "lessOrEquals": 600_000},
]
OF_TYPE: dict[type, Claim] = {bool: False, int: 211, str: "eu-north"}
CLAIMS: dict[str, Claim] = {
    **{name: OF_TYPE[kind] for name, kind in VOCABULARY.items()},
    "measurement": "5a" * 48,
    "ueid": "c2" * 64,
}


def policy_of(*conditions: dict[str, Any]) -> str:
    """The text of a policy with these conditions."""
    authority = {"authority": "strongroom", "allOf": list(conditions)}
    return json.dumps({"version": "1.0.0", "anyOf": [authority]}, separators=(",", ":"))


ROWS = {
    "six conditions of a plant": policy_of(*PLANT),
    "128 conditions": policy_of(*[{"claim": "grc.basis", "less": 999}] * 128),
    "8 KiB, one list of texts": policy_of({"claim": "region", "in": ["x"] * 2000 + ["eu-north"]}),
    "8 KiB, one list of numbers": policy_of({"claim": "bootcount", "in": [1] * 4045 + [211]}),
    "8 KiB, all escapes": policy_of({"claim": "region", "notEquals": "é" * 1345}),
}


def measured(work: Callable[[], object]) -> float:
    """The least µs of processor of one call, among rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            work()
        best = min(best, time.process_time() - began)
    return best * 1e6 / CALLS


def main() -> None:
    """Print the table."""
    sys.stdout.write(f"{'policy':<28}{'bytes':>7}{'read µs':>10}{'judge µs':>10}\n")
    for name, text in ROWS.items():
        policy = ReleasePolicy.parse(text)

        def read(text: str = text) -> object:
            release_policy._parse.cache_clear()
            return ReleasePolicy.parse(text)

        def judge(policy: ReleasePolicy = policy) -> object:
            return policy.first_failure(CLAIMS)

        row = f"{name:<28}{len(text):>7}{measured(read):>10.1f}{measured(judge):>10.2f}\n"
        sys.stdout.write(row)


if __name__ == "__main__":
    main()
