"""The checker of the register workload sees every anomaly that is planted, and none in a history
that is right."""

import random
from collections.abc import Callable
from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripts.fault_matrix.register import Append, History, Look, anomalies

from strongroom.consensus.types import NO_DIGEST
from strongroom.enclave.programs.records import claim_of, next_head

OWNER = bytes(range(32))
COLLECTION = "register"


def head(entries: list[str]) -> str:
    chain = bytes(NO_DIGEST)
    for place, contents in enumerate(entries, start=1):
        chain = bytes(next_head(chain, claim_of(OWNER, COLLECTION, place, contents, ())))
    return chain.hex()


def right_history(seed: int, *, operations: int = 40, clients: int = 4) -> History:
    """A linearizable history: each operation takes effect at one moment between its question and
    its answer."""
    dice = random.Random(seed)
    entries: list[str] = []
    appends: list[Append] = []
    looks: list[Look] = []
    free = [0.0] * clients
    known = [0] * clients
    plans = []
    for number in range(operations):
        client = dice.randrange(clients)
        asked = free[client] + dice.uniform(0.1, 2)
        effect = asked + dice.uniform(0, 3)
        free[client] = answered = effect + dice.uniform(0.01, 3)
        plans.append((effect, number, client, asked, answered))
    before: list[tuple[float, int]] = []
    for effect, number, client, asked, answered in sorted(plans):
        if dice.random() < 0.5:
            entries.append(f"entry {number}")
            lost = dice.random() < 0.1
            place = None if lost else len(entries)
            end = inf if lost else answered
            appends.append(
                Append(
                    client=client,
                    contents=f"entry {number}",
                    asked=asked,
                    answered=end,
                    place=place,
                )
            )
            known[client] = max(known[client], place or 0)
        else:
            linearizable = dice.random() < 0.5
            place = len(entries) if linearizable else dice.randint(known[client], len(entries))
            known[client] = place
            looks.append(
                Look(
                    client=client,
                    linearizable=linearizable,
                    asked=asked,
                    answered=answered,
                    place=place,
                    digest=head(entries[:place]),
                )
            )
        before.append((effect, len(entries)))
    return History(OWNER, COLLECTION, appends, looks, entries)


@given(seed=st.integers(0, 10**9))
def test_a_history_that_is_linearizable_has_no_anomaly(seed: int) -> None:
    assert anomalies(right_history(seed)) == []


def two_appends() -> History:
    """First, then second, then everybody looks."""
    entries = ["first", "second"]
    appends = [
        Append(client=0, contents="first", asked=1, answered=2, place=1),
        Append(client=1, contents="second", asked=3, answered=4, place=2),
    ]
    looks = [
        Look(client=2, linearizable=True, asked=5, answered=6, place=2, digest=head(entries)),
        Look(client=1, linearizable=False, asked=7, answered=8, place=2, digest=head(entries)),
        Look(client=3, linearizable=False, asked=9, answered=10, place=1, digest=head(entries[:1])),
    ]
    return History(OWNER, COLLECTION, appends, looks, entries)


def lost(history: History) -> History:
    return replace(history, entries=history.entries[:1], looks=history.looks[2:])


def doubled(history: History) -> History:
    return replace(history, entries=[*history.entries, "first"])


def from_nowhere(history: History) -> History:
    return replace(history, entries=[*history.entries, "third"])


def swapped(history: History) -> History:
    """The second stands before the first, although the first had ended when the second began."""
    first, second = history.appends
    appends = [replace(first, place=2), replace(second, place=1)]
    entries = ["second", "first"]
    looks = [replace(look, digest=head(entries[: look.place])) for look in history.looks]
    return replace(history, appends=appends, entries=entries, looks=looks)


def told_another_place(history: History) -> History:
    first, second = history.appends
    return replace(history, appends=[replace(first, place=2), second])


def changed_look(history: History, number: int, **changes: object) -> History:
    looks = list(history.looks)
    looks[number] = replace(looks[number], **changes)  # type: ignore[arg-type]
    looks[number] = replace(
        looks[number], digest=head(list(history.entries[: looks[number].place]))
    )
    return replace(history, looks=looks)


def stale(history: History) -> History:
    """A linearizable look misses what had ended before it began."""
    return changed_look(history, 0, place=1)


def backwards(history: History) -> History:
    """Two linearizable looks, the later one older."""
    looks = [
        *history.looks,
        replace(history.looks[0], asked=11, answered=12, place=1, digest=head(["first"])),
    ]
    return replace(history, looks=looks)


def from_the_future(history: History) -> History:
    """A look that had ended before the second append began saw it."""
    return changed_look(history, 2, asked=2.2, answered=2.8, place=2)


def own_append_unseen(history: History) -> History:
    return changed_look(history, 1, place=1)


def client_goes_back(history: History) -> History:
    return changed_look(history, 2, client=2)


def forked(history: History) -> History:
    looks = list(history.looks)
    looks[0] = replace(looks[0], digest="ab" * 32)
    return replace(history, looks=looks)


def beyond_the_end(history: History) -> History:
    looks = list(history.looks)
    looks[0] = replace(looks[0], place=7)
    return replace(history, looks=looks)


ANOMALIES: list[Callable[[History], History]] = [
    lost,
    doubled,
    from_nowhere,
    swapped,
    told_another_place,
    stale,
    backwards,
    from_the_future,
    own_append_unseen,
    client_goes_back,
    forked,
    beyond_the_end,
]


def test_the_history_into_which_anomalies_are_planted_is_right() -> None:
    assert anomalies(two_appends()) == []


@pytest.mark.parametrize("plant", ANOMALIES, ids=lambda plant: plant.__name__)
def test_the_checker_sees_the_planted_anomaly(plant: Callable[[History], History]) -> None:
    assert anomalies(plant(two_appends())) != []


@given(seed=st.integers(0, 10**9))
def test_a_linearizable_look_that_is_one_entry_too_old_is_seen_when_time_shows_it(
    seed: int,
) -> None:
    history = right_history(seed)
    for number, look in enumerate(history.looks):
        shown = [
            append
            for append in history.appends
            if append.place == look.place and append.answered < look.asked
        ]
        if look.linearizable and shown:
            looks = list(history.looks)
            older = look.place - 1
            looks[number] = replace(look, place=older, digest=head(list(history.entries[:older])))
            assert anomalies(replace(history, looks=looks)) != []
