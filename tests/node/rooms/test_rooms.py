"""Rooms as processes of their own, behind their walls: a plant whose host may do what it likes
(T50, T53, T54)."""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.chain import founded, person
from tests.node.rooms.world import CANARY, LAYERS, K, Tapped, World, world
from tests.waiting import seen, so

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.consensus.types import Digest
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.outside.receipts import verify_claim, verify_receipt
from strongroom.enclave.platform.sealed_files import unseal
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.boots import ANY_CODE, PURPOSE
from strongroom.node.client.client import Client
from strongroom.node.faults import Refused as RefusedInPublic

pytestmark = pytest.mark.processes
SLOW = {"seconds": "0.2"}


async def test_parts_are_printed_each_with_a_receipt_that_verifies_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear", quantity=5)
        async with plant.room(key, parts="3") as room:
            ended = await room.end()
        assert ended.ok, ended.text
        units = room.said("unit")
        assert [unit["unit"] for unit in units] == [1, 2, 3]
        async with Client.connect(tmp_path, "alice") as client:
            for unit in units:
                receipt = await client.receipt(unit["id"])
                verified = verify_receipt(receipt, client.service.pin)
                verify_claim(verified, unit["claim"], unit["blinding"])
        (lease,) = await plant.look("leases", key=key)
        assert (lease["state"], lease["used"], lease["reserved"]) == ("ended", 3, 3)


async def test_the_design_is_nowhere_but_in_the_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T50: neither in what it says, nor in what its host carries, keeps or reads; a positive
    control finds it in the maker's own file."""
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear")
        said: list[bytes] = []
        async with plant.room(key, parts="2") as room:
            took = room.process._frames._on_frame

            def hear(frame: bytes) -> None:
                said.append(frame)
                took(frame)

            room.process._frames._on_frame = hear
            ended = await room.end()
        assert ended.ok, ended.text
        owner = person("alice").id
        keys = [
            KeyVersion(owner=owner, name="bear", version=1).piece_key(Secret(K), piece).reveal()
            for piece in range(LAYERS)
        ]
        secrets = [CANARY.encode(), K, *keys]
        kept = [path.read_bytes() for path in (tmp_path / "state").iterdir()]
        kept.append((tmp_path / "bear.sealed").read_bytes())
        heard = [*said, *room.relay.carried, *kept]
        assert len(said) > 10
        found = [(secret, one[:60]) for secret in secrets for one in heard if secret in one]
        assert not found
        assert CANARY in (tmp_path / "bear.gcode").read_text()


async def test_what_is_not_licensed_is_refused_and_the_machine_is_free_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T54: a unit is reserved before it is made."""
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear", quantity=2)
        async with plant.room(key, parts="3") as room:
            ended = await room.end()
        assert (ended.ok, ended.code) == (False, "quantity")
        assert len(room.said("unit")) == 2
        async with plant.room(key, parts="1") as room:
            ended = await room.end()
        assert (ended.ok, ended.code) == (False, "quantity")
        assert room.said("started")[0]["boot"] == 2


async def test_a_changed_program_another_chip_and_another_region_open_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T50, T53: the first condition that does not hold is named."""
    async with world(tmp_path, monkeypatch) as plant:
        chip, region = plant.own.chip_id.hex(), "eu-west"
        here = [{"claim": "ueid", "equals": chip}, {"claim": "region", "equals": region}]
        bound = await plant.key("bound", *here)
        code = await plant.key("code")
        other, _ = plant.other_chip()
        async with plant.room(bound, chip=other, state="b") as room:
            assert (await room.end()).code == "not-this-hardware"
        async with plant.room(bound, region="us-east", state="c") as room:
            assert (await room.end()).code == "region"
        changed = tmp_path / "printer.py"
        changed.write_text(plant.program.read_text() + "\n# one line more\n")
        plant.program = changed
        async with plant.room(code, state="d") as room:
            ended = await room.end()
        assert ended.code == "policy"
        assert "measurement" in ended.text


