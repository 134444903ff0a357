"""`strongroom data put | extend` under a key that the ledger alone does not open: rows are sealed
under what the customer's HSM has a part in, or makes (ROOMS §2; T55)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.chain import person
from tests.enclave.programs.rooms.world import WORKERS_ONLY
from tests.node.cli.data_world import ROWS, Owner, owner
from tests.node.custodian.release_world import SoftToken
from tests.node.rooms.custody_world import CUSTODIAN, SoftHalves

from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.outside.split_key import KeyName
from strongroom.enclave.primitives import Secret
from strongroom.node.cli import data_bringing
from strongroom.node.client.client import Client
from strongroom.node.custodian.handing import data_key, put_handed
from strongroom.node.custodian.wrapping import put_split, rotate_split
from strongroom.node.vault.key_files import DataKeyFolder


async def new_key(run: Owner, custody: str) -> None:
    policy = run.write("policy.json", WORKERS_ONLY)
    custodian = f"id:{person(CUSTODIAN).id.hex()}"
    more = ("--custody", custody, "--custodian", custodian, "--policy", policy)
    await run.json("vault", "new", "pay", *more, "--as", "alice")


async def give_secret(run: Owner, halves: SoftHalves, version: int = 1) -> Secret:
    """What `strongroom custodian put pay` does beside the HSM."""
    async with Client.connect(run.directory, "alice") as client:
        folder = DataKeyFolder(run.directory / "keys" / "alice.vault", client.service.chain)
        key = KeyVersion(owner=client.identity.id, name="pay", version=version)
        secret = folder.load_or_fresh(key)
        given: dict[str, Any] = {"name": "pay", "data_key": secret, "digest": b""}
        if version == 1:
            await put_split(client, halves, **given)
        else:
            await rotate_split(client, halves, version=version, old_until_ms=2**50, **given)
    return secret


async def test_T55_rows_are_sealed_under_a_split_key_each_version_under_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with owner(tmp_path, monkeypatch) as run:
        halves = SoftHalves()
        await new_key(run, "split")
        early = await run.put(code=2)
        assert "custodian put pay" in early["error"]["message"]
        secret = await give_secret(run, halves)
        made = await run.put()
        assert (made["result"]["version"], made["key"]) == (1, "pay@1")
        assert [one.split()[0] for one in made["steps"]] == ["rooms.publish", "rooms.add"]
        assert b"account" in await run.stream(1, secret.reveal())
        assert (await run.put())["steps"] == ["stands already"]
        run.write("more.csv", ROWS.replace("0.25", "1.75"))
        more = await run.data("extend", str(tmp_path / "more.csv"), "--name", "pay")
        assert more["result"]["version"] == 2
        run.write("pay.csv", ROWS.replace("0.25", "2.75"))
        refused = await run.put(code=2)
        assert "custodian put pay --owner NAME --rotate" in refused["error"]["message"]
        await give_secret(run, halves, 2)
        assert (await run.put())["key"] == "pay@2"


async def test_T55_a_split_key_that_seals_a_container_seals_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one under which other rows were begun: no nonce is used twice."""
    async with owner(tmp_path, monkeypatch) as run:
        await new_key(run, "split")
        async with Client.connect(run.directory, "alice") as client:
            folder = DataKeyFolder(run.directory / "keys" / "alice.vault", client.service.chain)
            key = KeyVersion(owner=client.identity.id, name="pay", version=1)
            secret = folder.load_or_fresh(key)
            await put_split(client, SoftHalves(), name="pay", data_key=secret, digest=bytes(32))
        refused = await run.put(code=2)
        assert "other data were sealed under pay@1" in refused["error"]["message"]


async def test_T55_rows_are_sealed_under_a_key_that_the_hsm_hands_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept nowhere else; without its HSM nothing is brought."""
    async with owner(tmp_path, monkeypatch) as run:
        await new_key(run, "hsm")
        tokens = SoftToken()
        async with Client.connect(run.directory, "alice") as client:
            await put_handed(client, name="pay")
        refused = await run.put(code=2)
        assert "--custodian" in refused["error"]["message"]
        assert not (tmp_path / "chunks").exists() or not any((tmp_path / "chunks").rglob("?" * 64))

        @asynccontextmanager
        async def opened(_self: Any, chain: Any) -> AsyncIterator[Any]:
            async def handed(key: KeyVersion) -> Secret:
                return await data_key(tokens, chain=chain, key=key, customer="Acme Toys")

            yield handed

        monkeypatch.setattr(data_bringing._Token, "opened", opened)
        made = await run.put()
        assert (made["key"], made["key_file"]) == ("pay@1", None)
        chain = run.service.orderer.chain.genesis.chain
        named = KeyName(chain=chain, owner=person("alice").id, name="pay", version=1)
        assert b"account" in await run.stream(1, tokens.data_key(named, -1))
