"""A disk that somebody wrote anew, each checksum right: whatever stands there ends in the typed
error of its kind, which names the file and says what to do next, never in a bare exception (T40).
"""

import json
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.consensus import samples
from tests.enclave.chain import Chain
from tests.node.ledger.hostile import Hostile

from strongroom.consensus import codec
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import NotCanonical, OperatorFault, ReceiptInvalid
from strongroom.consensus.replica.events import (
    CandidateRecord,
    CastRecord,
    CertificateRecord,
    FinalRecord,
)
from strongroom.consensus.replica.records import encode_record
from strongroom.consensus.types import Height
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.node.client.audit.ledger_files import read_records
from strongroom.node.ledger import block_record, outcome_record
from strongroom.node.ledger.archive import contents_file as contents_file_form
from strongroom.node.ledger.archive.archived import Archived
from strongroom.node.ledger.archive.contents import Contents, Row, Summary
from strongroom.node.ledger.archive.contents_file import contents_file, encode_contents
from strongroom.node.ledger.archive.contents_reader import ContentsReader
from strongroom.node.ledger.archive.faults import ContentsDamaged
from strongroom.node.ledger.archive.folder import Manifest, NoManifest
from strongroom.node.ledger.archive.ids import Ids
from strongroom.node.ledger.archive.survey import Closed, survey
from strongroom.node.ledger.archive.where import read_where
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.decoding import block_of, head_of, outcome_of
from strongroom.node.ledger.entries import Entries
from strongroom.node.ledger.frames import (
    CorruptRecord,
    Purpose,
    encode_frame,
    encode_header,
    read_frame,
    read_frames,
)
from strongroom.node.ledger.index import LOCATION
from strongroom.node.ledger.ledger_form import LedgerForm
from strongroom.node.ledger.outcome_record import with_ids, without_ids
from strongroom.node.ledger.reading import (
    decoded_outcome_at,
    head_at,
    open_store,
    stored_block_at,
    stored_runs,
)
from strongroom.node.ledger.segments import Heights, Kind, Location, Segments
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.machine.durable_files import DiskFault
from strongroom.node.ordering.log import BATCH_RECORD, OBSERVER_RECORD, read_log
from strongroom.node.sync.snapshots import SnapshotDamaged, SnapshotFolder

HEIGHT = 2
SEEDS = range(300)
FOUND_IN = 25
"""Of so many drawn records at least one must be refused, and one taken: else they test nothing."""


@cache
def ledger() -> tuple[tuple[bytes, bytes], ...]:
    """(block, outcome) of heights 1 to 3: an opening, six payments of one session, one more."""
    chain = Chain()
    session, opening = chain.open("alice")
    call = chain.call("payments.transfer", to="bob", amount=1)
    sealed = [session.seal_call(call)[1] for _ in range(7)]
    outcomes = [chain.commit(opening), chain.commit(*sealed[:6]), chain.commit(sealed[6])]
    blocks = [
        StoredBlock(one.header, samples.certificate("finalize"), one.batches).encode()
        for one in chain.blocks
    ]
    return tuple(zip(blocks, (one.encode() for one in outcomes), strict=True))


def block() -> bytes:
    return ledger()[HEIGHT - 1][0]


def outcome() -> bytes:
    return ledger()[HEIGHT - 1][1]


def told(data: bytes) -> None:
    """All that is asked of an outcome that was decoded."""
    found = outcome_of(HEIGHT)(data)
    assert len(found.ids_and_codes()) == found.count
    _ = found.history_leaf.hash, found.root
    for position in range(found.count):
        found.result_at(position)


def joined(data: bytes) -> None:
    stored = StoredBlock.decode(block())
    ids = [sha256(envelope).digest() for envelope in stored.envelopes()]
    told(outcome_record.joined(data, stored.header.digest, ids))


def ids_at(data: bytes) -> None:
    for position in (0, 1, 5, 6, 1 << 24):
        assert len(block_record.id_at(data, position)) in (0, 32)


