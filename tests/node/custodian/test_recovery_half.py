"""A member's recovery key that is half in a token (VAULT §7): made there, checked, given; the file
alone and the token alone open nothing."""

import asyncio
import json
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.enclave.dead_service import Mortal, died, planned
from tests.node.client.test_recovering import MEMBERS, folder_of, recovering
from tests.node.client.test_recovery_giving import service_of
from tests.node.custodian.softhsm import MODULE, PIN, SoftHsm, needs_softhsm, pin, softhsm

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.consensus.types import ChainId, PublicKey
from strongroom.enclave.formats.recovery import RecoveryKey
from strongroom.enclave.governance.recovery_public import RECOVERY_KEY
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.recovery_giving import Offer, judge_offer
from strongroom.enclave.primitives import DoesNotOpen, Secret, SigningKey, curve_seal
from strongroom.node.client.identities import KeyFolder
from strongroom.node.client.recovery_giving import give_share
from strongroom.node.client.recovery_keys import RecoveryKeyFolder, TokenHalf
from strongroom.node.custodian import recovery_half
from strongroom.node.custodian.errors import TokenFault
from strongroom.node.custodian.recovery_half import make_half, opener
from strongroom.node.layout import ClusterLayout


@pytest.fixture
def hsm(tmp_path: Path) -> SoftHsm:
    made = softhsm(tmp_path / "hsm")
    made.token("board")
    return made


async def half_in(hsm: SoftHsm) -> TokenHalf:
    return await make_half(
        owner="bank1",
        module=MODULE,
        token="board",
        serial="",
        environment=hsm.environment,
        pin=pin(),
    )


def test_what_follows_ecdh_is_hpke() -> None:
    """Against a library's own HPKE, in both signs of the key."""
    suite = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    key = ec.generate_private_key(ec.SECP256R1())
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = ec.derive_private_key(order - key.private_numbers().private_value, ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    sealed = curve_seal(point, b"a share", b"info")
    assert suite.decrypt(sealed, key, b"info") == b"a share"
    sent, box = sealed[:65], sealed[65:]
    for own in (key, other):
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sent)
        shared = own.exchange(ec.ECDH(), public)
        assert recovery_half._opened(shared, sent, point, box, b"info") == b"a share"
        for wrong in ((shared, sent, point, box, b"other"), (bytes(32), sent, point, box, b"info")):
            with pytest.raises(DoesNotOpen):
                recovery_half._opened(*wrong)


@needs_softhsm
async def test_only_the_token_opens_what_is_sealed_to_it(hsm: SoftHsm) -> None:
    half = await half_in(hsm)
    sealed = curve_seal(half.point, b"a share", b"info")
    opens = opener(half, pin, "bank1")
    assert await asyncio.to_thread(opens, sealed, b"info") == b"a share"
    for wrong in (sealed[:-1], sealed[:64] + b"\x00" + sealed[65:], b"", sealed[:65]):
        with pytest.raises(DoesNotOpen):
            await asyncio.to_thread(opens, wrong, b"info")
    with pytest.raises(DoesNotOpen):
        await asyncio.to_thread(opens, sealed, b"another place")
    again = await half_in(hsm)
    assert again.id != half.id
    mixed = TokenHalf.from_json({**half.to_json(), "id": again.id.hex()})
    with pytest.raises(TokenFault, match="another than the published one"):
        await asyncio.to_thread(opener(mixed, pin, "bank1"), sealed, b"info")
    hsm.unplug()
    with pytest.raises(TokenFault, match="is the HSM on"):
        await asyncio.to_thread(opens, sealed, b"info")


@needs_softhsm
async def test_a_member_keeps_its_recovery_key_in_a_token(tmp_path: Path, hsm: SoftHsm) -> None:
    place = tmp_path / "service"
    secret = tmp_path / "pin"
    secret.write_text(PIN)
    secret.chmod(0o600)
    named = ("--module", MODULE, "--token", "board", "--pin-file", str(secret))
    variables = [f"{name}={value}" for name, value in hsm.environment.items()]
    async with recovering(place) as (run, nodes):
        half = (await run("recover", "key", "--as", "member0", "--module", MODULE)).stderr
        assert "--module and --token go together" in half
        made = await run.json("recover", "key", "--as", "member0", *named, "--env", *variables)
        again = await run.json("recover", "key", "--as", "member0", *named)
        assert again["recovery_key"] == made["recovery_key"]
        for name in MEMBERS[1:]:
            await run.json("recover", "key", "--as", name)
        (path,) = (place / "keys" / "member0.recovery").iterdir()
        assert PIN not in path.read_text()
        nodes.act()
        status = await run.json("recover", "status")
        assert [one["in_token"] for one in status["members"]] == [True, False, False, None]
        without = await run("recover", "check", "--as", "member0")
        assert "no PIN: name a file with --pin-file" in without.stderr
        hsm.unplug()
        away = await run("recover", "check", "--as", "member0", "--pin-file", str(secret))
        assert (away.exit_code, "is the HSM on" in away.stderr) == (2, True)
        document = run.service.orderer.chain.governance.document().recovery
        assert not document.generations[0].bad, "a device that is away says nothing of a share"
        hsm.plug()
        checked = await run.json("recover", "check", "--as", "member0", "--pin-file", str(secret))
        assert (checked["ok"], checked["generations"][0]["outcome"]) == (True, "held")
        folder = folder_of(run, "member0")
        with pytest.raises(OperatorFault, match="lies in token 'board'"):
            folder.opener(bytes.fromhex(made["recovery_key"]), None)
        run.service.orderer.pass_time(3_600_000)
        new = await run.json("recover", "key", "--as", "member0", "--new")
        assert new["recovery_key"] != made["recovery_key"]


