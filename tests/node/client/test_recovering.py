"""`recover key | check | status`: members keep shares, and everybody sees who does (VAULT §7; T45,
T5A)."""

import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.enclave.fixtures import key_named
from tests.enclave.governance.recovery_world import forged
from tests.node.client.test_commands import Shell, shell

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import ChainId, PublicKey
from strongroom.enclave.formats.recovery import Generation
from strongroom.enclave.governance.document import Document
from strongroom.enclave.governance.public import sign_public
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.keys.keystore import KeyStore
from strongroom.enclave.member.duties import RANK_MS
from strongroom.enclave.member.recovery_duties import RecoveryDuties, Said, parts_of
from strongroom.enclave.primitives import hybrid_seal
from strongroom.node.client.recovery_keys import NoRecoveryKey, RecoveryKeyFolder

MEMBERS = ("member0", "member1", "member2")
"""Those whose keys are in the folder; a fourth publishes none."""


class Nodes:
    """What the enclaves of a service do by themselves."""

    def __init__(self, run: Shell) -> None:
        self.orderer = run.service.orderer
        chain = self.orderer.chain
        self.keys = chain.cluster.keys
        self.duties = [
            RecoveryDuties(
                cast(KeyStore, _Keys(keys, secrets, chain.genesis.chain)), rank_ms=RANK_MS
            )
            for keys, secrets in zip(self.keys, chain.cluster.secrets, strict=True)
        ]

    def wanted(self, node: int) -> list[Said]:
        chain = self.orderer.chain
        return list(
            self.duties[node].wanted(
                cast(Any, chain.governance), chain.tip.time_ms, lambda _purpose, _ms: True
            )
        )

    def say(self, node: int, *said: Said) -> None:
        key = self.keys[node].node
        chain = self.orderer.chain.genesis.chain
        self.orderer._commit([sign_public(key.public, key.sign, chain, *one) for one in said])
        self.orderer._commit([])

    def act(self) -> None:
        """Until nobody has anything to say."""
        while said := [(node, one) for node in range(4) for one in self.wanted(node)]:
            for node, one in said:
                self.say(node, one)


class _Keys:
    def __init__(self, keys: Any, secrets: Any, chain: ChainId) -> None:
        self.node_key, self.chain = keys.node.public, chain
        self.keyring = Keyring([secrets])


@asynccontextmanager
async def recovering(directory: Path, threshold: int = 2) -> AsyncIterator[tuple[Shell, Nodes]]:
    """A service whose members have set a threshold."""
    directory.mkdir(exist_ok=True)
    async with shell(directory) as run:
        change = ("set_recovery_threshold", f"threshold={threshold}")
        id = (await run.json("gov", "propose", *change, "--as", "member0"))["proposal"]
        for name in MEMBERS[1:]:
            await run.json("gov", "vote", id, "yes", "--as", name)
        run.service.orderer.pass_time(3_600_000)
        run.service.orderer.pass_time(10)
        yield run, Nodes(run)


def folder_of(run: Shell, name: str) -> RecoveryKeyFolder:
    return RecoveryKeyFolder(
        run.directory / "keys" / f"{name}.recovery",
        run.service.orderer.chain.genesis.chain,
        key_named(name).public,
    )


