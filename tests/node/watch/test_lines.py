"""A view as rows of text: exactly as wide as asked, whatever names there are."""

import pytest
from rich.cells import cell_len
from tests.node.watch.told import HOSTILE, NOON, head, modelled, nodes, silent, status, votes

from strongroom.node.watch import lines
from strongroom.node.watch.events import Event, FeedLost, VotesTold
from strongroom.node.watch.lines import Line
from strongroom.node.watch.view import View
from strongroom.node.watch.votes_lines import consensus


def all_lines(view: View, width: int) -> list[Line]:
    return [
        *lines.header(view, width),
        *lines.nodes(view, width),
        *consensus(view, width),
        *lines.blocks(view, width, 10),
        *lines.events(view, width, 10),
        lines.keys(width),
        lines.keys(width, paused=1_000),
    ]


@pytest.mark.parametrize("width", [60, 61, 78, 79, 80, 100, 150, 160, 240])
def test_every_row_is_exactly_as_wide_as_the_screen(width: int) -> None:
    model = modelled(
        silent(NOON, 3),
        status(NOON, 2, node=HOSTILE, state="syncing", leader="東" * 40, alarm="full"),
        head(NOON, 1_205, proposer="東" * 40, signers=["東" * 21] * 4),
        nodes(NOON, n0="x" * 200),
    )
    for line in all_lines(model.view(NOON), width):
        assert cell_len(line.text) == width, line


def test_columns_go_in_the_order_of_what_is_needed_least() -> None:
    def heads(width: int) -> list[str]:
        columns = lines.chosen(lines.NODE_COLUMNS, lines.NODE_DROPPED, width - 3)
        return [one.head for one in columns]

    assert heads(160) == [one.head for one in lines.NODE_COLUMNS]
    assert heads(80) == ["node", "state", "height", "lag", "mempool", "peers", "seen as"]
    assert heads(60) == ["node", "state", "height", "lag", "seen as"]
    blocks = lines.chosen(lines.BLOCK_COLUMNS, lines.BLOCK_DROPPED, 57)
    assert [one.head for one in blocks] == ["height", "age", "by", "txs", "signed"]


def test_every_state_has_a_sign_beside_its_tone() -> None:
    model = modelled(silent(NOON, 3), status(NOON, 2, state="syncing"))
    rows = {one.key: one for one in lines.nodes(model.view(NOON), 80)}
    assert (rows["n1"].text[1], rows["n1"].tone) == ("★", "")
    assert (rows["n2"].text[1], rows["n2"].tone) == ("!", "warn")
    assert (rows["n3"].text[1], rows["n3"].tone) == ("✗", "bad")
    assert "no answer" in rows["n3"].text
    assert f"last seen {lines.clock(NOON - 0.1)}" in rows["n3"].text


def test_a_quorum_that_is_gone_is_in_the_header() -> None:
    model = modelled(silent(NOON, 3), silent(NOON, 2))
    first, _ = lines.header(model.view(NOON), 80)
    assert "NO QUORUM 2/3" in first.text
    assert first.tone == "bad"


def test_a_terminal_that_is_too_small_is_told_how_large_it_must_be() -> None:
    assert lines.too_small(60, 16) is None
    words = lines.too_small(52, 12)
    assert words is not None
    assert "needs 60 columns and 16 lines, this terminal has 52 by 12" in words
    assert lines.too_small(60, 15) is not None


def test_ages_numbers_and_bars() -> None:
    assert [lines.age(one) for one in (None, 0.44, 61, 3_700, 90_000)] == [
        "–",
        "0.4 s",
        "1 m",
        "1 h",
        "1 d",
    ]
    assert lines.number(1_204) == "1,204"
    assert lines.spark([0, 1, 2, 4], 4) == " ▃▅█"
    assert lines.spark([], 3) == "   "
    assert lines.fit("東京東京", 5) == "東京…"


def panel(width: int, *events: Event) -> str:
    return "\n".join(line.text for line in consensus(modelled(*events).view(NOON), width))


def test_a_vote_is_a_name_and_none_yet_a_dot_with_how_many_are_needed() -> None:
    shown = panel(80)
    assert "view 1,311 ── leader n1 ★ ── 0.2 s in it ── proposes 1,205" in shown
    assert "notarize  n0 n1 ·  ·   2 of 3" in shown
    assert "nullify   ·  ·  ·  ·   0 of 3" in shown
    assert "finalize  1,204  ·  ·  n2 ·   1 of 3" in shown
    assert "lanes     n0 +3  n1 +1  n2 +0  n3 +0" in shown


def test_where_names_have_no_room_their_number_stands() -> None:
    names = [f"a-validator-of-bank-{index}" for index in range(40)]
    lanes = [{"name": name, "waiting": 2} for name in names]
    shown = panel(80, votes(NOON, validators=names, notarize=names[:11], lanes=lanes))
    assert "notarize  11 of 3" in shown
    assert "lanes     +80 in all" in shown


def test_a_view_without_anything_to_order_rests_and_timeouts_are_counted() -> None:
    clocks = {"strikes": 0, "proposal_ms": None, "view_ms": None, "retry_ms": None}
    assert "rests, nothing to order" in panel(80, votes(NOON, proposal=None, timeouts=clocks))
    assert "rests" not in panel(80, votes(NOON, proposal=None, timeouts={**clocks, "view_ms": 5}))
    assert "timeouts 4" in panel(80, votes(NOON, timeouts={**clocks, "strikes": 4}))


def test_without_a_feed_nobody_says_who_votes() -> None:
    for event in (FeedLost(NOON, "gone"), VotesTold(NOON, None)):
        shown = panel(80, event)
        assert "notarize" not in shown
        assert "4 of 4 vote, a quorum is 3" in shown
