"""Settings for all tests: no verdict of hypothesis depends on this machine's speed; the disk is
spared the syncs of this process. What those make durable is judged on the models of a disk
(node/ledger/disk.py, simulation/disk.py), and by nodes that are processes of their own. No test is
marked so that no part of the whole suite runs it."""

import os
import sys
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

_PROCESSES_MARK = "mark.processes"  # as scripts/run_tests.py, which not every run can import

settings.register_profile("strongroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("strongroom")


@pytest.fixture(autouse=True, scope="session")
def _no_real_syncs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        patch.setattr(os, "fdatasync", lambda _descriptor: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def _log_lines_are_the_reports() -> None:
    """What nodes of this process log stands in the report of a red test, never in the output of a
    command beside them."""
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer(key_order=["event"])],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


@pytest.fixture(autouse=True)
def _results_are_as_their_schemas_say(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The one hook: every result and event of a front door, wherever a test asks one, is held
    against its schema. Not where a node lies on purpose (`lies`); from files, null is not held
    against it (`files`)."""
    is_loaded = "strongroom.node.rpc.answering" in sys.modules
    if not is_loaded or request.node.get_closest_marker("lies"):
        yield
        return
    from tests.node.rpc.results import watched

    found = watched(monkeypatch, null_is_fine=request.node.get_closest_marker("files") is not None)
    yield
    assert not found, "\n".join(dict.fromkeys(found))


@pytest.hookimpl(tryfirst=True)  # before any are deselected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for path in {item.path for item in items if item.get_closest_marker("processes")}:
        if _PROCESSES_MARK not in path.read_text():
            raise pytest.UsageError(
                f"{path} starts processes and does not say `pytest.{_PROCESSES_MARK}` itself: "
                "scripts/run_tests.py finds it by these words"
            )
