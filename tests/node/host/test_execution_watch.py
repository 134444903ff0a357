"""Voting is not executing: who counts, when it is an alarm, which state a node shows (issue
15.3)."""

from dataclasses import replace
from typing import Any

import pytest

from strongroom.consensus.messages import Status, StatusBody
from strongroom.consensus.types import (
    NO_DIGEST,
    Epoch,
    Height,
    PublicKey,
    Signature,
    SignerIndex,
    View,
)
from strongroom.consensus.validators import EpochDescription, Validator
from strongroom.node.api.node_state import NodeState
from strongroom.node.host.execution_watch import AHEAD_SECONDS, ALARM_SECONDS, ExecutionWatch, Seen

KEYS = tuple(PublicKey(bytes([number]) * 32) for number in range(4))
DESCRIPTION = EpochDescription(
    epoch=Epoch(0),
    validators=tuple(
        Validator(node_key=key, vote_key=PublicKey(bytes([10 + key[0]]) * 32)) for key in KEYS
    ),
    public_key_digest=NO_DIGEST,
)


def anchored_two_below(height: Height) -> Height | None:
    return Height(max(height - 2, 0)) if height <= 100 else None


def said(height: int, executed: int) -> StatusBody:
    return StatusBody(
        Epoch(0), View(1), View(1), Height(height), NO_DIGEST, Height(executed), (), Height(1)
    )


def seen(**others: StatusBody) -> Seen:
    """n0 executes; the others say this of themselves."""
    told = {KEYS[int(name[1:])]: body for name, body in others.items()}
    return Seen(validators=KEYS, quorum=3, own=KEYS[0], executes=True, said=told)


@pytest.fixture
def alarms() -> list[str]:
    return []


@pytest.fixture
def watch(alarms: list[str]) -> ExecutionWatch:
    return ExecutionWatch(anchored_below=anchored_two_below, on_alarm=alarms.append)


def test_whoever_is_ahead_of_what_is_anchored_executes_and_whoever_only_has_that_follows(
    watch: ExecutionWatch,
) -> None:
    watch.look(seen(n1=said(10, 10), n2=said(10, 9), n3=said(10, 8)), 0.0)
    assert watch.names == {KEYS[0], KEYS[1], KEYS[2]}


def test_one_moment_in_which_a_replica_lags_behind_its_own_votes_does_not_count_against_it(
    watch: ExecutionWatch,
) -> None:
    watch.look(seen(n1=said(10, 10)), 0.0)
    watch.look(seen(n1=said(12, 10)), AHEAD_SECONDS - 0.1)
    assert KEYS[1] in watch.names
    watch.look(seen(n1=said(12, 10)), AHEAD_SECONDS + 0.1)
    assert KEYS[1] not in watch.names


def test_a_word_that_is_not_renewed_counts_once(watch: ExecutionWatch) -> None:
    """A link can outlive the replica at its other end for a while."""
    word = said(10, 10)
    watch.look(seen(n1=word), 0.0)
    watch.look(seen(n1=word), AHEAD_SECONDS + 0.1)
    assert KEYS[1] not in watch.names
    watch.look(seen(n1=said(10, 10)), AHEAD_SECONDS + 0.2)
    assert KEYS[1] in watch.names


def test_nothing_is_known_of_a_height_that_is_not_here_nor_of_who_is_not_linked(
    watch: ExecutionWatch,
) -> None:
    watch.look(seen(n1=said(101, 100), n2=said(10, 10)), 0.0)
    assert watch.names == {KEYS[0], KEYS[2]}
    watch.look(seen(n1=said(101, 101)), 0.1)
    assert watch.names == {KEYS[0], KEYS[1]}


def test_a_node_that_follows_does_not_count_itself(watch: ExecutionWatch) -> None:
    watch.look(seen(), 0.0)
    assert watch.names == {KEYS[0]}
    watch.look(replace(seen(), executes=False), 0.1)
    assert watch.names == frozenset()
    watch.look(replace(seen(), own=None), 0.2)
    assert watch.names == frozenset(), "nor one that is no validator"


def test_fewer_than_a_quorum_for_a_while_is_an_alarm_until_there_are_enough_again(
    watch: ExecutionWatch, alarms: list[str]
) -> None:
    follows = said(10, 8)
    watch.look(seen(n1=said(10, 10), n2=follows, n3=follows), 0.0)
    assert (watch.count, watch.alarm) == (2, "")
    watch.look(seen(n1=said(10, 10), n2=follows, n3=follows), ALARM_SECONDS)
    assert watch.alarm.startswith("2 of 4 replicas execute, 3 needed")
    watch.look(seen(n1=said(10, 10), n2=said(11, 11), n3=follows), ALARM_SECONDS + 1)
    assert (watch.count, watch.alarm) == (3, "")
    assert [bool(text) for text in alarms] == [True, False], "said once each"


def node(**given: Any) -> NodeState:
    """A node that votes and executes, but for what is given."""
    claimed = replace(said(0, 0), height=Height(given.pop("claimed", 100)))
    values: dict[str, Any] = {
        "stage": "starting",
        "alarm": "",
        "begun": True,
        "voting": True,
        "description": DESCRIPTION,
        "own": SignerIndex(1),
        "node_key": KEYS[1],
        "height": Height(100),
        "executed": 99,
        "backlog": 0,
        "behind": False,
        "fresh_height": Height(0),
        "view": View(1),
        "leader": SignerIndex(0),
        "strikes": 0,
        "clock_behind_ms": 0,
        "statuses": {key: Status(claimed, Signature(bytes(64))) for key in KEYS[:3]},
        "linked": frozenset(KEYS),
        "faults": {},
        "executing": frozenset(),
        "execution_alarm": "",
        "archive_alarm": "",
        "governance": None,
    }
    return NodeState(**values | given)


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({}, "voting"),
        ({"executed": 80}, "syncing"),
        ({"behind": True}, "following"),
        ({"behind": True, "executed": 80}, "following"),
        ({"behind": True, "height": Height(80), "executed": 79}, "syncing"),
        ({"behind": True, "own": None}, "joining"),
        ({"behind": True, "alarm": "observes only"}, "suspended"),
    ],
)
def test_a_member_that_votes_and_cannot_execute_says_following(
    given: dict[str, Any], state: str
) -> None:
    assert node(**given).word == state


def test_a_clock_behind_the_chain_is_an_alarm_after_graver_ones() -> None:
    """A ledger whose clocks were put back said nothing, and looked well."""
    assert node().alarm_in_words == ""
    behind = node(clock_behind_ms=90_000)
    assert "90 s behind the chain's time" in behind.alarm_in_words
    assert node(clock_behind_ms=90_000, execution_alarm="too few").alarm_in_words == "too few"
    assert behind.word == "voting"
