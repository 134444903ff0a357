"""Assets and what they were made of: terms and withdrawals reach through them (T60, T66)."""

from typing import Any

import pytest
from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    NO_PARAMETERS,
    REGULATOR,
    ROOT,
    STRANGER,
    RoomsChain,
    contract,
    data_terms,
    terms,
    who,
)

from strongroom.enclave.formats.clean_rooms.contract import Input, Output
from strongroom.enclave.programs.rooms import data, kept_chunks, lineage, results
from strongroom.enclave.programs.rooms.tables import JOBS, RESULTS
from strongroom.enclave.programs.vault.tables import VERSIONS, Version

MODELS = (Output("model", "model", (), 1 << 20, "", 0),)
OTHER = bytes([9]) * 32


@pytest.fixture
def chain() -> RoomsChain:
    return RoomsChain()


def asset(chain: RoomsChain, **given: Any) -> bytes:
    """A room whose banks have an asset together; its id."""
    room = chain.open_room()
    for bank in BANKS:
        chain.bring(bank, **given)
    chain.staff("operator0", "operator1")
    job = chain.start(chain.agree(contract(room, outputs=MODELS)))
    chain.finish(job, entries=[["model", b"", ROOT, 1, 20]])
    chain.ok(ANALYST, "keep", job=job, output="model", name="joint")
    return room


def use(chain: RoomsChain, room: bytes, **changes: Any) -> bytes:
    """A contract that reads the asset."""
    inputs = (Input("model", room, "joint", 0, 0),)
    return chain.agree(contract(room, name="predict", inputs=inputs, **changes))


def run_code(chain: RoomsChain, id: bytes) -> str:
    return chain.no(ANALYST, "run", contract=id, parameters=NO_PARAMETERS)


