"""Jobs: charged before they run, pinned, run by several operators, agreed on and opened (T60, T62,
T65, T66)."""

from hashlib import sha256
from typing import Any

import pytest
from tests.enclave.chain import EPOCH, person
from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    REGULATOR,
    ROOT,
    STRANGER,
    WORKERS_ONLY,
    RoomsChain,
    contract,
    data_terms,
    secret_of,
    who,
    worker,
)

from strongroom.consensus import codec
from strongroom.enclave.formats.clean_rooms.contract import Input, Parameter
from strongroom.enclave.formats.clean_rooms.result_keys import output_key
from strongroom.enclave.formats.envelope import Query, transaction_id
from strongroom.enclave.formats.outcome import claim_digest
from strongroom.enclave.formats.vault_claims import LeaseStatement
from strongroom.enclave.outside.client_sessions import seal_query
from strongroom.enclave.outside.split_key import WRAPPED_SIZE


@pytest.fixture
def chain() -> RoomsChain:
    return RoomsChain()


def test_a_job_from_its_contract_to_its_opening(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1", "operator2")
    job = chain.start(id)
    first, second, third = chain.ranks(job)
    taken = chain.take(first, job).value
    assert [one["half"] for one in taken["inputs"]] == [
        secret_of(bank + "transfers") for bank in BANKS
    ]
    assert {(one["terms"], one["place"]) for one in taken["inputs"]} == {
        (data_terms().encode(), "transfers")
    }
    assert taken["taken_ms"] < taken["deadline_ms"]
    assert chain.take(third, job).code == "rank"
    assert chain.report(first, job).value["state"] == "scheduled"
    assert chain.take(second, job).value["result"] == taken["result"]
    assert chain.report(second, job).value["state"] == "agreed"
    given = chain.ok(REGULATOR, "open", job=job, output="case")
    assert given["key"] == output_key(taken["result"], "case", b"")
    assert (given["root"], given["chunks"], given["recipient"]) == (ROOT, 1, b"")
    assert chain.see(REGULATOR, "job", job=job)["state"] == "agreed"


def test_T55_a_worker_is_told_what_a_customers_custodian_must_see(chain: RoomsChain) -> None:
    """And has the ledger claim each lease alone, while it lives."""
    custodian = person("acme").id
    bank = BANKS[0]
    given = {"custody": "split", "custodian": f"id:{custodian.hex()}"}
    chain.must(bank, "new", name="split", policy=WORKERS_ONLY, **given)
    chain.must(bank, "put", key="/split", secret=b"L" * 32, wrapped=b"w" * WRAPPED_SIZE)
    chain.ok(bank, "publish", name="transfers", terms=data_terms().encode(), key="/split")
    chain.ok(bank, "add", name="transfers", root=ROOT, chunks=3, size_class=22)
    chain.bring(BANKS[1])
    room = chain.open_room()
    job_of = chain.agree(contract(room))
    chain.staff("operator0", "operator1")
    job = chain.start(job_of)
    first, _ = chain.ranks(job)
    one, other = chain.take(first, job).value["inputs"]
    assert (one["key"], one["key_version"], one["custody"]) == ("split", 1, "split")
    assert (one["half"], one["wrapped"]) == (b"L" * 32, b"w" * WRAPPED_SIZE)
    assert (one["custodian"], other["custodian"], other["custody"]) == (custodian, b"", "ledger")
    session = chain.of(first.who)
    result = chain.do(session, "vault.claim_lease", lease=one["lease"])
    stated = LeaseStatement(
        owner=who(bank),
        name="split",
        version=1,
        lease=one["lease"],
        session=person(first.who).id,
        chip=sha256(first.chip.chip_id).digest(),
        room=first.name,
        boot=first.boot,
        until_ms=result.value["until_ms"],
        pieces=0,
        custody="split",
    )
    assert result.blinding is not None
    claimed = chain.outcomes[-1].leaf_at(0).claim_digest
    assert claimed == claim_digest(result.blinding, stated.encode())
    assert chain.do(chain.of("mallory"), "vault.claim_lease", lease=one["lease"]).code == "lapsed"
    chain.must(bank, "revoke", key="/split")
    assert chain.do(session, "vault.claim_lease", lease=one["lease"]).code == "revoked"


def test_T66_nobody_else_opens_a_result_and_none_before_it_is_agreed(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    assert chain.no(REGULATOR, "open", job=job, output="case") == "not-agreed"
    chain.finish(job)
    assert chain.no(BANKS[0], "open", job=job, output="case") == "recipients"
    assert chain.no(STRANGER, "open", job=job, output="case") == "no-room"
    assert chain.no(REGULATOR, "open", job=job, output="other") == "output"
    key = f"id:{chain.see(REGULATOR, 'list')[0]['room'].hex()}/{job.hex()}"
    assert chain.denied(worker("operator0"), key) == "policy"


def test_T62_the_same_run_again_is_the_same_job_and_costs_nothing(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    assert chain.start(id, REGULATOR) == job
    chain.finish(job)
    assert chain.start(id) == job
    assert chain.see(ANALYST, "contract", contract=id)["runs"] == 1
    shown = chain.see(BANKS[0], "data_set", data="/transfers")
    assert [one["runs"] for one in shown["versions"]] == [1]


def test_T65_executors_that_differ_are_told_apart_by_the_next_rank(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1", "operator2")
    job = chain.start(id)
    first, liar, third = chain.ranks(job)
    for one, root in ((first, ROOT), (liar, bytes(32))):
        assert chain.take(one, job).ok
        chain.report(one, job, root)
    shown = chain.see(ANALYST, "job", job=job)
    assert (shown["state"], shown["asked"]) == ("scheduled", 3)
    assert all(not one["report"] for one in shown["executors"])
    assert chain.take(third, job).ok
    assert chain.report(third, job).value["state"] == "agreed"
    reports = [one["report"] for one in chain.see(ANALYST, "job", job=job)["executors"]]
    assert reports[0] == reports[2] != reports[1]


def test_T65_when_no_two_agree_the_job_fails_and_nothing_is_given_back(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    for place, one in enumerate(chain.ranks(job)):
        assert chain.take(one, job).ok
        chain.report(one, job, bytes([place]) * 32)
    shown = chain.see(ANALYST, "job", job=job)
    assert (shown["state"], shown["why"]) == ("failed", "no-agreement")
    again = chain.start(id)
    assert again != job
    assert chain.see(ANALYST, "contract", contract=id)["runs"] == 2


def test_T65_executors_that_stay_away_are_passed_over_after_the_deadline(
    chain: RoomsChain,
) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1", "operator2")
    job = chain.start(id)
    first, away, third = chain.ranks(job)
    assert chain.take(first, job).ok
    chain.report(first, job)
    assert chain.ok(third.who, "advance", job=job)["asked"] == 2
    assert chain.no(STRANGER, "advance", job=job) == "no-room"
    chain.wait(91_000)
    assert chain.ok(third.who, "advance", job=job)["asked"] == 3
    assert chain.take(third, job).ok
    assert chain.report(third, job).value["state"] == "agreed"
    assert chain.take(away, job).code == "agreed"


def test_a_worker_of_one_operator_never_agrees_with_itself(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0")
    other = worker("operator0", 1)
    chain.of(other.who)
    chain.ok(other.who, "wait", evidence=chain.shown(other))
    assert chain.no(ANALYST, "run", contract=id, parameters=b"\x90") == "no-executors"
    assert chain.see(ANALYST, "contract", contract=id)["runs"] == 0


def test_no_job_waits_for_a_worker_that_is_asked_for_another(chain: RoomsChain) -> None:
    id, days = chain.story(parameters=(Parameter("days", "int", 1, 9),)), list[bytes]()
    days += [codec.encode((("days", at),)) for at in range(1, 4)]
    chain.staff("operator0", "operator1")
    first = chain.start(id, parameters=days[0])
    assert chain.no(ANALYST, "run", contract=id, parameters=days[1]) == "no-executors"
    for one in (worker("operator0", 1), worker("operator1", 1), worker("operator2", 1)):
        chain.of(one.who)
        chain.ok(one.who, "wait", evidence=chain.shown(one))
    second = chain.start(id, parameters=days[1])
    busy = executors(chain, first)
    assert len(executors(chain, second)) == 3
    assert not busy & executors(chain, second)
    third = chain.no(ANALYST, "run", contract=id, parameters=days[2])
    assert third == "no-executors"  # the one that stands by is one alone
    stands_by = chain.ranks(second)[2].operator
    other = worker("operator0" if stands_by == "operator1" else "operator1", 2)
    chain.of(other.who)
    chain.ok(other.who, "wait", evidence=chain.shown(other))
    assert (
        len(executors(chain, chain.start(id, parameters=days[2])) & executors(chain, second)) == 1
    )
    chain.finish(first)
    asked = {one["job"] for who in busy for one in chain.see(who, "work")}
    assert not asked


def executors(chain: RoomsChain, job: bytes) -> set[str]:
    """Who is asked for a job, or stands by."""
    every = [worker(f"operator{at}", place).who for at in range(3) for place in range(3)]
    known = [one for one in every if one in chain.sessions]
    return {one for one in known if job in [w["job"] for w in chain.see(one, "work")]}


def test_a_program_that_fails_says_no_more_and_may_be_run_again(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    for one in chain.ranks(job):
        assert chain.take(one, job).ok
        assert chain.report(one, job, failed=True).code == "entries"
        assert chain.report(one, job, entries=[], failed=True).ok
    shown = chain.see(ANALYST, "job", job=job)
    assert (shown["state"], shown["why"], shown["outputs"]) == ("failed", "failed", [])
    assert chain.start(id) != job


def test_T62_charges_are_for_life_whatever_the_version_and_the_outcome(chain: RoomsChain) -> None:
    room = chain.open_room()
    for bank in BANKS:
        chain.bring(bank, epsilon_job=100, epsilon_life=250, runs=9)
    inputs = tuple(
        Input(alias, who(bank), "transfers", 0, 100)
        for alias, bank in zip(("a", "b"), BANKS, strict=True)
    )
    chain.staff("operator0", "operator1")
    ids = [chain.agree(contract(room, name=name, inputs=inputs)) for name in "xyz"]
    chain.finish(chain.start(ids[0]))
    chain.must(BANKS[0], "rotate", key="/transfers", secret=bytes(32), old_until_ms=2**50)
    chain.ok(BANKS[0], "add", name="transfers", root=ROOT, chunks=1, size_class=20)
    chain.finish(chain.start(ids[1]))
    assert chain.no(ANALYST, "run", contract=ids[2], parameters=b"\x90") == "budget"
    assert chain.see(BANKS[0], "data_set", data="/transfers")["epsilon"] == 200


def test_a_worker_without_live_leases_reports_nothing(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    one = chain.ranks(job)[0]
    assert chain.report(one, job).code == "not-taken"
    assert chain.take(one, job).ok
    chain.wait(31_000)
    assert chain.report(one, job).code == "lapsed"
    assert chain.take(one, job).ok
    assert chain.report(one, job).ok


def test_T62_so_many_runs_of_a_version_and_of_a_contract_and_no_more(chain: RoomsChain) -> None:
    room = chain.open_room()
    for bank in BANKS:
        chain.bring(bank, runs=3)
    chain.staff("operator0", "operator1")
    first = chain.agree(contract(room, runs=2, parameters=(Parameter("days", "int", 1, 9),)))
    other = chain.agree(contract(room, name="other", parameters=(Parameter("days", "int", 1, 9),)))
    days = [codec.encode((("days", at),)) for at in range(1, 4)]
    for at in (0, 1):
        chain.finish(chain.start(first, parameters=days[at]))
    assert chain.no(ANALYST, "run", contract=first, parameters=days[2]) == "budget"
    chain.finish(chain.start(other, parameters=days[0]))
    assert chain.no(ANALYST, "run", contract=other, parameters=days[1]) == "budget"
    shown = chain.see(BANKS[0], "data_set", data="/transfers")
    assert [one["runs"] for one in shown["versions"]] == [3]


def test_T65_whoever_is_late_takes_and_reports_nothing(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    first, second = chain.ranks(job)
    chain.wait(89_000)
    chain.commit()
    assert chain.take(first, job).ok
    chain.wait(2_000)
    chain.commit()
    assert chain.report(first, job).code == "late"
    assert chain.take(second, job).code == "late"


def test_T66_keys_are_given_once_and_never_told_again(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    one, other = chain.ranks(job)
    assert recorded(chain, one.who, "take", job=job, evidence=chain.shown(one)) == "given once"
    assert chain.report(one, job).ok
    assert chain.take(other, job).ok
    assert chain.report(other, job).ok
    assert recorded(chain, REGULATOR, "open", job=job, output="case") == "given once"


def recorded(chain: RoomsChain, name: str, operation: str, **arguments: Any) -> str:
    """What is told of a transaction that was executed, when its sender asks for it again."""
    session = chain.of(name)
    _, envelope = session.seal_call(chain.call(f"rooms.{operation}", **arguments))
    chain.commit(envelope)
    query = Query(chain.call("system.result", id=transaction_id(envelope)))
    key, sealed = seal_query(
        chain.genesis.public_key, chain.genesis.chain, EPOCH, person(name), query
    )
    answer = chain.executor.query(sealed, chain.outcomes[-1].encode())
    assert isinstance(answer, bytes)
    opened = key.open(answer)
    assert not opened.ok
    return str(opened.code)


def test_write_sets_give_the_same_rooms_as_execution(chain: RoomsChain) -> None:
    """All of a job, then by execution, by write sets, and by turns."""
    id = chain.story()
    chain.staff("operator0", "operator1", "operator2")
    job = chain.start(id)
    chain.finish(job)
    assert chain.ok(REGULATOR, "open", job=job, output="case")["key"]
    chain.ok(BANKS[0], "withdraw_data", data="/transfers")
    replicas = [chain.new_executor(index) for index in (1, 2, 3)]
    for at, (made, outcome) in enumerate(zip(chain.blocks, chain.outcomes, strict=True)):
        for index, replica in enumerate(replicas):
            if index == 0 or (index == 2 and at % 2):
                run = chain.run_of(made, parent=replica.header)
                (again,) = replica.execute(run, [made.batches])
                assert again.encode() == outcome.encode()
            else:
                replica.apply(made.header, outcome)
    assert {one.state_digest() for one in replicas} == {chain.executor.state_digest()}
