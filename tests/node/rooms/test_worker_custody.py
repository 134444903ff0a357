"""Jobs on data whose keys their owners keep in HSMs: workers open them with the custodian's part
(ROOMS §2; T55)."""

from pathlib import Path
from typing import Any

import pytest
from tests.enclave.chain import person
from tests.enclave.programs.rooms.world import BANKS, REGULATOR, who
from tests.node.custodian.release_world import SoftToken
from tests.node.rooms.custody_world import CUSTODIAN, SoftHalves, beside
from tests.node.rooms.test_workers import SQL, listed, transfers
from tests.node.rooms.worker_world import World, world

from strongroom.enclave.formats.clean_rooms.contract import Stage
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.primitives import Secret
from strongroom.node.client.client import Client
from strongroom.node.custodian.handing import data_key, put_handed
from strongroom.node.custodian.wrapping import put_split

pytestmark = pytest.mark.processes
NAME = "transfers"


async def customers_key(
    here: World, owner: str, custody: str, halves: SoftHalves, tokens: SoftToken
) -> Secret:
    """A key that the ledger alone does not open, active; the data key itself."""
    custodian = f"id:{person(CUSTODIAN).id.hex()}"
    await here.key(owner, NAME, custody=custody, custodian=custodian)
    async with Client.connect(here.directory, owner.replace(" ", "-")) as client:
        if custody == "split":
            secret = Secret.fresh()
            await put_split(client, halves, name=NAME, data_key=secret, digest=b"")
            return secret
        await put_handed(client, name=NAME)
        version = KeyVersion(owner=who(owner), name=NAME, version=1)
        chain = client.service.chain
        return await data_key(tokens, chain=chain, key=version, customer="Acme Toys")


async def test_T55_a_job_reads_data_whose_keys_two_customers_keep_in_hsms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of each custody; the custodian gives its part once an executor, on record. With the HSM
    away the job has no result, and nothing of it is counted for the next one."""
    halves, tokens = SoftHalves(), SoftToken()
    async with world(tmp_path, monkeypatch) as here, beside(tmp_path, halves, tokens) as (_, way):
        here.custodians = way
        for bank, custody, name in zip(BANKS, ("split", "hsm"), "ab", strict=True):
            secret = await customers_key(here, bank, custody, halves, tokens)
            await here.seal(bank, NAME, [transfers(name, 40)], secret)
        given = len(halves.pieces), len(tokens.pieces)
        room = await here.open_room()
        agreed = await here.agree(room, stages=(Stage("sql", "case", SQL),))
        async with here.workers("operator0", "operator1") as workers:
            job = await here.run(agreed)
            ends = [await one.end() for one in workers]
        assert all(one.ok for one in ends), ends
        assert (len(halves.pieces), len(tokens.pieces)) == (given[0] + 2, given[1] + 2)
        opened: dict[str, Any] = listed(await here.open(REGULATOR, job, "case", room))
        assert (opened["from_bank"], opened["n"]) == (["a", "b"], [40, 40])
        for bank in BANKS:
            kept = await recorded(here, bank)
            assert kept.count("release") == 2, kept

        halves.away = True
        agreed = await here.agree(room, name="again", stages=(Stage("sql", "case", SQL),))
        async with here.workers("operator0", "operator1") as workers:
            job = await here.run(agreed)
            ends = [await one.end() for one in workers]
        assert {(one.ok, one.code) for one in ends} == {(False, "custodian-away")}
        assert (await here.look("job", job=job))["state"] == "scheduled"


async def recorded(here: World, owner: str) -> list[str]:
    async with Client.connect(here.directory, owner.replace(" ", "-")) as client:
        page = (await client.query("vault.records", key=(b"", NAME), after=0, limit=100)).value
    return [one["what"] for one in page["records"]]
