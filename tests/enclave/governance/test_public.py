"""The form of public transactions, and who may say what (T01, T43)."""

import pytest
from tests.enclave.fixtures import key_named
from tests.enclave.governance.world import World, split

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import ChainId, PublicKey, Signature
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.governance import public

CHAIN = ChainId(bytes(range(32)))
KEY = key_named("member0")


def signed(
    chain: ChainId = CHAIN, action: str = public.WITHDRAW, fields: tuple[object, ...] = ("x",)
) -> bytes:
    return public.sign_public(KEY.public, KEY.sign, chain, action, fields)


def test_a_signed_transaction_is_an_envelope_and_reads_back() -> None:
    envelope = signed()
    assert read_envelope(envelope)[:2] == (1, 5)
    read = public.read_public(*split(envelope), CHAIN)
    assert (read.signer, read.action, read.fields) == (KEY.public, "withdraw", ("x",))


def test_the_bytes_of_a_public_transaction_are_pinned() -> None:
    assert split(signed())[0].hex() == "93f8c420" + KEY.public.hex() + "a8" + b"withdraw".hex()
    assert public.signed_bytes(CHAIN, b"a", b"b").startswith(
        labels.PUBLIC_TRANSACTION + b"\x00" + CHAIN
    )


def test_a_transaction_of_another_chain_is_not_signed() -> None:
    """T01, T43."""
    with pytest.raises(public.Unsigned):
        public.read_public(*split(signed(ChainId(bytes(32)))), CHAIN)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_byte_is_not_signed(part: int) -> None:
    parts = list(split(signed(fields=("abc",))))
    parts[part] = parts[part][:-1] + bytes((parts[part][-1] ^ 1,))
    protected, payload, signature = parts
    with pytest.raises((public.Unsigned, NotCanonical)):
        public.read_public(protected, payload, signature, CHAIN)


def test_a_signature_of_somebody_else_is_none() -> None:
    protected, payload, _ = split(signed())
    other = key_named("member1").sign(public.signed_bytes(CHAIN, protected, payload))
    with pytest.raises(public.Unsigned):
        public.read_public(protected, payload, other, CHAIN)


@pytest.mark.parametrize(
    ("protected", "payload"),
    [
        ((-7, KEY.public, "leave"), ()),
        ((-8, KEY.public[:31], "leave"), ()),
        ((-8, b"", "leave"), ()),
        ((-8, KEY.public, "no such action"), ()),
        ((-8, KEY.public, "leave"), (1,)),
        ((-8, KEY.public, "ballot"), ("id", bytes(32), 1)),
    ],
)
def test_another_algorithm_action_or_shape_is_malformed(protected: object, payload: object) -> None:
    head, body = codec.encode(protected), codec.encode(payload)
    signature = KEY.sign(public.signed_bytes(CHAIN, head, body))
    with pytest.raises(NotCanonical):
        public.read_public(head, body, signature, CHAIN)


def test_evidence_is_signed_by_nobody_and_nothing_else_is() -> None:
    read = public.read_public(*split(public.evidence_envelope(b"proof")), CHAIN)
    assert (read.signer, read.fields) == (b"", (b"proof",))
    protected, payload, _ = split(public.evidence_envelope(b"proof"))
    with pytest.raises(NotCanonical):
        public.read_public(protected, payload, Signature(bytes(64)), CHAIN)
    with pytest.raises(NotCanonical):
        public.sign_public(PublicKey(b""), KEY.sign, CHAIN, "no such action", ())


def test_what_is_malformed_or_unsigned_changes_nothing() -> None:
    world = World()
    before = world.everything()
    protected, payload, _ = split(world.proposal("rotate", compromised=True))
    with pytest.raises(public.Unsigned):
        world.block(codec.encode((1, 5, protected, payload, bytes(64))))
    assert world.everything() == before
