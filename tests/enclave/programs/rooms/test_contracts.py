"""Rooms and contracts: who joins, whose consent is needed, what data terms allow (T60)."""

from typing import Any

import pytest
from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    REGULATOR,
    SQL,
    STRANGER,
    RoomsChain,
    contract,
    data_terms,
    terms,
    who,
)

from strongroom.enclave.formats.clean_rooms.contract import Input, Output, Parameter, Stage


@pytest.fixture
def chain() -> RoomsChain:
    return RoomsChain()


def test_a_room_is_open_once_every_party_has_joined_over_its_terms(chain: RoomsChain) -> None:
    made = chain.ok(BANKS[0], "create", terms=terms().encode())
    assert (made["state"], made["joined"]) == ("created", 1)
    assert made["room"] == bytes(terms().id(chain.genesis.chain))
    assert chain.no(BANKS[0], "create", terms=terms().encode()) == "exists"
    assert chain.no(STRANGER, "join", room=made["room"]) == "no-room"
    proposal = contract(made["room"]).encode()
    assert chain.no(ANALYST, "propose", contract=proposal) == "not-open"
    for name in (BANKS[1], ANALYST, BANKS[1], REGULATOR):
        shown = chain.ok(name, "join", room=made["room"])
    assert (shown["state"], shown["joined"]) == ("open", 4)
    whats = [one["what"] for one in chain.see(REGULATOR, "events", room=made["room"])["events"]]
    assert whats == ["created", *["joined"] * 4, "open"]


def test_who_makes_a_room_is_a_party_and_strangers_see_nothing(chain: RoomsChain) -> None:
    assert chain.no(STRANGER, "create", terms=terms().encode()) == "party"
    room = chain.open_room(name="unseen")
    for query in ("room", "contracts", "jobs", "events"):
        with pytest.raises(Exception, match="no-room"):
            chain.see(STRANGER, query, room=room)
    assert chain.no(ANALYST, "close", room=room) == "role"
    assert chain.ok(BANKS[1], "close", room=room)["state"] == "closed"


def test_T60_a_contract_needs_every_owner_of_an_input(chain: RoomsChain) -> None:
    room = chain.open_room()
    for bank in BANKS:
        chain.bring(bank)
    id = chain.ok(ANALYST, "propose", contract=contract(room).encode())["contract"]
    for name in (ANALYST, REGULATOR, BANKS[0]):
        assert chain.ok(name, "vote", contract=id, approve=True)["state"] == "proposed"
    assert chain.ok(BANKS[1], "vote", contract=id, approve=False)["state"] == "proposed"
    chain.staff("operator0", "operator1")
    assert chain.no(ANALYST, "run", contract=id, parameters=b"\x90") == "not-approved"
    assert chain.ok(BANKS[1], "vote", contract=id, approve=True)["state"] == "approved"
    assert chain.no(BANKS[1], "vote", contract=id, approve=False) == "approved"


@pytest.mark.parametrize("votes", [0, 1, 2])
def test_T60_and_as_many_other_parties_as_the_terms_say(chain: RoomsChain, votes: int) -> None:
    room = chain.open_room(votes=votes)
    for bank in BANKS:
        chain.bring(bank)
    id = chain.ok(ANALYST, "propose", contract=contract(room).encode())["contract"]
    states = [
        chain.ok(name, "vote", contract=id, approve=True)["state"]
        for name in (*BANKS, REGULATOR, ANALYST)[: 2 + votes]
    ]
    assert states == ["proposed"] * (1 + votes) + ["approved"]


def test_T60_and_the_regulator_where_one_is_named(chain: RoomsChain) -> None:
    room = chain.open_room(regulator=who(REGULATOR))
    for bank in BANKS:
        chain.bring(bank)
    id = chain.ok(ANALYST, "propose", contract=contract(room).encode())["contract"]
    for bank in BANKS:
        assert chain.ok(bank, "vote", contract=id, approve=True)["state"] == "proposed"
    assert chain.ok(REGULATOR, "vote", contract=id, approve=True)["state"] == "approved"


def test_T60_a_contract_that_was_changed_is_another_one(chain: RoomsChain) -> None:
    id = chain.story()
    room = chain.see(ANALYST, "list")[0]["room"]
    other = contract(room, runs=11)
    assert bytes(other.id(chain.genesis.chain)) != id
    made = chain.ok(ANALYST, "propose", contract=other.encode())
    assert (made["state"], made["votes"]) == ("proposed", 0)
    assert chain.no(ANALYST, "propose", contract=other.encode()) == "exists"


