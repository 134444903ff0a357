"""Two receipts or votes that cannot both be: who signed both is named, guilt is claimed only where
it is proven, and whoever has the proof judges anew."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.enclave import succession
from tests.enclave.fixtures import FoundedCluster, key_named, make_cluster_genesis
from tests.enclave.succession import Succession, after_epochs, vote_key
from typer.testing import CliRunner

from strongroom.consensus.blocks import Header
from strongroom.consensus.equivocation import check
from strongroom.consensus.errors import ReceiptInvalid
from strongroom.consensus.statements import Kind, Statement, Vote
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch, PublicKey, SignerIndex, View
from strongroom.enclave.outside.misbehaviour import (
    NO_CONTRADICTION,
    Misbehaviour,
    Shown,
    ShownVote,
    judge,
)
from strongroom.enclave.outside.misbehaviour_files import (
    proof_document,
    read_file,
    shown_document,
    vote_document,
)
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.primitives import SigningKey, verify
from strongroom.node.cli.main import make_app


def history(word: bytes) -> Succession:
    """Blocks of one of two stories, each certified by a quorum."""
    chain = Succession()
    chain.commit(word)
    chain.commit(b"second")
    chain.commit()
    return chain


PIN = Succession().genesis.pin
ONE, OTHER = history(b"one"), history(b"other")
"""Two stories of one service: the same heights and views, other blocks."""


def receipt(chain: Succession, height: int = 1, signers: tuple[int, ...] = (0, 1, 2)) -> Receipt:
    made = chain.receipt(height)
    header = made.anchor
    return replace(made, certificate=chain.certificate(header, signers=signers))


def in_view(chain: Succession, made: Receipt, view: int, signers: tuple[int, ...]) -> Receipt:
    """The same receipt, under an anchor of another view."""
    fields = {name: getattr(made.anchor, name) for name in _HEADER}
    header = Header(**(fields | {"view": View(view)}))
    return replace(made, anchor=header, certificate=chain.certificate(header, signers=signers))


_HEADER = (
    *("chain", "epoch", "view", "height", "parent", "proposer", "time_ms", "cut"),
    *("batch_count", "batch_bytes", "anchor", "next_epoch"),
)


def vote(kind: Kind, word: int, *, signer: int = 1, view: int = 3, epoch: int = 0) -> ShownVote:
    chain = after_epochs(epoch) if epoch else ONE
    digest = NO_DIGEST if kind is Kind.NULLIFY else Digest(bytes((word,)) * 32)
    statement = Statement(kind, Epoch(epoch), View(view), digest)
    key = vote_key(chain.cluster, Epoch(epoch), chain.description.validators[signer].node_key)
    signature = key.sign(statement.signed_bytes(chain.genesis.chain))
    return ShownVote(
        genesis=chain.genesis.data,
        vote=Vote(statement, SignerIndex(signer), signature),
        epochs=chain.epochs.entries(Epoch(1)),
    )


def names(found: Misbehaviour, *, guilty: bool = False) -> list[int]:
    """Signers' indices."""
    keys = [one.node_key for one in ONE.description.validators]
    return [keys.index(one.key) for one in (found.guilty if guilty else found.signed_both)]


def verdict(first: Shown, second: Shown, pin: str = PIN) -> str:
    with pytest.raises(ReceiptInvalid) as caught:
        judge(first, second, pin)
    return caught.value.verdict


# --- votes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (vote(Kind.NOTARIZE, 1), vote(Kind.NOTARIZE, 2)),
        (vote(Kind.FINALIZE, 1), vote(Kind.FINALIZE, 2)),
        (vote(Kind.NULLIFY, 0), vote(Kind.FINALIZE, 1)),
        (vote(Kind.NOTARIZE, 1, epoch=1), vote(Kind.NOTARIZE, 2, epoch=1)),
    ],
    ids=["two N", "two F", "X and F", "of epoch 1"],
)
def test_two_votes_that_the_guard_never_allows_both_prove_guilt_with_key_and_epoch(
    first: ShownVote, second: ShownVote
) -> None:
    found = judge(first, second, PIN)
    (guilty,) = found.guilty
    epoch = first.vote.statement.epoch
    chain = after_epochs(1) if epoch else ONE
    validator = chain.description.validators[1]
    assert guilty.key == validator.node_key
    assert guilty.signed_in == ((epoch, validator.vote_key),) * 2
    assert guilty.name
    assert guilty.evidence is not None
    signer = check(guilty.evidence, chain.genesis.chain, chain.description, verify)
    assert signer == 1, "the ledger takes it as it is"


