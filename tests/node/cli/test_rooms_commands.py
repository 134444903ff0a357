"""`strongroom rooms …` on a service in this process: the real program, real evidence of workers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.fixtures import key_named
from tests.enclave.programs.rooms.world import ROOT, WORKERS_ONLY, data_terms, founded, worker
from tests.node.client import ledger
from tests.node.client.test_commands import Shell, shell
from tests.node.client.turning import founded_as

from strongroom.enclave.outside.client_sessions import Identity
from strongroom.node.client.client import Client

TERMS = """
name = "rings"
purpose = "laundering rings that no bank sees alone"
regions = ["eu-west"]
executors = 2
agreement = 2
[parties]
alice = ["owner", "recipient"]
bob = ["analyst", "recipient"]
"""
CONTRACT = """
name = "count"
purpose = "aml"
runs = 2
duration = "10s"
[inputs.a]
owner = "alice"
data = "transfers"
[[stages]]
language = "sql"
name = "count"
file = "count.sql"
[outputs.case]
kind = "table"
recipients = ["bob"]
[parameters.days]
least = 1
most = 31
"""


@pytest.fixture(autouse=True)
def _with_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service whose genesis names clean rooms."""

    monkeypatch.setattr(ledger, "TurningChain", founded_as(founded()))


class Bank(Shell):
    """A shell of alice, who owns, and bob, who analyses."""

    def write(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text)
        return str(path)

    async def publish(self) -> None:
        """A data set of alice's, by calls of the program."""
        recipients = [(await self.identity(name)) for name in ("alice", "bob")]
        given = data_terms(recipients=tuple(sorted(recipients))).encode()
        policy = self.write("policy.json", WORKERS_ONLY)
        await self.json("vault", "new", "transfers", "--policy", policy, "--as", "alice")
        async with Client.connect(self.directory, "alice", one_shot=True) as client:
            await client.call("vault.put", key="/transfers", secret=bytes(32))
            name = {"name": "transfers"}
            await client.call("rooms.publish", terms=given, key="/transfers", **name)
            await client.call("rooms.add", root=ROOT, chunks=1, size_class=20, **name)

    async def identity(self, name: str) -> bytes:
        shown = await self.json("keys", "show", name)
        return bytes.fromhex(shown["id"].removeprefix("id:"))

    async def work(self, operator: str, operation: str, **arguments: Any) -> Any:
        """A transaction of a worker's session, with its evidence over the newest block."""
        one, chain = worker(operator), self.service.orderer.chain
        async with Client.connect(
            self.directory, Identity(key_named(one.who)), one_shot=True
        ) as client:
            if operation != "report":
                tip = chain.tip
                arguments["evidence"] = one.evidence(chain.genesis.chain, tip.height, tip.digest)
            return (await client.call(f"rooms.{operation}", **arguments)).result

    async def opened(self) -> str:
        """A clean room that both have joined; its id."""
        terms = self.write("rings.toml", TERMS)
        made = await self.json("rooms", "create", terms, "--as", "alice")
        room: str = made["result"]["room"]
        joined = await self.json("rooms", "join", room, "--terms", terms, "--as", "bob")
        assert joined["result"]["state"] == "open"
        return room


@asynccontextmanager
async def bank(directory: Path) -> AsyncIterator[Bank]:
    async with shell(directory) as run:
        yield Bank(run.directory, run.service)


