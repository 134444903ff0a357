"""`call`, `query`, `receipt`, `verify receipt`, `explorer`: JSON as INTERFACES fixes it, exit
codes, words."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.chain import person
from tests.node.client.ledger import Service, running
from typer.testing import CliRunner, Result

from strongroom.consensus.blocks import Header
from strongroom.node.cli.main import make_app
from strongroom.node.client.calls import waiting
from strongroom.node.rpc.backend import Blob

ALICE = person("alice")
FUNDS = 1_000


@dataclass
class Shell:
    """Commands on a service that runs in this process."""

    directory: Path
    service: Service

    async def __call__(self, *arguments: str) -> Result:
        command = [*arguments, "--dir", str(self.directory)]
        return await asyncio.to_thread(
            lambda: CliRunner().invoke(make_app(command[0]), command, catch_exceptions=False)
        )

    async def json(self, *arguments: str, code: int = 0) -> Any:
        result = await self(*arguments, "--json")
        assert result.exit_code == code, result.output
        (line,) = result.stdout.splitlines()
        return json.loads(line)


@asynccontextmanager
async def shell(directory: Path) -> AsyncIterator[Shell]:
    async with running(directory) as service:
        service.fund(ALICE, FUNDS)
        yield Shell(directory, service)


async def expired(run: Shell, *arguments: str, seconds: int = 1) -> Result:
    """A command whose time is over after it has submitted: on a slow machine it needs more."""
    before = run.service.payments()
    for patience in (seconds, 10 * seconds, 100 * seconds):
        result = await run(*arguments, "--timeout", str(patience))
        if run.service.payments() > before:
            return result
    raise AssertionError(result.output)


PAY = ("call", "payments.transfer", "to=bob", "amount=5", "--as", "alice")


# --- call and query -------------------------------------------------------------------------------


async def test_a_call_prints_id_place_and_opened_result(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        document = await run.json(*PAY)
        assert document == {
            "id": next(id.hex() for id in run.service.orderer.places),
            "height": 2,
            "index": 0,
            "ok": True,
            "result": {"balance": FUNDS - 5},
        }
        assert "balance" in (await run(*PAY)).stdout


async def test_a_programs_refusal_is_exit_1_with_code_and_message(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        document = await run.json(
            "call", "payments.transfer", "to=bob", "amount=5000", "--as", "alice", code=1
        )
        assert document["ok"] is False
        assert document["error"]["code"] == "insufficient"
        assert set(document) == {"id", "height", "index", "ok", "error"}


async def test_with_wait_none_only_the_id_is_printed_and_found_later(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        document = await run.json(*PAY, "--wait", "none")
        assert set(document) == {"id"}
        found = await run.json("explorer", "tx", document["id"], "--as", "alice")
        assert found["opened"] == {"ok": True, "result": {"balance": FUNDS - 5}}


async def test_with_wait_receipt_the_receipt_comes_along(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        document = await run.json(*PAY, "--wait", "receipt")
        assert document["receipt"]["id"] == document["id"]


async def test_a_query_prints_result_height_root_and_node(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        document = await run.json("query", "payments.balance", "--as", "alice")
        executor = run.service.orderer.chain.executor
        assert document["result"] == FUNDS
        assert (document["height"], document["root"]) == (1, executor.root.hex())
        assert document["node"] in {"n0", "n1", "n2", "n3"}


async def test_a_query_demands_what_this_identity_has_seen_before(tmp_path: Path) -> None:
    """T06: over separate runs of the command."""
    async with shell(tmp_path) as run:
        await run.json(*PAY)
        assert (tmp_path / "keys" / "alice.seen").read_text().split()[0] == "2"
        for node in run.service.nodes[:3]:
            node.executor = run.service.orderer.chain.new_executor()
        document = await run.json("query", "payments.balance", "--as", "alice")
        assert (document["result"], document["node"]) == (FUNDS - 5, "n3")
        run.service.nodes[3].executor = run.service.orderer.chain.new_executor()
        result = await run("query", "payments.balance", "--as", "alice")
        assert result.exit_code == 1
        assert "error:" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("call", "payments.transfer", "to=bob", "amount=five", "--as", "alice"), "amount"),
        (("call", "payments.transfer", "to=bob", "--as", "alice"), "missing amount"),
        (("call", "payments.transfer", "bob", "--as", "alice"), "KEY=VALUE"),
        (("call", "payments.transfer", "to=bob", "to=bob", "--as", "alice"), "twice"),
        (("call", "payments.balance", "--as", "alice"), "query"),
        (("call", "transfer", "--as", "alice"), "payments.transfer"),
        (
            ("call", "payments.transfer", "to=bob", "amount=5", "--as", "zoe"),
            "strongroom keys new zoe",
        ),
        (("explorer", "tx", "4711"), "64"),
        (("explorer", "block", "newest"), "latest"),
        (("explorer", "tx", "1/x"), "HEIGHT/INDEX"),
        (("explorer", "blocks", "--to", "-1"), "latest"),
    ],
)
async def test_wrong_usage_is_exit_2_and_says_what_would_be_right(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    async with shell(tmp_path) as run:
        result = await run(*arguments)
        assert result.exit_code == 2
        assert words in result.stderr
        assert "Traceback" not in result.output
        assert run.service.payments() == 0


async def test_no_cluster_in_the_folder_is_exit_2_with_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(make_app(PAY[0]), [*PAY, "--dir", str(tmp_path)])
    assert result.exit_code == 2
    assert "strongroom cluster up" in result.stderr


async def test_without_a_quorum_a_call_waits_says_so_and_on_expiry_is_exit_3_with_the_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING_SECONDS", 0.1)
    async with shell(tmp_path) as run:
        run.service.orderer.paused = True
        await run.service.stop(2)
        await run.service.stop(3)
        result = await expired(run, *PAY, "--json", seconds=2)
        assert result.exit_code == 3
        assert "no quorum (2 of 4 answer, 3 needed), waiting" in result.stderr
        id = json.loads(result.stdout)["id"]
        run.service.orderer.resume()
        assert (await run.json("explorer", "tx", id, "--as", "alice"))["opened"]["ok"] is True


async def test_no_node_at_all_is_exit_3(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        for index in range(4):
            await run.service.stop(index)
        for arguments in (
            (*PAY, "--timeout", "0.5"),
            ("explorer", "nodes"),
            ("explorer", "status"),
        ):
            result = await run(*arguments)
            assert result.exit_code == 3, result.output
            assert "strongroom cluster status" in result.stderr


# --- receipts -------------------------------------------------------------------------------------


async def _receipt(run: Shell) -> Path:
    id = (await run.json(*PAY))["id"]
    path = run.directory / "payment.json"
    document = await run.json("receipt", id, "-o", str(path))
    assert document["file"] == str(path)
    return path


def _verify(path: Path, *options: str) -> tuple[int, Any]:
    result = CliRunner().invoke(
        make_app("verify"), ["verify", "receipt", str(path), "--json", *options]
    )
    (line,) = result.stdout.splitlines()
    return result.exit_code, json.loads(line)


def _tampered(receipt: dict[str, Any]) -> str:
    return json.dumps(receipt | {"index": receipt["index"] + 1})


async def test_verify_receipt_needs_only_the_file_and_the_pin(tmp_path: Path) -> None:
    """P7, T41: four verdicts, and what they exit with."""
    async with shell(tmp_path) as run:
        path = await _receipt(run)
        pin = run.service.orderer.chain.genesis.pin
    code, document = _verify(path, "--service", pin)
    assert (code, document["verdict"], document["simulated"]) == (0, "valid", True)
    assert "SIMULATED" in document["reason"]
    other = "sr1-" + "a" * 51 + "q"
    cases: list[tuple[Callable[[], object], tuple[str, ...], int, str]] = [
        (lambda: None, ("--service", other), 1, "forged"),
        (lambda: None, ("--service", "sr1-short"), 4, "cannot check"),
        (lambda: None, (), 4, "cannot check"),
        (
            lambda: path.write_text(_tampered(json.loads(path.read_text()))),
            ("--service", pin),
            1,
            "forged",
        ),
        (lambda: path.write_text("not json"), ("--service", pin), 1, "forged"),
        (path.unlink, ("--service", pin), 4, "cannot check"),
    ]
    for prepare, options, exit_code, verdict in cases:
        prepare()
        code, document = _verify(path, *options)
        assert (code, document["verdict"]) == (exit_code, verdict), document
        assert document["reason"]


async def test_a_receipt_that_does_not_verify_is_not_written(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        first, second = (await run.json(*PAY))["id"], (await run.json(*PAY))["id"]
        for node in run.service.nodes:
            genuine = node.receipt
            node.receipt = lambda _, genuine=genuine: genuine(bytes.fromhex(second))  # type: ignore[method-assign, misc]
        result = await run("receipt", first, "-o", str(tmp_path / "r.json"))
        assert result.exit_code == 1
        assert not (tmp_path / "r.json").exists()


# --- explorer -------------------------------------------------------------------------------------


async def test_status_shows_every_endpoint_also_one_that_does_not_answer(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        await run.service.stop(1)
        document = await run.json("explorer", "status")
        assert [node["state"] for node in document["nodes"]] == [
            "voting",
            "unreachable",
            "voting",
            "voting",
        ]
        assert document["service"] == run.service.orderer.chain.genesis.pin
        assert "unreachable" in (await run("explorer", "status")).stdout


async def test_blocks_and_block_show_what_anyone_can_see(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        paid = await run.json(*PAY)
        blocks = await run.json("explorer", "blocks", "--limit", "2")
        assert [block["height"] for block in blocks] == [2, 3]
        block = await run.json("explorer", "block", "2")
        assert block["transactions"][0]["id"] == paid["id"]
        assert block["transactions"][0]["status"] == "executed"
        assert block["certificate"]["signers"] == ["n0", "n1", "n2"]
        assert paid["id"] in (await run("explorer", "block", "2")).stdout.replace("\n", "")
        assert (await run("explorer", "blocks")).exit_code == 0


async def test_block_opens_what_an_identity_may_open_and_nothing_else(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        await run.json(*PAY)
        mine = await run.json("explorer", "block", "2", "--as", "alice")
        assert mine["transactions"][0]["opened"]["result"] == {"balance": FUNDS - 5}
        others = await run.json("explorer", "block", "2", "--as", "bob")
        assert "opened" not in others["transactions"][0]


async def test_tx_opens_for_its_sender_only(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        id = (await run.json(*PAY))["id"]
        seen = await run.json("explorer", "tx", id)
        assert (seen["status"], seen["height"], "opened" in seen) == ("final", 2, False)
        assert (await run.json("explorer", "tx", id, "--as", "bob", code=1))["opened"] is None
        assert "balance" in (await run("explorer", "tx", id, "--as", "alice")).stdout


async def test_what_is_not_there_is_exit_1(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        assert (await run("explorer", "block", "99")).exit_code == 1
        assert (await run.json("explorer", "tx", "00" * 32, code=1))["status"] == "unknown"
        assert (await run("receipt", "00" * 32)).exit_code == 1


async def test_nodes_says_simulated(tmp_path: Path) -> None:
    """T26."""
    async with shell(tmp_path) as run:
        assert "SIMULATED" in (await run("explorer", "nodes")).stdout
        assert len(await run.json("explorer", "nodes")) == 4


async def test_verify_walks_from_a_block_to_the_pinned_genesis(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        await run.json(*PAY)
        document = await run.json("explorer", "verify", "3")
        assert (document["verdict"], document["certified_height"], document["signers"]) == (
            "valid",
            3,
            3,
        )
        assert (await run.json("explorer", "verify", "9", code=1))["verdict"] == "incomplete"


async def test_verify_finds_a_forged_header_anywhere_below(tmp_path: Path) -> None:
    """T33, T41."""
    async with shell(tmp_path) as run:
        await run.json(*PAY)
        for node in run.service.nodes:
            genuine = node.header_reading

            def forged(height: int, genuine: Any = genuine) -> Any:
                document: dict[str, Any] = genuine(height)()
                if height == 1:
                    header = Header.decode(document["header"])
                    document["header"] = Blob(_retimed(header).encoded)
                return lambda: document

            node.header_reading = forged  # type: ignore[method-assign]
        assert (await run.json("explorer", "verify", "3", code=1))["verdict"] == "forged"


def _retimed(header: Header) -> Header:
    from dataclasses import replace

    return replace(header, time_ms=header.time_ms + 1)  # type: ignore[arg-type]
