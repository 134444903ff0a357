"""`strongroom admin …` on a service in this process: a real ledger, and a node's own enclave part
that acts by a grant."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.enclave.fixtures import key_named, make_cluster_genesis
from tests.enclave.governance.grant_world import GrantWorld
from tests.node.client import ledger
from tests.node.client.test_commands import Shell, shell
from tests.node.client.turning import founded_as

from strongroom.consensus import labels
from strongroom.consensus.types import Signature
from strongroom.enclave.governance.grant_records import parameters_digest
from strongroom.enclave.governance.public import ACT, sign_public
from strongroom.enclave.keys.keystore import KeyStore
from strongroom.enclave.member.diagnostics import DIAGNOSTICS_FIELDS, Counters, diagnostics
from strongroom.enclave.member.granted import Granted, NotGranted
from strongroom.node.client.access import check_shown, find_grant
from strongroom.node.client.errors import NotTrusted
from strongroom.node.faults import Refused
from strongroom.node.rpc.backend import Blob, Document

REASON = "n1 is slower than the others"
ASK = ("admin", "ask", "diagnostics", "--node", "n1", "--reason", REASON, "--as", "alice")
NODE = "n1"


class Acting:
    """What a node's enclave has to act by grants: its key, and the part under test."""

    def __init__(self, node: ledger.FakeNode) -> None:
        self.node = node
        key, chain = node.applicant.keys.node, node.orderer.chain.genesis.chain

        def sign(label: bytes, data: bytes) -> Signature:
            return key.sign(labels.bound(label, chain, data))

        store = SimpleNamespace(node_key=key.public, chain=chain, sign=sign)
        self.granted = Granted(cast(KeyStore, store))

    async def diagnostics(self, grant: str, recipient: bytes) -> Document:
        executor = self.node.orderer.chain.executor
        view, key = executor.governance.view, self.node.applicant.keys.node
        try:
            named, sealed = self.granted.diagnostics(
                view, executor.header.time_ms, grant, recipient, self._measure
            )
        except NotGranted as fault:
            raise Refused(str(fault), reason=fault.reason) from None
        if not named:
            return {"act": None, "sealed": Blob(sealed)}
        place = parameters_digest("diagnostics", self.node.applicant.name, (recipient,))
        fields = (grant, "diagnostics", place, named)
        chain = executor.governance.view.chain
        return {"act": Blob(sign_public(key.public, key.sign, chain, ACT, fields)), "sealed": None}

    @staticmethod
    def _measure() -> tuple[Any, ...]:
        known = dict.fromkeys(DIAGNOSTICS_FIELDS, 7) | Counters().told()
        return diagnostics(known, (("payments.accounts", 3), ("vault.keys", 0)))


@asynccontextmanager
async def service(directory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shell]:
    """Members act for operators of their number, alice for operator0."""
    cluster = make_cluster_genesis(limits={"activation_delay_ms": 0})
    monkeypatch.setattr(ledger, "TurningChain", founded_as(cluster))
    async with shell(directory) as run:
        for node in run.service.nodes:
            monkeypatch.setattr(node, "diagnostics", Acting(node).diagnostics)
        told = {f"member{index}": f"operator{index}" for index in range(3)}
        for name, operator in (told | {"alice": "operator0"}).items():
            key = f"key={key_named(name).public.hex()}"
            await vote(run, "set_affiliation", key, f"operator={operator}")
        yield run


async def vote(run: Shell, *change: str) -> None:
    """Three of the members want it."""
    made = await run.json("gov", "propose", *change, "--as", "member0")
    for member in ("member1", "member2"):
        await run.json("gov", "vote", made["proposal"], "yes", "--as", member)


async def approved(run: Shell, *ask: str) -> str:
    told = await run.json(*(ask or ASK))
    id = str(told["value"][0])
    for member in ("member1", "member2"):
        await run.json("admin", "approve", id, "--as", member)
    return id


async def test_diagnostics_in_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with service(tmp_path, monkeypatch) as run:
        id = await approved(run)
        begin = ("admin", "begin", id, "diagnostics", "--node", NODE, "--as", "alice")
        told = await run.json(*begin)
        assert tuple(told["diagnostics"]) == DIAGNOSTICS_FIELDS
        assert told["diagnostics"]["entries"] == {"payments.accounts": 3, "vault.keys": 0}
        grant = await run.json("explorer", "grants", id)
        (begun,) = grant["begins"]
        assert begun["outcome"] == "diagnostics were read"
        assert begun["acted_ms"]
        assert list((tmp_path / "keys" / "alice.admin").iterdir()) == []
        again = await run(*begin)
        assert again.exit_code == 1
        assert "ask for another grant" in again.output
        assert id[:12] in (await run("admin", "list")).stdout
        assert "diagnostics were read" in (await run("admin", "list", id)).stdout


