"""What a host that keeps every envelope can do with them: again, in another order, later, after a
revocation, in another epoch (T07, T50, T52, T54)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.enclave.chain import EPOCH, person
from tests.enclave.programs.vault.world import OWNER, PRINTERS, K, Room, VaultChain, policy_of

from strongroom.consensus import codec
from strongroom.enclave.formats.envelope import Query, transaction_id
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.outside.client_sessions import seal_query
from strongroom.enclave.programs.state import State
from strongroom.enclave.programs.vault.tables import EVENTS, LOGS, vault


@pytest.fixture
def chain() -> VaultChain:
    return VaultChain()


def vault_of(chain: VaultChain) -> dict[str, Any]:
    """All that the vault's maps hold, but for the records: a caller's mistake is one too."""
    state: State = chain.executor._runner.state
    held = {
        name: dict(items.items()) for program, name, items in state.copy() if program == "vault"
    }
    assert set(held) == {one.name for one in state.maps if one.program == vault.name}
    return {name: held[name] for name in held.keys() - {EVENTS.name, LOGS.name}}


class Kept:
    """A job of which the host keeps every envelope."""

    def __init__(self, chain: VaultChain) -> None:
        self.chain, self.room = chain, Room()
        self.envelopes: list[bytes] = []
        self.heights: list[int] = []
        key = chain.key(pieces=3, quantity=4, allotment=2, lease_ms=3_600_000)
        chain.of(self.room.who)
        asked = self.send("ask", key=key, purpose="print", evidence=chain.shown(self.room))
        self.lease = asked.value["lease"]
        self.send("beat", lease=self.lease, number=1, used=0, piece=1)
        self.send("use", lease=self.lease, unit=1, digest=bytes(32))
        self.send("beat", lease=self.lease, number=2, used=1, piece=2, reserve=1)

    def send(self, operation: str, **arguments: Any) -> Any:
        session = self.chain.of(self.room.who)
        sequence, envelope = session.seal_call(self.chain.call(f"vault.{operation}", **arguments))
        outcome = self.chain.commit(envelope)
        self.envelopes.append(envelope)
        self.heights.append(int(self.chain.tip.height))
        result = session.open_result(sequence, transaction_id(envelope), outcome.result_at(0))
        assert result.ok, (result.code, result.message)
        return result

    def replayed(self, envelopes: Sequence[bytes]) -> None:
        """Ordered anew, they do nothing, and are answered by nothing."""
        before = vault_of(self.chain)
        outcome = self.chain.commit(*envelopes)
        assert {code for _, code in outcome.ids_and_codes()} == {Code.DUPLICATE}
        assert not any(outcome.result_at(at) for at in range(len(envelopes)))
        assert vault_of(self.chain) == before

    def repeated(self, who: str) -> list[str | bool]:
        """What `system.result` says of each, to somebody: its code, or True."""
        chain, said = self.chain, list[str | bool]()
        for envelope, height in zip(self.envelopes, self.heights, strict=True):
            query = Query(chain.call("system.result", id=transaction_id(envelope)))
            key, sealed = seal_query(
                chain.genesis.public_key, chain.genesis.chain, EPOCH, person(who), query
            )
            answer = chain.executor.query(sealed, chain.outcomes[height - 1].encode())
            assert isinstance(answer, bytes)
            opened = key.open(answer)
            assert K not in codec.encode_value(opened.value) if opened.ok else True
            said.append(True if opened.ok else opened.code)
        return said


def test_T07_a_jobs_envelopes_ordered_again_do_nothing_whenever_and_in_whatever_order(
    chain: VaultChain,
) -> None:
    job = Kept(chain)
    for envelopes in (job.envelopes, job.envelopes[::-1], job.envelopes[:1] * 3):
        job.replayed(envelopes)
    chain.wait(3_000_000)
    job.replayed(job.envelopes)
    job.send("end", lease=job.lease, used=1)
    job.replayed(job.envelopes)
    chain.must(OWNER, "revoke", key="/toy")
    job.replayed(job.envelopes)


def test_T52_what_a_job_was_told_is_told_again_to_nobody_when_it_held_a_key(
    chain: VaultChain,
) -> None:
    """The unit's answer holds none: it is told again, to who sent it."""
    job = Kept(chain)
    held = ["given once", "given once", True, "given once"]
    for stop in ("suspend", "resume", "revoke"):
        assert job.repeated(job.room.who) == held
        assert job.repeated(OWNER) == job.repeated("thief") == ["not the sender"] * 4
        chain.must(OWNER, stop, key="/toy")
    assert job.repeated(job.room.who) == held


