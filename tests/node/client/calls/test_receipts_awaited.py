"""A client waits for a few receipts at a time: a node takes 64 unanswered frames, and submissions
need theirs."""

import asyncio
from typing import Any

import pytest

from strongroom.consensus.types import TransactionId
from strongroom.node.client.calls import requests
from strongroom.node.client.calls.requests import RECEIPTS_AWAITED_MAX, Requests


async def test_T31_a_crowd_of_receipts_leaves_frames_for_submissions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, anchored = 0, asyncio.Event()

    async def once_there(*_: Any, **__: Any) -> None:
        nonlocal asked
        asked += 1
        await anchored.wait()
        raise ValueError("no receipt at all")

    monkeypatch.setattr(requests, "receipt_once_there", once_there)
    nobody: Any = None
    made = Requests(nobody, nobody, nobody, nobody, nobody)
    waiting = [
        asyncio.create_task(made.receipt(TransactionId(bytes(32))))
        for _ in range(3 * RECEIPTS_AWAITED_MAX)
    ]
    for _ in range(8):
        await asyncio.sleep(0)
    assert asked == RECEIPTS_AWAITED_MAX
    anchored.set()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert asked == len(ended) == 3 * RECEIPTS_AWAITED_MAX
