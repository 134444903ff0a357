"""Versions that extend one another share their runs: two answers over rows that differ by one batch
tell that batch (T62)."""

from typing import Any

import pytest
from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    NO_PARAMETERS,
    ROOT,
    RoomsChain,
    contract,
    data_terms,
    secret_of,
    who,
)

from strongroom.enclave.formats.clean_rooms.contract import Input, Stage


@pytest.fixture
def chain() -> RoomsChain:
    return RoomsChain()


def world(chain: RoomsChain, runs: int, **terms: Any) -> tuple[bytes, bytes]:
    """(clean room, contract) over the newest versions of both banks; one of them gives few runs."""
    room = chain.open_room()
    chain.bring(BANKS[0], runs=runs, **terms)
    chain.bring(BANKS[1], runs=99, **terms)
    chain.staff("operator0", "operator1")
    return room, chain.agree(contract(room))


def extend(chain: RoomsChain, chunks: int = 4) -> None:
    chain.ok(BANKS[0], "extend", name="transfers", root=ROOT, chunks=chunks, size_class=23)


def done(chain: RoomsChain, id: bytes) -> None:
    chain.staff("operator0", "operator1")
    chain.finish(chain.start(id))
    chain.staff("operator0", "operator1")


def test_T62_one_batch_more_is_not_another_data_set(chain: RoomsChain) -> None:
    _, id = world(chain, runs=1)
    done(chain, id)
    extend(chain)
    result = chain.act(ANALYST, "run", contract=id, parameters=NO_PARAMETERS)
    assert result.code == "differencing"
    assert "an extension sets apart" in result.message
    shown = chain.see(BANKS[1], "data_set", data="/transfers")
    assert [one["runs"] for one in shown["versions"]] == [1], "who is refused is not charged"


def test_T62_the_older_half_of_a_pair_is_refused_as_well(chain: RoomsChain) -> None:
    room, id = world(chain, runs=1)
    extend(chain)
    done(chain, id)
    pinned = tuple(
        Input(alias, who(bank), "transfers", 1, 0) for alias, bank in zip("ab", BANKS, strict=True)
    )
    older = chain.agree(contract(room, inputs=pinned))
    assert chain.no(ANALYST, "run", contract=older, parameters=NO_PARAMETERS) == "differencing"


def test_T62_the_same_version_again_is_over_by_its_own_budget(chain: RoomsChain) -> None:
    room, id = world(chain, runs=1)
    done(chain, id)
    other = chain.agree(contract(room, name="another question"))
    assert chain.no(ANALYST, "run", contract=other, parameters=NO_PARAMETERS) == "budget"


def test_the_same_job_again_stands_and_costs_nothing(chain: RoomsChain) -> None:
    _, id = world(chain, runs=1)
    job = chain.start(id)
    chain.finish(job)
    assert chain.start(id) == job


def test_as_many_runs_as_the_owner_said_however_it_was_extended(chain: RoomsChain) -> None:
    _, id = world(chain, runs=3)
    for chunks in (4, 5, 6):
        done(chain, id)
        extend(chain, chunks)
    assert chain.no(ANALYST, "run", contract=id, parameters=NO_PARAMETERS) == "differencing"


def test_rows_that_came_anew_under_a_new_key_have_runs_of_their_own(chain: RoomsChain) -> None:
    _, id = world(chain, runs=1)
    done(chain, id)
    chain.must(
        BANKS[0],
        "rotate",
        key="/transfers",
        secret=secret_of("another"),
        old_until_ms=0,
    )
    chain.ok(BANKS[0], "add", name="transfers", root=bytes(32), chunks=3, size_class=22)
    done(chain, id)


def test_T62_a_program_with_noise_costs_some_where_there_is_a_budget(chain: RoomsChain) -> None:
    room = chain.open_room()
    for bank in BANKS:
        chain.bring(bank, programs=("occupancy.hourly",))
    stage = (Stage("library", "occupancy.hourly", ""),)
    free = contract(room, stages=stage)
    assert chain.no(ANALYST, "propose", contract=free.encode()) == "terms"
    paid = tuple(
        Input(alias, who(bank), "transfers", 0, 100)
        for alias, bank in zip("ab", BANKS, strict=True)
    )
    chain.agree(contract(room, stages=stage, inputs=paid))
    for bank in BANKS:
        told = data_terms(programs=("occupancy.hourly",), epsilon_job=0, epsilon_life=0)
        chain.ok(bank, "set_terms", name="transfers", terms=told.encode())
    chain.agree(free)
