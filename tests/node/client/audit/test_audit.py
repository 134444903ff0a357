"""A ledger's files against the pin: valid, forged, incomplete, or no verdict (T33, T34, T40,
T41)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.fixtures import make_cluster_genesis
from tests.enclave.succession import Succession, after_epochs
from typer.testing import CliRunner

from strongroom.consensus.codec import encode
from strongroom.consensus.errors import InvariantBroken, ReceiptInvalid
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch, Milliseconds
from strongroom.enclave.formats.outcome import Outcome
from strongroom.node.cli.main import make_app
from strongroom.node.client.audit import audit
from strongroom.node.client.audit.audit import CheckedLedger, check_ledger, genesis_of
from strongroom.node.client.audit.ledger_files import find_ledger, read_genesis, read_records
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.reading import open_store
from strongroom.node.ledger.segments import Heights, Segments
from strongroom.node.terminal import walking

CHAIN = after_epochs(3)
PIN = CHAIN.genesis.pin
Records = list[StoredBlock | Outcome]


def records(chain: Succession = CHAIN) -> Records:
    """As an honest node writes them: each outcome right after its block."""
    return [one for pair in zip(chain.blocks, chain.outcomes, strict=True) for one in pair]


def check(some: Records, at_least: int = 0) -> CheckedLedger:
    return check_ledger(CHAIN.genesis, some, at_least=at_least)


def write(directory: Path, chain: Succession = CHAIN, *, segment_bytes_max: int = 2000) -> None:
    """The same records in real segments."""
    (directory / "genesis.bin").write_bytes(chain.genesis.data)
    store = open_store(directory / "n0", segment_bytes_max)
    for block, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        store.append_block(block.header.height, block.encode())
        store.append_outcome(outcome.height, outcome.encode(), outcome.ids_and_codes())
    store.close()


def test_a_ledger_of_several_epochs_leads_from_the_pin_to_its_newest_certificate() -> None:
    checked = check(records())
    assert checked.height == CHAIN.tip.height
    assert checked.anchored == CHAIN.tip.anchor.height
    assert checked.root == CHAIN.tip.anchor.root
    assert (checked.epoch, checked.transactions) == (3, 8)
    assert genesis_of(CHAIN.genesis.data, PIN).data == CHAIN.genesis.data


def test_blocks_of_a_node_that_caught_up_may_stand_long_before_their_outcomes() -> None:
    chain = Succession()
    for number in range(6):
        chain.commit(b"%d" % number)
    assert check_ledger(chain.genesis, [*chain.blocks, *chain.outcomes]) == check_ledger(
        chain.genesis, records(chain)
    )
    behind = check_ledger(chain.genesis, [*chain.blocks, *chain.outcomes[:3]])
    assert (behind.height, behind.anchored) == (6, 3)


def test_what_has_no_certificate_yet_counts_for_nothing() -> None:
    changed = records()
    newest = changed[-2]
    assert isinstance(newest, StoredBlock)
    changed[-2] = replace(newest, certificate=None)
    checked = check(changed)
    assert (checked.height, checked.anchored) == (CHAIN.tip.height - 1, CHAIN.tip.anchor.height - 1)


def test_T41_a_ledger_that_was_cut_is_incomplete_once_a_later_height_is_known() -> None:
    for length in range(0, len(records()) - 1, 3):
        cut = check(records()[:length])
        assert cut.height == (length + 1) // 2
        with pytest.raises(ReceiptInvalid) as invalid:
            check(records()[:length], at_least=CHAIN.tip.height)
        assert invalid.value.verdict == "incomplete"
    check(records(), at_least=CHAIN.tip.height)


def test_T41_a_ledger_with_self_made_keys_has_another_pin() -> None:
    stranger = Succession(make_cluster_genesis(4))
    stranger.commit(b"x")
    check_ledger(stranger.genesis, records(stranger))
    with pytest.raises(ReceiptInvalid) as invalid:
        genesis_of(stranger.genesis.data, PIN)
    assert invalid.value.verdict == "forged"
    with pytest.raises(ReceiptInvalid) as invalid:
        genesis_of(CHAIN.genesis.data, "sr1-mistyped")
    assert invalid.value.verdict == "cannot check"
    with pytest.raises(ReceiptInvalid):
        check(records(stranger))


def _first(epoch: int) -> int:
    """Position of the record of an epoch's first block."""
    return next(
        at
        for at, one in enumerate(records())
        if isinstance(one, StoredBlock) and one.header.epoch == epoch
    )


def _old_set_writes_on(some: Records) -> None:
    """The vote keys of epoch 0 certify the first block of epoch 1."""
    at = _first(1)
    block = some[at]
    old = CHAIN.epochs.description(Epoch(0))
    assert isinstance(block, StoredBlock)
    assert old is not None
    some[at] = replace(block, certificate=CHAIN.certificate(block.header, by=old))