@pytest.mark.parametrize(
    "second",
    [
        vote(Kind.NOTARIZE, 1),
        vote(Kind.NULLIFY, 0),
        vote(Kind.NOTARIZE, 2, view=4),
        vote(Kind.NOTARIZE, 2, signer=2),
        vote(Kind.NOTARIZE, 2, epoch=1),
    ],
    ids=["the same", "N and X are legal", "another view", "another signer", "another epoch"],
)
def test_two_votes_that_one_may_sign_both_accuse_nobody(second: ShownVote) -> None:
    assert verdict(vote(Kind.NOTARIZE, 1), second) == NO_CONTRADICTION


def test_a_vote_that_its_signer_did_not_sign_accuses_nobody() -> None:
    """T30: neither one of another key, nor one of another ledger."""
    good = vote(Kind.NOTARIZE, 1)
    forged = vote(Kind.NOTARIZE, 2, signer=2).vote
    other = replace(good, vote=Vote(forged.statement, SignerIndex(1), forged.signature))
    assert verdict(good, other) == "forged"
    assert verdict(good, replace(good, vote=replace(good.vote, signer=SignerIndex(9)))) == "forged"
    future = vote(Kind.NOTARIZE, 2, epoch=1)
    assert verdict(good, replace(future, epochs=())) == "forged", "of an epoch that is not shown"
    stranger = Succession(make_cluster_genesis(4, limits={"grace_ms": 7})).genesis
    assert verdict(replace(good, genesis=stranger.data), good) == "forged"
    assert verdict(good, good, stranger.pin) == "forged"
    assert verdict(good, good, "sr1-mistyped") == "cannot check"


# --- receipts -------------------------------------------------------------------------------------


def test_two_receipts_of_one_view_prove_the_guilt_of_each_who_signed_both() -> None:
    found = judge(receipt(ONE), receipt(OTHER, signers=(1, 2, 3)), PIN)
    assert names(found) == names(found, guilty=True) == [1, 2]
    assert "FINALIZE and FINALIZE in view 2 of epoch 0" in found.what


def test_a_vote_and_a_receipt_contradict_each_other_too() -> None:
    against = vote(Kind.NULLIFY, 0, signer=2, view=receipt(ONE).anchor.view)
    found = judge(receipt(ONE), against, PIN)
    assert names(found, guilty=True) == [2]


def test_two_blocks_of_one_height_in_two_views_name_who_signed_both_and_claim_no_guilt() -> None:
    """An honest validator that finalised in one view may be led to another block in a later one by
    votes that stand in neither receipt."""
    later = in_view(OTHER, receipt(OTHER), 9, (1, 2, 3))
    found = judge(receipt(ONE), later, PIN)
    assert found.what == "two final blocks at height 2"
    assert names(found) == [1, 2]
    assert found.guilty == ()


def test_receipts_of_one_story_contradict_nothing_whichever_they_are() -> None:
    for first in (receipt(ONE), receipt(ONE, 2)):
        for second in (receipt(ONE), receipt(ONE, 2), receipt(ONE, signers=(1, 2, 3))):
            assert verdict(first, second) == NO_CONTRADICTION
    assert ONE.receipt(1).anchor.digest != ONE.receipt(2).anchor.digest
    long = after_epochs(2)
    long.commit()
    heights = range(1, len(long.outcomes) - 1)
    some = [long.receipt(at) for at in heights if long.outcomes[at - 1].count]
    assert {one.anchor.epoch for one in some} == {0, 1, 2}
    for one in some:
        assert {verdict(one, other) for other in some} == {NO_CONTRADICTION}


