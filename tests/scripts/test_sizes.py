"""`./scripts/sizes --ledger`: its generated ledger is one that a host starts from, however the node
before ended."""

from collections.abc import Callable
from pathlib import Path

import pytest
from scripts import pace_table, restart_table, sizes_table, start_table

from strongroom.node.ledger.index_files import trust_file

pytestmark = pytest.mark.processes


def test_a_row_is_of_a_ledger_that_was_closed_then_killed_then_left_by_another_boot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is opened by a process of its own, which asserts that the history is whole."""
    found: list[bytes] = []
    opened = start_table.in_own_process

    def watched(folder: Path) -> list[float]:
        mark = trust_file(folder / "index")
        found.append(mark.read_bytes() if mark.exists() else b"none")
        return opened(folder)

    monkeypatch.setattr(start_table, "in_own_process", watched)
    row = start_table.measure(95, 9)
    assert row[:2] == ("95", "11")
    assert len(row) == len(start_table.HEADS)
    closed, killed, crashed = found
    assert closed.startswith(b"closed ")
    assert crashed == b"none"
    assert killed not in (closed, crashed)


@pytest.mark.parametrize(
    ("main", "given", "words"),
    [
        (sizes_table.main, ["x"], "'x' is no whole number from 1 on"),
        (sizes_table.main, ["0"], "'0' is no whole number from 1 on"),
        (start_table.main, ["1", "2", "3"], "unrecognized arguments: 3"),
        (restart_table.main, ["-3"], "'-3' is no whole number from 1 on"),
        (pace_table.main, ["patience"], "no such wait: patience"),
    ],
)
def test_wrong_arguments_are_told_in_a_sentence(
    main: Callable[[], None],
    given: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["command", *given])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert words in capsys.readouterr().err
