"""A height is believed when f+1 nodes confirm it (T06): of the epoch that is the newest by then."""

from types import SimpleNamespace
from typing import Any

import pytest

from strongroom.consensus.quorum import Quorum
from strongroom.node.client.calls import requests
from strongroom.node.client.calls.requests import believed_height

NAMED = 999


def epoch_of(validators: int) -> Any:
    return SimpleNamespace(description=SimpleNamespace(quorum=Quorum(validators)))


class GrowingNodes:
    """While they are asked, an epoch of seven validators begins; so many of them lie."""

    def __init__(self, trust: Any, liars: int) -> None:
        self._trust, self._liars = trust, liars

    async def opinions(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
        self._trust.epoch = epoch_of(7)
        said = [{"status": "final", "height": NAMED}] * self._liars
        return [*said, *[{"status": "unknown"}] * (7 - self._liars)]


@pytest.mark.parametrize(("liars", "believed"), [(2, 0), (3, NAMED)])
async def test_T06_liars_of_a_larger_epoch_that_began_meanwhile_confirm_nothing(
    liars: int, believed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """f is two of seven: three that agree have an honest one among them."""
    monkeypatch.setattr(requests, "CONFIRM_SECONDS", 0.0)
    trust: Any = SimpleNamespace(epoch=epoch_of(4))
    nodes: Any = GrowingNodes(trust, liars)
    pipeline: Any = SimpleNamespace(newest=b"x", height=NAMED)
    assert await believed_height(trust, nodes, pipeline) == believed