def ended(word: bytes, *, blocks: int = 1, without: tuple[int, ...] = ()) -> Receipt:
    """A receipt of epoch 1, of one of several stories of how epoch 0 ended."""
    chain = Succession()
    for _ in range(blocks):
        chain.commit(b"same")
    chain.end_epoch(word, without=without)
    height = chain.commit(b"of epoch 1").height
    chain.commit()
    chain.commit()
    return chain.receipt(height)


def test_two_ends_of_one_epoch_are_told_and_guilt_is_told_per_epoch() -> None:
    found = judge(ended(b"one"), ended(b"other"), PIN)
    assert names(found, guilty=True) == [0, 0, 1, 1, 2, 2]
    assert {one.signed_in[0][0] for one in found.guilty} == {0, 1}
    assert all(one.signed_in[0] == one.signed_in[1] for one in found.guilty)


def test_nobody_is_accused_by_the_key_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """One story gives the vote key of one signer to another node, in the same place."""
    heir, keys = key_named("heir").public, [one.node_key for one in ONE.description.validators]
    place = min(sum(key < heir for key in keys), 3)
    both = tuple(sorted({place, (place + 1) % 4, (place + 2) % 4}))

    def inherited(cluster: FoundedCluster, epoch: Epoch, node_key: PublicKey) -> SigningKey:
        return vote_key(cluster, epoch, keys[place] if node_key == heir else node_key)

    monkeypatch.setattr(succession, "vote_key", inherited)
    stories, inheriting = [], {"without": (place,), "joining": ("heir",)}
    changes: list[dict[str, Any]] = [{}, inheriting]
    for changed in changes:
        chain = Succession()
        chain.commit(b"same")
        chain.end_epoch(b"one", **changed)
        height = chain.commit(b"of epoch 1").height
        chain.commit()
        told = chain.receipt(height)
        stories.append(replace(told, certificate=chain.certificate(told.anchor, signers=both)))
    index = stories[1].epochs[0].description.index_of(heir)
    assert index == place, "it stands in the same place"
    found = judge(stories[0], stories[1], PIN)
    guilty = {one.key for one in found.guilty if one.signed_in[0][0] == 1}
    assert guilty == {keys[at] for at in both if at != place}


def test_in_epochs_that_are_not_the_same_nobody_is_compared_with_another() -> None:
    """Signer 0 of one epoch 1 is another validator than signer 0 of the other."""
    found = judge(ended(b"one"), ended(b"one", without=(0,)), PIN)
    assert {one.signed_in[0][0] for one in found.guilty} == {0}
    found = judge(ended(b"one"), ended(b"one", blocks=2, without=(0,)), PIN)
    assert found.what == "epoch 0 ends with two blocks"
    assert (names(found), found.guilty) == ([0, 1, 2], ())


def test_a_block_above_the_end_of_its_epoch_is_told() -> None:
    beyond = Succession()
    for number in range(4):
        beyond.commit(b"%d" % number)
    late = in_view(beyond, beyond.receipt(3), 99, (0, 1, 3))
    for pair in ((late, ended(b"one")), (ended(b"one"), late)):
        found = judge(*pair, PIN)
        assert found.what == "block 4 of epoch 0, which ended at 3"
        assert (names(found), found.guilty) == ([0, 1], ())


def test_a_receipt_that_does_not_verify_accuses_nobody() -> None:
    good, bad = receipt(ONE), receipt(OTHER)
    signatures = (bad.certificate.signatures[1], *bad.certificate.signatures[1:])
    swapped = replace(bad, certificate=replace(bad.certificate, signatures=signatures))
    assert verdict(good, swapped) == "forged"
    assert verdict(good, replace(bad, index=1, count=2)) == "forged"
    few = replace(bad, certificate=OTHER.certificate(bad.anchor, signers=(0, 1)))
    assert verdict(good, few) == "forged"


# --- files ----------------------------------------------------------------------------------------


def files(tmp_path: Path, *shown: Shown) -> list[str]:
    paths = []
    for number, one in enumerate(shown):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(shown_document(one)))
        paths.append(str(path))
    return paths