async def test_members_publish_keys_check_shares_and_the_generation_becomes_active(
    tmp_path: Path,
) -> None:
    async with recovering(tmp_path) as (run, nodes):
        status = await run.json("recover", "status")
        assert (status["threshold"], status["generations"]) == (2, [])
        assert {one["word"] for one in status["alarms"]} == {"too-few-keys", "none-active"}
        assert "nobody could open" in status["now"]
        made = [await run.json("recover", "key", "--as", name) for name in MEMBERS]
        again = await run.json("recover", "key", "--as", "member0")
        assert again["recovery_key"] == made[0]["recovery_key"]
        assert (made[0]["height"] is None, again["height"] is None) == (False, True)
        (path,) = (tmp_path / "keys" / "member0.recovery").iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        nodes.act()
        for at, name in enumerate(MEMBERS, 1):
            checked = await run.json("recover", "check", "--as", name)
            (row,) = checked["generations"]
            assert (checked["ok"], row["outcome"], row["number"]) == (True, "held", 1)
            document = run.service.orderer.chain.governance.document().recovery
            (one,) = document.generations
            assert (one.active, len(one.held)) == (at == 3, at)
        assert await run.json("recover", "check", "--as", "member0") == {
            "ok": True,
            "member": "member0",
            "height": None,
            "generations": [
                {
                    "number": 1,
                    "active": True,
                    "outcome": "held before",
                    "detail": "it opens as it did",
                    "id": None,
                    "height": None,
                }
            ],
        }
        status = await run.json("recover", "status")
        assert status["alarms"] == []
        (one,) = status["generations"]
        assert (one["held"], one["missing"], one["bad"]) == (list(MEMBERS), [], [])
        assert [one["recovery_key"] is None for one in status["members"]] == [False] * 3 + [True]
        assert "any 2 of the 3 members" in status["now"]
        assert "up to now" in status["now"]
        assert await run.json("explorer", "recovery") == status
        shown = (await run("recover", "status")).stdout
        assert "holds it" in shown
        (kept,) = folder_of(run, "member0").kept()
        assert kept.digest.hex() == status["generations"][0]["digest"]


