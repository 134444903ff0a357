"""Who counts as a worker that waits, and who takes data back (T65, T66)."""

import pytest
from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    NO_PARAMETERS,
    STRANGER,
    RoomsChain,
    again,
    who,
    worker,
)


@pytest.fixture
def chain() -> RoomsChain:
    return RoomsChain()


def waits(chain: RoomsChain, operator: str = "operator1", **changes: str) -> str:
    """What a worker of another kind is told that wants to wait; nothing when it may."""
    one = again(worker(operator), who=f"another {operator} {changes}", **changes)
    chain.of(one.who)
    result = chain.act(one.who, "wait", evidence=chain.shown(one))
    return "" if result.ok else str(result.code)


def test_T65_whoever_makes_keys_is_no_operator(chain: RoomsChain) -> None:
    assert waits(chain, operator="operator1") == ""
    assert waits(chain, operator="anybody") == "operator"


def test_T65_a_worker_shows_evidence_of_its_own_session(chain: RoomsChain) -> None:
    one, other = worker("operator0"), worker("operator1")
    chain.of(one.who)
    chain.of(other.who)
    assert chain.no(other.who, "wait", evidence=chain.shown(one)) == "evidence"
    assert chain.no(other.who, "wait") == "evidence"


def test_a_worker_elsewhere_runs_nothing_of_the_room(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0")
    assert waits(chain, region="us-east") == ""
    assert chain.no(ANALYST, "run", contract=id, parameters=NO_PARAMETERS) == "no-executors"


def test_who_has_not_said_so_for_a_minute_waits_no_more(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1")
    chain.wait(61_000)
    chain.commit()
    assert chain.no(ANALYST, "run", contract=id, parameters=NO_PARAMETERS) == "no-executors"
    for at in range(2):
        assert chain.ok(worker(f"operator{at}").who, "wait")["operator"] == f"operator{at}"
    assert chain.start(id)


def test_evidence_counts_for_ten_minutes_however_often_it_is_said(chain: RoomsChain) -> None:
    chain.staff("operator0")
    for _ in range(11):
        chain.wait(50_000)
        chain.ok(worker("operator0").who, "wait")
    chain.wait(60_000)
    assert chain.no(worker("operator0").who, "wait") == "evidence"


def test_who_leaves_waits_no_more(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1")
    chain.ok(worker("operator0").who, "leave")
    assert chain.no(worker("operator0").who, "leave") == "not-waiting"
    assert chain.no(ANALYST, "run", contract=id, parameters=NO_PARAMETERS) == "no-executors"


def test_T66_nobody_else_withdraws_or_reads_an_owners_data_set(chain: RoomsChain) -> None:
    chain.bring(BANKS[0])
    data = f"id:{who(BANKS[0]).hex()}/transfers"
    for name in (BANKS[1], STRANGER):
        assert chain.no(name, "withdraw_data", data=data) == "no-data"
    assert chain.see(BANKS[0], "data_set", data=data)["state"] == "active"
