"""A few blocks of a ledger's files, found through its index: the same documents as from all of it,
by a few reads; and nothing that does not hold, whatever files and index say."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.node.client.test_commands import PAY, Shell, shell
from tests.node.explorer.files import write_ledger

from strongroom.consensus.errors import ReceiptInvalid
from strongroom.consensus.types import Milliseconds
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.node.explorer.files_reader import IN_PART, FilesReader
from strongroom.node.explorer.ledger_part import LedgerPart, NotInPart, PartStore, in_part
from strongroom.node.explorer.ledger_reader import LedgerReader
from strongroom.node.explorer.ledger_replay import read_ledger
from strongroom.node.faults import NotFound
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.index_view import IndexView
from strongroom.node.ledger.outcome_record import with_ids, without_ids
from strongroom.node.ledger.segments import Heights, Kind, Segments
from strongroom.node.ledger.transaction_table import Found

PAID = 2
"""Height of the first payment."""


async def filled(run: Shell, payments: int = 3) -> list[str]:
    paid = [(await run.json(*PAY))["id"] for _ in range(payments)]
    proposed = await run("gov", "propose", "allow_region", "region=oslo", "--as", "member0")
    assert proposed.exit_code == 0, proposed.output
    return [*paid, (await run.json(*PAY))["id"]]


@pytest.fixture
async def written(tmp_path: Path) -> tuple[Path, list[str]]:
    (tmp_path / "cluster").mkdir()
    async with shell(tmp_path / "cluster") as run:
        paid = await filled(run)
        return write_ledger(tmp_path / "n0", run.service), paid


@pytest.fixture
def folder(written: tuple[Path, list[str]]) -> Path:
    return written[0]


def part_of(folder: Path, method: str, **params: Any) -> Any:
    """What a part alone answers."""
    with LedgerPart(folder) as part, in_part():
        return asyncio.run(LedgerReader(part.ledger).ask(method, **params))


async def test_a_part_gives_the_same_documents_as_all_of_it(
    written: tuple[Path, list[str]],
) -> None:
    folder, paid = written
    whole = LedgerReader(read_ledger(folder))
    newest = (await whole.ask("node_status"))["height"]
    calls: list[tuple[str, dict[str, Any]]] = [("node_status", {})]
    for height in range(1, newest + 1):
        calls += [
            ("ledger_block", {"height": height}),
            ("ledger_block", {"height": height, "transactions": False}),
            ("ledger_header", {"height": height}),
            ("ledger_transactions", {"height": height, "offset": 0, "limit": 9}),
        ]
    calls.append(("ledger_blocks", {"from": 1, "to": newest}))
    calls += [("ledger_transaction", {"id": id}) for id in paid]
    assert {method for method, _ in calls} == set(IN_PART)
    with LedgerPart(folder) as part:
        reader = LedgerReader(part.ledger)
        for method, params in calls:
            assert await reader.ask(method, **params) == await whole.ask(method, **params)
        hash = (await whole.ask("ledger_block", height=newest))["hash"]
        assert (await reader.ask("ledger_block", height=hash))["height"] == newest
        with pytest.raises(NotFound):
            await reader.ask("ledger_block", height=newest + 1)


async def test_blocks_of_later_epochs_are_shown_by_the_epochs_that_certified_them(
    tmp_path: Path,
) -> None:
    async with shell(tmp_path) as run:
        for _ in range(3):
            await run.json(*PAY)
            run.service.orderer.turn()
        await run.json(*PAY)
        folder = write_ledger(tmp_path / "n0", run.service)
        newest = run.service.orderer.height
        with LedgerPart(folder) as part:
            reader = LedgerReader(part.ledger)
            assert (await reader.ask("node_status"))["epoch"] == 3
            for height in range(1, newest + 1):
                asked = await run.json("explorer", "block", str(height))
                assert await reader.ask("ledger_block", height=height) == asked


async def test_what_a_part_cannot_show_is_read_whole(written: tuple[Path, list[str]]) -> None:
    folder, paid = written
    async with FilesReader(folder) as reader:
        await reader.ask("ledger_block", height=PAID)
        await reader.ask("ledger_transaction", id=paid[0])
        assert reader._whole is None
        assert (await reader.ask("ledger_transaction", id="0" * 64))["status"] == "unknown"
        assert reader._whole is not None
        assert (await reader.ask("governance_proposals"))[0]["change"] == "allow_region"


async def test_without_an_index_all_of_it_is_read(folder: Path) -> None:
    for name in ("data.mdb", "believed"):
        (folder / "index" / name).unlink(missing_ok=True)
    with pytest.raises(NotInPart):
        LedgerPart(folder)
    async with FilesReader(folder) as reader:
        assert reader._part is None
        assert (await reader.ask("ledger_block", height=PAID))["count"] == 1


async def test_a_damaged_index_is_not_believed(folder: Path) -> None:
    (folder / "index" / "data.mdb").write_bytes(b"\xff" * 65_536)
    async with FilesReader(folder) as reader:
        assert (await reader.ask("ledger_block", height=PAID))["count"] == 1


async def test_reading_changes_nothing_in_the_folder(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    async with FilesReader(folder) as reader:
        await reader.ask("ledger_block", height=PAID)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


async def test_one_block_takes_a_few_reads_however_long_the_ledger_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, reads = Segments.read, list[int]()

    def counted(self: Segments, kind: Kind, height: int, location: Any) -> bytes:
        reads.append(height)
        return honest(self, kind, height, location)

    monkeypatch.setattr(Segments, "read", counted)
    counts = []
    async with shell(tmp_path) as run:
        for blocks in (10, 300):
            while run.service.orderer.height < blocks:
                run.service.orderer.pass_time(1)
            folder = write_ledger(tmp_path / f"{blocks}" / "n0", run.service)
            reads.clear()
            async with FilesReader(folder) as reader:
                await reader.ask("ledger_block", height=5)
                assert reader._whole is None
            counts.append(len(reads))
    assert counts[0] == counts[1] <= 8


# --- what does not hold ---

Lie = Callable[[bytes], bytes]


def other_result(data: bytes) -> bytes:
    said = Outcome.decode(data)
    return replace(said, results=(b"x" * len(said.results[0]), *said.results[1:])).encode()


def other_code(data: bytes) -> bytes:
    said = Outcome.decode(data)
    return replace(said, codes=bytes([Code.DUPLICATE, *said.codes[1:]]), results=(b"",)).encode()


def without_batches(data: bytes) -> bytes:
    return replace(StoredBlock.decode(data), batches=()).encode()


def other_time(data: bytes) -> bytes:
    block = StoredBlock.decode(data)
    header = replace(block.header, time_ms=Milliseconds(block.header.time_ms + 1))
    return replace(block, header=header).encode()


def uncertified(data: bytes) -> bytes:
    return replace(StoredBlock.decode(data), certificate=None).encode()


LIES: dict[str, tuple[Kind, Lie]] = {
    "another result": (Kind.OUTCOME, other_result),
    "another code": (Kind.OUTCOME, other_code),
    "no batches": (Kind.BLOCK, without_batches),
    "another header": (Kind.BLOCK, other_time),
}


@pytest.mark.parametrize("name", sorted(LIES))
def test_a_record_that_says_something_else_is_not_shown(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record whose checksum is right: an operator may write what he likes into his files."""
    honest, (which, lie) = PartStore._read, LIES[name]

    def lying(self: PartStore, kind: Kind, height: int) -> bytes:
        data = honest(self, kind, height)
        return lie(data) if (kind, height) == (which, PAID) else data

    assert part_of(folder, "ledger_block", height=PAID)["count"] == 1
    monkeypatch.setattr(PartStore, "_read", lying)
    with pytest.raises(NotInPart):
        part_of(folder, "ledger_block", height=PAID)