def _old_epoch_goes_on(some: Records) -> None:
    """They go on in epoch 0, above the block that ended it."""
    at = _first(1)
    block = some[at]
    old = CHAIN.epochs.description(Epoch(0))
    assert isinstance(block, StoredBlock)
    assert old is not None
    header = replace(
        block.header, epoch=Epoch(0), next_epoch=old.digest, cut=CHAIN.blocks[0].header.cut
    )
    header = replace(header, batch_count=0, batch_bytes=0)
    some[at] = StoredBlock(header, CHAIN.certificate(header, by=old), ())


def _wish(some: Records, change: Callable[[Outcome], Outcome]) -> None:
    at = next(at for at, one in enumerate(some) if isinstance(one, Outcome) and one.wish)
    wishing = some[at]
    assert isinstance(wishing, Outcome)
    some[at] = change(wishing)


def _other_wish(some: Records) -> None:
    description, key = CHAIN.described(
        Epoch(1), [one.node_key for one in CHAIN.genesis.description.validators[1:]]
    )
    _wish(some, lambda outcome: replace(outcome, wish=encode((description.encode(), key))))


def _no_wish(some: Records) -> None:
    _wish(some, lambda outcome: replace(outcome, wish=b""))


def _garbage_wish(some: Records) -> None:
    _wish(some, lambda outcome: replace(outcome, wish=b"\x00"))


def _block(some: Records, height: int, **changes: Any) -> None:
    at = 2 * (height - 1)
    block = some[at]
    assert isinstance(block, StoredBlock)
    some[at] = replace(block, **changes)


