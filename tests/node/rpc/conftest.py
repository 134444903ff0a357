"""Every result and event of these tests is held against its schema."""

from collections.abc import Iterator

import pytest
from tests.node.rpc.results import watched


@pytest.fixture(autouse=True)
def results_are_as_their_schemas_say(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The one hook."""
    for _ in watched(monkeypatch):
        yield
