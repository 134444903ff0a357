"""After a submission nothing hides id and fate: files, pipes, disks, Ctrl-C, expiry, liars (`call`,
`gov`)."""

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.node.client.calls.test_pipeline import funded, pay
from tests.node.client.test_commands import FUNDS, PAY, Shell, expired, shell

from strongroom.consensus.types import Height
from strongroom.node.client.calls import waiting
from strongroom.node.client.trust.service import load_service

FULL = Path("/dev/full")
COMMAND = [sys.executable, "-c", "from strongroom.node.cli.main import main; main()"]
PROPOSE = ("gov", "propose", "allow_region", "region=us-east", "--as", "member0")


def _id(run: Shell) -> str:
    return next(reversed(run.service.orderer.places)).hex()


def _heed_ctrl_c() -> None:
    """Whoever runs these tests in the background has Ctrl-C ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@asynccontextmanager
async def process(
    run: Shell, *arguments: str, **options: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The real command as a process of its own; ended if the test ends."""
    command = [*COMMAND, *arguments, "--dir", str(run.directory)]
    one = await asyncio.create_subprocess_exec(
        *command,
        **{"stderr": subprocess.PIPE, **options},
        preexec_fn=_heed_ctrl_c,
    )
    try:
        yield one
    finally:
        if one.returncode is None:
            one.kill()
            await one.wait()


# --- what cannot be written -----------------------------------------------------------------------