def test_T54_an_older_beat_sealed_anew_is_refused_and_brings_no_piece(chain: VaultChain) -> None:
    """By the room itself, which was broken into: each number counts once."""
    job = Kept(chain)
    before = vault_of(chain)
    for number in (0, 1, 2, 4):
        arguments = {"lease": job.lease, "number": number, "used": 1, "piece": 2}
        assert chain.refused(job.room.who, "beat", **arguments) == "number"
    assert chain.refused(job.room.who, "use", lease=job.lease, unit=1, digest=bytes(32)) == "unit"
    assert vault_of(chain) == before


def test_T50_a_rooms_calls_are_nobody_elses(chain: VaultChain) -> None:
    """Its evidence is public to its host, and its lease's number is no secret."""
    job = Kept(chain)
    before = vault_of(chain)
    shown = chain.shown(job.room)
    chain.of("thief")
    for operation, arguments in (
        ("beat", {"number": 3, "used": 1, "piece": 2}),
        ("beat", {"number": 3, "used": 1, "piece": 2, "evidence": shown}),
        ("use", {"unit": 2, "digest": bytes(32)}),
        ("end", {"used": 1}),
    ):
        assert chain.refused("thief", operation, lease=job.lease, **arguments) == "lapsed"
    assert vault_of(chain) == before
    asked = {"key": f"{chain.owner}/toy", "purpose": "print", "evidence": shown}
    assert chain.refused("thief", "ask", **asked) == "evidence"


def test_T53_two_rooms_of_one_boot_get_one_lease_whoever_is_ordered_first(
    chain: VaultChain,
) -> None:
    """In one block: the second freezes both, whatever the host that orders them prefers."""
    key = chain.key(pieces=3)
    first = Room()
    second = first.again(who="its copy")
    for room in (first, second):
        chain.of(room.who)
    asked = [
        (room.who, "ask", {"key": key, "purpose": "print", "evidence": chain.shown(room)})
        for room in (second, first)
    ]
    results = chain.both(*asked)
    assert [(one.ok, one.code) for one in results] == [(True, ""), (False, "clone")]
    lease = results[0].value["lease"]
    for room in (first, second):
        shown = chain.shown(room)
        assert not chain.tell(room.who, "beat", lease=lease, number=1, used=0, piece=1).ok
        asking = {"key": key, "purpose": "print", "evidence": shown}
        assert chain.refused(room.who, "ask", **asking) == "clone"


GENUINE = [
    {"claim": "simulated", "equals": False},
    {"claim": "simulated", "notEquals": True},
    {"claim": "simulated", "in": [False]},
    {"claim": "hwmodel", "in": ["Milan", "Genoa", "Turin"]},
    {"claim": "hwmodel", "equals": "Genoa"},
]
"""Ways to want silicon."""


@pytest.mark.parametrize("condition", GENUINE)
def test_T50_simulated_evidence_opens_no_key_that_wants_silicon(
    chain: VaultChain, condition: dict[str, Any]
) -> None:
    """Neither as it is, nor beside other authorities that do not hold either."""
    nobody = {"claim": "room", "equals": "nowhere"}
    policies = [policy_of(PRINTERS, condition), policy_of(condition, PRINTERS)]
    either = [{"authority": "strongroom", "allOf": [one]} for one in (nobody, condition)]
    policies.append(policy_of(PRINTERS, anyOf=either))
    for number, policy in enumerate(policies):
        key = chain.key(f"toy-{number}", policy=policy)
        code = "simulated" if condition["claim"] == "simulated" else "policy"
        assert chain.denied(Room(who=f"room {number}"), key) in (code, "policy")


def test_T50_a_service_of_silicon_gives_a_simulated_room_nothing(chain: VaultChain) -> None:
    key, room = chain.key(), Room()
    lease = chain.lease(room, key)["lease"]
    governance: Any = chain.executor.governance
    believed = governance.policy
    chain.executor._runner.heed(
        chain.executor._runner._measurements,
        chain.executor._runner._context.roles,
        chain.executor._runner._context.members,
        chain.executor._runner._context.limits,
        replace(believed, allow_simulated=False),
    )
    beat = {"lease": lease, "number": 1, "used": 0}
    assert chain.refused(room.who, "beat", **beat) == "evidence"
    assert chain.refused(room.who, "beat", evidence=chain.shown(room), **beat) == "simulated"
    assert chain.denied(Room(who="another", name="hall-8"), key) == "simulated"
