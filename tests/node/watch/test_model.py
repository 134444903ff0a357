"""The model of the live screen: what happened is seen from the very event that tells it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.node.watch.told import (
    ENDPOINTS,
    HOSTILE,
    NOON,
    feed,
    head,
    modelled,
    nodes,
    service,
    silent,
    status,
    votes,
)

from strongroom.node.watch.events import (
    Asked,
    ChainChecked,
    FeedLost,
    FeedOpened,
    HeadTold,
    Missed,
    NodesTold,
    PublicTold,
    ServiceTold,
    StatusTold,
)
from strongroom.node.watch.known_nodes import AHEAD_MAX
from strongroom.node.watch.model import NOTES_KEPT, Model
from strongroom.node.watch.plain import follow
from strongroom.node.watch.reading import TIME_MS_END
from strongroom.node.watch.recent_blocks import BLOCKS_KEPT


def kinds(model: Model) -> list[str]:
    return [note.kind for note in model.notes]


def test_a_quiet_day_gives_no_note() -> None:
    view = modelled().view(NOON)
    assert view.notes == ()
    assert (view.height, view.epoch, view.voting, view.quorum) == (1_204, 1, 4, 3)
    assert [one.name for one in view.nodes] == ["n0", "n1", "n2", "n3"]
    assert [one.leads for one in view.nodes] == [False, True, False, False]
    assert view.feed == "LIVE n0"
    assert view.interval_p50 == pytest.approx(0.5)
    assert view.rate == pytest.approx(824, rel=0.2)


def test_a_node_that_does_not_answer_is_seen_at_once_with_when_it_was_last_seen() -> None:
    model = modelled(silent(NOON, 3))
    row = model.view(NOON).nodes[3]
    assert (row.state, row.last_seen) == ("no answer", NOON - 0.1)
    assert kinds(model) == ["node-lost"]
    model.take(silent(NOON + 1, 3))
    assert kinds(model) == ["node-lost"]
    model.take(status(NOON + 2, 3, state="syncing", height=1_180))
    assert kinds(model) == ["node-lost", "node-back"]
    assert model.view(NOON + 2).nodes[3].lag == 24


def test_a_quorum_that_is_gone_is_said_and_that_it_is_back() -> None:
    model = modelled(silent(NOON, 3))
    assert model.view(NOON).has_quorum is True
    model.take(silent(NOON + 0.1, 2))
    assert model.view(NOON + 0.1).has_quorum is False
    assert kinds(model)[-1] == "quorum-lost"
    model.take(status(NOON + 3, 2))
    assert kinds(model)[-1] == "quorum-back"


FAR = 2**60


def test_one_node_that_lies_about_quorum_and_height_hides_nothing() -> None:
    lie: dict[str, Any] = {
        "height": FAR,
        "quorum": 1,
        "members": 1,
        "view": FAR,
        "epoch": FAR,
        "leader": "n3",
    }
    model = modelled(*(silent(NOON, index) for index in (0, 1, 2)), status(NOON, 3, **lie))
    view = model.view(NOON)
    assert (view.has_quorum, view.quorum, view.members) == (False, 3, 4)
    model = Model()
    model.take(Asked(NOON, tuple(ENDPOINTS)))
    for event in (*(silent(NOON, index) for index in (0, 1, 2)), status(NOON, 3, **lie)):
        model.take(event)
    assert model.view(NOON).has_quorum is False
    model = modelled(status(NOON, 3, **lie), service(NOON, epoch=FAR))
    view = model.view(NOON)
    assert (view.has_quorum, view.quorum, view.members) == (True, 3, 4)
    assert (view.height, view.view, view.leader, view.epoch) == (1_204, 1_311, "n1", 1)
    assert [node.lag for node in view.nodes] == [0, 0, 0, 0]


def test_members_are_what_most_nodes_tell_and_seven_are_five() -> None:
    model = modelled(*(status(NOON, index, members=7, quorum=5) for index in (0, 1, 2)))
    assert (model.view(NOON).quorum, model.view(NOON).members) == (5, 7)
    assert model.view(NOON).has_quorum is False


def test_a_head_beyond_all_nodes_is_doubted_once_and_real_blocks_go_on() -> None:
    model = modelled(head(NOON, FAR), head(NOON, FAR + 1), head(NOON, 1_205))
    assert model.view(NOON).blocks[0].height == 1_205
    assert kinds(model) == ["head-doubted"]
    ahead = modelled(head(NOON, 1_204 + AHEAD_MAX), head(NOON, 1_205 + AHEAD_MAX))
    assert ahead.view(NOON).blocks[0].height == 1_204 + AHEAD_MAX


@pytest.mark.parametrize("lost", [True, False])
def test_a_head_told_before_there_was_anybody_to_compare_with_is_forgotten(lost: bool) -> None:
    model = Model()
    model.take(Asked(NOON, tuple(ENDPOINTS)))
    model.take(status(NOON, 3, height=FAR, view=FAR))
    model.take(head(NOON, FAR))
    assert model.view(NOON).height == FAR
    for index in (0, 1, 2):
        model.take(status(NOON, index))
    assert (model.view(NOON).height, model.view(NOON).view) == (1_204, 1_311)
    if lost:
        model.take(FeedLost(NOON, "closed"))
        assert model.newest is None
    model.take(head(NOON, 1_205))
    assert [one.height for one in model.view(NOON).blocks] == [1_205]


def test_a_view_change_is_seen_from_heads_and_while_no_block_comes() -> None:
    model = modelled(head(NOON, 1_205, view=1_314))
    assert model.notes[-1].kind == "view-change"
    assert "3 views without a block before 1205" in model.notes[-1].words
    assert model.view(NOON).nullified == 3
    stuck = modelled(*(status(NOON, index, view=1_320, leader="n2") for index in (0, 3)))
    assert stuck.notes[-1].words == "view 1320 began, n2 leads: no block since view 1310"
    assert stuck.view(NOON).leader == "n2"


def test_an_epoch_is_seen_from_its_first_block_and_said_once() -> None:
    model = modelled(head(NOON, 1_205, epoch=2), service(NOON + 1, epoch=2))
    assert kinds(model) == ["epoch"]
    assert model.view(NOON).epoch == 2
    late = modelled(service(NOON, epoch=2))
    assert kinds(late) == ["epoch"]


def test_a_lost_feed_is_said_once_and_that_it_is_back() -> None:
    model = modelled(FeedLost(NOON, "closed"), FeedLost(NOON + 1, "refused"))
    assert kinds(model) == ["feed-lost"]
    assert model.view(NOON).feed == "FEED LOST"
    model.take(FeedOpened(NOON + 2, ENDPOINTS[1]))
    assert kinds(model) == ["feed-lost", "feed-back"]
    assert model.view(NOON).feed == "LIVE n1"


def test_evidence_that_turns_bad_an_alarm_and_a_public_word_are_said() -> None:
    model = modelled(
        nodes(NOON, n2="measurement not allowed"),
        status(NOON, 1, alarm="the disk is full"),
        status(NOON + 0.5, 1, alarm="the disk is full"),
        PublicTold(NOON, 1_204, [{"action": "gov.vote", "status": "executed"}]),
        Missed(NOON, 7, 9),
        ChainChecked(NOON, 1_200, "forged", "another chain"),
    )
    assert kinds(model) == ["evidence", "alarm", "public", "missed", "checked"]
    assert model.view(NOON).alarms == ("n1: the disk is full",)


def test_another_node_that_is_asked_changes_no_verdict() -> None:
    model = modelled(nodes(NOON, n0="itself"), nodes(NOON, n1="itself"), nodes(NOON))
    assert kinds(model) == []


def test_a_block_that_was_told_before_counts_once() -> None:
    model = modelled(head(NOON, 1_204), head(NOON, 1_203))
    assert len(model.view(NOON).blocks) == 24


async def test_a_time_that_no_calendar_has_tells_nothing_and_ends_nothing() -> None:
    said: list[str] = []
    late = [head(NOON, 1, time_ms=time_ms) for time_ms in (10**18, TIME_MS_END)]
    last = head(NOON, 1, time_ms=TIME_MS_END - 1)
    await follow(feed([*late, last]), Model(), said.append)
    assert ["cannot be read" in one for one in said] == [True, True, False]
    assert said[-1].startswith("23:59:59 block 1 ")


def test_what_is_kept_is_bounded() -> None:
    model = Model()
    for height in range(1, 2_000):
        model.take(head(NOON + height, height, view=height * 3))
    view = model.view(NOON)
    assert len(view.blocks) == BLOCKS_KEPT
    assert len(view.notes) == NOTES_KEPT
    model.take(Asked(NOON, tuple(f"https://node{index}" for index in range(500))))
    model.take(NodesTold(NOON, [{"name": f"x{index}", "verdict": "good"} for index in range(500)]))
    assert len(model.view(NOON).nodes) <= 64


def test_names_are_escaped_and_nothing_of_them_is_obeyed() -> None:
    model = modelled(
        status(NOON, 2, node=HOSTILE, state=HOSTILE, leader=HOSTILE, alarm=HOSTILE),
        head(NOON, 1_205, proposer=HOSTILE, signers=[HOSTILE], hash=HOSTILE),
        ServiceTold(NOON, {"name": HOSTILE, "pin": HOSTILE, "epoch": 1}),
        PublicTold(NOON, 1, [{"action": HOSTILE, "status": HOSTILE}]),
        FeedLost(NOON, HOSTILE),
        ChainChecked(NOON, 1, "forged", HOSTILE),
        NodesTold(NOON, [{"name": HOSTILE, "operator": HOSTILE, "verdict": HOSTILE}]),
        Missed(NOON, HOSTILE, 9),  # type: ignore[arg-type]
        Missed(NOON, 7, HOSTILE),  # type: ignore[arg-type]
        PublicTold(NOON, HOSTILE, [{"action": "a", "status": "b"}]),  # type: ignore[arg-type]
        ChainChecked(NOON, HOSTILE, HOSTILE, ""),  # type: ignore[arg-type]
    )
    text = repr(model.view(NOON))
    assert "\\\\x1b" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


JUNK = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(JUNK)
def test_documents_of_another_shape_tell_nothing_and_break_nothing(junk: object) -> None:
    model = modelled()
    blocks = len(model.view(NOON).blocks)
    for event in (
        ServiceTold(NOON, junk),  # type: ignore[arg-type]
        StatusTold(NOON, ENDPOINTS[0], junk),  # type: ignore[arg-type]
        HeadTold(NOON, junk),  # type: ignore[arg-type]
        NodesTold(NOON, junk),  # type: ignore[arg-type]
        PublicTold(NOON, 1, junk),  # type: ignore[arg-type]
    ):
        model.take(event)
    assert len(model.view(NOON).blocks) == blocks


def test_votes_of_a_view_that_no_other_node_can_know_of_are_not_shown() -> None:
    assert modelled().view(NOON).votes is not None
    beyond = votes(NOON, 1_311 + AHEAD_MAX + 1)
    assert modelled(beyond).view(NOON).votes is None


@pytest.mark.parametrize(
    "junk",
    [
        {"view": "1"},
        {"since_ms": -1},
        {"lanes": [{"name": "n0"}]},
        {"notarize": None},
        {"timeouts": {}},
        {"proposal": {"height": None}},
        {"before": 7},
        {"validators": 3},
    ],
    ids=str,
)
def test_votes_of_another_shape_tell_nothing_and_break_nothing(junk: dict[str, Any]) -> None:
    model = modelled(votes(NOON, **junk))
    assert kinds(model) == ["unread"]
    assert model.view(NOON).votes is not None  # what was told before


def test_votes_are_bounded_and_escaped() -> None:
    names = [HOSTILE] * 1_000
    lanes = [{"name": HOSTILE, "waiting": 1}] * 1_000
    view = modelled(votes(NOON, validators=names, notarize=names, lanes=lanes)).view(NOON)
    assert view.votes is not None
    assert len(view.votes.validators) == len(view.votes.lanes) == len(view.votes.notarize) == 64
    assert "\x1b" not in str(view.votes)
    assert "\u202e" not in str(view.votes)
