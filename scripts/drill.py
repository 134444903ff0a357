"""`./scripts/drill`: what happens after a disaster, with real processes on a cluster of its own
(VAULT §7, P9; T45, T5B).

Owns the order of the steps, what must hold after each, and the seconds that it took. A step is what
an operator or a member types: the commands of `strongroom recover`. Short: tests/integration/
test_recovery_drill.py.
"""

import asyncio
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.consensus.errors import OperatorFault
from strongroom.node.client import Client
from strongroom.node.client.audit.reader import Reader
from strongroom.node.client.governing import Member
from strongroom.node.client.recovering import RecoveryMember
from strongroom.node.client.recovery_keys import RecoveryKeyFolder
from strongroom.node.cluster.cluster import Cluster, open_cluster
from strongroom.node.cluster.growth import add_node, remove_node
from strongroom.node.cluster.plan import MEMBERS
from strongroom.node.cluster.temporary_cluster import Stage, running_cluster
from strongroom.node.machine.interrupts import cancelled_by_signals
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit
from strongroom.node.terminal.teller import Teller

THRESHOLD = 2
IN_FLIGHT = 256
SHARE_SECONDS_MAX = 120.0
GIB = 2**30
STRONGROOM = Path(sys.executable).parent / "strongroom"

app = typer.Typer(add_completion=False)


class Broken(AssertionError):
    """Something did not hold."""


@dataclass
class Drill:
    """One run: where it plays, what it measured."""

    cluster: Cluster
    payments: int
    teller: Teller
    seconds: dict[str, float] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    balances: dict[str, int] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        return self.cluster.layout.directory

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step, and tell it."""
        begun = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begun, 2)
        self.teller.line(f"{self.seconds[name]:8.2f} s  {name}")

    def expect(self, holds: bool, words: str) -> None:
        """Raises Broken: it does not hold."""
        if not holds:
            raise Broken(words)

    # --- commands ---

    async def command(self, *words: str, ok: int = 0) -> dict[str, Any]:
        """What an operator or member types; its JSON.

        Raises:
            Broken: another exit status than is expected.
        """
        process = await self._spawn(*words)
        out, err = await process.communicate()
        if process.returncode != ok:
            raise Broken(f"{' '.join(words)}: exit {process.returncode}: {(err or out).decode()}")
        return dict(json.loads(out)) if out.strip() else {"error": err.decode()}

    async def refused(self, reason: str, *words: str) -> None:
        """A command that must be refused, by this name."""
        process = await self._spawn(*words)
        out, err = await process.communicate()
        told = (out + err).decode()
        self.expect(process.returncode != 0 and reason in told, f"{words}: not {reason}: {told}")

    async def killed(self, *words: str) -> None:
        """A command that is ended by kill -9 as soon as its enclave lives, with all that it
        started."""
        process = await self._spawn(*words)
        await asyncio.sleep(0)
        process.kill()
        await process.wait()

    async def _spawn(self, *words: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            str(STRONGROOM), *words, "--json", stdout=pipe, stderr=pipe
        )

    def in_cluster(self) -> tuple[str, str]:
        return "--dir", str(self.directory)

    # --- people ---

    async def pay(self, count: int) -> None:
        """So many payments, and what everybody then has; all of it certified."""
        async with Client.connect(self.directory, identity="alice") as client:
            waiting: set[asyncio.Task[Any]] = set()
            for _ in range(count):
                waiting.add(
                    asyncio.create_task(client.call("payments.transfer", to="bob", amount=1))
                )
                if len(waiting) >= IN_FLIGHT:
                    _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if waiting:
                await asyncio.gather(*waiting)
        await self.command(
            *("call", "payments.transfer", "to=bob", "amount=1", "--as", "alice"),
            *("--wait", "receipt", *self.in_cluster()),
        )
        self.balances = await self.read_balances()

    async def read_balances(self) -> dict[str, int]:
        found = {}
        for name in ("alice", "bob"):
            async with Client.connect(self.directory, identity=name) as client:
                found[name] = int((await client.query("payments.balance")).value)
        return found

    async def check_balances(self, when: str) -> None:
        found = await self.read_balances()
        self.expect(found == self.balances, f"{when}: {found}, acknowledged were {self.balances}")

    # --- nodes ---

    async def kill_all(self) -> None:
        for node in self.cluster.nodes:
            await node.kill()

    async def start_all(self) -> None:
        with self.teller.under_way() as say:
            self.cluster = open_cluster(self.directory)
            await self.cluster.start(say)
            await self.cluster.wait_quorum(say)

    def ledger_bytes(self, name: str) -> int:
        folder = self.cluster.node(name).layout.ledger
        return sum(path.stat().st_size for path in folder.glob("*.log"))


@asynccontextmanager
async def recovery_member(directory: Path, name: str) -> AsyncIterator[RecoveryMember]:
    """A member of the folder, to keep a share."""
    cluster = open_cluster(directory)
    service = cluster.service()
    identity = service.keys.load(name)
    folder = RecoveryKeyFolder(cluster.layout.recovery(name), service.chain, identity.public)
    async with Reader(service) as reader:
        yield RecoveryMember(reader, Member(reader, identity), identity.public, folder)


async def share(drill: Drill, *, turn: int = 0) -> None:
    """Members' keys, then a generation that all of them hold; at least number `turn` + 1."""
    for name in MEMBERS:
        async with recovery_member(drill.directory, name) as member:
            await member.publish_key(new=False)
    deadline = time.monotonic() + SHARE_SECONDS_MAX
    while time.monotonic() < deadline:
        held = 0
        for name in MEMBERS:
            async with recovery_member(drill.directory, name) as member:
                try:
                    checked = await member.check()
                except Exception as fault:  # none is made yet
                    if type(fault).__name__ != "ClientFault":
                        raise
                    break
                held += any(one.good and one.active and one.number > turn for one in checked)
        if held > THRESHOLD:
            return
        await asyncio.sleep(0.5)
    raise Broken(f"no shares in force within {SHARE_SECONDS_MAX:g} s")


