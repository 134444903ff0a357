"""The journal: durable before an answer; changed, cut or moved entries are named (T55)."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.consensus.errors import OperatorFault
from strongroom.node.custodian.errors import JournalDamaged
from strongroom.node.custodian.journal import FILE, HEAD_FILE, Journal, read_journal, verify_journal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal of six entries."""
    with Journal.open(tmp_path / "j") as journal:
        for number in range(6):
            journal.append("given", time_ms=1000 + number, lease=f"{number:02x}", units=number)
    return tmp_path / "j"


def lines(folder: Path) -> list[bytes]:
    return (folder / FILE).read_bytes().splitlines(keepends=True)


def rewrite(folder: Path, changed: list[bytes]) -> None:
    (folder / FILE).write_bytes(b"".join(changed))


def test_what_was_written_is_read_and_goes_on(folder: Path) -> None:
    assert [entry.facts["units"] for entry in read_journal(folder)] == list(range(6))
    with Journal.open(folder) as journal:
        assert journal.entries == 6
        journal.append("refused", time_ms=7, code="policy")
    assert [entry.what for entry in read_journal(folder)][-1] == "refused"
    assert (folder / FILE).stat().st_mode & 0o077 == 0


def test_t55_a_journal_that_was_cut_is_told_and_taken_by_nobody(folder: Path) -> None:
    rewrite(folder, lines(folder)[:-2])
    with pytest.raises(
        JournalDamaged, match="was cut: it ends after entry 4, and 6 were"
    ) as raised:
        verify_journal(folder)
    assert raised.value.entry == 5
    with pytest.raises(JournalDamaged):
        Journal.open(folder)


def test_t55_a_journal_that_was_removed_is_told(folder: Path) -> None:
    (folder / FILE).unlink()
    with pytest.raises(JournalDamaged, match="was cut: it ends after entry 0"):
        verify_journal(folder)
    with pytest.raises(JournalDamaged):
        Journal.open(folder)


def test_t55_a_last_line_that_was_cut_within_is_told(folder: Path) -> None:
    """A half written line is taken away only when its entry was never finished."""
    content = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(content[:-5])
    with pytest.raises(JournalDamaged, match="entry 6"):
        verify_journal(folder)


@pytest.mark.parametrize("at", range(6))
def test_t55_a_changed_entry_is_named(folder: Path, at: int) -> None:
    """Also when its own digest was made to fit."""
    changed = lines(folder)
    changed[at] = changed[at].replace(b'"units":%d' % at, b'"units":9')
    rewrite(folder, changed)
    with pytest.raises(JournalDamaged, match=f"entry {at + 1} was changed") as raised:
        verify_journal(folder)
    assert raised.value.entry == at + 1


def test_t55_a_journal_written_anew_after_some_entry_is_told(folder: Path, tmp_path: Path) -> None:
    """Whoever can write the file can make a chain that holds; its head says that it is another."""
    with Journal.open(tmp_path / "other") as other:
        for number in range(6):
            other.append("given", time_ms=1000 + number, lease="00", units=0)
    rewrite(folder, lines(tmp_path / "other"))
    with pytest.raises(JournalDamaged, match="written anew"):
        verify_journal(folder)


@pytest.mark.parametrize("order", [(0, 1, 3, 2, 4, 5), (0, 2, 3, 4, 5), (0, 1, 1, 2, 3, 4, 5)])
def test_t55_moved_missing_and_doubled_entries_are_told(
    folder: Path, order: tuple[int, ...]
) -> None:
    content = lines(folder)
    rewrite(folder, [content[at] for at in order])
    with pytest.raises(JournalDamaged, match="does not follow"):
        verify_journal(folder)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_t55_every_changed_byte_is_found(folder: Path, data: st.DataObject) -> None:
    whole = b"".join(lines(folder))
    at = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    (folder / FILE).write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
    try:
        with pytest.raises(JournalDamaged):
            verify_journal(folder)
    finally:
        (folder / FILE).write_bytes(whole)


def test_a_line_half_written_when_the_machine_stopped_is_taken_away(folder: Path) -> None:
    with (folder / FILE).open("ab") as file:
        file.write(b'{"entry":7,"time_ms":1')
    with Journal.open(folder) as journal:
        assert journal.entries == 6
        journal.append("given", time_ms=1, lease="07")
    assert [entry.entry for entry in read_journal(folder)] == list(range(1, 8))


def test_an_entry_that_was_written_when_the_head_was_not_stands(folder: Path) -> None:
    """The machine stopped between the two."""
    head = (folder / HEAD_FILE).read_bytes()
    with Journal.open(folder) as journal:
        journal.append("given", time_ms=1, lease="07")
    (folder / HEAD_FILE).write_bytes(head)
    with Journal.open(folder) as journal:
        assert journal.entries == 7


def test_an_entry_is_durable_before_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[tuple[str, int]] = []
    write, sync = os.write, os.fsync

    def noted_write(descriptor: int, data: bytes) -> int:
        order.append(("write", descriptor))
        return write(descriptor, data)

    def noted_sync(descriptor: int) -> None:
        order.append(("sync", descriptor))
        sync(descriptor)

    monkeypatch.setattr(os, "write", noted_write)
    monkeypatch.setattr(os, "fsync", noted_sync)
    with Journal.open(tmp_path) as journal:
        order.clear()
        journal.append("given", time_ms=1)
    (first, file), (second, synced) = order[:2]
    assert (first, second) == ("write", "sync")
    assert file == synced, "the journal itself, not its head"


def test_an_entry_has_one_way_of_being_written(folder: Path) -> None:
    """Upper case, blanks and another order of fields would hide that somebody wrote."""
    content = lines(folder)
    document = json.loads(content[2])
    for changed in (
        content[2].replace(b'"entry":3', b'"entry": 3'),
        content[2].replace(document["digest"].encode(), document["digest"].upper().encode()),
        json.dumps(dict(reversed(document.items())), separators=(",", ":")).encode() + b"\n",
        content[2].replace(b'"what":"given"', b'"what":"\\u0067iven"'),
    ):
        assert changed != content[2]
        rewrite(folder, [*content[:2], changed, *content[3:]])
        with pytest.raises(JournalDamaged, match="entry 3 was changed"):
            verify_journal(folder)


def test_a_disk_that_takes_nothing_ends_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with Journal.open(tmp_path) as journal:
        journal.append("given", time_ms=1)
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OperatorFault, match="nothing is given any more"):
            journal.append("given", time_ms=2)
        monkeypatch.undo()
        with pytest.raises(OperatorFault, match="takes nothing more"):
            journal.append("given", time_ms=3)


def test_one_folder_is_for_one_process(tmp_path: Path) -> None:
    with (
        Journal.open(tmp_path),
        pytest.raises(OperatorFault, match="another custodian writes"),
    ):
        Journal.open(tmp_path)


def test_a_damaged_head_is_told(folder: Path) -> None:
    for text in ("", "[]", json.dumps({"entries": -1, "digest": "00" * 32}), '{"entries": 6}'):
        (folder / HEAD_FILE).write_text(text)
        with pytest.raises(JournalDamaged, match=r"journal.head is damaged"):
            verify_journal(folder)
