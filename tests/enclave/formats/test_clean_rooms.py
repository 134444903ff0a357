"""Terms, data terms and contracts: one encoding each, closed lists, nothing out of bounds (T60)."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    REGULATOR,
    contract,
    data_terms,
    terms,
    who,
)

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import ChainId
from strongroom.enclave.formats.clean_rooms.contract import (
    Contract,
    Input,
    Output,
    Parameter,
    Stage,
)
from strongroom.enclave.formats.clean_rooms.data_terms import DataTerms, strictest
from strongroom.enclave.formats.clean_rooms.terms import RoomTerms

ROOM = bytes(32)
COLUMNS = (("bank", "text"), ("score", "real"))
WHOLE = contract(
    ROOM,
    parameters=(Parameter("days", "int", 1, 31),),
    stages=(
        Stage("sql", "count", "select 1"),
        Stage("python", "rings", "def run(room): ..."),
        Stage("library", "ml.logistic", "", (("columns", "age;chol"), ("rounds", 3), ("z", True))),
    ),
    outputs=(Output("alerts", "table", tuple(sorted(map(who, BANKS))), 9, "a", 1, COLUMNS),),
)
ALL: list[Any] = [terms(), data_terms(), WHOLE]


@pytest.mark.parametrize("one", ALL, ids=lambda one: type(one).__name__)
def test_what_is_read_is_what_was_written(one: Any) -> None:
    assert type(one).decode(one.encode()) == one


@pytest.mark.parametrize("one", ALL, ids=lambda one: type(one).__name__)
def test_whatever_is_changed_is_refused_or_is_another_one(one: Any) -> None:
    """Each value is put in the place of each other; nothing but NotCanonical comes of it."""
    junk = (
        None,
        True,
        -1,
        0,
        2**60,
        "",
        "a/b",
        "\x00",
        b"",
        bytes(31),
        (),
        ((),),
        (1, 2),
        "x" * 99,
    )
    whole = codec.decode(one.encode())
    taken = 0
    for path in _paths(whole):
        for value in junk:
            changed = codec.encode(_put(whole, path, value))
            try:
                read = type(one).decode(changed)
            except NotCanonical:
                continue
            taken += 1
            assert read.encode() == changed
    assert taken, "some of it is within bounds"


def test_random_bytes_are_refused() -> None:
    chance = Random(7)
    for one in ALL:
        good = bytearray(one.encode())
        for _ in range(300):
            bad = bytearray(good)
            bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
            try:
                assert type(one).decode(bytes(bad)).encode() == bytes(bad)
            except NotCanonical:
                continue


BAD: list[tuple[Any, dict[str, Any]]] = [
    (terms(), {"parties": tuple(reversed(terms().parties))}),
    (terms(), {"parties": (*terms().parties, terms().parties[-1])}),
    (terms(), {"parties": ((who(ANALYST), ("analyst",)),)}),
    (terms(), {"parties": ((who(ANALYST), ()),)}),
    (terms(), {"parties": ((who(ANALYST), ("king", "owner")),)}),
    (terms(), {"votes": 5}),
    (terms(), {"regulator": who("somebody else")}),
    (terms(), {"executors": 3, "agreement": 1}),
    (terms(), {"executors": 8, "agreement": 8}),
    (terms(), {"executors": 2, "agreement": 1}),
    (terms(), {"name": "a/b"}),
    (data_terms(), {"epsilon_job": 300}),
    (data_terms(), {"programs": ("free", "aml.round_trips")}),
    (data_terms(), {"recipients": (b"short",)}),
    (data_terms(), {"keep": 1}),
    (data_terms(), {"columns": bytes(40_000)}),
    (WHOLE, {"inputs": ()}),
    (WHOLE, {"outputs": ()}),
    (WHOLE, {"stages": ()}),
    (WHOLE, {"stages": (Stage("library", "aml.round_trips", "text"),)}),
    (WHOLE, {"stages": (Stage("sql", "empty", ""),)}),
    (WHOLE, {"stages": (Stage("shell", "sh", "rm"),)}),
    (WHOLE, {"stages": (Stage("python", "hides", "# \u202e\ndef run(room): ...\n"),)}),
    (WHOLE, {"stages": (Stage("python", "hides", "# \u200b\ndef run(room): ...\n"),)}),
    (WHOLE, {"stages": (Stage("python", "hides", "x = 1\rdef run(room): ...\n"),)}),
    (WHOLE, {"profile": "free"}),
    (WHOLE, {"profile": "free", "stages": (Stage("sql", "a", "x"), Stage("sql", "b", "x"))}),
    (WHOLE, {"stages": (Stage("sql", "count", "select 1", (("rounds", 3),)),)}),
    (WHOLE, {"stages": (Stage("library", "ml.logistic", "", (("z", 1), ("a", 1))),)}),
    (WHOLE, {"stages": (Stage("library", "ml.logistic", "", (("a", 1), ("a", 1))),)}),
    (WHOLE, {"stages": (Stage("library", "ml.logistic", "", (("a", 2**60),)),)}),
    (WHOLE, {"stages": (Stage("library", "ml.logistic", "", (("a", "x" * 20_000),)),)}),
    (WHOLE, {"stages": (Stage("library", "ml.logistic", "", (("a", b"x"),)),)}),  # type: ignore[arg-type]
    (WHOLE, {"stages": (Stage("library", "ml.logistic", "", (("days", 3),)),)}),
    (WHOLE, {"outputs": (Output("alerts", "table", (), 9, "z", 0),)}),
    (WHOLE, {"outputs": (Output("alerts", "model", (), 9, "a", 0),)}),
    (WHOLE, {"outputs": (Output("alerts", "table", (), 9, "", 0),)}),
    (WHOLE, {"outputs": (Output("alerts", "model", (), 9, "", 0, COLUMNS),)}),
    (WHOLE, {"outputs": (Output("alerts", "table", (), 9, "", 0, COLUMNS[:1] * 2),)}),
    (WHOLE, {"outputs": (Output("alerts", "table", (), 9, "", 0, (("bank", "blob"),)),)}),
    (WHOLE, {"outputs": (Output("alerts", "table", (), 9, "", 0, (("a/b", "text"),)),)}),
    (WHOLE, {"inputs": (Input("b", who(BANKS[0]), "t", 0, 0), Input("a", ROOM, "t", 0, 0))}),
    (WHOLE, {"parameters": (Parameter("days", "float", 1, 31),)}),
    (WHOLE, {"parameters": (Parameter("days", "int", 31, 1),)}),
    (WHOLE, {"executors": 3, "agreement": 1}),
    (WHOLE, {"duration_ms": 1}),
]


@pytest.mark.parametrize(("one", "changes"), BAD)
def test_T60_out_of_bounds(one: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(NotCanonical):
        replace(one, **changes)


def test_ids_are_of_the_chain_and_of_every_byte() -> None:
    here, there = ChainId(bytes(32)), ChainId(bytes([1]) * 32)
    ids = {terms().id(here), terms().id(there), terms(votes=1).id(here)}
    ids |= {WHOLE.id(here), WHOLE.id(there), replace(WHOLE, runs=11).id(here)}
    assert len(ids) == 6


def test_the_strictest_terms_let_no_more_than_each() -> None:
    one = data_terms(runs=2, epsilon_job=50, epsilon_life=90, keep=True, until_ms=9)
    other = data_terms(recipients=(who(REGULATOR),), purposes=("aml", "audit"), programs=("free",))
    both = strictest([one, other])
    assert both == DataTerms(
        columns=b"",
        epsilon_job=50,
        epsilon_life=90,
        runs=2,
        recipients=(who(REGULATOR),),
        programs=("free",),
        purposes=("aml",),
        until_ms=9,
        keep=False,
    )


def _paths(value: Any, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    if type(value) is not tuple:
        return [path]
    return [path] * bool(path) + [
        found for at, one in enumerate(value) for found in _paths(one, (*path, at))
    ]


def _put(value: Any, path: tuple[int, ...], new: Any) -> Any:
    if not path:
        return new
    at = path[0]
    return (*value[:at], _put(value[at], path[1:], new), *value[at + 1 :])


def test_decoders_are_those_of_their_own_kind() -> None:
    for one, other in ((RoomTerms, WHOLE), (Contract, terms()), (DataTerms, WHOLE)):
        with pytest.raises(NotCanonical):
            one.decode(other.encode())