async def test_a_revoked_job_is_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T52: after the revocation the ledger gives no further piece, and the room wipes its own."""
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear", heartbeat_ms=400, lease_ms=60_000)
        async with plant.room(key, seconds="1") as room:
            await so(lambda: len(room.said("layer")) >= 2, "two layers are printed")
            await plant.act("alice", "revoke", key="/bear")
            ended = await room.end()
        assert (ended.ok, ended.code) == (False, "revoked")
        assert [one["code"] for one in room.said("lease-ended")] in ([], ["revoked"])
        (lease,) = await plant.look("leases", key=key)
        assert lease["pieces_given"] == len(room.said("layer")) < LAYERS


async def test_a_program_that_asks_for_nothing_is_stopped_by_the_next_beat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T51, T52: beats run by themselves, and what they are refused wipes and stops."""
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear", heartbeat_ms=400, lease_ms=60_000)
        async with plant.room(key, seconds="600") as room:
            await so(lambda: room.said("layer"), "one layer is printed")

            async def beats() -> int:
                (lease,) = await plant.look("leases", key=key)
                return int(lease["beat"])

            await seen(beats, lambda beat: beat >= 3)
            await plant.act("alice", "revoke", key="/bear")
            ended = await room.end()
        assert (ended.ok, ended.code) == (False, "revoked")
        assert [one["code"] for one in room.said("lease-ended")] == ["revoked"]
        assert len(room.said("layer")) == 1


async def test_silence_beyond_the_lease_wipes_and_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T54: a host that cuts the room off gains the lease's time, whatever it waits for."""
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear", heartbeat_ms=1_000, lease_ms=3_000)
        async with plant.room(key, seconds="60") as room:
            await so(lambda: room.said("layer"), "one layer is printed")
            room.relay.gone = True
            ended = await room.end()
        assert (ended.ok, ended.code) == (False, "silence")
        assert len(room.said("layer")) == 1


# --- a host that lies -----------------------------------------------------------------------------


def other_result(method: str, answer: Any) -> Any:
    if method == "ledger_submit":
        changed = bytearray(answer["result"])
        changed[-1] ^= 1
        return {**answer, "result": bytes(changed)}
    return answer


def other_genesis(method: str, answer: Any) -> Any:
    """A genuine one, of another service."""
    return {**answer, "genesis": founded().genesis} if method == "service_info" else answer


def no_heads(method: str, answer: Any) -> Any:
    return answer[:2] if method == "service_heads" else answer


def old_heads() -> Callable[[str, Any], Any]:
    first: list[Any] = []

    def lie(method: str, answer: Any) -> Any:
        if method != "service_heads":
            return answer
        first.append(answer)
        return first[0] if len(first) > 1 else answer

    return lie


@pytest.mark.parametrize(
    ("lie", "sealed", "why"),
    [
        (other_result, True, "does not open"),
        (other_genesis, False, "(pin)"),
        (no_heads, False, "no quorum"),
        (old_heads(), False, "another nonce"),
    ],
    ids=["another result", "another genesis", "too few heads", "old heads"],
)
async def test_nothing_rests_on_what_a_host_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lie: Callable[[str, Any], Any],
    sealed: bool,
    why: str,
) -> None:
    """T15, T05: a room checks pin, epochs, heads and answers itself; before that it seals
    nothing."""
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear")
        async with plant.room(key) as room:
            room.relay.lie = lie
            await so(lambda: len(room.said("other-node")) >= 3, "the room asks for another node")
            assert not room.said("lease")
            assert not room.said("layer")
            assert ("ledger_submit" in room.relay.asked) is sealed
            assert all(why in one["why"] for one in room.said("other-node"))


async def test_an_honest_node_is_enough_after_a_lying_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear")
        async with plant.room(key) as room:
            room.relay.lie = other_genesis
            await so(lambda: room.said("other-node"), "the room asks for another node")
            room.relay.lie = lambda _method, answer: answer
            ended = await room.end()
        assert ended.ok, ended.text


class Muddler:
    """A host that keeps every envelope and every answer, and muddles them."""

    def __init__(self, relay: Tapped) -> None:
        self.ask, self.envelopes, self.answers = relay.carry, list[bytes](), list[Any]()
        relay.carry = getattr(self, type(self).__name__.lower())

    async def sent(self, method: str, params: dict[str, Any]) -> Any:
        answer = await self.ask(method, params)
        if method == "ledger_submit":
            self.envelopes.append(params["envelope"])
            self.answers.append(answer)
        return answer


class Doubles(Muddler):
    """Whatever was submitted is submitted again, newest first, before each call and after it."""

    async def doubles(self, method: str, params: dict[str, Any]) -> Any:
        if method == "ledger_submit":
            for envelope in self.envelopes[::-1]:
                await self.ask(method, {**params, "envelope": envelope})
        await self.sent(method, params)
        return await self.ask(method, params)