def core(record: Any) -> tuple[int, bytes]:
    kind, payload = encode_record(record)
    return int(kind), payload


def logged(kind: int) -> Callable[[bytes], Any]:
    return lambda data: read_log([(kind, data)])


def read_entry(data: bytes) -> None:
    EpochEntry.from_wire(codec.decode(data))


CAST, CERTIFICATE = (
    core(CastRecord(samples.STATEMENTS["notarize"])),
    core(CertificateRecord(samples.certificate("notarize"))),
)
CANDIDATE = core(CandidateRecord(samples.HEADER))
FINAL = core(FinalRecord(samples.HEADER, samples.certificate("finalize")))
RECORDS: dict[str, tuple[Callable[[], bytes], Callable[[bytes], Any]]] = {
    "a block's digest": (block, block_record.header_hash),
    "a block's head": (block, head_of(HEIGHT)),
    "a block": (block, lambda data: block_of(HEIGHT)(data).envelopes()),
    "a block's ids": (block, block_record.ids_of),
    "one id of a block": (block, ids_at),
    "an outcome": (outcome, told),
    "an outcome that is stored": (outcome, outcome_record.without_ids),
    "an outcome's record": (lambda: without_ids(outcome()), joined),
    "an outcome's record, its block hostile": (
        block,
        lambda data: with_ids(without_ids(outcome()), data),
    ),
    "an outcome's parts": (lambda: without_ids(outcome()), outcome_record.parts_of),
    "an epoch's entry": (lambda: codec.encode(samples.EPOCH_ENTRY.to_wire()), read_entry),
    "a cast in the log": (lambda: CAST[1], logged(CAST[0])),
    "a certificate in the log": (lambda: CERTIFICATE[1], logged(CERTIFICATE[0])),
    "a candidate in the log": (lambda: CANDIDATE[1], logged(CANDIDATE[0])),
    "a final block in the log": (lambda: FINAL[1], logged(FINAL[0])),
    "a batch in the log": (
        lambda: codec.encode(samples.BATCH.to_wire()),
        logged(BATCH_RECORD),
    ),
    "a silence in the log": (lambda: codec.encode((3, "why")), logged(OBSERVER_RECORD)),
}


@pytest.mark.parametrize("name", RECORDS)
def test_T40_a_hostile_record_is_decoded_or_not_canonical(name: str) -> None:
    make, decode = RECORDS[name]
    genuine = make()
    decode(genuine)
    refused = 0
    for seed in SEEDS:
        data = Hostile(seed).record(genuine)
        try:
            decode(data)
        except NotCanonical:
            refused += 1
    assert refused > len(SEEDS) // FOUND_IN


def written(directory: Path, *, height: int, kind: Kind, data: bytes) -> None:
    """The ledger in a node's folder, with one record that is another, and no index."""
    segments = Segments(directory / "ledger")
    segments.resume(Heights(), None)
    for at, (stored, executed) in enumerate(ledger(), start=1):
        for one, payload in ((Kind.BLOCK, stored), (Kind.OUTCOME, without_ids(executed))):
            segments.append(one, at, data if (one, at) == (kind, height) else payload)
    segments.sync()
    segments.close()


@pytest.mark.parametrize("kind", list(Kind))
def test_T40_a_store_over_hostile_records_opens_or_names_the_file(
    tmp_path: Path, kind: Kind
) -> None:
    """Opened anew, read in each way, archived, and checked by whoever has the files alone."""
    genuine = block() if kind == Kind.BLOCK else without_ids(outcome())
    refused: list[CorruptRecord] = []
    for seed in range(60):
        home = tmp_path / str(seed)
        written(home, height=HEIGHT, kind=kind, data=Hostile(seed).record(genuine))
        damages: list[OperatorFault] = []
        try:
            with closing(open_store(home)) as store:
                store.on_damage = damages.append
                for height in range(1, 4):
                    for read in (head_at, stored_block_at, decoded_outcome_at):
                        read(store, height)
                list(stored_runs(store, Height(0)))
        except CorruptRecord as damage:
            refused.append(damage)
        path = home / "ledger" / "blocks-000000000001.log"
        closed = Closed(path=path, first=1, size=path.stat().st_size, digest=bytes(32))
        with suppress(CorruptRecord):
            survey(closed, Archived(home / "archived"), LedgerForm())
        with suppress(ReceiptInvalid):
            list(read_records(home / "ledger"))
    assert len(refused) > 60 // FOUND_IN
    assert {one.path.name for one in refused} == {"blocks-000000000001.log"}
    assert all("put an intact copy back" in str(one) for one in refused)


