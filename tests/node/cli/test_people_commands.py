"""`strongroom people …` on a service in this process, with a provider behind TLS."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.enclave.chain import person
from tests.enclave.fixtures import key_named, make_cluster_genesis
from tests.node.client import ledger
from tests.node.client.test_commands import Shell, shell
from tests.node.client.turning import founded_as
from tests.openid.provider import AUDIENCE, Provider
from typer.testing import CliRunner

from strongroom.consensus.types import ChainId
from strongroom.enclave.programs.people.checking import nonce_of
from strongroom.enclave.tokens.jose import encode_base64url
from strongroom.node.cli.main import make_app

MEMBER = ("--as", "member0")
ALICE = ("--as", "alice")


@asynccontextmanager
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator["Desk"]:
    cluster = make_cluster_genesis(
        4,
        members={"member0": key_named("member0")},
        programs=("payments", "people", "system"),
        limits={"activation_delay_ms": 0},
    )
    monkeypatch.setattr(ledger, "TurningChain", founded_as(cluster))
    (tmp_path / "cluster").mkdir()
    (tmp_path / "tls").mkdir()
    async with shell(tmp_path / "cluster") as run:
        now_s = run.service.orderer.chain.tip.time_ms // 1000
        provider = Provider(people={"alice": {"ctry": "DE", "acct": 0}}, now_s=now_s)
        provider.rotate("RS256")
        async with provider.serving(tmp_path / "tls") as ca:
            yield Desk(run.directory, run.service, provider, ca)


class Desk(Shell):
    """A member and a person, and a provider at whom the person logs in."""

    def __init__(self, directory: Path, service: Any, provider: Provider, ca: Path) -> None:
        super().__init__(directory, service)
        self.provider, self.ca = provider, ca

    async def choose(self, *more: str) -> None:
        """Members choose the provider, and pin its key."""
        url = self.provider.url
        await self.json(
            *("people", "issuer", "add", url, "--audience", AUDIENCE, "--claim", "ctry"),
            *("--region", "DE=europe", "--region", "US=america", *more, *MEMBER),
        )
        jwks = self.directory / "jwks.json"
        jwks.write_text(json.dumps(self.provider.jwks()))
        await self.json("people", "issuer", "add-key", url, "--jwks", str(jwks), *MEMBER)

    async def log_in(self, nonce: str) -> Path:
        """Ask the provider for a token; the file in which it is."""
        context = ssl.create_default_context(cafile=str(self.ca))
        form = {"username": "alice", "nonce": nonce, "client_id": AUDIENCE}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.provider.url + "/token", data=form, ssl=context) as answer,
        ):
            token = (await answer.json())["id_token"]
        path = self.directory / "token"
        path.write_text(token + "\n")
        return path

    async def present(self, token: Path, *, code: int = 0) -> Any:
        chosen = ("--issuer", self.provider.url, "--token-file", str(token))
        return await self.json("people", "present", *chosen, *ALICE, code=code)


async def test_a_person_logs_in_presents_and_is_somewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, monkeypatch) as run:
        assert await run.json("people", "issuer", "list") == []
        await run.choose("--guests", '{"claim":"acct","guest":1,"member":0}')
        proposals = await run.json("gov", "show")
        assert {one["change"] for one in proposals} == {"add_issuer", "add_issuer_key"}
        for one in proposals:
            assert run.provider.url in (await run("gov", "show", one["id"])).stdout
        found = await run.json("people", "issuer", "show", run.provider.url)
        (key,) = found["keys"]
        assert (key["kid"], key["algorithm"], key["by"]) == ("k0-RS256", "RS256", "vote")
        assert key["thumbprint"] == run.provider.keys[0].thumbprint()
        shown = (await run("people", "issuer", "show", run.provider.url)).stdout
        for said in (key["thumbprint"], "europe", "acct=1: they are refused", "f+1 operators"):
            assert said in shown
        assert (await run.json("people", "show", *ALICE))["region"] is None

        nonce = (await run.json("people", "nonce", *ALICE))["nonce"]
        token = await run.log_in(nonce)
        assert (await run.present(token))["result"]["region"] == "europe"
        assert (await run.json("people", "show", *ALICE))["region"] == "europe"
        assert "you are in europe until" in (await run("people", "show", *ALICE)).stdout

        error = (await run.present(token, code=1))["error"]
        assert error["code"] == "not-newer"
        await run.json("people", "withdraw", *ALICE)
        assert "nobody vouches" in (await run("people", "show", *ALICE)).stdout


async def test_what_members_remove_by_command_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, monkeypatch) as run:
        await run.choose()
        url = run.provider.url
        nonce = (await run.json("people", "nonce", *ALICE))["nonce"]
        await run.present(await run.log_in(nonce))
        unknown = await run("people", "issuer", "remove-key", url, "other", *MEMBER)
        assert unknown.exit_code == 2
        assert "people issuer show" in unknown.stderr
        await run.json("people", "issuer", "remove-key", url, "k0-RS256", *MEMBER)
        standing = await run.json("people", "show", *ALICE)
        assert (standing["region"], standing["issuer"]) == (None, url)
        assert "members removed" in (await run("people", "show", *ALICE)).stderr
        found = await run.json("people", "issuer", "show", url)
        assert found["keys"] == []
        assert found["removed"] == [run.provider.keys[0].thumbprint()]
        await run.json("people", "issuer", "remove", url, *MEMBER)
        assert await run.json("people", "issuer", "list") == []
        assert "members chose no issuer" in (await run("people", "issuer", "list")).stderr


async def test_a_token_comes_from_standard_input_and_never_from_an_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, monkeypatch) as run:
        await run.choose()
        nonce = (await run.json("people", "nonce", *ALICE))["nonce"]
        text = (await run.log_in(nonce)).read_text()
        command = ["people", "present", "--issuer", run.provider.url, *ALICE]
        place = ["--dir", str(run.directory)]

        def invoke(*more: str, given: str) -> Any:
            return CliRunner().invoke(make_app(command[0]), [*command, *more, *place], input=given)

        as_argument = await asyncio.to_thread(invoke, text, given="")
        assert as_argument.exit_code == 2
        nothing = await asyncio.to_thread(invoke, given="\n")
        assert nothing.exit_code == 2
        assert "people nonce" in nothing.stderr
        assert text not in nothing.output
        said = await asyncio.to_thread(invoke, given=text)
        assert said.exit_code == 0, said.output
        assert "you are in europe" in said.stdout


async def test_what_is_written_wrong_is_told_before_anything_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, monkeypatch) as run:
        issuer = ("people", "issuer", "add", "https://a", "--audience", "x", "--claim", "c")
        for region in ("DE", "=europe", "DE="):
            wrong = await run(*issuer, "--region", region, *MEMBER)
            assert wrong.exit_code == 2
            assert "VALUE=REGION" in wrong.stderr
        guests = await run(*issuer, "--region", "DE=a", "--guests", "{}", *MEMBER)
        assert guests.exit_code == 2
        assert "guests" in guests.stderr
        jwks = run.directory / "jwks.json"
        run.provider.rotate("ES256")
        jwks.write_text(json.dumps(run.provider.jwks()))
        several = await run(
            "people", "issuer", "add-key", "https://a", "--jwks", str(jwks), *MEMBER
        )
        assert several.exit_code == 2
        assert "k0-RS256, k1-ES256" in several.stderr
        nobody = await run("people", "issuer", "show", "https://a")
        assert nobody.exit_code == 2
        assert "people issuer list" in nobody.stderr


def test_the_nonce_is_of_chain_and_identity() -> None:
    chains = [ChainId(bytes(32)), ChainId(bytes(31) + b"\1")]
    found = {nonce_of(chain, person(who).id) for chain in chains for who in ("alice", "bob")}
    assert len(found) == 4
    said = sha256(b"strongroom/1/nonce-of-person\0" + chains[0] + person("bob").id).digest()
    assert nonce_of(chains[0], person("bob").id) == encode_base64url(said)
    assert all(len(nonce) == 43 for nonce in found)
