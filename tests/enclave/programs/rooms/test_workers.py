"""Who counts as a worker that waits, and who takes data back (T65, T66)."""

from collections import Counter
from hashlib import sha256
from itertools import count

import pytest
from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    NO_PARAMETERS,
    STRANGER,
    RoomsChain,
    again,
    contract,
    who,
    worker,
)

from strongroom.enclave.programs.framework import Context
from strongroom.enclave.programs.rooms import workers


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


def wait_many(chain: RoomsChain, operator: str, count: int) -> None:
    for place in range(1, count + 1):
        one = worker(operator, place)
        chain.of(one.who)
        chain.ok(one.who, "wait", evidence=chain.shown(one))


def test_T65_many_workers_of_one_operator_are_not_asked_first(
    chain: RoomsChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 12 jobs, each operator of three is first for about four: not the one with ten workers for
    nearly all. The service's own secret is another one in each run, so the dice are given here.
    Each job fails before the next one, so that all of them wait for it."""
    throws = count()
    monkeypatch.setattr(
        Context,
        "secret",
        lambda _context, label: sha256(label[:5] + bytes([next(throws)])).digest(),
    )
    room = chain.open_room()
    for bank in BANKS:
        chain.bring(bank, runs=20)
    wait_many(chain, "operator0", 10)
    first = Counter[str]()
    for number in range(12):
        for place in range(1, 11):
            chain.ok(worker("operator0", place).who, "wait")
        chain.staff("operator1", "operator2")
        job = chain.start(chain.agree(contract(room, name=f"n{number}", duration_ms=1000)))
        first[chain.ranks(job)[0].operator] += 1
        chain.wait(32_000)
        assert chain.ok(ANALYST, "advance", job=job)["state"] == "failed"
    assert first["operator0"] <= 8
    assert len(first) == 3


def test_T65_who_tries_parameters_does_not_choose_executors(chain: RoomsChain) -> None:
    """The same run in another block has other ranks: its job alone does not tell them."""
    first = set()
    for blocks in range(8):
        one = RoomsChain()
        id = one.story()
        one.staff("operator0", "operator1", "operator2", "operator3")
        for _ in range(blocks):
            one.commit()
        first.add(one.ranks(one.start(id))[0].operator)
    assert len(first) > 1


def test_T65_one_operator_does_not_fill_the_list(
    chain: RoomsChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "WORKERS_MAX", 4)
    id = chain.story()
    wait_many(chain, "operator0", 4)
    assert waits(chain, operator="operator0") == "full"
    others = ("operator1", "operator2", "operator3")
    chain.staff(*others)
    assert waits(chain, operator="operator1") == "full"
    assert {one.operator for one in chain.ranks(chain.start(id))} == {"operator0", *others}
