"""A role of a program for a limited time: its reads are transactions, counted in public, and it
ends by block time (VAULT §6)."""

from typing import Any

import pytest
from tests.enclave.chain import Chain, codes, person
from tests.enclave.fixtures import key_named, make_cluster_genesis

from strongroom.consensus import codec
from strongroom.enclave.formats.envelope import transaction_id
from strongroom.enclave.governance import public
from strongroom.enclave.governance.grant_document import GrantEntry
from strongroom.enclave.governance.grant_records import parameters_digest
from strongroom.enclave.outside.client_sessions import ClientSession, Result
from strongroom.enclave.programs.framework import RECORDED_ONLY

ROLE = "role:payments:auditor"
HOUR_MS = 3_600_000
PROGRAMS = ("payments", "records", "system")
LIMITS = {"activation_delay_ms": 0, "open_admission": 0}


class RoleChain(Chain):
    """A chain whose members act for operators; `eve` asks for operator0."""

    def __init__(self) -> None:
        super().__init__(make_cluster_genesis(4, limits=LIMITS, programs=PROGRAMS))
        told = {f"member{index}": f"operator{index}" for index in range(4)} | {"eve": "operator0"}
        for name, operator in told.items():
            self.decide("set_affiliation", key=key_named(name).public, operator=operator)
        self.once("member0", "payments.issue", to="alice", amount=7)

    def word(self, who: str, action: str, *fields: Any) -> bytes:
        key = key_named(who)
        return public.sign_public(key.public, key.sign, self.genesis.chain, action, fields)

    def said(self, who: str, action: str, *fields: Any) -> Any:
        ok, value = codec.decode(self.commit(self.word(who, action, *fields)).results[0])
        assert ok, value
        return value

    def decide(self, change: str, **given: Any) -> None:
        arguments, nonce = tuple(given.items()), self.tip.height.to_bytes(16, "big")
        id, _ = self.said("member0", public.PROPOSE, nonce, change, arguments)
        digest = public.proposal_digest(change, arguments)
        for member in ("member1", "member2"):
            self.said(member, public.BALLOT, id, digest, True)

    def grant(self) -> GrantEntry:
        return self.executor.governance.document().access.grants[-1]

    def approved(self, *, duration_ms: int = HOUR_MS) -> str:
        claim_by = self.tip.time_ms + HOUR_MS
        reason = "a complaint about account alice"
        asked = (self.tip.height.to_bytes(16, "big"), (ROLE,), (), reason, claim_by, duration_ms)
        id, _ = self.said("eve", public.ASK, *asked, "planned")
        for member in ("member1", "member2"):
            self.said(member, public.APPROVE, id, self.grant().digest)
        return str(id)

    def begin(self, id: str) -> bytes:
        return self.word("eve", public.BEGIN, id, ROLE, "", parameters_digest(ROLE, "", ()))

    def begun(self) -> str:
        id = self.approved()
        self.commit(self.begin(id))
        assert self.grant().begins
        return id

    def sealed(self, session: ClientSession) -> tuple[int, bytes]:
        return session.seal_call(self.call("payments.balance", account="alice"))

    def read(self, session: ClientSession) -> Result:
        return self.do(session, "payments.balance", account="alice")


@pytest.fixture
def chain() -> RoleChain:
    return RoleChain()


def test_reads_by_a_grant_are_transactions(chain: RoleChain) -> None:
    chain.begun()
    session = chain.session("eve")
    result = chain.read(session)
    assert (result.ok, result.value) == (True, 7)
    assert chain.grant().begins[0].uses == 1
    chain.read(session)
    assert chain.grant().begins[0].uses == 2


def test_silent_queries_by_a_grant_are_refused(chain: RoleChain) -> None:
    assert chain.refusal("alice", "payments.balance", account="bob") == "not the owner"
    chain.begun()
    assert chain.refusal("eve", "payments.balance", account="alice") == RECORDED_ONLY
    assert chain.ask("alice", "payments.balance") == 7
    assert chain.grant().begins[0].uses == 0