# --- the steps ---


async def lose_a_disk(drill: Drill) -> None:
    """One node's disk is gone: members remove it, another one takes its place."""
    victim = drill.cluster.members[-1]
    with drill.step("one node's disk lost: removed, and another one joins"):
        await victim.kill()
        for part in (victim.layout.ledger, victim.layout.wal, victim.layout.sealed):
            shutil.rmtree(part)
        with drill.teller.under_way() as say:
            drill.cluster = await remove_node(drill.cluster, victim.name, say=say)
            drill.cluster = await add_node(drill.cluster, region=None, say=say)
    await drill.check_balances("after a disk was lost")


async def restart_all(drill: Drill) -> None:
    """kill -9 of every process, and a start."""
    with drill.step("all nodes killed and started again"):
        await drill.kill_all()
        await drill.start_all()
    await drill.check_balances("after all were restarted")


async def lose_all_keys(drill: Drill, *, older: Path | None) -> None:
    """Every enclave's sealed keys are gone: k of n members bring the service back."""
    names = [node.name for node in drill.cluster.members]
    lead = drill.cluster.node(names[0]).layout
    at, offer = ("--ledger", str(lead.directory)), lead.recovery / "offer"
    await drill.kill_all()
    for name in names:
        shutil.rmtree(drill.cluster.node(name).layout.sealed)
    drill.figures["ledger_bytes"] = drill.ledger_bytes(lead.name)
    if older is not None:
        with drill.step("an older ledger is offered, and refused by members' clients"):
            await _offer_older(drill, older, lead.name)
    with drill.step("recover begin: the ledger followed without keys"):
        begun = await drill.command("recover", "begin", *at)
    shares = lead.recovery / "shares"
    shares.mkdir()
    with drill.step(f"recover give: {len(MEMBERS)} members"):
        for name in MEMBERS:
            path = shares / f"{name}.share"
            given = await drill.command(
                *("recover", "give", str(offer), "--as", name, "--out", str(path)),
                *drill.in_cluster(),
            )
            drill.expect(given["hash"] == begun["hash"], "a member agreed to another head")
    with drill.step("k-1 shares open nothing; forged and doubled ones are refused by name"):
        await _refuse(drill, shares, at)
    with drill.step("kill -9 between two shares, and while it opens"):
        last = str(shares / f"{MEMBERS[1]}.share")
        await drill.killed("recover", "take", last, *at)
        status = await drill.command("recover", "status", *at)
        drill.expect(MEMBERS[0] in status["given"], f"a share was lost: {status}")
        await drill.killed("recover", "open", last, *at)
    with drill.step("recover open: write sets applied, the last block made"):
        process = await drill._spawn("recover", "open", last, *at)
        out, err = await process.communicate()
        drill.expect(process.returncode == 0, f"recover open: {err.decode()}")
        opened = json.loads(out)
    drill.figures["recovered_at"] = opened["recovered_at"]
    drill.figures["members"] = opened["members"]
    with drill.step("the recovered node starts, and answers"):
        _tell_clients_of(drill, names[0])
        await drill.start_all()
        await drill.check_balances("after the recovery")
    await drill.command(
        *("call", "payments.transfer", "to=bob", "amount=1", "--as", "alice"),
        *("--wait", "receipt", *drill.in_cluster()),
    )
    drill.balances = await drill.read_balances()