async def test_a_shell_user_makes_a_room_a_contract_and_a_job(tmp_path: Path) -> None:
    async with bank(tmp_path) as run:
        room = await run.opened()
        await run.publish()
        run.write("count.sql", "select count(*) from a")
        file = run.write("count.toml", CONTRACT)
        made = await run.json("rooms", "propose", room, file, "--as", "bob")
        contract = made["result"]["contract"]
        shown = await run.json("rooms", "contract", contract, "--as", "alice")
        assert shown["stages"][0]["text"] == "select count(*) from a"
        assert shown["needs_more"]
        days = ("--set", "days=20")
        early = await run("rooms", "run", contract, *days, "--as", "bob")
        assert "not-approved: the contract is proposed: `strongroom rooms vote`" in early.stderr
        assert "strongroom vault" not in early.stderr, "the vault's refusal has another next step"
        voted = await run.json("rooms", "vote", contract, "--yes", "--as", "alice")
        assert voted["result"]["state"] == "approved"
        for operator in ("operator0", "operator1"):
            await run.work(operator, "wait")
        job = (await run.json("rooms", "run", contract, *days, "--as", "bob"))["result"]["job"]
        entries = [["case", b"", ROOT, 1, 20]]
        for operator in ("operator0", "operator1"):
            taken = await run.work(operator, "take", job=bytes.fromhex(job))
            assert taken["parameters"]
            await run.work(operator, "report", job=bytes.fromhex(job), entries=entries)
        found = await run.json("rooms", "job", job, "--as", "alice")
        assert found["state"] == "agreed"
        assert [one["output"] for one in found["outputs"]] == ["case"]
        events = (await run.json("rooms", "events", room, "--as", "bob"))["events"]
        assert [one["what"] for one in events][-3:] == ["taken", "reported", "agreed"]
        page = await run.json("explorer", "room", room, "--newest", "2", "--as", "alice")
        assert [one["name"] for one in page["contracts"]] == ["count"]
        assert [one["job"] for one in page["jobs"]] == [job]
        assert [one["what"] for one in page["happened"]["events"]] == ["reported", "agreed"]
        told = await run.json("explorer", "job", job, "--as", "alice")
        assert (told["room"], told["contract"]["name"]) == (room, "count")
        happened = [one["what"] for one in told["happened"]["events"]]
        assert happened == ["run", "taken", "reported", "taken", "reported", "agreed"]
        assert [one["room"] for one in await run.json("explorer", "rooms", "--as", "bob")] == [room]
        for words in (["rooms"], ["room", room], ["job", job]):
            assert (await run("explorer", *words, "--as", "alice")).exit_code == 0
        for words in (
            ["show", room],
            ["contracts", room],
            ["contract", contract],
            ["jobs", room],
            ["job", job],
            ["events", room],
            ["list"],
        ):
            assert (await run("rooms", *words, "--as", "alice")).exit_code == 0


WRONG = [
    (TERMS.replace('"rings"', '"a/b"'), "neither / nor @"),
    (TERMS.replace("alice =", "nobody ="), "nobody"),
    (TERMS.replace("executors = 2", "executors = two"), "line 5"),
    (TERMS.replace("executors = 2", 'executors = "2"'), "executors: is a whole number"),
    (TERMS + "[more]\n", "more: is not a known key"),
    (TERMS.replace("agreement = 2", "agreement = 1"), "agreement: an integer from 2 to 2"),
    (TERMS.replace('["analyst", "recipient"]', '["king"]'), "analyst, auditor"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
async def test_what_is_wrong_with_terms_is_named(tmp_path: Path, text: str, said: str) -> None:
    async with bank(tmp_path) as run:
        ended = await run("rooms", "create", run.write("t.toml", text), "--as", "alice")
        assert ended.exit_code == 2
        assert said in ended.stderr


async def test_wrong_turns_get_a_sentence(tmp_path: Path) -> None:
    async with bank(tmp_path) as run:
        room = await run.opened()
        other = run.write("other.toml", TERMS.replace("laundering", "other"))
        ended = await run("rooms", "join", room, "--terms", other, "--as", "bob")
        assert (ended.exit_code, "terms are not those" in ended.stderr) == (1, True)
        for words, said in (
            (("show", "xyz"), "64 lowercase hex digits"),
            (("show", "00" * 32), "no such clean room"),
            (("vote", "00" * 32), "say --yes or --no"),
            (("vote", "00" * 32, "--yes"), "no-contract"),
            (("run", "00" * 32), "no-contract"),
            (("job", "00" * 32), "no-job"),
            (("close", room, "--json"), "say --yes"),
        ):
            ended = await run("rooms", *words, "--as", "alice")
            assert ended.exit_code in (1, 2), words
            assert said in ended.stderr, (words, ended.stderr)