async def test_what_was_approved_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with service(tmp_path, monkeypatch) as run:
        id = str((await run.json(*ASK))["value"][0])
        digest = (await run.json("admin", "list", id))["digest"]
        told = await run("admin", "approve", digest, "--as", "member1")
        assert told.exit_code == 0
        for part in ("diagnostics at n1", REASON, key_named("alice").public.hex(), "operator0"):
            assert part in told.stdout
        second = await run.json("admin", "approve", digest[:8], "--as", "member2")
        assert (second["value"], second["digest"]) == ([id, "approved"], digest)


def test_a_list_that_shows_another_ask_is_not_trusted() -> None:
    world = GrantWorld()
    id = world.asked()
    state = world.governance.document()
    grant = find_grant(state, world.grant(id).digest.hex()[:12])
    assert grant == find_grant(state, id)
    for lie in ({"reason": "another reason, as long as one"}, {"nodes": ("n2",)}):
        with pytest.raises(NotTrusted):
            check_shown(grant._replace(**lie))


async def test_an_interrupted_begin_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service(tmp_path, monkeypatch) as run:
        id = await approved(run)

        async def silent(grant: str, recipient: bytes) -> Document:
            raise Refused("revoked: for this test", reason="revoked")

        acting = {node: node.diagnostics for node in run.service.nodes}
        for node in acting:
            monkeypatch.setattr(node, "diagnostics", silent)
        begin = ("admin", "begin", id, "diagnostics", "--node", NODE, "--as", "alice")
        stopped = await run(*begin)
        assert stopped.exit_code == 1
        assert "admin ask" in stopped.output
        for node, real in acting.items():
            monkeypatch.setattr(node, "diagnostics", real)
        assert (await run.json(*begin))["diagnostics"]


async def test_a_role_reads_on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with service(tmp_path, monkeypatch) as run:
        role = "role:payments:auditor"
        ask = ("admin", "ask", role, "--reason", REASON, "--for", "5m", "--as", "member0")
        id = await approved(run, *ask)
        read = ("payments.balance", "account=alice", "--as", "member0")
        assert (await run("query", *read)).exit_code == 1
        await run.json("admin", "begin", id, role, "--as", "member0")
        silent = await run("query", *read)
        assert silent.exit_code == 1
        assert "recorded-only" in silent.output
        assert (await run.json("call", *read, "--recorded"))["ok"]
        assert (await run.json("admin", "list", id))["begins"][0]["uses"] == 1
        await run.json("admin", "finish", id, role, "--outcome", "done", "--as", "member0")
        refused = await run.json("call", *read, "--recorded", code=1)
        assert refused["error"]["code"] == "unknown operation"


async def test_refusals_say_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service(tmp_path, monkeypatch) as run:
        id = str((await run.json(*ASK))["value"][0])
        own = await run.json("admin", "approve", id, "--as", "member0", code=1)
        assert own["error"]["code"] == "same-operator"
        assert own["error"]["next"]
        stranger = await run.json(*ASK[:-1], "bob", code=1)
        assert "set_affiliation" in stranger["error"]["next"]
        begin = ("admin", "begin", id, "restart", "--node", NODE, "--as", "alice")
        assert (await run.json(*begin, code=1))["error"]["code"] == "not-approved"
        for member in ("member1", "member2"):
            await run.json("admin", "deny", id, "--as", member)
        waited = await run("admin", "list", id, "--wait")
        assert waited.exit_code == 1
        assert "denied" in waited.stdout
        assert (await run(*ASK[:-2], "--for", "soon", "--as", "alice")).exit_code == 2
        upgrade = ("admin", "begin", id, "upgrade", "--node", NODE, "--as", "alice")
        assert (await run(*upgrade)).exit_code == 2


async def test_alarms_stand_in_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with service(tmp_path, monkeypatch) as run:
        await vote(run, "set_limit", "name=grant_approvals", "value=1")  # two act for others
        told = await run.json(*ASK[:-2], "--emergency", "--as", "alice")
        await run.json("admin", "approve", told["value"][0], "--as", "member1")
        status = await run.json("explorer", "status")
        assert [one["kind"] for one in status["alarms"]] == ["emergency"]
        assert "ALARM" in (await run("admin", "list")).stdout