class Drops(Muddler):
    """Every second answer is lost, though the call was executed."""

    async def drops(self, method: str, params: dict[str, Any]) -> Any:
        answer = await self.sent(method, params)
        if method == "ledger_submit" and len(self.answers) % 2:
            raise ClientFault("lost")
        return answer


class Old(Muddler):
    """Before each answer comes the one of the call before."""

    async def old(self, method: str, params: dict[str, Any]) -> Any:
        if method != "ledger_submit" or params["envelope"] in self.envelopes or not self.answers:
            return await self.sent(method, params)
        before = self.answers[-1]
        await self.sent(method, params)
        return before


class Late(Muddler):
    """Every call is said to be a duplicate, by a node that has not executed it yet when it is asked
    for it first."""

    asked = 0

    async def late(self, method: str, params: dict[str, Any]) -> Any:
        if method == "ledger_submit":
            await self.sent(method, params)
            raise RefusedInPublic("said before", reason="duplicate")
        if method == "ledger_transaction":
            self.asked += 1
            if self.asked % 2:
                return {"id": params["id"], "status": "pending"}
        return await self.ask(method, params)


@pytest.mark.parametrize("host", [Doubles, Drops, Old, Late])
async def test_a_host_that_muddles_what_it_carries_gains_nothing_and_no_unit_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: type[Muddler]
) -> None:
    """T54, T07: each call counts once, and each answer is of its call."""
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear", quantity=2, lease_ms=60_000)
        async with plant.room(key, parts="2") as room:
            host(room.relay)
            ended = await room.end()
        assert ended.ok, ended.text
        assert [unit["unit"] for unit in room.said("unit")] == [1, 2]
        (lease,) = await plant.look("leases", key=key)
        assert (lease["state"], lease["used"], lease["reserved"]) == ("ended", 2, 2)
        assert lease["pieces_given"] == LAYERS
        records = (await plant.look("records", key=key))["records"]
        assert [one["what"] for one in records].count("ask") == 1
        assert [one["amount"] for one in records if one["what"] == "use"] == [1, 2]


# --- boots ----------------------------------------------------------------------------------------