FORGERIES: dict[str, Callable[[Records], None]] = {
    "a block is missing": lambda some: some.__delitem__(slice(4, 6)),
    "two blocks are exchanged": lambda some: some.__setitem__(
        slice(0, 4), [*some[2:4], *some[0:2]]
    ),
    "a batch is missing": lambda some: _block(some, 1, batches=()),
    "a batch of another block": lambda some: _block(
        some, 1, batches=CHAIN.blocks[_first(1) // 2].batches
    ),
    "another time": lambda some: _block(
        some, 1, header=replace(CHAIN.blocks[0].header, time_ms=Milliseconds(5))
    ),
    "another root is anchored": lambda some: _block(
        some,
        2,
        header=replace(
            CHAIN.blocks[1].header, anchor=replace(CHAIN.blocks[1].header.anchor, root=NO_DIGEST)
        ),
    ),
    "a certificate of two": lambda some: _block(
        some,
        1,
        certificate=CHAIN.certificate(
            CHAIN.blocks[0].header, signers=(0, 1), by=CHAIN.genesis.description
        ),
    ),
    "the last block of an epoch without a certificate": lambda some: _block(
        some, _first(1) // 2, certificate=None
    ),
    "another result": lambda some: some.__setitem__(
        1, replace(CHAIN.outcomes[0], results=(b"another", b"result"))
    ),
    "another code": lambda some: some.__setitem__(
        1,
        replace(CHAIN.outcomes[0], codes=b"\x00\x02", results=(CHAIN.outcomes[0].results[0], b"")),
    ),
    "another write set": lambda some: some.__setitem__(
        1, replace(CHAIN.outcomes[0], write_set=b"other")
    ),
    "an outcome of other transactions": lambda some: some.__setitem__(
        1, replace(CHAIN.outcomes[0], ids=bytes(64))
    ),
    "an outcome of another block": lambda some: some.__setitem__(
        1, replace(CHAIN.outcomes[0], block=Digest(bytes(32)))
    ),
    "an outcome is missing": lambda some: some.__delitem__(1),
    "old vote keys certify the new epoch": _old_set_writes_on,
    "the old epoch goes on": _old_epoch_goes_on,
    "another next set": _other_wish,
    "no next set": _no_wish,
    "a next set that is none": _garbage_wish,
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_T33_T34_T41_a_changed_ledger_is_forged(forge: Callable[[Records], None]) -> None:
    changed = records()
    forge(changed)
    with pytest.raises(ReceiptInvalid) as invalid:
        check(changed)
    assert invalid.value.verdict == "forged"


def test_a_ledger_may_end_with_the_last_block_of_an_epoch_and_before_its_certificate() -> None:
    """The command ended in an error of no verdict; without its certificate the block counts for
    nothing, and opens no epoch."""
    ending = records()[: _first(1)]
    last = ending[-2]
    assert isinstance(last, StoredBlock)
    assert (check(ending).epoch, check(ending).height) == (1, last.header.height)
    ending[-2] = replace(last, certificate=None)
    for some in (ending, ending[:-1]):
        checked = check(some)
        assert (checked.epoch, checked.height) == (0, last.header.height - 1)


def test_T34_wishes_beyond_the_newest_anchor_change_no_verdict_and_all_others_are_forged() -> None:
    """T34: whoever serves outcomes can write any wish into any of them."""
    honest, some = check(records()), records()
    wish = next(outcome.wish for outcome in CHAIN.outcomes if outcome.wish)
    for at, one in enumerate(records()):
        if not isinstance(one, Outcome):
            continue
        for lie in {b"", b"\xc1", encode((b"", b"")), wish, wish + b"\x00"} - {one.wish}:
            some[at] = replace(one, wish=lie)
            if one.height > honest.anchored:
                assert check(some) == honest
                continue
            with pytest.raises(ReceiptInvalid) as invalid:
                check(some)
            assert invalid.value.verdict == "forged"
        some[at] = one


# --- files ----------------------------------------------------------------------------------------


def test_files_of_a_node_are_read_and_not_changed(tmp_path: Path) -> None:
    write(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "n0" / "ledger").iterdir()}
    assert len(before) > 2
    ledger = find_ledger(tmp_path / "n0")
    assert ledger == find_ledger(ledger) == tmp_path / "n0" / "ledger"
    assert read_genesis(ledger, None) == CHAIN.genesis.data
    assert check(list(read_records(ledger))) == check(records())
    assert {path: path.read_bytes() for path in ledger.iterdir()} == before


def test_T40_a_torn_end_is_where_a_ledger_ends(tmp_path: Path) -> None:
    write(tmp_path, segment_bytes_max=10**6)
    ledger = find_ledger(tmp_path / "n0")
    (file,) = ledger.iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    assert check(list(read_records(ledger))).height == CHAIN.tip.height
    file.write_bytes(file.read_bytes()[:3])
    assert check(list(read_records(ledger))).height == 0
    assert file.read_bytes() == b"SRL"


def test_T40_a_file_that_a_node_begins_meanwhile_stays_and_is_where_a_ledger_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node makes its next file empty, and goes on writing to what it made."""
    write(tmp_path)
    ledger = find_ledger(tmp_path / "n0")
    begun = ledger / f"blocks-{CHAIN.tip.height + 1:012d}.log"
    honest = Path.iterdir

    def just_before(self: Path) -> Iterator[Path]:
        begun.touch()
        return honest(self)

    monkeypatch.setattr(Path, "iterdir", just_before)
    for _ in ("begun while it is looked at", "there before"):
        assert check(list(read_records(ledger))) == check(records())
        assert begun.read_bytes() == b""


def test_files_that_are_only_read_are_neither_made_nor_appended_to(tmp_path: Path) -> None:
    segments = Segments(tmp_path, read_only=True)
    assert list(segments.scan(1, Heights())) == []
    with pytest.raises(InvariantBroken):
        segments.resume(Heights(), None)
    assert list(tmp_path.iterdir()) == []


def test_T41_a_missing_or_damaged_file_is_named_and_makes_the_ledger_incomplete(
    tmp_path: Path,
) -> None:
    write(tmp_path)
    ledger = find_ledger(tmp_path / "n0")
    files = sorted(ledger.iterdir())
    whole = files[1].read_bytes()
    for damage in (whole[:60] + bytes((whole[60] ^ 1,)) + whole[61:], None):
        if damage is None:
            files[1].unlink()
        else:
            files[1].write_bytes(damage)
        with pytest.raises(ReceiptInvalid, match=files[1].name) as invalid:
            list(read_records(ledger))
        assert invalid.value.verdict == "incomplete"


def run(*arguments: str) -> Any:
    return CliRunner().invoke(
        make_app("verify"), ["verify", "ledger", *arguments], catch_exceptions=False
    )


def test_the_command_says_valid_incomplete_forged_or_that_it_cannot_check(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "n0" / "node.toml").write_text("")
    node, height = str(tmp_path / "n0"), CHAIN.tip.height
    for arguments, code, word in (
        ((node, "--service", PIN), 0, '"verdict": "valid"'),
        ((node, "--service", PIN, "--at-least", str(height)), 0, f'"height": {height}'),
        ((node, "--service", PIN, "--at-least", str(height + 1)), 1, '"verdict": "incomplete"'),
        ((node, "--service", make_cluster_genesis(1).verified.pin), 1, '"verdict": "forged"'),
        ((node,), 4, '"verdict": "cannot check"'),
        ((str(tmp_path), "--service", PIN), 4, "several ledgers"),
        ((str(tmp_path / "nowhere"), "--service", PIN), 4, "no ledger"),
        ((node, "--service", PIN, "--genesis", str(tmp_path / "none")), 4, "no genesis"),
    ):
        result = run(*arguments, "--json")
        assert result.exit_code == code, result.output
        assert word in result.stdout
    assert "valid: " in run(node, "--service", PIN).stdout


def test_whoever_waits_for_a_verdict_is_told_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "PROGRESS_BLOCKS", 2)
    monkeypatch.setattr(walking, "NOTE_SECONDS", 0.0)
    told = walking.Walking("checked")
    check_ledger(CHAIN.genesis, records(), progress=told)
    heights = range(2, CHAIN.tip.height + 1, 2)
    said = capsys.readouterr()
    assert [line.rpartition(",")[0] for line in said.err.splitlines()] == [
        f"checked up to height {height}" for height in heights
    ]
    assert heights
    assert not said.out


def test_a_short_walk_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    told = walking.Walking("checked")
    told(CHAIN.tip.height)
    assert capsys.readouterr().err == ""
