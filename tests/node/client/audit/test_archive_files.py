"""An archive and the files of its node, offline: whole, damaged, incomplete, away (T40, T41)."""

import json
import shutil
from pathlib import Path

import pytest
from tests.node.client.audit.test_audit import CHAIN, PIN, write
from typer.testing import CliRunner

from strongroom.consensus.errors import ReceiptInvalid
from strongroom.node.cli.main import make_app
from strongroom.node.client.audit.archive_files import check_archive
from strongroom.node.client.audit.ledger_files import find_ledger, read_records
from strongroom.node.explorer.ledger_store import FileStore
from strongroom.node.ledger.archive.folder import ArchiveFolder
from strongroom.node.ledger.archive.where import Where
from strongroom.node.ledger.moving import archive_segment, remove_segment
from strongroom.node.ledger.reading import open_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A node whose older segments lie in `archive/`."""
    write(tmp_path)
    home, directory = tmp_path / "n0", tmp_path / "archive"
    directory.mkdir()
    store = open_store(home)
    chain = CHAIN.genesis.chain.hex()
    with ArchiveFolder.open(directory, id="", chain=chain, node="n0", home=home) as taken:
        store.archived.keep_where(Where(taken.manifest.id, directory))
        while found := store.closed_below(int(CHAIN.tip.height)):
            store.let_go(archive_segment(store, taken, found[2], found[0], ()))
            remove_segment(found[2])
    store.close()
    assert len(list(directory.glob("blocks-*.log"))) > 2
    return tmp_path


def checked(directory: Path) -> int:
    return check_archive(directory, progress=lambda _: None).last


def verdict_of(directory: Path) -> tuple[str, str]:
    with pytest.raises(ReceiptInvalid) as refused:
        checked(directory)
    return refused.value.verdict, str(refused.value)


def verified(*words: str) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(make_app("verify"), ["verify", *words, "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_a_stranger_verifies_a_ledger_with_its_archive_from_the_pin(folder: Path) -> None:
    code, said = verified("ledger", str(folder / "n0"), "--service", PIN)
    assert (code, said["verdict"], said["height"]) == (0, "valid", CHAIN.tip.height)
    code, said = verified("archive", str(folder / "archive"))
    assert (code, said["verdict"], said["node"]) == (0, "valid", "n0")
    assert said["height"] == checked(folder / "archive")
    store = FileStore(find_ledger(folder / "n0"))
    assert store.newest_block == CHAIN.tip.height
    assert store.block(1) == CHAIN.blocks[0].encode()


def test_T41_a_ledger_whose_archive_is_away_is_not_called_valid(folder: Path) -> None:
    """What is left begins in the middle."""
    aside = (folder / "archive").rename(folder / "aside")
    code, said = verified("ledger", str(folder / "n0"), "--service", PIN)
    assert (code, said["verdict"]) == (4, "cannot check")
    assert "name the archive with --archive" in str(said["reason"])
    code, said = verified("ledger", str(folder / "n0"), "--service", PIN, "--archive", str(aside))
    assert (code, said["verdict"]) == (0, "valid")
    with pytest.raises(ReceiptInvalid, match="archive"):
        FileStore(find_ledger(folder / "n0"))


def test_T40_a_file_that_is_missing_from_an_archive_is_named(folder: Path) -> None:
    gone = sorted((folder / "archive").glob("blocks-*.log"))[1]
    gone.rename(folder / "gone")
    verdict, reason = verdict_of(folder / "archive")
    assert (verdict, gone.name in reason) == ("incomplete", True)
    code, said = verified("ledger", str(folder / "n0"), "--service", PIN)
    assert (code, said["verdict"]) == (1, "incomplete")
    assert gone.name in str(said["reason"])


def test_T40_a_file_that_was_changed_is_named(folder: Path) -> None:
    path = sorted((folder / "archive").glob("blocks-*.log"))[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    verdict, reason = verdict_of(folder / "archive")
    assert (verdict, path.name in reason) == ("forged", True)
    code, said = verified("ledger", str(folder / "n0"), "--service", PIN)
    assert (code, said["verdict"]) == (1, "incomplete")


def test_T41_a_manifest_that_leaves_a_segment_out_is_incomplete(folder: Path) -> None:
    path = folder / "archive" / "archive.json"
    manifest = json.loads(path.read_bytes())
    del manifest["segments"][1]
    path.write_text(json.dumps(manifest))
    assert verdict_of(folder / "archive")[0] == "incomplete"


@pytest.mark.parametrize("text", ["", "[]", '{"format": "x"}', '{"segments": [1]}'])
def test_what_is_no_manifest_is_said_to_be_none(folder: Path, text: str) -> None:
    (folder / "archive" / "archive.json").write_text(text)
    assert verdict_of(folder / "archive")[0] == "cannot check"
    shutil.rmtree(folder / "archive")
    assert verdict_of(folder / "archive")[0] == "cannot check"


def test_an_archive_alone_is_a_ledger_up_to_where_it_ends(folder: Path) -> None:
    records = list(read_records(find_ledger(folder / "archive")))
    assert len(records) >= checked(folder / "archive")