async def test_without_a_threshold_or_a_key_it_is_said_what_to_do(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        result = await run("recover", "check", "--as", "member0")
        assert result.exit_code == 2
        assert "set_recovery_threshold" in result.stderr
    async with recovering(tmp_path / "on") as (run, _):
        result = await run("recover", "check", "--as", "member0")
        assert "strongroom recover key" in result.stderr
        refused = await run.json("recover", "key", "--as", "alice", code=1)
        assert refused["error"]["code"] == "not-a-member"


async def test_T5A_a_share_that_is_not_what_was_committed_to_is_loud_and_said_on_the_ledger(
    tmp_path: Path,
) -> None:
    """One maker commits to another share than it seals, another seals bytes that do not open."""
    for lie in (forged, sealed_wrongly):
        async with recovering(tmp_path / lie.__name__) as (run, nodes):
            for name in MEMBERS:
                await run.json("recover", "key", "--as", name)
            maker = next(node for node in range(4) if nodes.wanted(node))
            (_, (number, _, _, data)) = nodes.wanted(maker)[0]
            false = lie(Generation.decode(cast(bytes, data)))
            nodes.say(maker, *parts_of(cast(int, number), false.encode()))
            by_key = {key_named(name).public: name for name in MEMBERS}
            victim = by_key[false.holders[0].member]
            checked = await run.json("recover", "check", "--as", victim, code=1)
            assert checked["generations"][0]["outcome"] == "bad"
            assert checked["height"] is not None
            again = await run.json("recover", "check", "--as", victim, code=1)
            assert (again["generations"][0]["outcome"], again["height"]) == ("bad", None)
            (one,) = (await run.json("recover", "status"))["generations"]
            assert one["bad"] == [victim]
            result = await run("recover", "check", "--as", victim)
            assert (result.exit_code, "bad" in result.stderr) == (1, True)


def sealed_wrongly(one: Generation) -> Generation:
    holder = one.holders[0]
    sealed = holder.sealed[:-1] + bytes([holder.sealed[-1] ^ 1])
    return replace(one, holders=(replace(holder, sealed=sealed), *one.holders[1:]))


async def test_a_node_that_shows_another_generation_is_not_believed(tmp_path: Path) -> None:
    async with recovering(tmp_path) as (run, nodes):
        for name in MEMBERS[:2]:
            await run.json("recover", "key", "--as", name)
        nodes.act()

        def lying(state: Document) -> Document:
            entries = state.recovery.generations
            changed = tuple(one._replace(digest=bytes(32)) for one in entries)
            return state._replace(recovery=state.recovery._replace(generations=changed))

        for node in run.service.nodes:
            node.doctor_state = lying
        result = await run("recover", "check", "--as", "member0")
        assert result.exit_code == 1
        assert "another generation" in result.stderr
        for node in run.service.nodes:
            node.doctor_state = lambda state: state
        (one,) = (await run.json("recover", "status"))["generations"]
        assert (one["held"], one["bad"]) == ([], [])


async def test_a_lost_key_is_loud_is_not_said_to_be_the_makers_fault_and_another_is_published(
    tmp_path: Path,
) -> None:
    async with recovering(tmp_path) as (run, nodes):
        for name in MEMBERS:
            await run.json("recover", "key", "--as", name)
        nodes.act()
        (path,) = (tmp_path / "keys" / "member0.recovery").glob("*.json")
        path.unlink()
        checked = await run.json("recover", "check", "--as", "member0", code=1)
        assert checked["generations"][0]["outcome"] == "no key"
        (one,) = (await run.json("recover", "status"))["generations"]
        assert one["bad"] == []
        result = await run("recover", "key", "--as", "member0")
        assert (result.exit_code, "--new" in result.stderr) == (2, True)
        run.service.orderer.pass_time(60_000)
        made = await run.json("recover", "key", "--as", "member0", "--new")
        assert made["height"] is not None
        nodes.act()
        checked = await run.json("recover", "check", "--as", "member0")
        assert [one["number"] for one in checked["generations"]] == [2]


async def test_a_key_under_a_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with recovering(tmp_path) as (run, nodes):
        monkeypatch.setenv("STRONGROOM_PASSPHRASE", "a long one")
        for name in MEMBERS[:2]:
            await run.json("recover", "key", "--as", name, "--passphrase")
        (path,) = (tmp_path / "keys" / "member0.recovery").iterdir()
        assert "seed" not in path.read_text()
        nodes.act()
        monkeypatch.setenv("STRONGROOM_PASSPHRASE", "another one")
        result = await run("recover", "check", "--as", "member0")
        assert (result.exit_code, "passphrase" in result.stderr) == (2, True)
        monkeypatch.setenv("STRONGROOM_PASSPHRASE", "a long one")
        assert (await run.json("recover", "check", "--as", "member0"))["ok"]


def test_key_files_that_others_may_read_or_that_are_damaged_or_others_are_refused(
    tmp_path: Path,
) -> None:
    chain, member = ChainId(b"c" * 32), PublicKey(b"m" * 32)
    folder = RecoveryKeyFolder(tmp_path / "keys", chain, member)
    made = folder.fresh()
    assert folder.load(made.digest).public == made.hybrid
    (path,) = (tmp_path / "keys").iterdir()
    text = path.read_text()
    path.chmod(0o640)
    with pytest.raises(OperatorFault, match="chmod 600"):
        folder.load(made.digest)
    path.chmod(0o600)
    for other in (
        replace(folder, chain=ChainId(bytes(32))),
        replace(folder, member=PublicKey(bytes(32))),
    ):
        with pytest.raises(OperatorFault, match="another member or ledger"):
            other.digests()
    for wrong in ("", "{}", text.replace('"seed": "', '"seed": "00'), text[:-9]):
        path.write_text(wrong)
        with pytest.raises(OperatorFault, match="damaged"):
            folder.load(made.digest)
    seed = text.split('"seed": "')[1][:64]
    path.write_text(text.replace(seed, "00" * 32))
    with pytest.raises(OperatorFault, match="another key"):
        folder.load(made.digest)
    path.unlink()
    with pytest.raises(NoRecoveryKey, match="--new"):
        folder.load(made.digest)
    assert hybrid_seal(made.hybrid, b"", b"")
