"""What one replica's enclave works for one `vault.ask`, and for one beat: the vault itself, run in
this process, without sealing, ordering and disks.

Owns the taking apart: each ask is judged once alone and once as a transaction, one right after the
other, so that the evidence can be taken off. µs of one processor, medians over all rooms.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import ChainId, Digest, Epoch, Height, Milliseconds
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.attestation.release_policy import ReleasePolicy
from strongroom.enclave.formats.envelope import Call
from strongroom.enclave.governance.rules import LIMITS
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.primitives import DeterministicBox, Secret, digest, random_bytes
from strongroom.enclave.programs.framework import Surroundings
from strongroom.enclave.programs.runner import Runner
from strongroom.enclave.programs.vault import vault
from strongroom.enclave.programs.vault.judging import Shown, failing, judge_evidence
from strongroom.enclave.room.boots import Boot

HEIGHT, NOW = Height(1000), Milliseconds(1_800_000_000_000)
ENVELOPE_BYTES = 8192
"""What an ask travels in."""
BEATS = 20
REPEATS = 50


@dataclass(slots=True)
class _Replica:
    """A vault with one key, as an executor would run it."""

    runner: Runner
    policy: Policy
    chain: ChainId
    position: int = 0

    @classmethod
    def found(cls, chain: ChainId, root: Digest) -> "_Replica":
        policy = Policy.of(
            measurements=(),
            roots=[root],
            allow_simulated=True,
            floors=(),
            chips=(),
            operators=(),
            regions=(),
            max_age_ms=Milliseconds(600_000),
        )
        box, secret = DeterministicBox(Secret.fresh()), Secret.fresh()
        lent = Surroundings(chain, _block, lambda _: box, lambda _: secret)
        replica = cls(Runner({vault.name: vault}, lent), policy, chain)
        limits = {name: limit.default for name, limit in LIMITS.items()}
        limits |= {"open_admission": 1}
        replica.runner.heed(frozenset({bytes(32)}), frozenset(), frozenset(), limits, policy)
        return replica

    def call(self, who: bytes, operation: str, **arguments: Any) -> tuple[float, Any]:
        """(µs, answer) of one transaction in a block of its own."""
        found = vault.operation(operation)
        wire = found.from_python(arguments, bytes.fromhex)
        call = Call(vault.name, bytes(32), operation, wire).encode()
        self.position += 1
        self.runner.at(HEIGHT, NOW, Epoch(1))
        id, began = digest(call), time.thread_time()
        answer, _, _ = self.runner.run(
            call, who, id, lambda _: bytes(32), ENVELOPE_BYTES, self.position
        )
        took = (time.thread_time() - began) * 1e6
        self.runner.state.take_changes()
        return took, answer

    def judge(self, evidence: bytes) -> Shown:
        """Judge evidence alone, as `ask` does."""
        return judge_evidence(
            evidence,
            chain=self.chain,
            policy=self.policy,
            countries={},
            blocks=lambda height: _block(Height(height)),
            now_ms=NOW,
        )


def measure_judging(
    boots: Sequence[Boot], chain: ChainId, root: Digest, policy: str
) -> dict[str, float]:
    """Ask once for every room, and beat for some pieces. The key's policy must release to them."""
    replica, owner = _Replica.found(chain, root), Identity.fresh()
    replica.call(owner.id, "new", name="bench", policy=policy, pieces=BEATS + 1)
    replica.call(owner.id, "put", key="/bench", secret=random_bytes(32))
    key, alone, whole, beats = f"id:{owner.id.hex()}/bench", [], [], []
    block = _block(HEIGHT)[0]
    evidence = [boot.evidence(HEIGHT, block) for boot in boots]
    first = [_timed(lambda one=one: replica.judge(one)) for one in evidence]  # type: ignore[misc]
    leases: list[tuple[bytes, bytes]] = []
    for boot, one in zip(boots, evidence, strict=True):
        alone.append(_timed(lambda one=one: replica.judge(one)))  # type: ignore[misc]
        took, answer = replica.call(boot.identity.id, "ask", key=key, purpose="bench", evidence=one)
        whole.append(took)
        leases.append((boot.identity.id, _lease(answer)))
    for number in range(1, BEATS + 1):
        for who, lease in leases:
            took, _ = replica.call(who, "beat", lease=lease, number=number, used=0, piece=number)
            beats.append(took)
    claims = replica.judge(evidence[0]).claims
    verdict = min(
        _timed(lambda: failing(ReleasePolicy.parse(policy), claims, 0)) for _ in range(REPEATS)
    )
    beside = [all_of_it - judged for all_of_it, judged in zip(whole, alone, strict=True)]
    return {
        "evidence_first": round(median(first), 1),
        "evidence": round(median(alone), 1),
        "verdict": round(verdict, 1),
        "beside_evidence": round(median(beside), 1),
        "beat_with_piece": round(median(beats), 1),
    }


def _block(height: Height) -> tuple[Digest, Milliseconds]:
    """The one recent block that there is."""
    return digest(height.to_bytes(8, "big")), NOW


def _lease(answer: bytes) -> bytes:
    """Of an ask that was granted.

    Raises:
        OperatorFault: it was refused, which measures something else.
    """
    ok, value, _ = codec.decode_value(answer)
    if not ok:
        raise OperatorFault(f"the bench's own ask was refused: {value[0]}: {value[1]}")
    return bytes(value["lease"])


def _timed(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1e6
