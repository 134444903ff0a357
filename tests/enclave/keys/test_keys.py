"""Keys of an epoch and of a node: how they split, and that none prints itself."""

import pytest

from strongroom.consensus.errors import InvariantBroken
from strongroom.consensus.types import Epoch
from strongroom.enclave.contained import KeysNeeded
from strongroom.enclave.keys.keys import EpochSecrets, NodeKeys, ServiceSecret
from strongroom.enclave.primitives import DoesNotOpen, Secret, digest, hybrid_seal

SECRET = Secret(bytes(range(32)))


def test_the_split_of_a_service_secret_is_this() -> None:
    """Golden: a change would lock every ledger."""
    split = ServiceSecret(SECRET).split(Epoch(0))
    assert split.input is not None
    assert (
        split.input.reveal().hex()
        == "7bc0435a402a979ec28c71314942873400eccf7e27135e3867b6af1b75883a9e"
    )
    assert (
        split.ledger.reveal().hex()
        == "f266c12cbf61a46406c0606403e6bf89db56b56df764c3364114e730f7e6facc"
    )
    assert (
        split.public_key_digest.hex()
        == "d040e43d85d5c66a69ef44547186b008dd9f87b807db58e8ea8c537a7197fc4e"
    )
    assert split.session_box.seal(1, b"", b"").hex() == "35950fa3dd1c80658b3042b976503dd8"
    assert split.write_set_box.seal(1, b"", b"").hex() == "b317696582a11562f81a26ed792efcdc"


def test_each_epoch_and_generation_has_its_own_secrets() -> None:
    """P10: nothing of one epoch is found in another."""
    service = ServiceSecret(SECRET)
    splits = [service.split(Epoch(epoch), generation) for epoch in (0, 1) for generation in (0, 1)]
    seen = {secret.reveal() for split in splits for secret in (split.input, split.ledger) if secret}
    assert len(seen | {SECRET.reveal()}) == 9
    assert len({split.public_key for split in splits}) == 4


def test_the_input_secret_does_not_give_the_ledgers_boxes() -> None:
    """DESIGN §5: the two halves are independent; boxes of write sets survive the input secret."""
    split = ServiceSecret(SECRET).split(Epoch(3))
    without = EpochSecrets(epoch=Epoch(3), input_secret=Secret.fresh(), ledger=split.ledger)
    box = split.write_set_box.seal(7, b"write set", b"aad")
    assert without.write_set_box.open(7, box, b"aad") == b"write set"
    session = split.session_box.seal(7, b"session", b"aad")
    with pytest.raises(DoesNotOpen):
        without.session_box.open(7, session, b"aad")
    with pytest.raises(DoesNotOpen):
        split.write_set_box.open(7, session, b"aad")


def test_what_is_sealed_to_the_epoch_opens_with_its_secrets() -> None:
    split = ServiceSecret(SECRET).split(Epoch(0))
    assert split.hybrid.open(hybrid_seal(split.public_key, b"hello", b"info"), b"info") == b"hello"
    assert split.public_key_digest == digest(split.public_key)


def test_a_validators_keys_are_fresh_and_come_back_from_their_seeds() -> None:
    keys, other = NodeKeys.fresh(), NodeKeys.fresh()
    assert keys.node.public != other.node.public
    node, votes, wraps = keys.seeds()
    again = NodeKeys(node=node, votes=votes, wraps=wraps)
    assert (again.node.public, again.vote(Epoch(0)).public) == (
        keys.node.public,
        keys.vote(Epoch(0)).public,
    )
    assert again.wrap_keys == keys.wrap_keys
    assert [epoch for epoch, _ in keys.wrap_keys] == [0, 1]


def test_a_key_that_was_never_made_stops_the_enclave() -> None:
    """T33: asking for the vote key of another epoch is our own bug."""
    with pytest.raises(InvariantBroken):
        NodeKeys.fresh().vote(Epoch(1))
    with pytest.raises(InvariantBroken):
        NodeKeys.fresh().wrap(Epoch(2))


def test_no_key_prints_itself() -> None:
    """T10."""
    service, keys = ServiceSecret(SECRET), NodeKeys.fresh()
    split = service.split(Epoch(0))
    words = " ".join(
        repr(one) for one in (service, split, split.input, split.hybrid, keys, keys.seeds())
    )
    node, votes, wraps = keys.seeds()
    assert split.input is not None
    for secret in (SECRET, split.input, split.ledger, node, *votes.values(), *wraps.values()):
        assert secret.reveal().hex() not in words
        assert repr(secret.reveal()) not in words


def test_P10_without_its_input_secret_an_epoch_opens_write_sets_and_nothing_of_a_client() -> None:
    whole = ServiceSecret(SECRET).split(Epoch(2))
    left = whole.without_input()
    assert whole.opens
    assert not left.opens
    assert left.write_set_box.seal(1, b"", b"") == whole.write_set_box.seal(1, b"", b"")
    for use in (lambda: left.hybrid, lambda: left.session_box, lambda: left.public_key):
        with pytest.raises(KeysNeeded, match="epoch 2"):
            use()


def test_T33_what_is_left_after_an_epoch_began_signs_and_opens_nothing_of_before() -> None:
    keys = NodeKeys.fresh().with_keys(vote=Epoch(1), wrap=Epoch(2))
    named = keys.vote(Epoch(1)).public
    left = keys.after(Epoch(1), named)
    _, votes, wraps = left.seeds()
    assert (set(votes), set(wraps)) == ({1}, {2})
    assert left.vote_named(named) is not None
    assert left.vote_named(keys.vote(Epoch(0)).public) is None
    kept = keys.after(Epoch(1), keys.vote(Epoch(0)).public)
    assert kept.vote_named(keys.vote(Epoch(0)).public) is not None, (
        "a member that was not ready keeps its last one"
    )