def told(*arguments: str, code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(make_app("verify"), ["verify", "misbehaviour", *arguments, "--json"])
    assert done.exit_code == code, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_proof_is_one_file_that_verifies_with_the_pin_alone(tmp_path: Path) -> None:
    given = files(tmp_path, receipt(ONE), receipt(OTHER, signers=(1, 2, 3)))
    proof = str(tmp_path / "proof.json")
    first = told(*given, "--service", PIN, "-o", proof)
    assert first["verdict"] == "guilt proven"
    assert len(first["guilty"]) == 2
    assert all(one["name"] for one in first["guilty"])
    for path in given:
        Path(path).unlink()
    again = told(proof, "--service", PIN)
    assert {**again, "file": proof} == first
    human = CliRunner().invoke(
        make_app("verify"), ["verify", "misbehaviour", proof, "--service", PIN]
    )
    assert human.stdout.count("guilty") == 2
    assert "epoch 0 by key" in human.stdout
    other = Succession(make_cluster_genesis(4, limits={"grace_ms": 7})).genesis.pin
    assert told(proof, "--service", other, code=1)["verdict"] == "forged"
    assert told(proof, code=4)["verdict"] == "cannot check"


def test_what_proves_no_guilt_says_so_to_people_and_programs(tmp_path: Path) -> None:
    given = files(tmp_path, receipt(ONE), in_view(OTHER, receipt(OTHER), 9, (1, 2, 3)))
    document = told(*given, "--service", PIN)
    assert (document["verdict"], document["guilty"]) == ("more than f broke their word", [])
    assert len(document["signed_both"]) == 2
    human = CliRunner().invoke(
        make_app("verify"), ["verify", "misbehaviour", *given, "--service", PIN]
    )
    assert "proves no guilt" in human.stdout


def test_other_files_and_other_numbers_of_them_are_refused_with_a_verdict(tmp_path: Path) -> None:
    one, two, three = files(tmp_path, receipt(ONE), receipt(ONE, 2), vote(Kind.NOTARIZE, 1))
    assert told(one, two, "--service", PIN, code=1)["verdict"] == NO_CONTRADICTION
    assert told(one, "--service", PIN, code=4)["verdict"] == "cannot check"
    assert told(one, two, three, "--service", PIN, code=4)["verdict"] == "cannot check"
    missing = str(tmp_path / "none.json")
    assert told(one, missing, "--service", PIN, code=4)["verdict"] == "cannot check"
    bad = tmp_path / "bad.json"
    document = vote_document(vote(Kind.NOTARIZE, 1))
    proof = proof_document(vote(Kind.NOTARIZE, 1), vote(Kind.NOTARIZE, 2))
    for text, code in (
        ("", 1),
        ("[]", 1),
        ("[" * 100_000, 1),
        (json.dumps(document | {"more": 1}), 1),
        (json.dumps(document | {"signer": 2}), 1),
        (json.dumps(document | {"epochs": 3}), 1),
        (json.dumps(document | {"vote": "AA=="}), 1),
        (json.dumps({"format": "strongroom-vote", "version": 1}), 1),
        (json.dumps(document | {"version": 2}), 4),
        (json.dumps(document | {"version": True}), 1),
        (json.dumps(proof | {"version": 2}), 4),
        (json.dumps(proof | {"first": proof}), 1),
        (json.dumps(proof | {"third": 1}), 1),
        ('{"format": 1, "format": 2}', 1),
    ):
        bad.write_text(text)
        refused = told(str(bad), one, "--service", PIN, code=code)
        assert refused["verdict"] in ("forged", "cannot check", "incomplete"), text[:60]


def test_a_votes_file_is_read_as_it_was_written() -> None:
    shown = vote(Kind.FINALIZE, 1, epoch=1)
    assert read_file(json.dumps(vote_document(shown)).encode()) == (shown,)
    proof = proof_document(shown, receipt(ONE))
    assert read_file(json.dumps(proof).encode()) == (shown, receipt(ONE))