def test_T40_a_block_whose_header_is_none_is_named_at_the_opening(tmp_path: Path) -> None:
    """It ended the node with a bare exception of the library that reads msgpack."""
    for number, data in enumerate((b"", b"\xc1", b"\x93\x01\xc0\x90", b"\x93\xc0\xc0\x90")):
        written(tmp_path / str(number), height=HEIGHT, kind=Kind.BLOCK, data=data)
        with pytest.raises(CorruptRecord, match=r"height 2: .*with index/: peers send"):
            open_store(tmp_path / str(number))


def test_T40_a_record_of_another_height_is_damage_of_its_file(tmp_path: Path) -> None:
    segments = Segments(tmp_path / "ledger")
    segments.resume(Heights(), None)
    for height in (1, 2):
        segments.append(Kind.BLOCK, height, ledger()[0][0])
    segments.sync()
    segments.close()
    with closing(open_store(tmp_path)) as store:
        assert head_at(store, 1)[0].height == 1
        for read in (head_at, stored_block_at):
            with pytest.raises(CorruptRecord, match=r"height 2: it says of itself .* height 1"):
                read(store, 2)


def test_T40_an_outcome_whose_wish_is_none_is_damage_of_its_file(tmp_path: Path) -> None:
    hostile = replace(Outcome.decode(outcome()), wish=b"no wish").encode()
    written(tmp_path, height=HEIGHT, kind=Kind.OUTCOME, data=without_ids(hostile))
    with (
        closing(open_store(tmp_path)) as store,
        pytest.raises(CorruptRecord, match="height 2"),
    ):
        decoded_outcome_at(store, HEIGHT)


def test_T40_a_peer_is_not_blamed_for_what_this_disk_says(tmp_path: Path) -> None:
    damage = CorruptRecord(tmp_path, 0, "no block", HEIGHT)
    assert isinstance(damage, OperatorFault)
    assert not isinstance(damage, NotCanonical), "what is blamed on whoever sent it"


@pytest.mark.parametrize(
    "place",
    [
        Location(1, 0, 0),
        Location(1, 1 << 63, 100),
        Location(1, (1 << 64) - 1, 100),
        Location(1, 22, (1 << 32) - 1),
        Location(1 << 63, 22, 100),
        Location(0, 22, 100),
    ],
)
def test_T40_a_place_in_the_index_that_no_file_has_is_damage(
    tmp_path: Path, place: Location
) -> None:
    """No memory is taken for what it says, and no number is too large for the system."""
    with closing(open_store(tmp_path)) as store:
        for height, (stored, executed) in enumerate(ledger(), start=1):
            whole = Outcome.decode(executed)
            store.append_block(height, stored)
            store.append_outcome(height, executed, whole.ids_and_codes())
        store.sync()
        entries = Entries()
        entries.add(Kind.BLOCK, HEIGHT, place)
        store._index.write(entries)
        with pytest.raises(CorruptRecord, match="height 2"):
            store.block(HEIGHT)
    with closing(open_store(tmp_path)) as again:
        assert again.block(HEIGHT) == block(), "the index was made anew"


def made_contents(home: Path) -> bytes:
    """The contents of the ledger's one segment, as its node writes them."""
    path = home / "ledger" / "blocks-000000000001.log"
    closed = Closed(
        path=path,
        first=1,
        size=path.stat().st_size,
        digest=bytes(32),
        epochs=(codec.encode(samples.EPOCH_ENTRY.to_wire()),),
    )
    return encode_contents(survey(closed, Archived(home / "archived"), LedgerForm()))


