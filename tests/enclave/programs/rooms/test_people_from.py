"""Where the people of a clean room must be, and its workers (T58)."""

from functools import cache
from typing import Any

import pytest
from tests.enclave.fixtures import FoundedCluster, make_cluster_genesis
from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    NO_PARAMETERS,
    REGULATOR,
    RoomsChain,
    contract,
    terms,
)
from tests.enclave.programs.test_regions import NO, SV, People, choose_issuer
from tests.enclave.programs.vault.test_countries import GovernedVault

from strongroom.consensus.codec import encode
from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.formats.clean_rooms.terms import RoomTerms
from strongroom.enclave.programs import regions

EVERYBODY = (*BANKS, ANALYST, REGULATOR)


@cache
def founded() -> FoundedCluster:
    programs = ("payments", "people", "rooms", "system", "vault")
    return make_cluster_genesis(4, programs=programs)


class Governed(GovernedVault, RoomsChain):
    """Clean rooms whose members decide."""


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> People:
    found = People()
    monkeypatch.setattr(regions, "region_of", found.region_of)
    return found


def story(chain: RoomsChain, **changes: Any) -> bytes:
    """A room of these terms, with data of both banks and an approved contract."""
    room = chain.open_room(**changes)
    for bank in BANKS:
        chain.bring(bank)
    return chain.agree(contract(room))


def room_of(chain: RoomsChain) -> bytes:
    """The one that there is."""
    (shown,) = chain.see(ANALYST, "list")
    return bytes(shown["room"])


def test_T58_a_rooms_parties_act_and_read_from_where_its_terms_say(people: People) -> None:
    chain = Governed(founded())
    choose_issuer(chain)
    chain.pass_delay()
    ruled = terms(people_from=(SV,))
    maker, *others = EVERYBODY
    assert chain.no(maker, "create", terms=ruled.encode()) == "region"
    for name in EVERYBODY:
        people.put(name, SV)
    room = chain.ok(maker, "create", terms=ruled.encode())["room"]
    people.put(others[0], NO)
    assert chain.no(others[0], "join", room=room) == "region"
    people.put(others[0], SV)
    for name in others:
        chain.ok(name, "join", room=room)
    people.put(ANALYST, NO)
    for query in ("room", "events", "contracts", "jobs"):
        assert chain.refusal(ANALYST, f"rooms.{query}", room=room) == "region", query
        assert chain.refusal("stranger", f"rooms.{query}", room=room) == "no-room"
    (shown,) = chain.see(ANALYST, "list")
    assert (shown["room"], shown["state"]) == (room, "elsewhere")
    assert not any(shown[name] for name in ("name", "purpose", "creator", "contracts", "jobs"))
    people.put(ANALYST, SV)
    assert chain.see(ANALYST, "room", room=room)["state"] == "open"
    assert chain.see(ANALYST, "list")[0]["purpose"] == ruled.purpose


def test_T58_a_rooms_contract_runs_and_opens_from_there_alone(people: People) -> None:
    for name in EVERYBODY:
        people.put(name, SV)
    chain = Governed(founded())
    choose_issuer(chain)
    chain.pass_delay()
    id = story(chain, people_from=(SV,))
    chain.staff("operator0", "operator1")
    people.put(ANALYST, NO)
    assert chain.no(ANALYST, "run", contract=id, parameters=NO_PARAMETERS) == "region"
    assert chain.refusal(ANALYST, "rooms.contract", contract=id) == "region"
    people.put(ANALYST, SV)
    job = chain.start(id)
    chain.finish(job)
    people.put(REGULATOR, NO)
    assert chain.no(REGULATOR, "open", job=job, output="case") == "region"
    people.put(REGULATOR, SV)
    assert chain.ok(REGULATOR, "open", job=job, output="case")["key"]
    chain.ok(ANALYST, "keep", job=job, output="case", name="kept")
    asset = f"id:{room_of(chain).hex()}/kept"
    assert chain.see(BANKS[0], "data_set", data=asset)["name"] == "kept"
    people.put(BANKS[0], NO)
    assert chain.refusal(BANKS[0], "rooms.data_set", data=asset) == "region"
    assert chain.see(BANKS[0], "data_set", data="/transfers")["state"] == "active", "his own"


def test_T58_when_workers_wait_outside_of_its_regions_only_no_job_runs(people: People) -> None:
    chain = Governed(founded())
    choose_issuer(chain)
    chain.pass_delay()
    id = story(chain, regions=("eu-south",))
    assert chain.no(ANALYST, "run", contract=id, parameters=NO_PARAMETERS) == "no-executors"
    chain.staff("operator0", "operator1")
    assert chain.no(ANALYST, "run", contract=id, parameters=NO_PARAMETERS) == "no-one-in-region"


def test_terms_that_ask_for_no_place_keep_their_bytes() -> None:
    plain, ruled = terms(), terms(people_from=("NO", SV))
    assert RoomTerms.decode(plain.encode()) == plain
    assert RoomTerms.decode(ruled.encode()) == ruled
    fields = (plain.name, plain.purpose, plain.parties, plain.votes, plain.regulator)
    rest = (plain.regions, plain.executors, plain.agreement)
    assert plain.encode() == encode((*fields, *rest))
    for places in ((), (SV, "NO"), (SV, SV), (b"x",), ("",)):
        with pytest.raises(NotCanonical):
            RoomTerms.decode(encode((*fields, *rest, places)))