def test_T66_what_was_made_from_an_asset_goes_with_the_data_beneath(
    chain: RoomsChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = asset(chain)
    used = use(chain, room)
    job = chain.start(used)
    chain.finish(job, OTHER)
    assert chain.ok(REGULATOR, "open", job=job, output="case")["key"]
    monkeypatch.setattr(data, "_end_uses", lambda *_: (0, True), raising=False)
    monkeypatch.setattr(results, "end_uses", lambda *_: 0, raising=False)
    monkeypatch.setattr(data, "end_uses", lambda *_: 0, raising=False)
    chain.ok(BANKS[0], "withdraw_data", data="/transfers")  # and has not ended one result yet
    assert chain.no(REGULATOR, "open", job=job, output="case") == "withdrawn"
    other = contract(room, name="more", inputs=(Input("model", room, "joint", 0, 0),))
    assert chain.no(ANALYST, "propose", contract=other.encode()) == "withdrawn"


def test_T66_a_report_on_an_asset_does_not_count_once_data_beneath_is_withdrawn(
    chain: RoomsChain,
) -> None:
    room = asset(chain)
    job = chain.start(use(chain, room))
    first, second = chain.ranks(job)[:2]
    assert chain.take(first, job).ok
    chain.ok(BANKS[1], "withdraw_data", data="/transfers")
    assert chain.report(first, job).code == "withdrawn"
    assert chain.take(second, job).code == "withdrawn"


def test_what_terms_keep_stays_through_an_asset(chain: RoomsChain) -> None:
    room = asset(chain, keep=True)
    job = chain.start(use(chain, room))
    chain.ok(BANKS[0], "withdraw_data", data="/transfers")
    chain.finish(job, OTHER)
    assert chain.ok(REGULATOR, "open", job=job, output="case")["key"]


def test_T60_an_owner_who_tightens_his_terms_tightens_assets_too(chain: RoomsChain) -> None:
    room = asset(chain)
    used = use(chain, room)
    for changed, field in (
        ({"recipients": ()}, "recipients"),
        ({"runs": 0}, "runs"),
        ({"purposes": ()}, "purposes"),
        ({"programs": ()}, "programs"),
        ({"until_ms": 1}, "until"),
    ):
        given = data_terms(**changed).encode()
        chain.ok(BANKS[1], "set_terms", name="transfers", terms=given)
        result = chain.act(ANALYST, "run", contract=used, parameters=NO_PARAMETERS)
        assert (result.code, field in result.message) == ("terms", True)
    loose = data_terms(runs=9, programs=("aml.round_trips", "free", "more", "reviewed")).encode()
    chain.ok(BANKS[1], "set_terms", name="transfers", terms=loose)
    assert chain.start(used)
    more = (Input("model", room, "joint", 0, 101),)  # what the asset began with stays
    made = contract(room, name="dear", inputs=more)
    assert chain.no(ANALYST, "propose", contract=made.encode()) == "terms"


def test_what_was_made_of_too_many_is_not_run(
    chain: RoomsChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = use(chain, asset(chain))
    monkeypatch.setattr(lineage, "LINEAGE_MAX", 2)  # the asset and both banks' data are three
    assert run_code(chain, used) == "lineage"


def test_a_result_whose_key_is_gone_is_run_again_and_charged(
    chain: RoomsChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "RESULTS_KEPT", 2)
    room = chain.open_room()
    for bank in BANKS:
        chain.bring(bank, runs=4)
    chain.staff("operator0", "operator1")
    contracts = [chain.agree(contract(room, name=name)) for name in "xyz"]
    jobs = []
    for id in contracts:
        jobs.append(chain.start(id))
        chain.finish(jobs[-1])
    assert chain.no(REGULATOR, "open", job=jobs[0], output="case") == "revoked"
    assert chain.start(contracts[2]) == jobs[2]
    again = chain.start(contracts[0])
    assert again not in jobs
    chain.finish(again, OTHER)
    assert chain.ok(REGULATOR, "open", job=again, output="case")["root"] == OTHER
    assert run_code(chain, contracts[1]) == "budget"


def test_names_of_data_sets_are_their_owners_alone(chain: RoomsChain) -> None:
    """Whoever asks for another's data set is told the same as for one that is not there."""
    chain.bring(BANKS[0])
    parties = ((who(STRANGER), ("analyst", "owner")),)
    own = terms(parties=parties, executors=1, agreement=1)
    made = chain.ok(STRANGER, "create", terms=own.encode())
    told = []
    for name in ("transfers", "nothing"):
        named = f"id:{who(BANKS[0]).hex()}/{name}"
        inputs = (Input("a", who(BANKS[0]), name, 0, 0),)
        outputs = (Output("case", "table", (), 9, "", 0),)
        proposed = contract(made["room"], inputs=inputs, outputs=outputs).encode()
        told.append(
            [
                (result.code, result.message)
                for result in (
                    chain.act(STRANGER, "withdraw_data", data=named),
                    chain.act(STRANGER, "propose", contract=proposed),
                )
            ]
        )
        with pytest.raises(AssertionError) as caught:
            chain.see(STRANGER, "data_set", data=named)
        told[-1].append(caught.value.args[0])
    assert told[0] == told[1]


def test_T67_a_root_that_very_many_named_and_withdrew_costs_no_more_to_ask_for(
    chain: RoomsChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_chunks, "HOLDERS_READ_MAX", 3)
    for name in "abcd":
        chain.bring(STRANGER, name)
        chain.ok(STRANGER, "withdraw_data", data=f"/{name}")
        stands = chain.see(REGULATOR, "kept", roots=[ROOT])
        assert stands == [name >= "c"]


def test_reports_that_were_not_agreed_on_are_forgotten(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1", "operator2")
    job = chain.start(id)
    ranks = chain.ranks(job)
    for one, root in zip(ranks, (OTHER, ROOT, ROOT), strict=True):
        assert chain.take(one, job).ok
        assert chain.report(one, job, root).ok
    rows = chain.executor._runner.state.maps[RESULTS].copy()
    assert [key[0] for key in rows] == [job]


@pytest.mark.parametrize("reported", [False, True])
def test_a_job_whose_secret_was_exposed_is_run_anew(chain: RoomsChain, reported: bool) -> None:
    """A compromised epoch's end marks every secret that lived in it; a result's has no owner who
    could confirm it, whether executors are at work or have agreed."""
    id = chain.story()
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    if reported:
        chain.finish(job)
    state = chain.executor._runner.state.maps
    key = state[JOBS].copy()[job][9]
    row = Version(*state[VERSIONS].copy()[key, 1])
    state[VERSIONS].restore((key, 1), tuple(row._replace(exposed=True)))
    if reported:
        assert chain.no(REGULATOR, "open", job=job, output="case") == "suspended"
    else:
        assert chain.take(chain.ranks(job)[0], job).code == "suspended"
    chain.wait(31_000)  # leases of the first attempt are over
    chain.staff("operator2", "operator3")
    again = chain.start(id)
    assert again != job
    chain.finish(again)
    assert chain.ok(REGULATOR, "open", job=again, output="case")["key"]