def test_of_a_block_without_an_outcome_the_batches_are_still_its_headers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = PartStore._read

    def lying(self: PartStore, kind: Kind, height: int) -> bytes:
        data = honest(self, kind, height)
        return without_batches(data) if (kind, height) == (Kind.BLOCK, PAID) else data

    monkeypatch.setattr(IndexView, "newest", lambda _: Heights(PAID, PAID - 1))
    assert part_of(folder, "ledger_block", height=PAID)["outcome_root"] is None
    monkeypatch.setattr(PartStore, "_read", lying)
    with pytest.raises(NotInPart):
        part_of(folder, "ledger_block", height=PAID)


def test_a_certificate_of_another_block_certifies_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = PartStore._read

    def lying(self: PartStore, kind: Kind, height: int) -> bytes:
        data = honest(self, kind, height)
        if (kind, height) != (Kind.BLOCK, PAID):
            return data
        other = StoredBlock.decode(honest(self, Kind.BLOCK, PAID + 1)).certificate
        return replace(StoredBlock.decode(data), certificate=other).encode()

    monkeypatch.setattr(PartStore, "_read", lying)
    with pytest.raises(NotInPart):
        part_of(folder, "ledger_block", height=PAID)


def test_a_block_without_its_own_certificate_is_shown_by_the_next_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = PartStore._read

    def some(self: PartStore, kind: Kind, height: int) -> bytes:
        data = honest(self, kind, height)
        return uncertified(data) if kind == Kind.BLOCK and height in (2, 3) else data

    monkeypatch.setattr(PartStore, "_read", some)
    assert part_of(folder, "ledger_block", height=PAID)["certificate"] is None


