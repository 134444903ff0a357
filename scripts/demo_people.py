"""`./scripts/demo --scenario people`: people whose OpenID provider says where they are, on four
real nodes.

Owns the order and the words. Everything is done by the commands of docs/people.md, and every line
is an assertion. The provider is that of the tests (tests/openid), over TLS with a CA of its own:
nothing of it is in the product.
"""

import asyncio
import json
import ssl
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer
from tests.openid.provider import AUDIENCE, Provider

from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.temporary_cluster import Stage, running_cluster
from strongroom.node.machine.interrupts import cancelled_by_signals
from strongroom.node.terminal.commands import JsonOption, fail, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit
from strongroom.node.terminal.teller import StoryFails, Teller

NODES = 4
MEMBERS = ("member0", "member1", "member2", "member3")
EUROPE, AMERICA = "europe", "america"
EVERY_SECONDS = 60
"""So often the operators' hosts look at the provider's keys."""
PINNED_SECONDS_MAX = 300.0
"""Two looks, and time for a crowded machine."""
COMMAND_SECONDS_MAX = 120.0
POLL_SECONDS = 2.0

app = typer.Typer(add_completion=False)


@app.command(epilog="Exit codes: 0 all holds · 1 a promise does not hold · 2 a step failed.")
@guarded
def people(
    scenario: Annotated[str, typer.Option("--scenario", help="This one: people.")] = "people",
    base_port: Annotated[
        int, typer.Option(help="Node i serves on base+i; 0 picks free ports.")
    ] = 0,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="The cluster's folder; it stays."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show people and regions on real nodes: an issuer is chosen, its keys are observed, a person
    presents a token, moves, and is refused; the key rotates; the issuer goes.

    Example: ./scripts/demo --scenario people
    """
    del scenario
    teller = Teller(to_stderr=as_json)
    try:
        facts = run(_with_signals(Stage(NODES, base_port, directory), teller))
    except StoryFails as failure:
        fail(str(failure), ExitCode.NO)
    if as_json:
        emit(facts, as_json)


async def _with_signals(stage: Stage, teller: Teller) -> dict[str, Any]:
    with cancelled_by_signals():
        return await tell(stage, teller)


async def tell(stage: Stage, teller: Teller) -> dict[str, Any]:
    """Play the whole story; returns its facts.

    Raises:
        StoryFails: a line does not hold.
        StrongroomError: a step failed.
    """
    with tempfile.TemporaryDirectory(prefix="strongroom-provider-") as folder:
        people = {"alice": {"ctry": "DE", "acct": 0}}
        provider = Provider(people=people, now_s=int(time.time()))
        provider.rotate("RS256")
        async with provider.serving(Path(folder)) as ca:
            teller.step(f"Found a service and start {NODES} nodes, each of another operator")
            async with running_cluster(stage, teller, fund=True) as cluster:
                story = OnNodes(cluster, provider, ca, teller)
                await story.play()
    teller.step("Done")
    return {"ok": True, "lines": story.lines, "seconds": round(teller.seconds, 1)}


class Story(ABC):
    """The steps, in their order; each line is checked before it is told. Where the service runs,
    how a command is given to it and how a key comes to be pinned, a subclass says."""

    members: tuple[str, ...] = MEMBERS
    pinned_by = "operators"

    def __init__(self, provider: Provider, ca: Path, teller: Teller) -> None:
        self._provider, self._ca, self._teller = provider, ca, teller
        self._token = ca.parent / "token"
        self._last = ""
        """The newest payment that alice made."""
        self.lines: list[str] = []

    @abstractmethod
    async def name_issuer(self) -> None:
        """Whoever looks at issuers' keys knows of this one."""

    @abstractmethod
    async def pin(self, kid: str) -> None:
        """Return when the provider's key of this name is pinned."""

    @abstractmethod
    async def command(self, *words: str) -> tuple[int, dict[str, Any], str]:
        """Run a command of `strongroom` with --json: status, document, what it said beside."""

    async def play(self) -> None:
        """All of it.

        Raises:
            StoryFails: a line does not hold.
        """
        await self.choose()
        await self.present()
        await self.move()
        await self.rotate()
        await self.remove()

    # --- the steps ---

    async def choose(self) -> None:
        """Members choose the issuer; operators' hosts see its key."""
        url = self._provider.url
        self._teller.step(f"An OpenID provider serves {url}; its operators' hosts may look there")
        await self.name_issuer()
        self._teller.step("Members choose the issuer, and say what its claims mean")
        await self._decide(
            *("people", "issuer", "add", url, "--audience", AUDIENCE, "--claim", "ctry"),
            *("--region", f"DE={EUROPE}", "--region", f"US={AMERICA}"),
            *("--guests", '{"claim":"acct","guest":1,"member":0}'),
        )
        kid = str(self._provider.keys[0].kid)
        await self.pin(kid)
        found = await self._issuer()
        by = {key["kid"]: key["by"] for key in found["keys"]}
        self._check(
            by == {kid: self.pinned_by}, f"{kid} is pinned by what {self.pinned_by} said of it"
        )

    async def present(self) -> None:
        """A rule of regions, and a token that meets it."""
        self._teller.step("Members let payments be made from europe alone")
        await self._decide(
            "gov", "propose", "set_program_regions", "program=payments", f"regions={EUROPE}"
        )
        await self._refused("region", self._pays(), "alice, of whom nothing is known, pays")
        await self._refused("region", self._asks(), "and asks for her balance")
        self._teller.step("Alice logs in at her provider, and presents the ID token")
        await self._log_in()
        wrong = self._presents("bob")
        await self._refused("nonce", wrong, "bob presents the token that he stole from alice")
        done = await self._good(self._presents("alice"))
        self._check(
            done["result"]["region"] == EUROPE, f"alice presents it: she is in {EUROPE} now"
        )
        await self._refused("not-newer", self._presents("alice"), "the same token a second time")
        self._last = str((await self._good(self._pays()))["id"])
        self._check(bool(self._last), "alice pays bob, from europe")
        self._check("result" in await self._good(self._asks()), "and asks for her balance")

    async def move(self) -> None:
        """She moves, and the next call is refused; she comes back."""
        self._teller.step("Alice moves to america, and logs in there")
        self._provider.people["alice"]["ctry"] = "US"
        done = await self._log_in_and_present()
        self._check(done["result"]["region"] == AMERICA, f"she is in {AMERICA} now")
        await self._refused("region", self._pays(), "her next payment")
        await self._refused("region", self._asks(), "her next question for the balance")
        recorded = ("query", "system.result", f"id={self._last}", "--as", "alice")
        await self._refused("region", recorded, "and what was answered to her before")
        self._provider.people["alice"]["ctry"] = "DE"
        done = await self._log_in_and_present()
        self._check(done["result"]["region"] == EUROPE, "she comes back, and logs in again")
        self._check("id" in await self._good(self._pays()), "and pays")

    async def rotate(self) -> None:
        """The provider signs with another key."""
        self._teller.step("The provider's key rotates; the old one is in its set no more")
        kid = str(self._provider.rotate("ES256", drop=True).kid)
        await self._log_in()
        await self._refused(
            "key-unknown", self._presents("alice"), "a token by a key that nobody pinned yet"
        )
        await self.pin(kid)
        done = await self._log_in_and_present()
        self._check(
            done["result"]["region"] == EUROPE,
            f"{self.pinned_by} pinned {kid}; the next token is judged by it",
        )
        self._teller.step("Members remove the first key: what it vouched for ends, and stays ended")
        await self._decide("people", "issuer", "remove-key", self._provider.url, "k0-RS256")
        shown = await self._good(("people", "show", "--as", "alice"))
        self._check(shown["region"] == EUROPE, "alice stands by the new key, and stays")
        found = await self._issuer()
        self._check(
            [key["kid"] for key in found["keys"]] == [kid] and len(found["removed"]) == 1,
            "the old one is remembered as removed: no observation brings it back",
        )

    async def remove(self) -> None:
        """Members remove the issuer."""
        self._teller.step("Members remove the issuer: its word ends with the vote")
        await self._decide("people", "issuer", "remove", self._provider.url)
        shown = await self._good(("people", "show", "--as", "alice"))
        self._check(shown["region"] is None, "alice is in no region any more")
        await self._refused(
            "no-one-in-region", self._pays(), "she pays, where nobody could be any more"
        )
        await self._log_in()
        await self._refused("issuer-unknown", self._presents("alice"), "a new token of hers")

    # --- what is done with commands ---

    def _pays(self) -> tuple[str, ...]:
        return ("call", "payments.transfer", "to=bob", "amount=1", "--as", "alice")

    def _asks(self) -> tuple[str, ...]:
        return ("query", "payments.balance", "--as", "alice")

    def _presents(self, who: str) -> tuple[str, ...]:
        url, token = self._provider.url, str(self._token)
        return ("people", "present", "--issuer", url, "--token-file", token, "--as", who)

    async def _log_in_and_present(self) -> dict[str, Any]:
        await self._log_in()
        return await self._good(self._presents("alice"))

    async def _log_in(self) -> None:
        """As a person's browser does: over TLS, with the nonce of her identity."""
        nonce = (await self._good(("people", "nonce", "--as", "alice")))["nonce"]
        # Tokens of a person go forward by the second.
        self._provider.now_s = max(int(time.time()), self._provider.now_s + 1)
        asked = {"username": "alice", "nonce": nonce, "client_id": AUDIENCE}
        context = ssl.create_default_context(cafile=str(self._ca))
        async with (
            aiohttp.ClientSession() as session,
            session.post(self._provider.url + "/token", data=asked, ssl=context) as answer,
        ):
            self._token.write_text((await answer.json())["id_token"])

    async def _decide(self, *command: str) -> None:
        """A proposal of the first member, and as many ballots as it needs; until it is in force."""
        first, *others = self.members
        made = await self._good((*command, "--as", first))
        id, status = made["proposal"], made["status"]
        for member in others:
            if status == "open":
                voted = await self._good(("gov", "vote", id, "yes", "--as", member))
                status = voted["status"]
        self._check(status in ("accepted", "active"), f"voted: {' '.join(command[:4])}")

        async def in_force() -> bool:
            return bool((await self._good(("gov", "show", id)))["status"] == "active")

        await self._until(in_force, f"proposal {id} is in force")

    async def _issuer(self) -> dict[str, Any]:
        return await self._good(("people", "issuer", "show", self._provider.url))

    async def _until(self, holds: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + PINNED_SECONDS_MAX
        while not await holds():
            if time.monotonic() > deadline:
                raise StoryFails(f"{what}: not within {PINNED_SECONDS_MAX:g} s")
            await asyncio.sleep(POLL_SECONDS)

    async def _good(self, command: tuple[str, ...]) -> dict[str, Any]:
        """What a command answers, which must succeed."""
        code, document, errors = await self.command(*command)
        if code:
            raise StoryFails(f"strongroom {' '.join(command)}: {errors.strip()[-400:]}")
        return document

    async def _refused(self, expected: str, command: tuple[str, ...], what: str) -> None:
        code, document, errors = await self.command(*command)
        error = document.get("error", {})
        said = str(error.get("code", "")) if code else "nothing: it was done"
        if said == "program-failed":  # a query's refusal: the program's own code comes in its words
            said = str(error.get("message", "")).partition(":")[0]
        if said != expected:
            raise StoryFails(f"{what}: expected {expected}, got {said} ({errors.strip()[-200:]})")
        self._tell(f"{what}: refused, {expected}")

    # --- what is told ---

    def _check(self, holds: bool, line: str) -> None:
        if not holds:
            raise StoryFails(f"does not hold: {line}")
        self._tell(line)

    def _tell(self, line: str) -> None:
        self.lines.append(line)
        self._teller.line(f"✓ {line}")


class OnNodes(Story):
    """On real nodes, by the commands of the installation; operators' hosts look at the keys."""

    def __init__(self, cluster: Cluster, provider: Provider, ca: Path, teller: Teller) -> None:
        super().__init__(provider, ca, teller)
        self._cluster, self._folder = cluster, cluster.layout.directory

    async def name_issuer(self) -> None:
        """Operators say in node.toml where their hosts may look; nodes read it when they start."""
        await self._cluster.down()
        for node in self._cluster.nodes:
            config = node.layout.config
            table = f'issuer = "{self._provider.url}"\nca = "{self._ca}"\nevery = {EVERY_SECONDS}\n'
            config.write_text(f"{config.read_text()}\n[[issuers]]\n{table}")
        with self._teller.under_way() as say:
            await self._cluster.start(say)
            await self._cluster.wait_quorum(say)
        self._check(True, f"node.toml of all {NODES} nodes names the issuer; the nodes run again")

    async def pin(self, kid: str) -> None:
        began = time.monotonic()

        async def seen() -> bool:
            return kid in [key["kid"] for key in (await self._issuer())["keys"]]

        await self._until(seen, f"operators' hosts see {kid}")
        self._teller.line(f"  after {time.monotonic() - began:.0f} s")

    async def command(self, *words: str) -> tuple[int, dict[str, Any], str]:
        program = str(Path(sys.executable).with_name("strongroom"))
        arguments = [*words, "--dir", str(self._folder), "--json"]
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(COMMAND_SECONDS_MAX):
                told, errors = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        try:
            document = json.loads(told)
        except ValueError:
            document = {}
        return process.returncode or 0, document, errors.decode(errors="replace")