def rewritten(data: bytes, number: int, payload: bytes, path: Path) -> bytes:
    """A file of contents, one of its records another, every checksum and place right."""
    path.write_bytes(data)
    frames = list(read_frames(path, Purpose.CONTENTS, 1))
    marker = data[15:19]
    pieces = [encode_header(Purpose.CONTENTS, 1, marker)]
    for at, frame in enumerate(frames):
        held = payload if at == number else frame.payload
        pieces += encode_frame(marker, frame.kind, (held,), durable_before=False)
    return b"".join(pieces)


@pytest.mark.parametrize("number", range(4))
def test_T40_hostile_contents_are_read_or_named(tmp_path: Path, number: int) -> None:
    """Summary, directory, and the portions of blocks and of outcomes."""
    written(tmp_path, height=HEIGHT, kind=Kind.BLOCK, data=block())
    data, path = made_contents(tmp_path), tmp_path / contents_file(1)
    path.write_bytes(data)
    genuine = list(read_frames(path, Purpose.CONTENTS, 1))[number].payload
    assert len(list(ContentsReader(path, 1).records())) == 6
    refused: list[ContentsDamaged] = []
    for seed in SEEDS:
        path.write_bytes(rewritten(data, number, Hostile(seed).record(genuine), path))
        try:
            reader = ContentsReader(path, 1)
            for kind, height, row in reader.records():
                assert reader.row(kind, height) == row
                LOCATION.pack(1, row.offset, row.size)  # the index can hold it
                assert len(row.hash) in (0, 32)
                assert not set(row.ids.codes) - set(map(int, Code))
                reader.id_at(kind, height, len(row.ids))
                with suppress(CorruptRecord):
                    read_frame(path, reader.summary.marker, row.offset, row.size)
            for entry in reader.summary.epochs:
                with suppress(NotCanonical):
                    read_entry(entry)
        except ContentsDamaged as damage:
            refused.append(damage)
    assert len(refused) > len(SEEDS) // FOUND_IN
    assert {one.path for one in refused} == {path}
    assert all("copy the archive's blocks-*.log into ledger/" in str(one) for one in refused)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda listed: (*listed[1:], listed[0]), "out of order"),
        (lambda listed: (listed[0], *listed), "out of order"),
        (lambda listed: ((*listed[0][:3], 1, listed[0][4]), *listed[1:]), "out of order"),
        (lambda listed: listed[:-1], "another size"),
        (lambda listed: ((*listed[0][:4], 0), *listed[1:]), "of no portion"),
        (lambda listed: ((*listed[0][:4], 1 << 40), *listed[1:]), "of no portion"),
        (lambda listed: ((7, *listed[0][1:]), *listed[1:]), "of no portion"),
    ],
)
def test_T40_a_directory_of_other_portions_is_refused_at_the_opening(
    tmp_path: Path, change: Callable[[Any], Any], reason: str
) -> None:
    written(tmp_path, height=HEIGHT, kind=Kind.BLOCK, data=block())
    data, path = made_contents(tmp_path), tmp_path / contents_file(1)
    path.write_bytes(data)
    listed = codec.decode(list(read_frames(path, Purpose.CONTENTS, 1))[1].payload)
    path.write_bytes(rewritten(data, 1, codec.encode(change(listed)), path))
    with pytest.raises(ContentsDamaged, match=reason):
        ContentsReader(path, 1)


def test_T40_a_summary_of_heights_that_no_segment_has_is_refused(tmp_path: Path) -> None:
    written(tmp_path, height=HEIGHT, kind=Kind.BLOCK, data=block())
    data, path = made_contents(tmp_path), tmp_path / contents_file(1)
    path.write_bytes(data)
    fields = codec.decode(next(read_frames(path, Purpose.CONTENTS, 1)).payload)
    for heights in ((0, 1, 0), (3, 0, 3), (3, 5, 3), (3, 1, 4)):
        summary = codec.encode((*fields[:2], *heights, *fields[5:]))
        path.write_bytes(rewritten(data, 0, summary, path))
        with pytest.raises(ContentsDamaged, match="heights 1 to"):
            ContentsReader(path, 1)


