"""What peers without a lane hand in: bounded by the clock, whatever else is going on (T31)."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from strongroom.consensus.host_messages import Submit
from strongroom.consensus.types import PublicKey
from strongroom.node.execution.pipeline import PUBLIC_PREFIX
from strongroom.node.membership import duties
from strongroom.node.membership.duties import DutyRoster

PEER = PublicKey(b"p" * 32)


class _Mempool:
    """Notes what it is given, and whether that goes first."""

    def __init__(self) -> None:
        self.taken: list[tuple[bytes, bool]] = []

    def submit(self, envelopes: Sequence[bytes], *, wait: bool, first: bool) -> None:
        self.taken += [(envelope, first) for envelope in envelopes]


def made() -> tuple[DutyRoster, _Mempool]:
    mempool = _Mempool()
    context: Any = SimpleNamespace(
        mempool=mempool, participant=SimpleNamespace(has_lane=True, needs_refresh=False)
    )
    return DutyRoster(context), mempool


def hand_in(roster: DutyRoster, count: int) -> None:
    for number in range(count):
        roster.receive(PEER, Submit(PUBLIC_PREFIX + number.to_bytes(8, "big")))


async def test_a_peer_hands_in_so_many_a_second_and_a_nudge_gives_it_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock[0])
    roster, mempool = made()
    hand_in(roster, 2 * duties.SUBMITS_MAX)
    roster.nudge()
    hand_in(roster, duties.SUBMITS_MAX)
    assert len(mempool.taken) == duties.SUBMITS_MAX
    clock[0] += 1.0
    hand_in(roster, 1)
    assert len(mempool.taken) == duties.SUBMITS_MAX + 1


async def test_the_own_words_of_a_node_go_first_and_a_peers_do_not() -> None:
    roster, mempool = made()
    hand_in(roster, 1)
    roster.submit(b"own word")
    assert [first for _, first in mempool.taken] == [False, True]
