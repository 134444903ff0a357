"""Tokens and region rules together: a person presents, calls, moves, lapses; any node answers the
same (T58)."""

from typing import Any

import pytest
from tests.enclave.chain import Chain
from tests.enclave.programs.people.world import PeopleChain
from tests.openid.provider import HOUR

from strongroom.enclave.execution.executor import Executor

PROGRAM = "payments"


@pytest.fixture
def chain() -> PeopleChain:
    chain = PeopleChain()
    chain.choose()
    assert not chain.vote("set_program_regions", program=PROGRAM, regions=("europe",))
    return chain


def both(chain: PeopleChain, who: str) -> tuple[str, str]:
    """What becomes of a transaction and of a query."""
    done = chain.said(who, "payments.open", account="rent")
    return ("ok" if done.ok or done.code == "account exists" else done.code), answered(chain, who)


def answered(chain: PeopleChain, who: str, executor: Executor | None = None) -> str:
    key, envelope = chain.query_envelope(who, "payments.balance")
    answer = (executor or chain.executor).query(envelope)
    assert isinstance(answer, bytes)
    opened = key.open(answer)
    return "ok" if opened.ok else opened.code


def test_T58_in_a_quiet_ledger_a_token_ends_for_queries_too(chain: PeopleChain) -> None:
    """No block is made, so block time stands; the host's clock does not."""
    assert chain.present("alice", chain.token("alice")).ok
    now = int(chain.tip.time_ms)

    def asked(clock_ms: int, name: str = "payments.balance") -> Any:
        key, envelope = chain.query_envelope("alice", name)
        answer = chain.executor.query(envelope, clock_ms=clock_ms)
        assert isinstance(answer, bytes)
        opened = key.open(answer)
        return opened.value if opened.ok else opened.code

    assert asked(now + HOUR * 1000 - 1_000) == 0
    assert asked(now + HOUR * 1000) == "region"
    assert asked(now + HOUR * 1000, "people.standing")["region"] is None
    assert asked(0) == 0, "a clock that is behind lets in nobody who was not"
    assert both(chain, "alice") == ("ok", "ok"), "transactions are judged by block time alone"


def follower(chain: Chain, index: int = 1) -> Executor:
    """Another node, which took over every outcome."""
    other = chain.new_executor(index)
    for made, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        other.apply(made.header, outcome)
    return other


def test_T58_who_presents_a_token_from_there_calls_and_nobody_else(chain: PeopleChain) -> None:
    assert both(chain, "alice") == ("region", "region")
    token = chain.token("alice")
    assert chain.present("mallory", token).ok is False, "stolen: its nonce is not his"
    assert both(chain, "mallory") == ("region", "region")
    assert chain.present("alice", token).ok, "presenting is open to everybody"
    assert both(chain, "alice") == ("ok", "ok")
    assert both(chain, "mallory") == ("region", "region")


def test_T58_who_moves_or_whose_token_ends_is_refused_at_the_next_call(chain: PeopleChain) -> None:
    assert chain.present("alice", chain.token("alice")).ok
    assert both(chain, "alice") == ("ok", "ok")
    chain.provider.people["alice"]["ctry"] = "US"
    chain.pass_s(1)
    assert chain.present("alice", chain.token("alice")).ok
    assert both(chain, "alice") == ("region", "region")
    chain.provider.people["alice"]["ctry"] = "DE"
    chain.pass_s(1)
    assert chain.present("alice", chain.token("alice")).ok
    assert both(chain, "alice") == ("ok", "ok")
    chain.pass_s(25 * HOUR)
    assert both(chain, "alice") == ("region", "region")


def test_T58_a_key_or_issuer_that_members_remove_takes_its_people_out(chain: PeopleChain) -> None:
    assert chain.present("alice", chain.token("alice")).ok
    assert both(chain, "alice") == ("ok", "ok")
    assert not chain.vote("remove_issuer", issuer=chain.provider.url)
    assert both(chain, "alice") == ("no-one-in-region", "no-one-in-region")


def test_T58_a_client_that_goes_to_another_node_gets_the_same_answer(chain: PeopleChain) -> None:
    assert chain.present("alice", chain.token("alice")).ok
    assert answered(chain, "alice", follower(chain)) == answered(chain, "alice") == "ok"
    assert answered(chain, "mallory", follower(chain)) == "region"
    assert chain.said("alice", "people.withdraw").ok
    assert answered(chain, "alice", follower(chain)) == answered(chain, "alice") == "region"


def test_T58_under_the_services_rule_a_person_still_presents_sees_and_withdraws(
    chain: PeopleChain,
) -> None:
    assert not chain.vote("set_program_regions", program="service", regions=("europe",))
    assert chain.region("alice") is None
    assert chain.refusal("alice", "roster.standing") == "region"
    assert chain.present("alice", chain.token("alice")).ok
    assert chain.ask("alice", "roster.standing")["member"] is False
    assert chain.said("alice", "people.withdraw").ok
    assert chain.refusal("alice", "roster.standing") == "region"