def test_the_newest_certified_block_is_where_a_part_ends(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = PartStore._read

    def cut(self: PartStore, kind: Kind, height: int) -> bytes:
        data = honest(self, kind, height)
        return uncertified(data) if kind == Kind.BLOCK and height > 3 else data

    monkeypatch.setattr(PartStore, "_read", cut)
    with LedgerPart(folder) as part:
        assert part.ledger.newest.height == 3
        assert part.ledger.uncertified > 0
    with pytest.raises(NotFound):
        part_of(folder, "ledger_block", height=4)


def test_another_history_in_the_index_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = IndexView.subtree

    def lying(self: IndexView, level: int, index: int) -> bytes | None:
        return bytes(32) if (level, index) == (0, 1) else honest(self, level, index)

    monkeypatch.setattr(IndexView, "subtree", lying)
    with pytest.raises(NotInPart, match="another history"):
        LedgerPart(folder)


def test_an_outcome_that_the_anchored_history_does_not_hold_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = PartStore._read

    def lying(self: PartStore, kind: Kind, height: int) -> bytes:
        record = honest(self, kind, height)
        if (kind, height) != (Kind.OUTCOME, 1):
            return record
        outcome = Outcome.decode(with_ids(record, honest(self, Kind.BLOCK, height)))
        return without_ids(replace(outcome, write_set=bytes(64)).encode())

    monkeypatch.setattr(PartStore, "_read", lying)
    with pytest.raises(NotInPart, match="not the one that was anchored"):
        part_of(folder, "ledger_transactions", height=1, offset=0, limit=9)


def test_a_place_that_is_another_transactions_is_not_believed(
    written: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, paid = written
    assert part_of(folder, "ledger_transaction", id=paid[0])["status"] == "final"
    for wrong in (Found(4, 0, 0), Found(PAID, 7, 0), Found(PAID, 0, int(Code.REFUSED)), None):
        monkeypatch.setattr(IndexView, "find_transaction", lambda *_, wrong=wrong: wrong)
        with pytest.raises(NotInPart):
            part_of(folder, "ledger_transaction", id=paid[0])


async def test_a_forged_ledger_is_called_so_by_reading_it_whole(
    folder: Path,
) -> None:
    (file,) = (folder / "ledger").glob("blocks-*.log")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)

    async def all_blocks() -> None:
        async with FilesReader(folder) as reader:
            for height in range(1, 99):
                await reader.ask("ledger_block", height=height)

    with pytest.raises(ReceiptInvalid):
        await all_blocks()