@pytest.mark.parametrize("fields", [1, 8, 9])
def test_contents_of_an_older_version_are_named_so_whatever_shape_they_had(
    tmp_path: Path, fields: int
) -> None:
    written(tmp_path, height=HEIGHT, kind=Kind.BLOCK, data=block())
    data, path = made_contents(tmp_path), tmp_path / contents_file(1)
    path.write_bytes(data)
    old = ("strongroom-contents-2", 1, 1, 1, 1, 1, bytes(32), bytes(4), ())
    path.write_bytes(rewritten(data, 0, codec.encode(old[:fields]), path))
    with pytest.raises(ContentsDamaged, match=r"of an older version: strongroom-contents-2.*index"):
        ContentsReader(path, 1)


ONE_BLOCK = Summary(
    first=1,
    last=1,
    outcome_first=1,
    outcome_last=1,
    size=1,
    digest=bytes(32),
    marker=b"\x03\x03\x05\x05",
)


@pytest.mark.parametrize(
    "row",
    [
        Row(1, 1 << 33, bytes(32), bytes(32)),
        Row(1 << 63, 1, bytes(32), bytes(32)),
        Row(-1, 1, bytes(32), bytes(32)),
        Row(1, 1, bytes(32), bytes(600)),
        Row(1, 1, bytes(32), bytes(32), Ids(bytes(31))),
        Row(1, 1, bytes(32), bytes(32), Ids(bytes(32), b"\x00\x00")),
        Row(1, 1, bytes(32), bytes(32), Ids(bytes(32), b"\xff")),
    ],
)
def test_T40_a_row_that_no_index_can_hold_is_refused(tmp_path: Path, row: Row) -> None:
    """It ended a rebuilding of the index again and again, as a fault of the index."""
    good, path = Row(1, 1, bytes(32), bytes(32)), tmp_path / contents_file(1)
    for rows in ({Kind.BLOCK: [row], Kind.OUTCOME: [good]}, {Kind.OUTCOME: [row]}):
        path.write_bytes(encode_contents(Contents(ONE_BLOCK, {Kind.BLOCK: [good], **rows})))
        with pytest.raises(ContentsDamaged, match="row"):
            ContentsReader(path, 1)


def test_T40_an_archived_outcome_without_its_leaf_is_refused_and_a_block_without_its_digest_is_not(
    tmp_path: Path,
) -> None:
    """No columns could be made of it: a start would read every outcome out of the archive."""
    without, path = Row(1, 1, bytes(32), b""), tmp_path / contents_file(1)
    for outcome in (replace(without, hash=bytes(32)), without):
        rows = {Kind.BLOCK: [without], Kind.OUTCOME: [outcome]}
        path.write_bytes(encode_contents(Contents(ONE_BLOCK, rows)))
        if outcome.hash:
            assert ContentsReader(path, 1).row(Kind.OUTCOME, 1) == outcome
            continue
        with pytest.raises(ContentsDamaged, match="without its leaf"):
            ContentsReader(path, 1)


