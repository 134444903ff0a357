"""The explorer says the same of a ledger, whether a node is asked or its files are read; nothing
that was changed in them is shown."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.node.client.test_commands import PAY, Shell, shell
from tests.node.explorer.files import write_ledger

from strongroom.consensus.errors import ClientFault, ReceiptInvalid
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.proofs.genesis import chain_of
from strongroom.node.cli.explorer_source import source
from strongroom.node.cli.main import make_app
from strongroom.node.explorer import ledger_replay
from strongroom.node.explorer.files_reader import FilesReader
from strongroom.node.explorer.ledger_reader import LedgerReader
from strongroom.node.explorer.ledger_replay import read_ledger
from strongroom.node.explorer.ledger_store import FileStore
from strongroom.node.faults import NotFound
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.terminal import walking

SAME = (
    ("blocks",),
    ("blocks", "--from", "2", "--to", "3"),
    ("block", "2"),
    ("block", "latest"),
    ("epochs",),
    ("members",),
    ("proposals",),
    ("users",),
    ("grants",),
    ("recovery",),
    ("region-rules",),
    ("verify", "2"),
    ("verify", "latest"),
)


async def told(run: Shell) -> str:
    """A payment and a member's proposal; the payment's id."""
    paid: str = (await run.json(*PAY))["id"]
    proposed = await run("gov", "propose", "allow_region", "region=oslo", "--as", "member0")
    assert proposed.exit_code == 0, proposed.output
    return paid


async def test_a_node_and_its_files_give_the_same_documents(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        paid = await told(run)
        files = str(write_ledger(tmp_path / "n0", run.service))
        for command in (*SAME, ("tx", paid), ("tx", "2/0"), ("search", paid[:12])):
            asked = await run.json("explorer", *command)
            read = await run.json("explorer", *command, "--from-ledger", files)
            assert read == asked, command
            assert asked or command == ("region-rules",), command


UNKNOWN_TO_FILES: tuple[Any, ...] = (None, "files", "not seen: from files", [])
"""What stands where only a running node knows it."""
UNTOLD = (None, 0, "", "ab" * 16, "ab" * 32, False)
"""What the node of these tests makes up: the least of each shape (rpc/results.py)."""
PARTLY = (("status",), ("nodes",), ("search", "member0"), ("search", "3"))


def fits(read: Any, asked: Any, way: str) -> None:
    """Each field that a node gives is there; a value that differs is one that files cannot know, or
    that the node of these tests does not tell. Files have one row where each node has one."""
    if isinstance(asked, dict) and isinstance(read, dict):
        assert set(asked) <= set(read), way
        for name, value in asked.items():
            fits(read[name], value, f"{way}.{name}")
    elif isinstance(asked, list) and isinstance(read, list):
        assert bool(read) == bool(asked), way
        for at, (one, other) in enumerate(zip(read, asked, strict=False)):
            fits(one, other, f"{way}.{at}")
    elif read != asked and way.rpartition(".")[2] not in ("node", "endpoint"):
        assert read in UNKNOWN_TO_FILES or asked in UNTOLD, (way, read, asked)


async def test_every_command_that_reads_files_gives_the_fields_that_a_node_gives(
    tmp_path: Path,
) -> None:
    import typer.main

    explorer: Any = typer.main.get_command(make_app("explorer"))
    takes = {
        name
        for name, command in explorer.commands["explorer"].commands.items()
        if any("--from-ledger" in parameter.opts for parameter in command.params)
    }
    assert takes == {command[0] for command in (*SAME, *PARTLY)} | {"tx", "watch", "web", "regions"}
    async with shell(tmp_path) as run:
        await told(run)
        files = str(write_ledger(tmp_path / "n0", run.service))
        for command in PARTLY:
            asked = await run.json("explorer", *command)
            read = await run.json("explorer", *command, "--from-ledger", files)
            if command == ("status",):  # rows of nodes are what the nodes of these tests make up
                del read["nodes"], asked["nodes"]
            fits(read, asked, command[0])


async def test_the_pin_of_what_was_read_is_said_and_no_cluster_is_needed(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        await told(run)
        files = str(write_ledger(tmp_path / "elsewhere" / "n0", run.service))
        (tmp_path / "service.json").rename(tmp_path / "gone.json")
        done = await run("explorer", "status", "--from-ledger", files, "--field", "service")
        pin = run.service.orderer.chain.genesis.pin
        assert done.stdout == f"{pin}\n"
        assert pin in done.stderr
        done = await run("explorer", "nodes", "--from-ledger", files)
        assert "not seen: from" in done.stdout
        done = await run("explorer", "verify", "1", "--from-ledger", files)
        assert done.exit_code == 2  # against which pin?


async def test_files_of_another_service_do_not_verify_against_this_ones_pin(
    tmp_path: Path,
) -> None:
    other = "sr1-" + "a" * 51 + "q"
    async with shell(tmp_path) as run:
        await run.json(*PAY)
        folder = write_ledger(tmp_path / "n0", run.service)
        genesis = run.service.orderer.chain.genesis
        text = (tmp_path / "service.json").read_text()
        text = text.replace(genesis.pin, other).replace(genesis.chain.hex(), chain_of(other).hex())
        (tmp_path / "service.json").write_text(text)
        document = await run.json("explorer", "verify", "1", "--from-ledger", str(folder), code=1)
        assert document["verdict"] == "forged"


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    (tmp_path / "cluster").mkdir()
    async with shell(tmp_path / "cluster") as run:
        await told(run)
        return write_ledger(tmp_path / "n0", run.service)


async def test_only_what_a_running_node_knows_is_refused_by_name(folder: Path) -> None:
    reader = LedgerReader(read_ledger(folder))
    with pytest.raises(ClientFault, match="node_evidence"):
        await reader.ask("node_evidence", nonce="00" * 32)
    with pytest.raises(ClientFault):
        await reader.ask("ledger_block", height="zz")


def test_a_ledger_that_was_changed_is_not_shown(folder: Path) -> None:
    (file,) = (folder / "ledger").glob("blocks-*.log")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ReceiptInvalid) as refused:
        read_ledger(folder)
    assert refused.value.verdict == "incomplete"


def test_an_outcome_that_says_something_else_is_not_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record whose checksum is right: an operator may write what he likes into his files."""
    honest = FileStore.outcome

    def lying(self: FileStore, height: int) -> bytes | None:
        data = honest(self, height)
        if data is None or height != 2:
            return data
        said = Outcome.decode(data)
        assert said.results[0]
        return replace(said, results=(b"x" * len(said.results[0]), *said.results[1:])).encode()

    monkeypatch.setattr(FileStore, "outcome", lying)
    with pytest.raises(ReceiptInvalid):
        read_ledger(folder)


