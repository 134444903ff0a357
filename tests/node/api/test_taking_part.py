"""A node takes submissions once it has begun, and while it votes."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from strongroom.node.api.service import Service
from strongroom.node.faults import NotReady
from strongroom.node.host.state import takes_part


def _service(*, begun: bool, voting: bool) -> tuple[Service, Any]:
    participant = SimpleNamespace(
        begun=begun, replica=SimpleNamespace(state=SimpleNamespace(voting=voting))
    )
    wiring: Any = SimpleNamespace(participant=participant)
    sources = SimpleNamespace(
        takes_part=lambda: takes_part(wiring),
        observer=SimpleNamespace(refused=Counter()),
        mempool=SimpleNamespace(submit=lambda envelopes, **_: list(envelopes)),
    )
    service = object.__new__(Service)
    service._sources = sources  # type: ignore[assignment]
    return service, sources


def test_a_node_that_has_begun_and_votes_takes_a_submission() -> None:
    service, sources = _service(begun=True, voting=True)
    assert service.submit([b"one"], wait=False) == [b"one"]
    assert not sources.observer.refused


@pytest.mark.parametrize(
    ("begun", "voting", "words"),
    [(False, False, "heads"), (False, True, "heads"), (True, False, "only observes")],
)
def test_any_other_refuses_it_and_counts_it(begun: bool, voting: bool, words: str) -> None:
    service, sources = _service(begun=begun, voting=voting)
    with pytest.raises(NotReady, match=words):
        service.submit([b"one", b"two"], wait=False)
    assert sources.observer.refused["not_ready"] == 2