def _tell_clients_of(drill: Drill, name: str) -> None:
    """The other nodes are no more: clients are told of the one that came back."""
    service = drill.cluster.layout.service
    document = json.loads(service.read_bytes())
    document["endpoints"] = [f"https://{drill.cluster.node(name).config().rpc}"]
    service.write_text(json.dumps(document))


async def _offer_older(drill: Drill, older: Path, name: str) -> None:
    """Somebody brings back a ledger that was copied before the last payments."""
    lead = drill.cluster.node(name).layout
    newer = lead.directory / "ledger-newer"
    lead.ledger.rename(newer)
    shutil.copytree(older, lead.ledger)
    shutil.rmtree(lead.index)
    try:
        at = ("--ledger", str(lead.directory))
        await drill.command("recover", "begin", *at)
        offer = str(lead.recovery / "offer")
        await drill.refused(
            "older-than-you-know",
            *("recover", "give", offer, "--as", MEMBERS[0], *drill.in_cluster()),
        )
    finally:
        shutil.rmtree(lead.recovery, ignore_errors=True)
        shutil.rmtree(lead.ledger)
        shutil.rmtree(lead.index)
        newer.rename(lead.ledger)


async def _refuse(drill: Drill, shares: Path, at: tuple[str, str]) -> None:
    good = shares / f"{MEMBERS[0]}.share"
    forged = shares / "forged.share"
    data = bytearray(good.read_bytes())
    data[-1] ^= 1
    forged.write_bytes(bytes(data))
    garbage = shares / "garbage.share"
    garbage.write_bytes(b"no share at all")
    await drill.refused("share-does-not-open", "recover", "take", str(forged), *at)
    await drill.refused("share-malformed", "recover", "take", str(garbage), *at)
    taken = await drill.command("recover", "take", str(good), *at)
    drill.expect(taken["missing"] == THRESHOLD - 1, f"one share of {THRESHOLD}: {taken}")
    await drill.refused("share-twice", "recover", "take", str(good), *at)
    await drill.refused("too-few-shares", "recover", "open", *at)


async def join_again(drill: Drill, count: int) -> None:
    """Others join the recovered service as usual."""
    for _ in range(count):
        name = "a further node joins the recovered service"
        with drill.step(name), drill.teller.under_way() as say:
            drill.cluster = await add_node(drill.cluster, region=None, say=say)
    await drill.check_balances("after others joined")


async def verify_across(drill: Drill, receipt: Path) -> None:
    """Receipts from before verify with the same pin, and the ledger as a whole."""
    pin = drill.cluster.service().pin
    with drill.step("verify receipt and verify ledger, across the recovery"):
        verified = await drill.command("verify", "receipt", str(receipt), "--service", pin)
        drill.expect(verified["verdict"] == "valid", f"a receipt from before: {verified}")
        folder = str(drill.cluster.node(drill.cluster.names[0]).layout.directory)
        checked = await drill.command("verify", "ledger", folder, "--service", pin)
        drill.expect(checked["recoveries"] != [], f"verify ledger names no recovery: {checked}")


