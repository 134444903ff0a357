"""A job with as many inputs as a contract may have is given in one call; one that cannot be is
refused before it is charged (T11, T60)."""

import pytest
from tests.enclave.programs.rooms.test_assets import MODEL, OUT
from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    NO_PARAMETERS,
    ROOT,
    WORKER,
    RoomsChain,
    contract,
    data_terms,
    secret_of,
    who,
)
from tests.enclave.programs.vault.world import policy_of

from strongroom.enclave.formats.clean_rooms.contract import INPUTS_MAX, Input
from strongroom.enclave.programs.rooms.taking import INPUT_STEPS, SEGMENT_STEPS, TAKE_STEPS_MAX
from strongroom.enclave.programs.vault.terms import policy_steps


@pytest.fixture
def chain() -> RoomsChain:
    return RoomsChain()


def named(count: int) -> tuple[Input, ...]:
    """So many data sets, of both banks in turn."""
    return tuple(Input(f"i{at:02}", who(BANKS[at % 2]), f"d{at}", 0, 0) for at in range(count))


def bring(chain: RoomsChain, at: int, policy: str) -> None:
    """A data set under a key with this policy."""
    owner, name = BANKS[at % 2], f"d{at}"
    chain.must(owner, "new", name=name, policy=policy)
    chain.must(owner, "put", key=f"/{name}", secret=secret_of(owner + name))
    chain.ok(owner, "publish", name=name, terms=data_terms().encode(), key=f"/{name}")
    chain.ok(owner, "add", name=name, root=ROOT, chunks=3, size_class=22)


def workers(*others: str) -> str:
    codes = [WORKER.hex(), *others]
    return policy_of({"claim": "measurement", "in": codes})


def test_T60_a_job_of_as_many_inputs_as_may_be_is_taken(chain: RoomsChain) -> None:
    """One of them a model made from the data of both banks, each policy another text."""
    room = chain.open_room()
    for at in range(INPUTS_MAX):
        bring(chain, at, workers(f"{at:096x}"))
    chain.staff("operator0", "operator1")
    fitted = chain.start(chain.agree(contract(room, inputs=named(INPUTS_MAX), outputs=MODEL)))
    chain.finish(fitted, entries=OUT)
    chain.ok(ANALYST, "keep", job=fitted, output="model", name="joint")
    inputs = (*named(INPUTS_MAX - 1), Input("model", room, "joint", 0, 0))
    job = chain.start(chain.agree(contract(room, name="more", inputs=inputs)))
    for one in chain.ranks(job)[:2]:
        taken = chain.take(one, job)
        assert taken.ok, (taken.code, taken.message)
        assert len(taken.value["inputs"]) == INPUTS_MAX


def test_T11_what_is_just_let_through_is_taken(chain: RoomsChain) -> None:
    """The estimate is above what it costs: policies as long as INPUTS_MAX of them may be."""
    each = INPUT_STEPS + SEGMENT_STEPS
    fits = [
        text
        for codes in range(20)
        if INPUTS_MAX * (each + policy_steps(text := workers(*["0" * 96] * codes)))
        <= TAKE_STEPS_MAX
    ]
    room = chain.open_room()
    for at in range(INPUTS_MAX):
        bring(chain, at, fits[-1])
    chain.staff("operator0", "operator1")
    job = chain.start(chain.agree(contract(room, inputs=named(INPUTS_MAX))))
    taken = chain.take(chain.ranks(job)[0], job)
    assert taken.ok, (taken.code, taken.message)


def test_T11_what_no_executor_could_be_given_is_refused_before_it_is_charged(
    chain: RoomsChain,
) -> None:
    room = chain.open_room()
    long = workers(*(f"{at:096x}" for at in range(30)))
    for at in range(INPUTS_MAX):
        bring(chain, at, long)
    chain.staff("operator0", "operator1")
    id = chain.agree(contract(room, inputs=named(INPUTS_MAX)))
    assert chain.no(ANALYST, "run", contract=id, parameters=NO_PARAMETERS) == "inputs"
    few = chain.agree(contract(room, name="few", inputs=named(2)))
    for one in chain.ranks(chain.start(few))[:2]:
        job = chain.see(ANALYST, "jobs", room=room)[0]["job"]
        assert chain.take(one, job).ok