def test_without_a_grant_no_query_comes_as_a_transaction(chain: RoleChain) -> None:
    result = chain.once("member1", "payments.balance", account="alice")
    assert (result.ok, result.code) == (False, "unknown operation")


def test_the_role_is_of_one_program_and_one_person(chain: RoleChain) -> None:
    chain.begun()
    session = chain.session("eve")
    assert chain.do(session, "records.head", collection="alice/notes").code == "unknown operation"
    other = chain.session("member1")
    assert chain.do(other, "payments.balance", account="alice").code == "unknown operation"


def test_who_holds_a_role_may_open_sessions_until_it_ends(chain: RoleChain) -> None:
    _, envelope = chain.open("eve")
    assert codes(chain.commit(envelope)) != ["executed"]
    chain.begun()
    _, envelope = chain.open("eve")
    assert codes(chain.commit(envelope)) == ["executed"]


def test_the_role_ends_by_block_time_alone(chain: RoleChain) -> None:
    chain.begun()
    session = chain.session("eve")
    until_ms = chain.grant().until_ms
    chain.step_ms = until_ms - chain.tip.time_ms - 1
    assert chain.read(session).ok
    chain.step_ms = 1
    assert chain.tip.time_ms == until_ms - 1
    assert chain.read(session).code == "not the owner"
    assert chain.grant().status == "ended"
    assert chain.grant().begins[0].uses == 1
    assert chain.refusal("eve", "payments.balance", account="alice") == "not the owner"
    assert chain.read(session).code == "unknown operation"


@pytest.mark.parametrize("ender", ["finish", "revoke"])
def test_the_role_ends_at_once_when_it_is_given_back_or_revoked(
    chain: RoleChain, ender: str
) -> None:
    id = chain.begun()
    session = chain.session("eve")
    word = (
        chain.word("eve", public.FINISH, id, ROLE, "", "nothing found", bytes(32))
        if ender == "finish"
        else chain.word("member1", public.REVOKE_GRANT, id)
    )
    sequence, envelope = chain.sealed(session)
    outcome = chain.commit(word, envelope)
    result = session.open_result(sequence, transaction_id(envelope), outcome.result_at(1))
    assert (result.ok, result.code) == (False, "unknown operation")


def test_reads_that_fail_are_counted(chain: RoleChain) -> None:
    chain.begun()
    session = chain.session("eve")
    result = chain.do(session, "payments.balance", account="alice/nothing")
    assert not result.ok
    assert chain.grant().begins[0].uses == 1


@pytest.mark.parametrize(
    ("change", "arguments"),
    [
        ("remove_affiliation", {"key": key_named("eve").public}),
        ("remove_affiliation", {"key": key_named("member2").public}),
        ("remove_member", {"name": "member1"}),
        ("forbid_operator", {"operator": "operator2"}),
    ],
)
def test_the_role_ends_with_what_was_agreed_to(
    chain: RoleChain, change: str, arguments: dict[str, Any]
) -> None:
    chain.begun()
    session = chain.session("eve")
    assert chain.read(session).ok
    chain.decide(change, **arguments)
    assert chain.read(session).code == "unknown operation"
    assert (chain.grant().status, chain.grant().begins[0].uses) == ("revoked", 1)


def test_a_role_is_not_begun_again(chain: RoleChain) -> None:
    id = chain.begun()
    outcome = chain.commit(chain.begin(id))
    assert codec.decode(outcome.results[0])[1][0] == "twice"
    second = chain.approved()
    outcome = chain.commit(chain.begin(second))
    assert codec.decode(outcome.results[0])[1][0] == "twice"


def test_a_replica_that_applies_stands_where_one_that_executes_stands(chain: RoleChain) -> None:
    chain.begun()
    session = chain.session("eve")
    chain.read(session)
    other = chain.new_executor(1)
    for made, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        other.apply(made.header, outcome)
    assert other.state_digest() == chain.executor.state_digest()
    assert other.governance.document() == chain.executor.governance.document()


def test_a_standing_role_reads_silently_as_before(chain: RoleChain) -> None:
    chain.begun()
    chain.decide("grant", program="payments", role="auditor", identity=person("eve").id)
    assert chain.ask("eve", "payments.balance", account="alice") == 7
