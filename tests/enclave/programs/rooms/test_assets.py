"""Assets: results that are inputs of further jobs, and what a withdrawal makes of all that was made
from them (ROOMS §2, §6; T66)."""

from dataclasses import replace
from typing import Any

import pytest
from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    NO_PARAMETERS,
    REGULATOR,
    ROOT,
    RoomsChain,
    contract,
    data_terms,
)

from strongroom.enclave.formats.clean_rooms.contract import Input, Output
from strongroom.enclave.programs.rooms import contracts, data, opening, results

MODEL = (Output("model", "model", (), 1 << 20, "", 0),)
OUT = [["model", b"", ROOT, 1, 20]]


@pytest.fixture
def chain() -> RoomsChain:
    return RoomsChain()


def learned(chain: RoomsChain, **changes: Any) -> tuple[bytes, bytes]:
    """(room, job whose model is the asset `joint`)."""
    room = chain.open_room()
    for bank in BANKS:
        chain.bring(bank, **changes)
    chain.staff("operator0", "operator1")
    return room, trained(chain, room, "joint")


def trained(chain: RoomsChain, room: bytes, name: str) -> bytes:
    job = chain.start(chain.agree(contract(room, name=name, outputs=MODEL)))
    chain.finish(job, entries=OUT)
    chain.ok(ANALYST, "keep", job=job, output="model", name=name)
    return job


def made_from(chain: RoomsChain, room: bytes, asset: str) -> bytes:
    """A job over an asset that is agreed."""
    inputs = (Input("m", room, asset, 0, 0),)
    job = chain.start(chain.agree(contract(room, name=f"from {asset}", inputs=inputs)))
    chain.finish(job)
    return job


def test_T66_what_was_made_from_an_asset_goes_with_the_assets_own_data(chain: RoomsChain) -> None:
    room, _ = learned(chain)
    told = made_from(chain, room, "joint")
    assert chain.ok(REGULATOR, "open", job=told, output="case")["key"]
    shown = chain.ok(BANKS[1], "withdraw_data", data="/transfers")
    assert (shown["results"], shown["left"]) == (2, False)
    assert chain.no(REGULATOR, "open", job=told, output="case") == "withdrawn"
    uses = contract(room, name="more", inputs=(Input("m", room, "joint", 0, 0),))
    assert chain.no(ANALYST, "propose", contract=uses.encode()) == "withdrawn"


def test_a_withdrawal_comes_to_its_end_in_several_steps(
    chain: RoomsChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, _ = learned(chain)
    middle = made_from(chain, room, "joint")
    chain.ok(ANALYST, "keep", job=middle, output="case", name="second")
    last = made_from(chain, room, "second")
    monkeypatch.setattr(data, "USES_ENDED_MAX", 1)
    steps = []
    while True:
        shown = chain.ok(BANKS[0], "withdraw_data", data="/transfers")
        steps.append(shown["results"])
        assert chain.no(REGULATOR, "open", job=last, output="case") == "withdrawn"
        if not shown["left"]:
            break
    assert steps == [1, 1, 1, 0]


def test_T66_an_asset_stays_where_all_its_data_let_it(chain: RoomsChain) -> None:
    room, _ = learned(chain, keep=True)
    chain.ok(BANKS[1], "withdraw_data", data="/transfers")
    told = made_from(chain, room, "joint")
    assert chain.ok(REGULATOR, "open", job=told, output="case")["key"]


def test_T60_an_owner_who_tightens_his_terms_has_tightened_them_for_assets_too(
    chain: RoomsChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, _ = learned(chain)
    middle = made_from(chain, room, "joint")
    chain.ok(ANALYST, "keep", job=middle, output="case", name="second")
    uses = contract(room, name="more", inputs=(Input("m", room, "second", 0, 0),))
    ready = chain.agree(uses)
    fewer = data_terms(programs=("reviewed",)).encode()
    chain.ok(BANKS[1], "set_terms", name="transfers", terms=fewer)
    again = replace(uses, name="again").encode()
    assert chain.no(ANALYST, "propose", contract=again) == "terms"
    assert chain.no(ANALYST, "run", contract=ready, parameters=NO_PARAMETERS) == "terms"
    chain.ok(BANKS[1], "set_terms", name="transfers", terms=data_terms().encode())
    assert chain.start(ready)
    monkeypatch.setattr(contracts, "LINEAGE_MAX", 2)
    assert chain.no(ANALYST, "propose", contract=again) == "lineage"


def test_an_asset_outlives_the_results_that_its_room_keeps(
    chain: RoomsChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "RESULTS_KEPT", 1)
    room, _ = learned(chain)
    other = trained(chain, room, "second")
    chain.wait(1)
    told = made_from(chain, room, "joint")
    assert chain.ok(REGULATOR, "open", job=told, output="case")["key"]
    chain.ok(BANKS[0], "withdraw_data", data=f"id:{room.hex()}/second")
    trained(chain, room, "third")
    assert chain.no(ANALYST, "open", job=other, output="model") == "recipients"
    assert chain.no(ANALYST, "keep", job=told, output="case", name="late") == "revoked"
    assert chain.no(REGULATOR, "open", job=told, output="case") == "revoked"


def test_assets_of_a_room_and_their_depth_are_bounded(
    chain: RoomsChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, job = learned(chain)
    monkeypatch.setattr(opening, "ASSET_DEPTH_MAX", 1)
    told = made_from(chain, room, "joint")
    assert chain.no(ANALYST, "keep", job=told, output="case", name="deeper") == "depth"
    monkeypatch.setattr(opening, "ASSETS_MAX", 1)
    assert chain.no(ANALYST, "keep", job=job, output="model", name="again") == "full"


def test_the_two_names_of_one_result_go_together(chain: RoomsChain) -> None:
    room, job = learned(chain)
    chain.ok(ANALYST, "keep", job=job, output="model", name="again")
    told = made_from(chain, room, "again")
    shown = chain.ok(BANKS[0], "withdraw_data", data=f"id:{room.hex()}/joint")
    assert (shown["results"], shown["left"]) == (1, False)
    assert chain.no(REGULATOR, "open", job=told, output="case") == "withdrawn"