def test_T40_a_row_that_goes_on_otherwise_than_its_directory_says_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long row in pieces, one of which is not where the one before ends."""
    monkeypatch.setattr(contents_file_form, "PORTION_BYTES", 300)
    written(tmp_path, height=HEIGHT, kind=Kind.BLOCK, data=block())
    data, path = made_contents(tmp_path), tmp_path / contents_file(1)
    path.write_bytes(data)
    frames = list(read_frames(path, Purpose.CONTENTS, 1))
    listed = list(codec.decode(frames[1].payload))
    at = [number for number, one in enumerate(listed) if one[2]][-1]
    kind, height, position, *place = listed[at]
    for other in ((height, position + 1), (height, position + 2)):
        listed[at] = (kind, *other, *place)
        path.write_bytes(rewritten(data, 1, codec.encode(tuple(listed)), path))
        with pytest.raises(ContentsDamaged, match="no outcome 2"):
            list(ContentsReader(path, 1).records())
        with pytest.raises(ContentsDamaged, match="no outcome 2"):
            ContentsReader(path, 1).row(Kind.OUTCOME, HEIGHT)


def test_T40_a_summary_that_names_more_than_the_rows_hold_makes_no_new_ledger(
    tmp_path: Path,
) -> None:
    """A node that believed it went on above: it took its own segments for archived ones."""
    written(tmp_path, height=HEIGHT, kind=Kind.BLOCK, data=block())
    data, path = made_contents(tmp_path), tmp_path / "archived" / contents_file(1)
    path.parent.mkdir()
    path.write_bytes(data)
    fields = codec.decode(next(read_frames(path, Purpose.CONTENTS, 1)).payload)
    ledger_file = tmp_path / "ledger" / "blocks-000000000001.log"
    ledger_file.rename(tmp_path / "away")
    for last in (4, 1 << 40):
        summary = codec.encode((*fields[:2], last, *fields[3:]))
        path.write_bytes(rewritten(data, 0, summary, path))
        with pytest.raises(ContentsDamaged, match="rows end at 3"):
            open_store(tmp_path)
        assert not list((tmp_path / "ledger").iterdir())


def test_T40_a_hostile_log_is_named_with_its_byte(tmp_path: Path) -> None:
    refused: list[CorruptRecord] = []
    for seed in range(40):
        log = WriteAheadLog.open(tmp_path / str(seed))
        log.append(CAST[0], CAST[1])
        second = log.size_bytes
        log.append(FINAL[0], Hostile(seed).record(FINAL[1]))
        log.sync()
        try:
            log.read(read_log)
        except CorruptRecord as damage:
            refused.append(damage)
        log.close()
    assert {(one.path.name, one.offset) for one in refused} == {("wal-000000000001.log", second)}


def test_T40_a_hostile_snapshot_folder_is_damaged_and_no_more(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path)
    for name in ("²", "٣", "-1", "7 ", "12", "9" * 200):
        (tmp_path / name).mkdir()
    assert folder.heights() == [int("9" * 200), 12]
    genuine = codec.encode((3, 2))
    for seed in SEEDS:
        (tmp_path / "12" / "named").write_bytes(Hostile(seed).record(genuine))
        with suppress(SnapshotDamaged):
            due, count = folder.named(Height(12))
            assert 0 <= due < 1 << 64
            assert 0 <= count < 1 << 21


WHERE = [
    "[" * 5_000,
    '{"id": 1, "directory": "/"}',
    '{"id": "a", "directory": ["x"]}',
    '{"id": "a", "directory": "a\\u0000b"}',
    '{"id": "a"}',
    "null",
    "\ufeff{}",
]


@pytest.mark.parametrize("text", WHERE)
def test_T40_a_hostile_word_of_where_the_archive_is_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "where.json").write_text(text)
    with pytest.raises(CorruptRecord, match=r"where\.json.*says of no archive"):
        read_where(tmp_path)


MANIFESTS: list[Any] = [
    "[" * 5_000,
    json.dumps({"format": "strongroom-archive-1", "id": "a", "chain": "b", "node": "c"}),
    json.dumps({"segments": [{"file": 1}]}),
    json.dumps({"segments": [None]}),
    json.dumps({"segments": 7}),
    json.dumps([]),
]


@pytest.mark.parametrize("text", MANIFESTS)
def test_T40_a_hostile_manifest_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "archive.json").write_text(text)
    with pytest.raises(NoManifest):
        Manifest.read(tmp_path)


def test_every_error_of_a_disk_says_what_to_do_next(tmp_path: Path) -> None:
    errors = (CorruptRecord(tmp_path, 1, "x", 3), ContentsDamaged(tmp_path, 1, "x"))
    for one, other in pairwise((*errors, DiskFault(tmp_path, "x"))):
        assert str(one) != str(other)
        assert "put an intact copy back" in str(one)
