"""Sealed files: they open on the chip and for the code that sealed them, and nowhere else (T24)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enclave.fixtures import MEASUREMENT, manufacturer

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.consensus.types import NO_DIGEST, ChainId, Digest, Epoch, Height
from strongroom.enclave.keys.keys import NodeKeys, ServiceSecret
from strongroom.enclave.keys.sealing import SealedState, seal, seal_state, unseal, unseal_state
from strongroom.enclave.primitives import Secret

SECRET = Secret(bytes(range(32)))


def state() -> SealedState:
    """A member's state in its first boot."""
    return SealedState(
        chain=ChainId(b"\x01" * 32),
        keys=NodeKeys.fresh(),
        secrets=tuple(ServiceSecret.fresh().split(Epoch(epoch)) for epoch in (0, 1)),
        boot=3,
        mark=(Height(42), Digest(b"\x02" * 32)),
    )


@given(st.binary(max_size=300))
def test_what_was_sealed_opens(data: bytes) -> None:
    assert unseal(SECRET, b"purpose", seal(SECRET, b"purpose", data)) == data


def test_sealing_twice_gives_different_bytes_under_different_keys() -> None:
    """T07: no nonce is used twice under one key."""
    first, second = seal(SECRET, b"purpose", b"same"), seal(SECRET, b"purpose", b"same")
    assert codec.decode(first)[1] != codec.decode(second)[1]
    assert codec.decode(first)[2] != codec.decode(second)[2]


def test_another_chip_and_another_measurement_cannot_open_it() -> None:
    """T24: a copied folder is worth nothing on another machine, or to other code on this one."""
    chip = manufacturer().make_chip()
    sealed = seal_state(chip.sealing_secret(MEASUREMENT), state())
    unseal_state(chip.sealing_secret(MEASUREMENT), sealed)
    for secret in (
        chip.sealing_secret(bytes(48)),
        manufacturer().make_chip().sealing_secret(MEASUREMENT),
    ):
        with pytest.raises(OperatorFault, match="another platform or another measurement"):
            unseal_state(secret, sealed)


def test_a_file_sealed_for_one_purpose_does_not_open_for_another() -> None:
    sealed = seal(SECRET, b"purpose", b"data")
    with pytest.raises(OperatorFault):
        unseal(SECRET, b"purpos", sealed)


@settings(max_examples=100)
@given(st.data())
def test_a_changed_file_does_not_open(data: st.DataObject) -> None:
    """T40."""
    sealed = seal(SECRET, b"purpose", b"some bytes of state")
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:at] + bytes((sealed[at] ^ data.draw(st.integers(1, 255)),)) + sealed[at + 1 :]
    for damaged in (changed, sealed[:at], sealed + b"\x00"):
        with pytest.raises(OperatorFault):
            unseal(SECRET, b"purpose", damaged)


def test_a_state_comes_back_with_all_its_keys() -> None:
    before = state()
    after = unseal_state(SECRET, seal_state(SECRET, before))
    assert (after.chain, after.boot, after.mark) == (before.chain, before.boot, before.mark)
    assert after.keys.node.public == before.keys.node.public
    assert after.keys.vote(Epoch(0)).public == before.keys.vote(Epoch(0)).public
    assert after.keys.wrap_keys == before.keys.wrap_keys
    assert [one.epoch for one in after.secrets] == [0, 1]
    assert [one.public_key for one in after.secrets] == [one.public_key for one in before.secrets]
    assert [one.ledger.reveal() for one in after.secrets] == [
        one.ledger.reveal() for one in before.secrets
    ]
    assert after.encode() == before.encode()


def test_a_state_before_genesis_has_keys_and_nothing_else() -> None:
    early = SealedState(
        chain=ChainId(NO_DIGEST),
        keys=NodeKeys.fresh(),
        secrets=(),
        boot=1,
        mark=(Height(0), NO_DIGEST),
    )
    assert unseal_state(SECRET, seal_state(SECRET, early)).secrets == ()


def test_no_secret_stands_in_the_sealed_bytes_or_in_a_repr() -> None:
    """T10."""
    kept = state()
    sealed, words = seal_state(SECRET, kept), repr(kept)
    node, votes, wraps = kept.keys.seeds()
    for secret in (
        node,
        *votes.values(),
        *wraps.values(),
        *(one.input for one in kept.secrets if one.input),
    ):
        assert secret.reveal() not in sealed
        assert secret.reveal().hex() not in words
        assert secret.reveal() in kept.encode()


def test_states_of_another_version_or_shape_are_refused() -> None:
    """T31."""
    fields = codec.decode(state().encode())
    for position, value in ((0, 3), (1, bytes(31)), (2, ()), (3, (1,)), (4, -1), (5, (0,))):
        changed = codec.encode((*fields[:position], value, *fields[position + 1 :]))
        with pytest.raises(NotCanonical):
            SealedState.decode(changed)
        with pytest.raises(OperatorFault, match="cannot be read by this code"):
            unseal_state(SECRET, seal(SECRET, b"enclave-state", changed))


def test_a_file_of_a_later_version_says_so() -> None:
    with pytest.raises(OperatorFault, match="version 2"):
        unseal(SECRET, b"purpose", codec.encode((2, bytes(32), b"")))
