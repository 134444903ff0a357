"""A customer's HSM, a service of four nodes and a room: a split key opens with both halves alone,
and pauses when its owner or its HSM says so (T55, T56)."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.enclave.programs.vault.world import policy_of
from tests.hang import HANG_SECONDS
from tests.node.custodian.softhsm import MODULE, PIN, SoftHsm, needs_softhsm, softhsm

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Header
from strongroom.consensus.types import Digest, Height
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.room_claims import (
    RoomClaims,
    RoomEvidence,
    room_host_data,
    sign_room_deployment,
)
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.half_request import WHOLE, HalfRequest, open_half
from strongroom.enclave.outside.manufacturer import Manufacturer
from strongroom.enclave.outside.piece_sealing import split_container
from strongroom.enclave.outside.pieces import open_piece
from strongroom.enclave.outside.split_key import KeyName, unwrap
from strongroom.enclave.outside.token_key import (
    HandoverKey,
    TokenKeyRequest,
    handover_context,
    open_token_key,
)
from strongroom.enclave.primitives import DoesNotOpen, HybridKey, Secret, SigningKey
from strongroom.node.client.bringing import bring
from strongroom.node.client.calls.calls import Done
from strongroom.node.client.client import Client
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.cluster.plan import BRINGER
from strongroom.node.custodian.door_key import read_address
from strongroom.node.custodian.journal import read_journal
from strongroom.node.layout import ClusterLayout

pytestmark = [pytest.mark.processes, needs_softhsm]
CALL = (sys.executable, "-c", "from strongroom.node.cli.main import main; main()")
PRINTER = bytes(range(48))
POLICY = policy_of({"claim": "measurement", "equals": PRINTER.hex()})


class Room:
    """A room without its process: a session, a seal key, a chip."""

    def __init__(self, data: Path, chain: Any, name: str = "hall-7") -> None:
        seed = Secret.fresh()
        self.identity, self.session = Identity.from_seed(seed), SigningKey(seed)
        self.seal, self.operator = HybridKey(Secret.fresh()), SigningKey(Secret.fresh())
        self.chip = Manufacturer.load(ClusterLayout(data).platform).make_chip()
        self.chain, self.name = chain, name

    def evidence(self, nonce: bytes, height: int = 0) -> bytes:
        claims = RoomClaims(
            chain=self.chain,
            room=self.name,
            program="printer",
            session_key=self.session.public,
            seal_key=self.seal.public,
            boot=1,
            nonce=nonce,
            height=Height(height),
            region="eu-west",
            operator="plant",
            operator_key=self.operator.public,
        )
        stated = Deployment(
            name=self.name,
            operator="plant",
            chip_id=self.chip.chip_id,
            measurement=PRINTER,
            region="eu-west",
        )
        report = self.chip.attest(
            claims.report_data, measurement=PRINTER, host_data=room_host_data(stated.encode())
        )
        own = self.chip.endorsements
        return RoomEvidence(
            report=report,
            vek=own.vek,
            ask=own.ask,
            ark=own.ark,
            claims=claims.encode(),
            deployment=stated.encode(),
            operator_signature=sign_room_deployment(stated, self.chain, self.operator),
        ).encode()

    async def ask(self, client: Client, owner: bytes, name: str = "design") -> Done:
        """A lease."""
        height = client.height
        block = await client.request("ledger_block", height=height)
        digest: Digest = Header.decode(block["header"]).digest
        return await client.call(
            "vault.ask",
            key=f"id:{owner.hex()}/{name}",
            purpose="print",
            evidence=self.evidence(digest, height),
        )

    def claim(self, owner: bytes, lease: dict[str, Any], name: str = "design") -> bytes:
        """What the ask claimed: the room knows all of it."""
        return codec.encode(
            (
                labels.VAULT_LEASE,
                owner,
                name,
                lease["version"],
                lease["lease"],
                bytes(self.identity.id),
                sha256(self.chip.chip_id).digest(),
                self.name,
                1,
                lease["until_ms"],
                lease["pieces"],
                lease["custody"],
            )
        )


class Plant:
    """The service, the customer's folder and HSM."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "service"
        self.custodian = folder / "customer" / "custodian"
        self.hsm: SoftHsm = softhsm(folder / "hsm")
        self.hsm.token()
        self.pin = folder / "pin"
        self.pin.write_text(PIN)
        self.pin.chmod(0o600)

    def shell(self, *arguments: str, fails: int = 0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            (*CALL, *arguments),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            env={**os.environ, "STRONGROOM_DIR": str(self.data)},
        )
        assert done.returncode == fails, done.stdout + done.stderr
        assert PIN not in done.stdout + done.stderr
        return done

    def init(self) -> None:
        variables = [f"--env={name}={value}" for name, value in self.hsm.environment.items()]
        self.shell(
            *("custodian", "init", "--dir", str(self.custodian), "--customer", "Acme Toys"),
            *("--module", MODULE, "--token", "acme", "--pin-file", str(self.pin), *variables),
            *("--service", str(self.data / "service.json"), "--as", "acme"),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """`custodian run`; where it listens."""
        process = await asyncio.create_subprocess_exec(
            *(*CALL, "custodian", "run", "--dir", str(self.custodian)),
            *("--pin-file", str(self.pin), "--listen", f"127.0.0.1:{_free_port()}", "--json"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        line = await process.stdout.readline()
        assert line, (await process.stderr.read()).decode()
        try:
            yield json.loads(line)["listening"]
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = await process.communicate()
            assert PIN.encode() not in out + err
            assert process.returncode == 0, err.decode()


@contextmanager
def plant_in(folder: Path) -> Iterator[Plant]:
    """All of it, up."""
    made = Plant(folder)
    made.shell("cluster", "up", "--detach")
    try:
        for name in ("maker", "acme"):
            made.shell("keys", "new", name)
        made.init()
        yield made
    finally:
        made.shell("cluster", "down")


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    with plant_in(tmp_path) as made:
        yield made


async def half(
    door: str,
    room: Room,
    owner: bytes,
    lease: Done,
    *,
    name: str = "design",
    handover: HandoverKey | None = None,
    piece: int = WHOLE,
) -> tuple[int, bytes | dict[str, Any], bytes]:
    """(status, answer, challenge): what the room's host carries."""
    url, certificate = read_address(door)
    only = aiohttp.Fingerprint(certificate or b"")
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{url}/v1/challenge", ssl=only) as answer:
            nonce = await answer.read()
        request = HalfRequest(
            nonce=nonce,
            transaction=lease.id,
            claim=room.claim(owner, lease.result, name),
            blinding=lease.blinding or b"",
            evidence=room.evidence(nonce),
            piece=piece,
        )
        data = request.encode()
        if handover is not None:
            data = TokenKeyRequest.signed(
                request, handover.point, chain=room.chain, session=room.session
            ).encode()
        path = "half" if handover is None else "key"
        async with http.post(f"{url}/v1/{path}", data=data, ssl=only) as answer:
            body = await answer.read()
            return answer.status, body if answer.status == 200 else json.loads(body), nonce


async def design_put(plant: Plant, maker: Client, acme: Client) -> tuple[Room, bytes]:
    """A split key of the maker's, put by the customer's command; (a room that may ask, owner)."""
    room = Room(plant.data, maker.service.chain)
    await bring(plant.data, [bytes(room.identity.id)], member=BRINGER)
    await maker.call(
        "vault.new",
        name="design",
        policy=POLICY,
        custody="split",
        custodian=f"id:{acme.identity.id.hex()}",
        lease_ms=600_000,
        heartbeat_ms=300_000,
    )
    plant.shell(
        *("custodian", "put", "design", "--owner", "maker", "--dir", str(plant.custodian)),
        *("--pin-file", str(plant.pin)),
    )
    return room, bytes(maker.identity.id)


async def test_a_split_key_opens_with_both_halves_and_pauses_when_told(plant: Plant) -> None:
    async with (
        Client.connect(plant.data, "maker") as maker,
        Client.connect(plant.data, "acme") as acme,
    ):
        room, owner = await design_put(plant, maker, acme)
        async with Client.connect(plant.data, room.identity) as inside, plant.running() as door:
            plant.shell("custodian", "announce", door, "--dir", str(plant.custodian))
            shown = await inside.query("vault.custodian", identity=f"id:{acme.identity.id.hex()}")
            assert shown.value["endpoint"] == door
            lease = await room.ask(inside, owner)
            key = KeyName(chain=maker.service.chain, owner=owner, name="design", version=1)

            status, sealed, nonce = await half(door, room, owner, lease)
            assert status == 200, sealed
            assert isinstance(sealed, bytes)
            customer = open_half(
                room.seal, sealed, key=key, lease=lease.result["lease"], nonce=nonce
            )
            ledger, wrapped = Secret(lease.result["half"]), lease.result["wrapped"]
            opened = unwrap(wrapped, key, ledger=ledger, customer=customer)
            kept = plant.data / "keys" / "maker.vault" / "design@1.json"
            assert opened.reveal().hex() == json.loads(kept.read_text())["secret"]
            with pytest.raises(DoesNotOpen):
                unwrap(wrapped, key, ledger=ledger, customer=Secret(bytes(32)))

            records = (await maker.query("vault.records", key="design")).value["records"]
            asked = [entry for entry in read_journal(plant.custodian) if entry.what == "asked"]
            released = [one for one in records if one["what"] == "release"]
            assert [one["detail"] for one in released] == [entry.digest.hex() for entry in asked]

            await maker.call("vault.suspend", key="design")
            status, said, _ = await half(door, room, owner, lease)
            assert (status, _code(said)) == (403, "not-live")
            await maker.call("vault.resume", key="design")

            plant.hsm.unplug()
            status, said, _ = await half(door, room, owner, lease)
            assert (status, _code(said)) == (503, "custodian-away")
            assert isinstance(said, dict)
            assert "Acme Toys" in said["message"]
            plant.hsm.plug()
            status, _, _ = await half(door, room, owner, lease)
            assert status == 200

            await _handed_over(plant, maker, acme, inside, room, door)

            stranger = Room(plant.data, maker.service.chain)
            status, said, _ = await half(door, stranger, owner, lease)
            assert (status, _code(said)) == (403, "receipt")

            await maker.call("vault.revoke", key="design")
            status, said, _ = await half(door, room, owner, lease)
            assert (status, _code(said)) == (403, "not-live")
        stands = await acme.query("vault.lease", lease=lease.result["lease"])
        assert stands.value["state"] == "revoked"
        with pytest.raises(ProgramFailed):
            await acme.call("vault.release", lease=lease.result["lease"], digest=bytes(32))
    same = ("custodian", "journal", "--compare", "--dir", str(plant.custodian))
    assert "4 releases on the ledger, 0 of them without" in plant.shell(*same).stdout
    file, whole = plant.custodian / "journal", (plant.custodian / "journal").read_bytes()
    file.write_bytes(b"".join(whole.splitlines(keepends=True)[:4]))
    head = plant.custodian / "journal.head"
    known = head.read_bytes()
    head.unlink()
    assert "MISSING" in plant.shell(*same, fails=1).stdout, "both were cut: the ledger knows"
    file.write_bytes(whole)
    head.write_bytes(known)
    printed = plant.shell("custodian", "journal", "--dir", str(plant.custodian)).stdout
    whats = [entry.what for entry in read_journal(plant.custodian)]
    given, suspended, away, revoked = (
        ["asked", "given"],
        ["asked", "refused"],
        ["paused"],
        ["refused"],
    )
    handed = [*given, *given]
    assert whats == ["opened", *given, *suspended, *away, *given, *handed, *revoked]
    assert f"{len(whats)} entries" in printed


async def _handed_over(
    plant: Plant, maker: Client, acme: Client, inside: Client, room: Room, door: str
) -> None:
    """A key of custody hsm, made and sealed with at the HSM: it opens the container in the room."""
    owner, policy = bytes(maker.identity.id), {"policy": POLICY, "custody": "hsm", "pieces": 2}
    await maker.call("vault.new", name="inner", custodian=f"id:{acme.identity.id.hex()}", **policy)
    (plant.folder / "bear.txt").write_text("first half second half")
    put = ("custodian", "put", "inner", "bear.txt", "--pieces", "2", "--owner", "maker")
    at = ("--dir", str(plant.custodian), "--pin-file", str(plant.pin))
    refused = plant.shell(*("vault", "put", "inner", "bear.txt", "--as", "maker"), fails=2)
    assert "`strongroom custodian put inner bear.txt --owner maker`" in refused.stderr
    assert "its key stands in the HSM alone" in plant.shell(*put, *at).stdout
    assert not list((plant.data / "keys" / "maker.vault").glob("inner*")), "nobody keeps it"
    lease = await room.ask(inside, owner, "inner")
    assert lease.result["half"] == b""
    header, boxes = split_container((plant.folder / "bear.txt.sealed").read_bytes())
    handover = HandoverKey()
    status, whole, _ = await half(door, room, owner, lease, name="inner", handover=handover)
    assert (status, _code(whole)) == (403, "lease"), "it is given in pieces"
    plain = b""
    key = KeyName(chain=maker.service.chain, owner=owner, name="inner", version=1)
    for piece, box in enumerate(boxes):
        own = await _piece(door, room, key, lease, piece)
        plain += open_piece(header, piece, own, box)
    assert plain == b"first half second half"


async def _piece(door: str, room: Room, key: KeyName, lease: Done, piece: int) -> Secret:
    handover = HandoverKey()
    status, sealed, nonce = await half(
        door, room, key.owner, lease, name=key.name, handover=handover, piece=piece
    )
    assert status == 200, sealed
    assert isinstance(sealed, bytes)
    context = handover_context(
        key, lease=lease.result["lease"], nonce=nonce, piece=piece, point=handover.point
    )
    return open_token_key(room.seal, handover, sealed, context=context, chain=key.chain)


def _code(said: object) -> str:
    assert isinstance(said, dict)
    return str(said["code"])


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