async def test_a_disk_that_was_cloned_freezes_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T53: equal boots of one room with two sessions."""
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear", heartbeat_ms=400, lease_ms=60_000)
        async with plant.room(key) as room:
            assert (await room.end()).ok
        shutil.copytree(tmp_path / "state", tmp_path / "copy")
        async with plant.room(key, seconds="1") as first:
            await so(lambda: first.said("layer"), "the first one prints")
            async with plant.room(key, state="copy") as second:
                assert (await second.end()).code == "clone"
            assert (await first.end()).code == "clone"
        assert first.said("started")[0]["boot"] == second.said("started")[0]["boot"] == 2


async def test_a_start_counts_up_and_only_this_chip_reads_the_counter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear")
        for boot in (1, 2):
            async with plant.room(key) as room:
                assert (await room.end()).ok
            assert room.said("started")[0]["boot"] == boot
        other, chip = plant.other_chip()
        async with plant.room(key, chip=other) as room:
            ended = await room.end()
        assert (ended.code, ended.ok) == ("start", False)
        assert "another platform" in ended.text
        sealed = (tmp_path / "state" / "boots").read_bytes()
        with pytest.raises(OperatorFault):
            unseal(chip.sealing_secret(ANY_CODE), PURPOSE, sealed)
        async with plant.room(key, name="hall-8") as room:
            assert "hall-7" in (await room.end()).text


async def test_an_operator_who_did_not_sign_starts_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear")
        async with plant.room(key, operator=Identity.fresh()) as room:
            ended = await room.end()
        assert ended.code == "start"
        assert "did not sign" in ended.text


@pytest.mark.parametrize(
    ("asks", "used", "given"),
    [("ledger_query", 0, 1), ("ledger_header", 1, LAYERS)],
    ids=["its lease is granted", "its first unit is reported"],
)
async def test_a_room_that_is_killed_is_started_again_and_loses_what_it_had_reserved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asks: str, used: int, given: int
) -> None:
    """T53, T54: kill -9. Each of its sentences says how it goes on; all steps and processes:
    tests/integration/test_killed_jobs.py."""
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear", quantity=3)
        async with plant.room(key, parts="2") as first:

            def killing(method: str, answer: Any) -> Any:
                if method == asks:
                    os.kill(first.process.pid, signal.SIGKILL)
                return answer

            first.relay.lie = killing
            with pytest.raises(OperatorFault, match=r"killed by signal 9.*start it again"):
                await first.end()
        async with plant.room(key) as second:
            ended = await second.end()
        assert (ended.ok, ended.code, ended.text[-4:]) == (False, "machine-busy", "wait")
        plant.service.orderer.pass_time(600_000)
        async with plant.room(key) as third:
            ended = await third.end()
        assert ended.ok, ended.text
        lost, done = await plant.look("leases", key=key)
        assert (lost["state"], lost["used"]) == ("lapsed", used)
        assert (lost["reserved"], lost["pieces_given"]) == (1, given)
        assert (done["state"], done["used"], done["boot"]) == ("ended", 1, 3)
        shown = await plant.look("key", key=key)
        assert (shown["reserved"], shown["used"]) == (2, used + 1)


# --- programs -------------------------------------------------------------------------------------


async def run_program(plant: World, source: str) -> Any:
    program = plant.directory / "mine.py"
    program.write_text(source)
    plant.program = program
    key = await plant.key("bear")
    async with plant.room(key) as room:
        return await room.end()


async def test_a_program_behind_the_walls_opens_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T10: the first system call that is not on the list ends the process, without a word."""
    source = "async def program(room):\n    open('/etc/hostname')\n"
    async with world(tmp_path, monkeypatch) as plant:
        with pytest.raises(OperatorFault, match="without a word"):
            await run_program(plant, source)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import aiohttp\nasync def program(room): pass\n", "not measured"),
        ("import strongroom.node.config\nasync def program(room): pass\n", "not measured"),
        ("def program(room): pass\n", "async def program"),
        ("async def other(room): pass\n", "async def program"),
        ("raise KeyError('x')\n", "KeyError"),
        ("async def program(room:\n", "SyntaxError"),
    ],
)
async def test_a_program_that_is_none_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    async with world(tmp_path, monkeypatch) as plant:
        with pytest.raises(OperatorFault, match=words):
            await run_program(plant, source)


async def test_a_bug_of_a_program_ends_the_room_and_says_only_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "async def program(room):\n"
        "    lease = await room.open(room.parameters['key'], 'print')\n"
        "    design = await room.container('design')\n"
        "    raise ValueError(await lease.open_piece(design, 0))\n"
    )
    async with world(tmp_path, monkeypatch) as plant:
        ended = await run_program(plant, source)
        assert (ended.ok, ended.code) == (False, "bug")
        assert ended.text == "the program raised ValueError"
        (lease,) = await plant.look("leases", key=f"id:{person('alice').id.hex()}/bear")
        assert (lease["state"], lease["used"], lease["reserved"]) == ("ended", 1, 1)


@pytest.mark.parametrize("grace_ms", [0, 60_000], ids=["without grace", "with grace"])
async def test_a_lease_outlives_the_epoch_in_which_it_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grace_ms: int
) -> None:
    """T53, P10: the room follows the succession itself, and goes on in a session of the new
    epoch."""
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear", lease_ms=60_000)
        async with plant.room(key, seconds="0.3") as room:
            await so(lambda: room.said("layer"), "one layer is printed")
            plant.service.orderer.turn(grace_ms=grace_ms)
            ended = await room.end()
        assert ended.ok, ended.text
        assert len(room.said("layer")) == LAYERS


async def test_a_lease_goes_on_when_members_change_whom_they_believe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T50: the ledger demands fresh evidence of an open lease, and the room shows it."""
    async with world(tmp_path, monkeypatch) as plant:
        key = await plant.key("bear", lease_ms=60_000)
        async with plant.room(key, seconds="0.3") as room:
            await so(lambda: room.said("layer"), "one layer is printed")
            governance: Any = plant.service.orderer.chain.governance
            governance.policy = replace(governance.policy, revoked=(Digest(bytes(32)),))
            plant.service.orderer.chain.executor._apply_governance()
            ended = await room.end()
        assert ended.ok, ended.text
        assert len(room.said("layer")) == LAYERS
        shown = await plant.look("records", key=key, refusals=True)
        assert [one["what"] for one in shown["records"]] == ["evidence"]