ALLOWED: dict[str, Any] = {}
REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"purposes": ()}, {}, "terms"),
    ({"programs": ()}, {}, "terms"),
    ({"recipients": ()}, {}, "terms"),
    ({"programs": ("free", "reviewed")}, {}, "terms"),
    ({"programs": ("aml.round_trips",)}, {"stages": (Stage("sql", "s", SQL),)}, "terms"),
    (
        {"programs": ("aml.round_trips",)},
        {"stages": (Stage("sql", "s", SQL),), "profile": "free"},
        "terms",
    ),
    ({"runs": 0}, {}, "terms"),
    ({"until_ms": 1}, {}, "terms"),
    ({}, {"purpose": "marketing"}, "terms"),
    ({}, {"executors": 1, "agreement": 1}, "executors"),
    ({}, {"outputs": (Output("case", "table", (who(ANALYST),), 9, "", 0),)}, "recipients"),
    ({}, {"inputs": (Input("a", who(BANKS[0]), "transfers", 0, 101),)}, "terms"),
    ({}, {"inputs": (Input("a", who(BANKS[0]), "others", 0, 0),)}, "no-data"),
    ({}, {"inputs": (Input("a", who(STRANGER), "transfers", 0, 0),)}, "no-data"),
]


@pytest.mark.parametrize(("given", "wanted", "code"), REFUSED)
def test_T60_what_data_terms_do_not_name_is_refused(
    chain: RoomsChain, given: dict[str, Any], wanted: dict[str, Any], code: str
) -> None:
    room = chain.open_room()
    for owner in (*BANKS, STRANGER):
        chain.bring(owner, **given)
    assert chain.no(ANALYST, "propose", contract=contract(room, **wanted).encode()) == code
    fair = contract(room, inputs=(Input("a", who(BANKS[1]), "transfers", 0, 0),))
    chain.ok(BANKS[1], "set_terms", name="transfers", terms=data_terms().encode())
    assert chain.ok(ANALYST, "propose", contract=fair.encode())["state"] == "proposed"


def test_a_free_contract_runs_within_the_terms_without_a_vote(chain: RoomsChain) -> None:
    id = chain.story(profile="free", stages=(Stage("sql", "count", SQL),))
    assert chain.see(BANKS[0], "contract", contract=id)["state"] == "approved"
    chain.staff("operator0", "operator1")
    for bank in BANKS:
        narrow = data_terms(programs=("reviewed",)).encode()
        chain.ok(bank, "set_terms", name="transfers", terms=narrow)
    assert chain.no(ANALYST, "run", contract=id, parameters=b"\x90") == "terms"


def test_T62_a_free_contract_of_several_queries_is_not_proposed(chain: RoomsChain) -> None:
    room, one = chain.open_room(), Stage("sql", "count", SQL)
    for bank in BANKS:
        chain.bring(bank)
    several = contract(room, profile="free", stages=(one,))
    object.__setattr__(several, "stages", (one, Stage("sql", "again", SQL)))
    refused = chain.act(ANALYST, "propose", contract=several.encode())
    assert (refused.code, "one charge is one query" in refused.message) == ("contract", True)


def test_what_a_contract_fixes_no_run_chooses(chain: RoomsChain) -> None:
    from strongroom.consensus import codec

    fixed = Stage("library", "aml.round_trips", "", (("days", 20),))
    id = chain.story(stages=(fixed,), parameters=(Parameter("hops", "int", 2, 6),))
    chain.staff("operator0", "operator1")
    for given in ((("days", 20), ("hops", 3)), (("days", 9),)):
        refused = chain.act(ANALYST, "run", contract=id, parameters=codec.encode(given))
        assert (refused.code, refused.message) == (
            "parameters",
            "days: the contract fixes it, leave it out",
        )
    good = codec.encode((("hops", 3),))
    assert chain.ok(ANALYST, "run", contract=id, parameters=good)["state"] == "scheduled"


def test_parameters_are_those_that_the_contract_declares(chain: RoomsChain) -> None:
    from strongroom.consensus import codec

    declared = (Parameter("days", "int", 1, 31), Parameter("kind", "str", 0, 8))
    id = chain.story(parameters=declared)
    chain.staff("operator0", "operator1")
    for given in (
        (),
        (("days", 3),),
        (("kind", "wire"), ("days", 3)),
        (("days", 32), ("kind", "wire")),
        (("days", True), ("kind", "wire")),
        (("days", 3), ("kind", "far too long")),
        (("days", 3), ("kind", b"wire")),
    ):
        code = chain.no(ANALYST, "run", contract=id, parameters=codec.encode(given))
        assert code == "parameters", given
    good = codec.encode((("days", 3), ("kind", "wire")))
    assert chain.ok(ANALYST, "run", contract=id, parameters=good)["state"] == "scheduled"
