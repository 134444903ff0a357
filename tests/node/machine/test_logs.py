"""The log: JSON for machines, columns for people, one level for all who log."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from strongroom.node.machine.logs import configure_logging, set_level


class Screen(io.StringIO):
    """A terminal, as far as a log can tell."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def logged(stream: io.StringIO, form: str, *, level: str = "info", **facts: Any) -> str:
    configure_logging(level, form, stream=stream, environment={})
    structlog.get_logger().info("node.listening", **facts)
    return stream.getvalue()


def test_json_is_one_document_a_line_with_its_event_level_and_time() -> None:
    told = json.loads(logged(io.StringIO(), "json", node="n1", boot=3))
    assert told.pop("timestamp").endswith("Z")
    assert told == {"event": "node.listening", "level": "info", "node": "n1", "boot": 3}


def test_auto_is_for_people_in_a_terminal_and_for_machines_elsewhere() -> None:
    assert "\x1b[" in logged(Screen(), "auto", node="n1")
    assert json.loads(logged(io.StringIO(), "auto", node="n1"))["node"] == "n1"
    assert json.loads(logged(Screen(), "json", node="n1"))["node"] == "n1"
    assert "node.listening" in logged(io.StringIO(), "human", node="n1")


def test_no_colour_is_asked_for_and_given() -> None:
    stream = Screen()
    configure_logging("info", "auto", stream=stream, environment={"NO_COLOR": "1"})
    structlog.get_logger().info("node.listening", node="n1")
    assert "\x1b" not in stream.getvalue()
    assert "node.listening" in stream.getvalue()


@pytest.mark.parametrize("hostile", ["a\x1b[2Jb", "a\nnode.stopped", "a\u202eb", "a\rb"])
def test_T72_no_name_moves_the_cursor_or_makes_a_line_of_its_own(hostile: str) -> None:
    for facts in ({"peer": hostile}, {"peers": [hostile]}, {"peers": {hostile: 1}}):
        shown = logged(io.StringIO(), "human", **facts)
        assert hostile not in shown
        assert shown.count("\n") == 1
        assert not {"\x1b", "\u202e", "\r"} & set(shown)


def test_T10_a_traceback_shows_no_variables() -> None:
    def fail(secret: str) -> None:
        raise ValueError("no more than this")

    stream = Screen()
    configure_logging("info", "human", stream=stream, environment={})
    try:
        fail("plain" + "text")
    except ValueError as error:
        structlog.get_logger().error("rpc.bug", exc_info=error)
    assert "no more than this" in stream.getvalue()
    assert "plaintext" not in stream.getvalue()


def test_the_level_changes_for_loggers_that_are_in_use() -> None:
    stream = io.StringIO()
    configure_logging("warning", "json", stream=stream)
    log = structlog.get_logger()
    log.info("one")
    log.warning("two")
    set_level("debug")
    log.debug("three")
    set_level("error")
    log.warning("four")
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["two", "three"]