@needs_softhsm
async def test_a_member_gives_a_share_that_opens_in_its_token(
    tmp_path: Path, hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = await half_in(hsm)
    real = Mortal.say

    def say(chain: Mortal, key: SigningKey, action: str, fields: tuple[object, ...]) -> bytes:
        if action == RECOVERY_KEY and key is chain.members_keys["member1"]:
            fields = (fields[0], half.point, fields[2])
        return real(chain, key, action, fields)

    monkeypatch.setattr(Mortal, "say", say)
    one = died()
    genesis = one.chain.genesis
    member = Identity(one.chain.members_keys["member1"])
    service = service_of(tmp_path, genesis.pin, genesis.chain)
    place = ClusterLayout(tmp_path).recovery("member1")
    folder = RecoveryKeyFolder(place, genesis.chain, member.public)
    with monkeypatch.context() as patched:
        seed = Secret(sha256(b"recovery key of member1").digest())
        patched.setattr(Secret, "fresh", lambda: seed)
        folder.fresh(half=half)
    monkeypatch.setattr(KeyFolder, "load", lambda *_: member)
    offer = Offer(genesis=genesis.data, entries=(), plan=planned(one)[1], generation=one.generation)
    judged = judge_offer(offer.encode(), genesis.pin)
    now_ms = int(judged.plan.opening.time_ms)
    with pytest.raises(OperatorFault, match="lies in token 'board'"):
        give_share(tmp_path, service, "member1", judged, now_ms=now_ms)
    assert not list(place.glob("agreed-*")), "who could not give has agreed to nothing"
    give = partial(give_share, openers=lambda where: opener(where, pin, "bank1"), now_ms=now_ms)
    given = await asyncio.to_thread(give, tmp_path, service, "member1", judged)
    assert given.agreement.member == member.public


def test_a_changed_half_in_the_file_is_another_key(tmp_path: Path) -> None:
    folder = RecoveryKeyFolder(tmp_path, ChainId(bytes(32)), PublicKey(bytes(32)))
    points = [
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        for _ in range(2)
    ]
    half = TokenHalf(module="m", token="t", serial="s", label="l", id=bytes(16), point=points[0])
    made = folder.fresh(half=half)
    assert made.point == points[0]
    assert folder.half_of(made.digest) == half
    assert RecoveryKey(folder.load(made.digest).public, points[0]) == made
    (path,) = tmp_path.glob("*.json")
    document = json.loads(path.read_text())
    for changed in (
        {**document, "half": {**document["half"], "point": points[1].hex()}},
        {name: value for name, value in document.items() if name != "half"},
        {**document, "half": {**document["half"], "module": 5}},
        {**document, "half": {}},
    ):
        path.write_text(json.dumps(changed))
        with pytest.raises(OperatorFault, match="damaged"):
            folder.load(made.digest)


def test_a_key_whose_half_takes_many_words_to_find_is_read_again(tmp_path: Path) -> None:
    """Nobody may learn that the file cannot be read once shares are sealed to its key."""
    folder = RecoveryKeyFolder(tmp_path, ChainId(bytes(32)), PublicKey(bytes(32)))
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    half = TokenHalf(
        module="/" + "folder/" * 580 + "module.so",
        token="t",
        serial="s",
        label="l",
        id=bytes(16),
        point=point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        environment=(("CONF", "x" * 4096),),
    )
    made = folder.fresh(half=half)
    assert folder.digests() == [made.digest]
    assert folder.half_of(made.digest) == half
    assert RecoveryKey(folder.load(made.digest).public, half.point) == made
    longer = replace(half, environment=(("CONF", "x" * 65_536),))
    with pytest.raises(ClientFault, match=r"longer than 65536 bytes.*--env"):
        folder.fresh(half=longer)
    assert folder.digests() == [made.digest], "a file that is not read is not written"