async def play(drill: Drill, *, nodes: int) -> None:
    """All steps, in their order."""
    receipt = drill.directory / "before.json"
    with drill.step(f"{drill.payments} payments"):
        await drill.pay(drill.payments)
    with drill.step("members take shares"):
        await share(drill)
    if nodes > 1:
        await lose_a_disk(drill)
        with drill.step("shares anew, for a validator has gone"):
            await share(drill, turn=1)
    await restart_all(drill)
    older = drill.directory / "older-ledger"
    shutil.copytree(drill.cluster.node(drill.cluster.names[0]).layout.ledger, older)
    paid = await drill.command(
        *("call", "payments.transfer", "to=bob", "amount=1", "--as", "alice"),
        *("--wait", "receipt", *drill.in_cluster()),
    )
    await drill.command("receipt", paid["id"], "-o", str(receipt), *drill.in_cluster())
    drill.balances = await drill.read_balances()
    await drill.command("query", "payments.balance", "--as", "bob", *drill.in_cluster())
    await lose_all_keys(drill, older=older)
    await verify_across(drill, receipt)
    if nodes > 1:
        await join_again(drill, nodes - 1)


@app.command(
    epilog="Exit codes: 0 all of it held · 1 something did not · 2 usage or a step failed."
)
@guarded
def drill(
    payments: Annotated[
        int, typer.Option(min=1, help="Transactions on the ledger before the disaster.")
    ] = 1_000,
    nodes: Annotated[int, typer.Option(min=1, max=7, help="How many nodes.")] = 4,
    directory: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Stays; by default a temporary one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Lose a disk, restart all, lose every enclave's keys, and bring the service back by k of n
    members; print the seconds of each step.

    Example: ./scripts/drill --payments 10000
    """
    teller = Teller(to_stderr=as_json)
    document = run(_drill(payments, nodes, directory, teller))
    emit(document, as_json, lambda: _tell(document, teller))
    if document["broken"]:
        raise typer.Exit(int(ExitCode.NO))


async def _drill(
    payments: int, nodes: int, directory: Path | None, teller: Teller
) -> dict[str, Any]:
    stage = Stage(nodes=nodes, base_port=0, directory=directory)
    limits = (("recovery_threshold", THRESHOLD),)
    broken = ""
    with cancelled_by_signals():
        async with running_cluster(stage, teller, fund=True, limits=limits) as cluster:
            one = Drill(cluster, payments, teller)
            try:
                await play(one, nodes=nodes)
            except (Broken, OperatorFault) as fault:
                broken = str(fault)
            finally:
                await open_cluster(one.directory).down()
    return {
        "nodes": nodes,
        "payments": payments,
        "threshold": THRESHOLD,
        "seconds": one.seconds,
        **one.figures,
        "seconds_per_gib": _per_gib(one),
        "balances": one.balances,
        "broken": broken,
    }


def _per_gib(drill: Drill) -> dict[str, float]:
    """Of the steps that read the whole ledger."""
    size = drill.figures.get("ledger_bytes", 0) / GIB
    long = ("recover begin", "recover open")
    return {
        name: round(seconds / size, 1)
        for name, seconds in drill.seconds.items()
        if size and name.startswith(long)
    }


def _tell(document: dict[str, Any], teller: Teller) -> None:
    for name, seconds in document["seconds_per_gib"].items():
        teller.line(f"{seconds:8.1f} s per GiB  {name}")
    if document["broken"]:
        print(f"drill: DOES NOT HOLD: {document['broken']}")
        return
    print(
        f"drill: all held; {document['nodes']} nodes, {document['payments']} payments, "
        f"recovered at height {document['recovered_at']} by {', '.join(document['members'])}"
    )


if __name__ == "__main__":
    app()