def uncertify(monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    """The files as an operator wrote them who has no quorum from this height on."""
    honest = FileStore.block

    def alone(self: FileStore, height: int) -> bytes | None:
        data = honest(self, height)
        if data is None or height < first:
            return data
        return replace(StoredBlock.decode(data), certificate=None).encode()

    monkeypatch.setattr(FileStore, "block", alone)


def test_a_ledger_that_no_quorum_certified_is_not_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uncertify(monkeypatch, 1)
    with pytest.raises(ReceiptInvalid) as refused:
        read_ledger(folder)
    assert refused.value.verdict == "cannot check"


async def test_the_newest_certified_block_is_where_the_ledger_ends(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_ledger(folder)
    assert whole.uncertified == 0
    newest = whole.store.newest_block
    assert whole.end.executed == newest > 1
    uncertify(monkeypatch, 2)
    shorter = read_ledger(folder)
    assert (shorter.newest.height, shorter.end.executed) == (1, 1)
    assert shorter.uncertified == newest - 1
    assert shorter.end.governance != whole.end.governance
    status = await LedgerReader(shorter).ask("node_status")
    assert (status["height"], status["executed"]) == (1, 1)
    with pytest.raises(NotFound):
        await LedgerReader(shorter).ask("ledger_block", height=2)
    (transaction,) = Outcome.decode(FileStore(folder / "ledger").outcome(2) or b"").ids_and_codes()
    found = await LedgerReader(shorter).ask("ledger_transaction", id=transaction[0].hex())
    assert found["status"] == "unknown"


async def test_how_much_is_left_out_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uncertify(monkeypatch, 2)
    async with source(folder, folder) as opened:
        assert isinstance(opened, FilesReader)
        opened.whole()
        said = capsys.readouterr().err
    assert "which no quorum certified" in said


async def test_how_far_it_is_is_said_while_all_of_it_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(walking, "NOTE_SECONDS", 0.0)
    monkeypatch.setattr(ledger_replay, "PROGRESS_BLOCKS", 2)
    async with source(folder, folder) as opened:
        assert "read up to height" not in capsys.readouterr().err
        await opened.ask("governance_proposals")
        said = capsys.readouterr().err
    assert "read up to height 2" in said
    assert "read up to height 4" in said


def test_a_torn_end_is_where_the_ledger_ends(folder: Path) -> None:
    whole = read_ledger(folder)
    (file,) = (folder / "ledger").glob("blocks-*.log")
    data = file.read_bytes()
    file.write_bytes(data[:-3])
    shorter = read_ledger(folder)
    assert shorter.end.executed == whole.end.executed - 1
    assert file.read_bytes() == data[:-3]
