"""What a room says in the open reaches whoever reads its events, whole."""

import json

import pytest

from strongroom.node.terminal.printing import begin, emit_event, has_emitted


def test_an_event_is_one_line_of_json_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    """Evidence is longer than what a terminal is shown of a text."""
    event = {"event": "exchange-key", "evidence": "ab" * 9_000, "why": "\x1b[2J\n"}
    begin(as_json=True)
    emit_event(event)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == event
    assert "\x1b" not in line
    assert not has_emitted(), "the command's answer is still to come"
