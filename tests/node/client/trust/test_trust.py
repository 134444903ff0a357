"""What a client checks before its first seal: each row is a lie that all nodes tell; nothing is
sealed to it."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from tests.enclave.fixtures import make_cluster_genesis
from tests.hang import HANG_SECONDS
from tests.node.client.ledger import ISSUER, FakeNode, certificates, running

from strongroom.consensus import codec
from strongroom.consensus.errors import AttestationError
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import Digest, Epoch, PublicKey, Signature
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.primitives import HybridKey, Secret, SigningKey
from strongroom.enclave.proofs.genesis import GENESIS_BYTES_MAX
from strongroom.node import tls
from strongroom.node.client import Client, NotTrusted, Unreachable
from strongroom.node.client.trust.service import load_service
from strongroom.node.rpc.backend import Blob

STRANGER = HybridKey(Secret(bytes(range(32))))
Lie = Callable[[FakeNode], None]


async def _never(directory: Path, lie: Lie, words: str) -> Unreachable:
    """What the client raises that waits for ever, once it has come so far as to say these words: a
    busy machine needs more patience for that."""
    for patience in (1.0, 4.0, 16.0, 64.0):
        fault = await _refused(directory / str(patience), lie, timeout=patience)
        assert isinstance(fault, Unreachable)
        if words in str(fault):
            return fault
    raise AssertionError(fault)


async def _refused(directory: Path, lie: Lie, *, timeout: float = HANG_SECONDS) -> Exception:
    """Have every node tell this lie; gives what the client raised, once it is sure that nothing was
    sealed."""
    directory.mkdir(exist_ok=True)
    async with running(directory) as service:
        for node in service.nodes:
            lie(node)
        with pytest.raises((NotTrusted, AttestationError, Unreachable)) as caught:
            async with Client.connect(directory, ISSUER, timeout=timeout) as client:
                await client.call("payments.issue", to=ISSUER.id, amount=5)
        assert service.payments() == 0
    return caught.value


def _description(node: FakeNode, epoch: int, key: bytes) -> EpochDescription:
    genuine = node.orderer.chain.genesis.description
    return EpochDescription(
        epoch=Epoch(epoch),
        validators=genuine.validators,
        public_key_digest=Digest(sha256(key).digest()),
    )


# --- the lies -------------------------------------------------------------------------------------


def another_genesis(node: FakeNode) -> None:
    node.genesis = make_cluster_genesis(4).genesis


def garbage_for_a_genesis(node: FakeNode) -> None:
    node.genesis = b"\x00"


def _next_epoch(
    node: FakeNode,
    *,
    named: bool = True,
    kind: Kind = Kind.FINALIZE,
    signers: tuple[int, ...] = (0, 1, 2),
) -> None:
    """An EPOCH entry for epoch 1, right but for what is asked to be wrong."""
    description = _description(node, 1, STRANGER.public)
    chain = node.orderer.chain
    parent = chain.tip
    header = chain.make({}, next_epoch=description.digest if named else None).header
    chain.blocks.pop()
    chain.tip = parent
    certificate = chain.certificate(header, kind, signers)
    entry = {
        "epoch": 1,
        "header": Blob(header.encoded),
        "certificate": Blob(codec.encode(certificate.to_wire())),
        "description": Blob(description.encode()),
        "epoch_key": Blob(STRANGER.public),
    }
    node.epochs = [entry]


def swapped_epoch_key(node: FakeNode) -> None:
    _next_epoch(node)
    assert node.epochs is not None
    node.epochs[0]["epoch_key"] = Blob(HybridKey(Secret.fresh()).public)


def first_epoch_once_more(node: FakeNode) -> None:
    _next_epoch(node)
    assert node.epochs is not None
    node.epochs[0]["description"] = Blob(node.orderer.chain.genesis.description.encode())


def next_epoch_that_the_last_block_does_not_name(node: FakeNode) -> None:
    _next_epoch(node, named=False)


def next_epoch_that_was_only_notarized(node: FakeNode) -> None:
    _next_epoch(node, kind=Kind.NOTARIZE)


def next_epoch_with_too_few_signers(node: FakeNode) -> None:
    _next_epoch(node, signers=(0, 1))


def a_next_epoch_that_its_own_enclave_does_not_know(node: FakeNode) -> None:
    """Right in every link, and the enclave is still in the one before."""
    _next_epoch(node)


def enclave_of_an_epoch_that_is_not_shown(node: FakeNode) -> None:
    node.claims = {"epoch": Epoch(1)}


def evidence_over_another_nonce(node: FakeNode) -> None:
    node.evidence_nonce = bytes(32)


def evidence_of_another_chain(node: FakeNode) -> None:
    node.claims = {"chain": bytes(32)}


def enclave_with_a_stale_epoch_key(node: FakeNode) -> None:
    node.claims = {"epoch_key_digest": Digest(sha256(b"an old key").digest())}


def enclave_of_an_evicted_node(node: FakeNode) -> None:
    node.claims = {"node_key": PublicKey(SigningKey(Secret.fresh()).public)}


def evidence_that_names_another_tls_key(node: FakeNode) -> None:
    node.claims = {"tls_key": Digest(bytes(32))}


def too_few_heads(node: FakeNode) -> None:
    node.head_members = [0, 1]


def one_members_head_three_times(node: FakeNode) -> None:
    node.head_members = [0, 0, 0]


def heads_over_another_nonce(node: FakeNode) -> None:
    node.head_nonce = bytes(32)


def heads_with_a_forged_signature(node: FakeNode) -> None:
    node.heads = lambda heads: [
        *heads[:2],
        *(Head(h.body, h.node_key, Signature(bytes(64))) for h in heads[2:]),
    ]


def heads_of_a_newer_epoch(node: FakeNode) -> None:
    chain = node.orderer.chain

    def newer(heads: list[Head]) -> list[Head]:
        bodies = [
            HeadBody(h.body.nonce, Epoch(1), h.body.header, h.body.certificate, None, ())
            for h in heads
        ]
        keys = [chain.cluster.keys[index].node for index in range(4)]
        return [
            Head(body, key.public, key.sign(body.signed_bytes(chain.genesis.chain)))
            for body, key in zip(bodies, keys, strict=True)
        ]

    node.heads = newer


# --- the tests ------------------------------------------------------------------------------------


@pytest.mark.lies
@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (another_genesis, "pin"),
        (garbage_for_a_genesis, "pin"),
        (swapped_epoch_key, "epochs"),
        (first_epoch_once_more, "epochs"),
        (next_epoch_that_the_last_block_does_not_name, "epochs"),
        (next_epoch_that_was_only_notarized, "epochs"),
        (next_epoch_with_too_few_signers, "epochs"),
        (heads_of_a_newer_epoch, "epochs"),
        (evidence_over_another_nonce, "nonce"),
        (evidence_of_another_chain, "chain"),
        (enclave_with_a_stale_epoch_key, "epoch-key"),
        (enclave_of_an_epoch_that_is_not_shown, "epochs"),
        (enclave_of_an_evicted_node, "membership"),
        (evidence_that_names_another_tls_key, "tls-key"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
async def test_a_client_seals_nothing_to_a_service_that_shows(
    tmp_path: Path, lie: Lie, reason: str
) -> None:
    """T15, T42, T20."""
    fault = await _refused(tmp_path, lie)
    assert isinstance(fault, (NotTrusted, AttestationError))
    assert fault.reason == reason


@pytest.mark.parametrize(
    "lie",
    [
        too_few_heads,
        one_members_head_three_times,
        heads_over_another_nonce,
        heads_with_a_forged_signature,
    ],
    ids=lambda value: value.__name__,
)
async def test_a_client_seals_nothing_without_a_quorum_of_heads_over_its_own_nonce(
    tmp_path: Path, lie: Lie
) -> None:
    """T15."""
    assert (await _never(tmp_path, lie, "no quorum")).id is None


async def test_the_chain_of_epochs_leads_to_the_key_that_a_quorum_began_it_with(
    tmp_path: Path,
) -> None:
    """T15."""
    async with running(tmp_path) as service:
        for _ in range(3):
            service.orderer.turn()
        async with Client.connect(tmp_path, ISSUER) as client:
            assert (client.epoch.epoch, client.epoch.key) == (
                3,
                service.orderer.chain.governance.public_key,
            )
            assert (await client.call("payments.issue", to=ISSUER.id, amount=5)).result == {
                "supply": 5
            }


@pytest.mark.lies
async def test_a_node_whose_enclave_is_in_an_older_epoch_than_it_shows_is_waited_for(
    tmp_path: Path,
) -> None:
    """T15: it has not executed the last block of its epoch yet, or never will: nothing is sealed
    through it."""
    words = "in epoch 0, the newest is 1"
    assert await _never(tmp_path, a_next_epoch_that_its_own_enclave_does_not_know, words)


async def test_a_relay_with_a_certificate_of_the_bundle_is_refused(tmp_path: Path) -> None:
    """T42: the man in the middle is another member, whose certificate is in the bundle."""

    def relay(node: FakeNode) -> None:
        node.claims = {"tls_key": Digest(tls.spki_digest(certificates()[node.index].certificate))}
        node.tls = certificates()[4]

    async with running(tmp_path) as service:
        for node in service.nodes:
            relay(node)
            await service.stop(node.index)
            await service.start(node.index)
        with pytest.raises(NotTrusted) as caught:
            async with Client.connect(tmp_path, ISSUER, timeout=HANG_SECONDS):
                pass
    assert caught.value.reason == "tls-key"


async def test_a_certificate_that_is_not_in_the_bundle_is_refused(tmp_path: Path) -> None:
    """T42."""
    async with running(tmp_path) as service:
        (tmp_path / "ca.pem").write_bytes(certificates()[4].certificate)
        with pytest.raises(NotTrusted) as caught:
            async with Client.connect(tmp_path, ISSUER, timeout=HANG_SECONDS):
                pass
        assert service.payments() == 0
    assert caught.value.reason == "tls-key"


@pytest.mark.lies
async def test_one_lying_node_is_left_for_an_honest_one(tmp_path: Path) -> None:
    """T15."""
    async with running(tmp_path) as service:
        swapped_epoch_key(service.nodes[0])
        evidence_that_names_another_tls_key(service.nodes[1])
        async with Client.connect(tmp_path, ISSUER, first_endpoint=0) as client:
            assert (await client.call("payments.issue", to=ISSUER.id, amount=5)).result == {
                "supply": 5
            }
            assert client.node == "n2"
        assert service.payments(0) == service.payments(1) == 0


async def test_a_node_that_is_moved_to_is_checked_like_the_first(tmp_path: Path) -> None:
    """T42."""
    async with running(tmp_path) as service:
        async with Client.connect(tmp_path, ISSUER, first_endpoint=0) as client:
            await client.call("payments.issue", to=ISSUER.id, amount=5)
            evidence_that_names_another_tls_key(service.nodes[1])
            await service.stop(0)
            await client.call("payments.issue", to=ISSUER.id, amount=5)
            assert client.node == "n2"
        assert service.payments(1) == 0


# --- a genesis that is kept beside service.json ---------------------------------------------------


def _kept(directory: Path, data: bytes) -> None:
    (directory / "genesis.bin").write_bytes(data)


@pytest.mark.lies
async def test_a_kept_genesis_of_the_pin_is_asked_of_nobody(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        _kept(tmp_path, service.orderer.chain.cluster.genesis)
        for node in service.nodes:
            garbage_for_a_genesis(node)
        async with Client.connect(tmp_path, ISSUER) as client:
            assert (await client.call("payments.issue", to=ISSUER.id, amount=5)).height == 1


@pytest.mark.parametrize("kept", [b"", b"\x00", None], ids=["empty", "garbage", "a stranger's"])
async def test_a_kept_genesis_that_is_not_the_pins_is_as_if_it_were_not_there(
    tmp_path: Path, kept: bytes | None
) -> None:
    """T15."""
    async with running(tmp_path) as service:
        _kept(tmp_path, make_cluster_genesis(4).genesis if kept is None else kept)
        async with Client.connect(tmp_path, ISSUER) as client:
            assert client.epoch.chain == service.orderer.chain.genesis.chain


@pytest.mark.lies
async def test_nodes_of_another_service_are_told_as_such_with_a_kept_genesis_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T15: they show nothing of the pinned one; what they say of themselves is for words alone."""
    async with running(tmp_path) as service:
        _kept(tmp_path, service.orderer.chain.cluster.genesis)
        for node in service.nodes:
            evidence_of_another_chain(node)
            told = node.service_info
            monkeypatch.setattr(
                node, "service_info", lambda told=told: {**told(), "chain": Digest(bytes(32))}
            )
        with pytest.raises(NotTrusted, match="this is another one") as caught:
            async with Client.connect(tmp_path, ISSUER):
                pass
        assert caught.value.reason == "pin"
        assert service.payments() == 0


@pytest.mark.lies
async def test_a_node_that_says_it_is_the_pinned_service_is_refused_for_its_own_fault(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as service:
        _kept(tmp_path, service.orderer.chain.cluster.genesis)
        for node in service.nodes:
            evidence_over_another_nonce(node)
        with pytest.raises(AttestationError):
            async with Client.connect(tmp_path, ISSUER):
                pass


async def test_of_what_is_larger_than_any_genesis_nothing_is_read(tmp_path: Path) -> None:
    async with running(tmp_path):
        with (tmp_path / "genesis.bin").open("wb") as file:
            file.truncate(GENESIS_BYTES_MAX + 1)
        assert load_service(tmp_path).kept_genesis() is None
        (tmp_path / "genesis.bin").unlink()
        assert load_service(tmp_path).kept_genesis() is None