async def test_a_height_that_cannot_be_kept_is_a_warning_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("strongroom.node.machine.durable_files.write_atomic", full)
    async with shell(tmp_path) as run:
        result = await run(*PAY, "--json")
        assert result.exit_code == 0
        assert json.loads(result.stdout)["id"] == _id(run)
        assert "alice.seen" in result.stderr
        query = await run("query", "payments.balance", "--as", "alice", "--json")
        assert (query.exit_code, json.loads(query.stdout)["result"]) == (0, FUNDS - 5)


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    "options", [(), ("--json",), ("--wait", "none", "--json"), ("--wait", "receipt")]
)
async def test_a_full_disk_behind_stdout_hides_neither_id_nor_fate(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    async with shell(tmp_path) as run:
        with FULL.open("wb") as full:
            async with process(run, *PAY, *options, stdout=full) as one:
                _, errors = await one.communicate()
        id = _id(run)
        assert id in errors.decode()
        assert (
            "may still be ordered" if "none" in options else "was executed at height 2"
        ) in errors.decode()
        assert "Traceback" not in errors.decode()
        assert one.returncode == 0


async def test_a_closed_pipe_or_no_stdout_at_all_hides_neither_id_nor_fate(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        reading, writing = os.pipe()
        os.close(reading)
        async with process(run, *PAY, stdout=writing) as one:
            os.close(writing)
            _, errors = await one.communicate()
        assert _id(run) in errors.decode()
        assert one.returncode == 0
        closing = f'exec "$@" >&-'  # noqa: F541
        command = ["sh", "-c", closing, "sh", *COMMAND, *PAY, "--dir", str(run.directory)]
        two = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
        _, errors = await two.communicate()
        assert _id(run) in errors.decode()
        assert two.returncode == 0


async def test_a_refusal_keeps_its_exit_status_when_nothing_can_be_written(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        command = 'exec "$@" >&- 2>&-'
        pay = [
            *COMMAND,
            "call",
            "payments.transfer",
            "to=bob",
            f"amount={FUNDS + 1}",
            "--as",
            "alice",
        ]
        one = await asyncio.create_subprocess_exec(
            "sh", "-c", command, "sh", *pay, "--dir", str(run.directory)
        )
        assert await one.wait() == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
async def test_a_terminal_that_is_no_utf_8_gets_escapes_and_the_whole_answer(
    tmp_path: Path, encoding: str
) -> None:
    async with shell(tmp_path) as run:
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        send = (*PAY, "memo=für 東京 \U0001fae8")
        async with process(run, *send, stdout=subprocess.PIPE, env=environment) as one:
            output, errors = await one.communicate()
        assert (one.returncode, _id(run) in output.decode(encoding)) == (0, True), errors
        read = ("query", "payments.statement", "--as", "alice", "--json")
        async with process(run, *read, stdout=subprocess.PIPE, env=environment) as one:
            output, errors = await one.communicate()
        assert one.returncode == 0, errors
        assert "für 東京 \U0001fae8" in json.dumps(
            json.loads(output.decode(encoding)), ensure_ascii=False
        )


# --- Ctrl-C and expiry ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", [PAY, PROPOSE], ids=["call", "gov"])
async def test_ctrl_c_says_the_id_and_that_it_may_still_be_ordered(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    async with shell(tmp_path) as run:
        run.service.orderer.paused = True
        async with process(run, *command, "--json", stdout=subprocess.PIPE) as one:
            while not run.service.payments():
                await asyncio.sleep(0.01)
            one.send_signal(signal.SIGINT)
            output, errors = await one.communicate()
        run.service.orderer.resume()
        id = _id(run)
        assert one.returncode == 130
        assert f"transaction {id} may still be ordered" in errors.decode()
        document = json.loads(output)
        assert (document["id"], document["ok"]) == (id, None)
        found = await run.json("explorer", "tx", id)
        assert found["status"] == "final"


async def test_gov_without_a_quorum_says_so_and_on_expiry_tells_the_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING_SECONDS", 0.1)
    async with shell(tmp_path) as run:
        run.service.orderer.paused = True
        await run.service.stop(2)
        await run.service.stop(3)
        result = await expired(run, *PROPOSE, "--json", seconds=5)
        assert result.exit_code == 3
        assert "no quorum (2 of 4 answer, 3 needed), waiting" in result.stderr
        id = json.loads(result.stdout)["id"]
        assert f"transaction {id} may still be ordered" in result.stderr
        run.service.orderer.resume()
        assert (await run.json("explorer", "tx", id))["status"] == "final"
        assert len(await run.json("gov", "show")) == 1


async def test_gov_says_what_was_executed_when_only_its_proof_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shell(tmp_path) as run:
        for node in run.service.nodes:
            monkeypatch.setattr(node, "receipt", _not_yet)
        result = await expired(run, *PROPOSE)
        assert result.exit_code == 3
        assert _id(run) in result.stderr


def _not_yet(_id: bytes) -> Any:
    from strongroom.node.faults import NotYet

    raise NotYet("not anchored")


async def test_a_receipt_that_does_not_come_does_not_hide_that_it_was_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shell(tmp_path) as run:
        for node in run.service.nodes:
            monkeypatch.setattr(node, "receipt", _not_yet)
        result = await expired(run, *PAY, "--wait", "receipt", "--json")
        assert result.exit_code == 3
        document = json.loads(result.stdout)
        assert (document["id"], document["ok"], document["height"]) == (_id(run), True, 2)
        assert "was executed at height 2: do not submit it again" in result.stderr


async def test_one_nodes_refusal_to_take_a_vote_is_another_nodes_to_take(tmp_path: Path) -> None:
    from strongroom.node.faults import Refused

    async with shell(tmp_path) as run:
        run.service.nodes[0].refuse = [Refused("refused: malformed", reason="malformed")] * 9
        document = await run.json(*PROPOSE)
        assert document["status"] == "open"
        assert len(await run.json("gov", "show")) == 1


async def test_what_a_node_names_another_transaction_for_is_not_believed(tmp_path: Path) -> None:
    """It shows a proposal of somebody else's as what ours came to."""
    async with shell(tmp_path) as run:
        first = await run.json(*PROPOSE)
        place = run.service.orderer.places[bytes.fromhex(first["id"])]
        run.service.orderer.doctor = lambda _, own: replace(place)
        second = await run.json(
            "gov", "propose", "allow_region", "region=us-west", "--as", "member1"
        )
        assert second["proposal"] != first["proposal"]
        assert second["id"] != first["id"]


# --- heights --------------------------------------------------------------------------------------


async def test_a_height_that_one_node_names_is_not_kept_and_stops_no_query(tmp_path: Path) -> None:
    """The lie would make every later query of this identity wait for a height that never comes."""
    async with shell(tmp_path) as run:
        run.service.orderer.doctor = lambda _, place: replace(place, height=Height(10**9))
        assert (await run(*PAY)).exit_code == 0
        assert (tmp_path / "keys" / "alice.seen").read_text().split()[0] == "2"
        assert await run.json("query", "payments.balance", "--as", "alice")


async def test_a_client_that_was_told_a_height_that_never_comes_goes_on_from_the_true_one(
    tmp_path: Path,
) -> None:
    async with funded(tmp_path) as (service, client):
        lies = [Height(10**9)]
        service.orderer.doctor = lambda _, place: (
            replace(place, height=lies.pop()) if lies else place
        )
        await pay(client, 1)
        assert client.height == 10**9
        answer = await client.query("payments.balance")
        assert answer.value == 1_000_000 - 1
        assert client.height == answer.height == service.orderer.height
        assert await client.proven_height() == answer.height


async def test_a_height_of_another_ledger_demands_nothing_and_is_replaced(tmp_path: Path) -> None:
    """A folder that was made anew for another service kept its users' keys, and what they saw."""
    async with shell(tmp_path) as run:
        seen = tmp_path / "keys" / "alice.seen"
        seen.write_text(f"{10**9} {'ab' * 32}\n")
        assert (await run.json("query", "payments.balance", "--as", "alice"))["result"] == FUNDS
        assert seen.read_text() == f"1 {load_service(tmp_path).chain.hex()}\n"


async def test_a_height_that_this_ledger_never_reached_is_told_with_what_to_do(
    tmp_path: Path,
) -> None:
    """Nodes restored from an old disk look the same, so the command must not go on by itself."""
    async with shell(tmp_path) as run:
        (tmp_path / "keys" / "alice.seen").write_text(f"{10**9}\n")
        result = await run("query", "payments.balance", "--as", "alice")
        assert result.exit_code != 0
        assert "keys/alice.seen" in result.stderr
        assert "--at-least 0" in result.stderr
        less = await run.json("query", "payments.balance", "--as", "alice", "--at-least", "0")
        assert less["result"] == FUNDS


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
async def test_a_receipt_that_cannot_be_written_says_so_and_claims_nothing(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        id = (await run.json(*PAY, "--wait", "receipt"))["id"]
        for output in (FULL, tmp_path, tmp_path / "none" / "receipt.json"):
            result = await run("receipt", id, "-o", str(output), "--json")
            assert result.exit_code != 0, output
            assert '"file"' not in result.stdout
            assert result.stderr
            assert "Traceback" not in result.stderr + result.stdout
            assert not isinstance(result.exception, OSError)


@pytest.mark.parametrize("text", ["-1", "1e9", str(2**63), "9" * 5000, "", "\x00"])
async def test_a_kept_height_that_is_none_demands_nothing(tmp_path: Path, text: str) -> None:
    async with shell(tmp_path) as run:
        (tmp_path / "keys" / "alice.seen").write_text(text)
        assert (await run.json("query", "payments.balance", "--as", "alice"))["result"] == FUNDS


async def test_one_nodes_word_that_the_epoch_is_over_makes_no_second_payment_of_a_submission(
    tmp_path: Path,
) -> None:
    """P6: it has the opening ordered, and says that it did not take it."""
    from strongroom.node.faults import WrongChainOrEpoch

    async with shell(tmp_path) as run:
        taken: list[str] = []
        for node in run.service.nodes:

            def lie(envelopes: list[bytes], *, honest: Any = node.submit, **how: Any) -> Any:
                answer = honest(envelopes, **how)
                if taken:
                    return answer
                taken.append("")
                raise WrongChainOrEpoch("this is epoch 1", epoch=1)

            node.submit = lie  # type: ignore[method-assign]
        result = await run(*PAY, "--wait", "none", "--json")
        assert run.service.payments() == 1
        assert result.exit_code == 3
        assert json.loads(result.stdout)["id"] == _id(run)
        assert (await run.json("query", "payments.balance", "--as", "alice"))["result"] == FUNDS - 5
