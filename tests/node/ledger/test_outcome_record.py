"""Outcomes on disk: without ids, for their blocks tell these; what does not belong together is
refused (T40)."""

from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from tests.enclave.chain import Chain

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical, ReceiptInvalid
from strongroom.enclave.formats.outcome import Outcome
from strongroom.node.client.audit.ledger_files import read_records
from strongroom.node.explorer.ledger_store import FileStore
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.frames import CorruptRecord
from strongroom.node.ledger.outcome_record import parts_of, with_ids, without_ids
from strongroom.node.ledger.reading import open_store
from strongroom.node.ledger.segments import Heights, Kind, Segments


@cache
def made() -> tuple[tuple[bytes, bytes], ...]:
    """(block, outcome) of heights 1 to 4: an opening, three payments, nothing, two payments."""
    chain = Chain()
    session, opening = chain.open("alice")
    call = chain.call("payments.transfer", to="bob", amount=1)
    sealed = [session.seal_call(call)[1] for _ in range(5)]
    outcomes = [chain.commit(opening), chain.commit(*sealed[:3]), chain.commit()]
    outcomes.append(chain.commit(*sealed[3:]))
    blocks = [StoredBlock(one.header, None, one.batches).encode() for one in chain.blocks]
    return tuple(zip(blocks, (one.encode() for one in outcomes), strict=True))


def written(directory: Path, *, swapped: bool = False) -> None:
    """The heights in a store; `swapped`: heights 2 and 4 have one another's outcomes."""
    outcomes = [without_ids(outcome) for _, outcome in made()]
    if swapped:
        outcomes[1], outcomes[3] = outcomes[3], outcomes[1]
    segments = Segments(directory / "ledger")
    segments.resume(Heights(), None)
    for height, ((block, _), record) in enumerate(zip(made(), outcomes, strict=True), start=1):
        segments.append(Kind.BLOCK, height, block)
        segments.append(Kind.OUTCOME, height, record)
    segments.sync()
    segments.close()


@pytest.mark.parametrize("height", [1, 2, 3, 4])
def test_an_outcome_comes_back_byte_for_byte_and_no_id_stands_in_its_record(height: int) -> None:
    block, outcome = made()[height - 1]
    record, whole = without_ids(outcome), Outcome.decode(outcome)
    assert with_ids(record, block) == outcome
    assert not any(id in record for id, _ in whole.ids_and_codes())
    assert len(outcome) - len(record) >= 32 * whole.count
    parts = parts_of(record)
    assert (parts.count, parts.results) == (whole.count, sum(map(len, whole.results)))
    assert parts.write_set == len(whole.write_set)


def test_a_record_of_another_block_is_refused() -> None:
    for height in range(4):
        for other in range(4):
            if height != other:
                with pytest.raises(NotCanonical, match="another block"):
                    with_ids(without_ids(made()[height][1]), made()[other][0])


def test_a_record_with_more_or_fewer_codes_than_its_block_has_envelopes_is_refused() -> None:
    block, outcome = made()[1]
    fields = codec.decode(without_ids(outcome))
    assert type(fields) is tuple
    for codes in (fields[4][:-1], fields[4] + b"\x00", b""):
        with pytest.raises(NotCanonical, match="as many codes"):
            with_ids(codec.encode((*fields[:4], codes, *fields[5:])), block)


@pytest.mark.parametrize(
    "data", [b"", b"\x9a", b"\x9a\x03\x01\xc4", b"\xc0" * 80, b"\x9a\x03\x01\x05\xc4\x00", bytes(9)]
)
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(NotCanonical):
        with_ids(data, made()[0][0])


def test_a_record_that_holds_ids_itself_is_refused() -> None:
    block, outcome = made()[1]
    with pytest.raises(NotCanonical, match="holds ids"):
        with_ids(outcome, block)


def test_a_store_gives_whole_outcomes_before_and_after_it_was_opened_anew(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        for height, (block, outcome) in enumerate(made(), start=1):
            store.append_block(height, block)
            decoded = Outcome.decode(outcome)
            leaf = decoded.history_leaf.hash
            store.append_outcome(height, outcome, decoded.ids_and_codes(), leaf)
            reading = store.reading(Kind.OUTCOME, height, bytes)
            assert reading is not None
            assert (store.outcome(height), reading()) == (outcome, outcome)
    (tmp_path / "index" / "believed").unlink()
    with closing(open_store(tmp_path)) as store:
        for height, (_, outcome) in enumerate(made(), start=1):
            decoded = Outcome.decode(outcome)
            assert store.outcome(height) == outcome
            assert store.subtree(0, height) == decoded.history_leaf.hash
            for position, (id, code) in enumerate(decoded.ids_and_codes()):
                found = store.find_transaction(id)
                assert found is not None
                assert (found.height, found.position, found.code) == (height, position, code)


def test_a_swapped_outcome_is_corrupt_and_never_given(tmp_path: Path) -> None:
    written(tmp_path, swapped=True)
    with pytest.raises(CorruptRecord, match=r"height 2: .*another block"):
        open_store(tmp_path)
    with pytest.raises(ReceiptInvalid, match="another block"):
        list(read_records(tmp_path / "ledger"))
    files = FileStore(tmp_path / "ledger")
    assert files.outcome(1) == made()[0][1]
    with pytest.raises(ReceiptInvalid, match="another block"):
        files.outcome(2)


def test_readers_of_files_see_whole_outcomes(tmp_path: Path) -> None:
    written(tmp_path)
    outcomes = [one for one in read_records(tmp_path / "ledger") if isinstance(one, Outcome)]
    assert [one.encode() for one in outcomes] == [outcome for _, outcome in made()]
