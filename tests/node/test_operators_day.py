"""What an operator's machine does to a service on an ordinary day: dates, homes, folders, devices,
memory."""

import errno
import json
import os
import ssl
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.hang import HANG_SECONDS
from tests.node.client.calls.test_pipeline import ALICE, FUNDS
from tests.node.client.ledger import running
from tests.node.client.test_commands import PAY, shell

from strongroom.consensus.errors import ReceiptInvalid
from strongroom.consensus.types import PublicKey
from strongroom.enclave.outside.receipt import Receipt
from strongroom.node import config, tls
from strongroom.node.client import Client
from strongroom.node.client.calls.replies import words_of
from strongroom.node.cluster.node_process import NodeProcess
from strongroom.node.config import Address, ConfigInvalid, Peer
from strongroom.node.machine.durable_files import DiskFault, disk_faults, write_out
from strongroom.node.network.address_book import PeerAddress, PeerBook

# --- certificates ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shift", [timedelta(days=-20_000), timedelta(days=36_500)], ids=["expired", "not yet valid"]
)
async def test_the_dates_of_a_certificate_end_no_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shift: timedelta
) -> None:
    """They authorise nothing: the digest of the key in the node's claims does."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + shift

    monkeypatch.setattr(tls, "datetime", Clock)
    strange = [tls.make_certificate(f"n{index}") for index in range(5)]
    monkeypatch.undo()
    monkeypatch.setattr("tests.node.client.ledger.certificates", lambda: strange)
    async with running(tmp_path) as service:
        service.fund(ALICE, FUNDS)
        async with Client.connect(tmp_path, ALICE) as client:
            assert (await client.query("payments.balance")).value == FUNDS


async def test_a_certificate_that_is_not_in_the_bundle_is_told_in_words(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        (tmp_path / "ca.pem").write_bytes(tls.make_certificate("stranger").certificate)
        for command in (
            ("explorer", "status"),
            ("query", "payments.balance", "--as", "alice", "--timeout", "1"),
        ):
            result = await run(*command)
            assert result.exit_code != 0
            assert "object at 0x" not in result.output
            assert "SSLContext" not in result.output


def test_no_object_of_python_is_shown_to_a_user() -> None:
    error = aiohttp.ClientError(f"cannot connect, ssl:{ssl.create_default_context()!r}")
    assert words_of(error) == "cannot connect, ssl:…"


# --- configuration --------------------------------------------------------------------------------


def test_a_home_that_is_none_is_a_problem_of_its_line(tmp_path: Path) -> None:
    text = (
        'name = "n0"\ndirectory = "~nobody-of-this-name/x"\ngenesis = ""\n'
        'rpc = "127.0.0.1:1"\npeer = "127.0.0.1:2"\n'
    )
    path = tmp_path / "node.toml"
    path.write_text(text)
    with pytest.raises(ConfigInvalid) as caught:
        config.load(path)
    assert "line 2: directory" in str(caught.value)
    assert "no home folder of ~nobody-of-this-name" in str(caught.value)
    assert "genesis: is empty" in str(caught.value)


def test_an_address_that_the_ledger_overrules_is_said_once_and_pinned_it_stays() -> None:
    key, here, there = PublicKey(b"\x01" * 32), Address("127.0.0.1", 1), Address("127.0.0.1", 2)
    for pinned, expected in ((False, there), (True, here)):
        peers = PeerBook(own=PublicKey(bytes(32)))
        peers.configure([Peer("n1", here, node_key=key, pinned=pinned)], lambda _: None)
        peers.learn([PeerAddress(node_key=key, name="n1", rpc="", peer=str(there))])
        peers.learn([PeerAddress(node_key=key, name="n1", rpc="", peer=str(there))])
        assert peers.addresses[key] == expected
        assert peers._told == (set() if pinned else {"n1"})


def test_a_host_imports_nothing_that_lies_in_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asyncio.py").write_text("raise SystemExit(99)\n")
    node = tmp_path / "n0"
    node.mkdir()
    seen: list[list[str]] = []

    def spawn(command: list[str], **_: Any) -> Any:
        seen.append(command)
        raise InterruptedError

    monkeypatch.setattr("strongroom.node.cluster.node_process.spawn", spawn)
    at = config.NodeConfig(
        name="n0", directory=node, genesis=tmp_path / "g",
        rpc=Address("127.0.0.1", 9), peer=Address("127.0.0.1", 10), peers=(),
    )  # fmt: skip
    (node / "node.toml").write_text(config.dumps(at, base=node))
    from strongroom.node.layout import NodeLayout

    with pytest.raises(InterruptedError):
        NodeProcess(NodeLayout(node)).spawn()
    done = subprocess.run(
        seen[0], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=HANG_SECONDS
    )
    assert (done.returncode, "genesis" in done.stderr + done.stdout) == (2, True), done.stderr


# --- files ----------------------------------------------------------------------------------------


def test_an_answer_is_written_into_devices_fifos_and_links_and_whole_into_files(
    tmp_path: Path,
) -> None:
    write_out(Path("/dev/null"), b"x")
    assert not Path("/dev/null").is_file()
    target, link, fifo = tmp_path / "target", tmp_path / "link", tmp_path / "fifo"
    link.symlink_to(target)
    write_out(link, b"one")
    assert (link.is_symlink(), target.read_bytes()) == (True, b"one")
    os.mkfifo(fifo)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    write_out(fifo, b"two")
    reader.join()
    assert (fifo.is_fifo(), read) == (True, [b"two"])
    write_out(target, b"three")
    assert target.read_bytes() == b"three"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "link", "target"]


async def test_receipt_o_leaves_a_link_a_link(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        id = (await run.json(*PAY))["id"]
        link, target = tmp_path / "link.json", tmp_path / "target.json"
        link.symlink_to(target)
        assert (await run("receipt", id, "-o", str(link))).exit_code == 0
        assert link.is_symlink()
        text = target.read_text()
    for cut in (*range(0, len(text) - 2, 997), len(text) - 3, len(text) - 2):
        with pytest.raises(ReceiptInvalid) as caught:
            Receipt.from_json(text[:cut])
        assert caught.value.verdict == "incomplete", cut
    with pytest.raises(ReceiptInvalid) as caught:
        Receipt.from_json(text.replace(":", ";", 1))
    assert caught.value.verdict == "forged"
    assert Receipt.from_json(text).to_json() == json.loads(text)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOMEM, "not of disk"),
        (errno.EMFILE, "ulimit"),
        (errno.EACCES, "rights"),
        (errno.ENOSPC, "free some, then restart"),
    ],
)
def test_what_the_system_refuses_is_told_with_what_helps(
    tmp_path: Path, number: int, words: str
) -> None:
    with pytest.raises(DiskFault, match=words), disk_faults(tmp_path):
        raise OSError(number, os.strerror(number))


# --- documents ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (("query", "payments.balance", "--as", "zoe"), "no-such-identity", 2),
        (("query", "payments.nonsense", "--as", "alice"), "argument-fault", 2),
        (("explorer", "block", "99"), "not-found", 1),
        (("explorer", "tx", "4711"), "client-fault", 2),
        (("call", "payments.transfer", "to=bob", "--as", "alice"), "argument-fault", 2),
        (("gov", "vote", "ff", "maybe", "--as", "member0"), "usage", 2),
    ],
)
async def test_json_prints_a_document_also_when_it_fails(
    tmp_path: Path, arguments: tuple[str, ...], code: str, exit_code: int
) -> None:
    async with shell(tmp_path) as run:
        document = await run.json(*arguments, code=exit_code)
        assert (document["ok"], document["error"]["code"]) == (False, code)
        assert document["error"]["message"]


def test_json_prints_a_document_without_a_cluster_too(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from strongroom.node.cli.main import main; main()"]
    done = subprocess.run(
        [*command, "cluster", "status", "--json", "--dir", os.fsencode(tmp_path) + b"/no\xffthing"],
        capture_output=True, text=True, check=False, timeout=HANG_SECONDS,
    )  # fmt: skip
    assert done.returncode == 2
    assert json.loads(done.stdout)["ok"] is False
    assert "Traceback" not in done.stderr


async def test_a_dial_that_fails_is_logged_once_for_each_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from strongroom.node.network import links

    said: list[str] = []

    class Log:
        def warning(self, event: str, **facts: Any) -> None:
            said.append(f"{event} {facts['to']} {facts['reason']}")

        info = warning

    class Handshake:
        async def dial(self, *_: Any) -> Any:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")

    monkeypatch.setattr(links, "log", Log())
    there = links.Links(Handshake(), *[lambda *_: None] * 3)  # type: ignore[arg-type]
    key, context = PublicKey(b"\x01" * 32), ssl.create_default_context()
    for address in (Address("127.0.0.1", 1), Address("127.0.0.1", 1), Address("127.0.0.1", 2)):
        assert not await there._dial(key, address, context)
    assert [line.split()[:2] for line in said] == [
        ["link.failed", "127.0.0.1:1"],
        ["link.failed", "127.0.0.1:2"],
    ]
