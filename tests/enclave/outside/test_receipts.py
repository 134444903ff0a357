"""Receipts: verify offline against the pin, or not at all."""

import json
from dataclasses import fields, replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enclave.chain import EPOCH, Chain
from tests.enclave.fixtures import make_cluster_genesis
from tests.enclave.succession import Succession, after_epochs

from strongroom.consensus import codec
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import InvariantBroken, NotCanonical, ReceiptInvalid
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import (
    NO_DIGEST,
    ChainId,
    Digest,
    Epoch,
    Height,
    Milliseconds,
    PublicKey,
    Signature,
    TransactionId,
    View,
)
from strongroom.consensus.validators import EpochDescription, Validator
from strongroom.enclave.formats.envelope import transaction_id
from strongroom.enclave.formats.outcome import Code, Leaf
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.receipts import (
    VerifiedReceipt,
    build_receipt,
    check_result,
    verify_claim,
    verify_receipt,
)


class Recorded:
    """A chain of some blocks, and a receipt of one claim in the middle of a block of five
    envelopes."""

    def __init__(self) -> None:
        self.chain = chain = Chain()
        session = chain.session("alice")
        chain.commit()
        calls = [
            session.seal_call(chain.call("probe.claim", data=bytes((number,))))
            for number in range(4)
        ]
        self.sequence, self.envelope = calls[2]
        self.outcome = chain.commit(b"garbage", *(envelope for _, envelope in calls))
        chain.commit()
        chain.commit()
        anchor = chain.blocks[self.outcome.height].header
        self.result = session.open_result(
            self.sequence, transaction_id(self.envelope), self.outcome.result_at(3)
        )
        self.receipt = build_receipt(
            genesis=chain.genesis.data,
            outcome=self.outcome,
            position=3,
            history=chain.history,
            anchor=anchor,
            certificate=chain.certificate(anchor),
        )
        self.pin = chain.genesis.pin


RECORDED = Recorded()
RECEIPT, PIN = RECORDED.receipt, RECORDED.pin
ENTRY = after_epochs(1).epochs.entries(Epoch(1))[0]
"""Of another chain's epoch 1; the same service."""


def test_a_receipt_proves_the_place_and_the_sealed_result() -> None:
    verified = verify_receipt(RECEIPT, PIN)
    assert verified.id == transaction_id(RECORDED.envelope)
    assert (verified.height, verified.index, verified.code) == (
        RECORDED.outcome.height,
        3,
        Code.EXECUTED,
    )
    assert (verified.anchor_height, verified.time_ms) == (
        RECEIPT.anchor.height,
        RECEIPT.anchor.time_ms,
    )
    assert (verified.service, verified.simulated, verified.pin) == ("test-service", True, PIN)
    check_result(verified, RECORDED.outcome.result_at(3))
    for other in (RECORDED.outcome.result_at(2), b""):
        with pytest.raises(ReceiptInvalid):
            check_result(verified, other)


def test_every_envelope_has_a_receipt_refusals_too() -> None:
    chain, outcome = RECORDED.chain, RECORDED.outcome
    for height in (outcome.height + 1, outcome.height + 2):
        anchor = chain.blocks[height - 1].header
        for position in range(outcome.count):
            receipt = build_receipt(
                genesis=chain.genesis.data,
                outcome=outcome,
                position=position,
                history=chain.history,
                anchor=anchor,
                certificate=chain.certificate(anchor),
            )
            verified = verify_receipt(receipt, PIN)
            assert verified.id == outcome.id_at(position)
            assert verified.code == outcome.codes[position]
            if position == 0:
                assert (verified.code, verified.result_digest) == (Code.MALFORMED, NO_DIGEST)
                with pytest.raises(ReceiptInvalid):
                    check_result(verified, b"")


def test_T14_a_claim_is_revealed_with_its_blinding_only() -> None:
    verified = verify_receipt(RECEIPT, PIN)
    blinding = RECORDED.result.blinding
    assert blinding is not None
    verify_claim(verified, b"\x02", blinding)
    for claim, hidden in (
        (b"\x01", blinding),
        (b"\x02", bytes(32)),
        (b"\x02", b""),
        (b"", blinding + b"\x02"),
    ):
        with pytest.raises(ReceiptInvalid):
            verify_claim(verified, claim, hidden)


CHANGES: dict[str, list[Any]] = {
    "genesis": [b"", RECEIPT.genesis[:-1] + b"x", make_cluster_genesis(4).genesis],
    "leaf": [
        replace(RECEIPT.leaf, id=TransactionId(bytes(32))),
        replace(RECEIPT.leaf, code=Code.DUPLICATE),
        replace(RECEIPT.leaf, result_digest=NO_DIGEST),
        replace(RECEIPT.leaf, claim_digest=NO_DIGEST),
    ],
    "index": [2, 4, 5, 0, 2**32 - 1],
    "count": [4, 6, 8, 2**32 - 1],
    "outcome_path": [
        (),
        RECEIPT.outcome_path[:-1],
        (*RECEIPT.outcome_path, NO_DIGEST),
        RECEIPT.outcome_path[::-1],
    ],
    "height": [
        Height(RECEIPT.height - 1),
        Height(RECEIPT.height + 1),
        Height(0),
        Height(2**64 - 1),
    ],
    "block": [NO_DIGEST],
    "write_set_digest": [NO_DIGEST],
    "snapshot_root": [Digest(b"x" * 32)],
    "history_path": [
        (),
        RECEIPT.history_path[:-1],
        (*RECEIPT.history_path, NO_DIGEST),
        RECEIPT.history_path[::-1],
    ],
    "anchor": [
        RECORDED.chain.blocks[-1].header,
        RECORDED.chain.blocks[RECORDED.outcome.height - 1].header,
        RECORDED.chain.genesis.header,
        replace(RECEIPT.anchor, time_ms=Milliseconds(1)),
        replace(RECEIPT.anchor, anchor=replace(RECEIPT.anchor.anchor, root=NO_DIGEST)),
    ],
    "certificate": [
        RECORDED.chain.certificate(RECORDED.chain.blocks[-1].header),
        RECORDED.chain.certificate(RECEIPT.anchor, Kind.NOTARIZE),
        RECORDED.chain.certificate(RECEIPT.anchor, signers=(0, 1)),
        RECORDED.chain.certify(
            Statement(Kind.FINALIZE, EPOCH, View(RECEIPT.anchor.view + 1), RECEIPT.anchor.digest)
        ),
        replace(
            RECEIPT.certificate,
            signatures=(Signature(bytes(64)), *RECEIPT.certificate.signatures[1:]),
        ),
    ],
    "epochs": [(ENTRY,)],
}


def test_every_field_of_a_receipt_has_a_tampered_case() -> None:
    assert set(CHANGES) == {field.name for field in fields(Receipt)}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in CHANGES for value in CHANGES[name]]
)
def test_a_receipt_with_any_field_tampered_is_forged(name: str, value: Any) -> None:
    tampered = replace(RECEIPT, **{name: value})
    with pytest.raises(ReceiptInvalid) as invalid:
        verify_receipt(tampered, PIN)
    assert invalid.value.verdict == "forged"


@given(at=st.integers(0, 10**6), bits=st.integers(1, 255))
@settings(max_examples=150, deadline=None)
def test_no_flipped_byte_of_a_receipt_verifies(at: int, bits: int) -> None:
    data = bytearray(RECEIPT.encode())
    data[at % len(data)] ^= bits
    with pytest.raises(ReceiptInvalid):
        verify_receipt(Receipt.decode(bytes(data)), PIN)


def test_there_is_no_verdict_without_the_right_pin() -> None:
    with pytest.raises(ReceiptInvalid) as invalid:
        verify_receipt(RECEIPT, "sr1-nonsense")
    assert invalid.value.verdict == "cannot check"
    with pytest.raises(ReceiptInvalid) as invalid:
        verify_receipt(RECEIPT, make_cluster_genesis(1).verified.pin)
    assert invalid.value.verdict == "forged"


def test_a_ledger_with_self_made_keys_has_another_pin() -> None:
    """T41."""
    forged = Chain(make_cluster_genesis(4, programs=("payments", "probe", "system")))
    outcome = forged.commit(b"x")
    forged.commit()
    anchor = forged.blocks[1].header
    receipt = build_receipt(
        genesis=forged.genesis.data,
        outcome=outcome,
        position=0,
        history=forged.history,
        anchor=anchor,
        certificate=forged.certificate(anchor),
    )
    verify_receipt(receipt, forged.genesis.pin)
    with pytest.raises(ReceiptInvalid):
        verify_receipt(receipt, PIN)
    with pytest.raises(ReceiptInvalid):
        verify_receipt(replace(receipt, genesis=RECEIPT.genesis), PIN)


def test_only_a_header_that_anchors_the_height_makes_a_receipt() -> None:
    chain, outcome = RECORDED.chain, RECORDED.outcome
    own = chain.blocks[outcome.height - 1].header
    with pytest.raises(InvariantBroken):
        build_receipt(
            genesis=chain.genesis.data,
            outcome=outcome,
            position=0,
            history=chain.history,
            anchor=own,
            certificate=chain.certificate(own),
        )


def test_only_verify_receipt_makes_a_verified_one() -> None:
    verified = verify_receipt(RECEIPT, PIN)
    values = {field.name: getattr(verified, field.name) for field in fields(VerifiedReceipt)}
    with pytest.raises(InvariantBroken):
        VerifiedReceipt(**{**values, "made_by": object()})


# --- forms ----------------------------------------------------------------------------------------


def test_both_forms_read_back() -> None:
    assert Receipt.decode(RECEIPT.encode()) == RECEIPT
    assert Receipt.from_json(RECEIPT.to_json()) == RECEIPT
    assert Receipt.from_json(json.dumps(RECEIPT.to_json(), indent=2)) == RECEIPT


GOLDEN = Receipt(
    genesis=b"genesis",
    leaf=Leaf(transaction_id(b""), Code.EXECUTED, Digest(b"r" * 32), NO_DIGEST),
    index=1,
    count=2,
    outcome_path=(Digest(b"p" * 32),),
    height=Height(1),
    block=Digest(b"b" * 32),
    write_set_digest=Digest(b"w" * 32),
    snapshot_root=NO_DIGEST,
    history_path=(Digest(b"h" * 32),),
    anchor=replace(
        RECEIPT.anchor,
        chain=ChainId(NO_DIGEST),
        parent=NO_DIGEST,
        cut=(),
        time_ms=Milliseconds(1),
        anchor=replace(RECEIPT.anchor.anchor, root=NO_DIGEST),
        next_epoch=NO_DIGEST,
    ),
    certificate=replace(
        RECEIPT.certificate,
        statement=Statement(Kind.FINALIZE, EPOCH, View(4), Digest(b"d" * 32)),
        signatures=(Signature(bytes(64)),) * 3,
    ),
)


GOLDEN_ENTRY = replace(
    ENTRY,
    header=GOLDEN.anchor,
    certificate=GOLDEN.certificate,
    description=EpochDescription(
        epoch=Epoch(1),
        validators=(Validator(node_key=PublicKey(b"n" * 32), vote_key=PublicKey(b"v" * 32)),),
        public_key_digest=NO_DIGEST,
    ),
    public_key=bytes(1216),
)


def test_golden_bytes_of_both_forms() -> None:
    assert sha256(GOLDEN.encode()).hexdigest()[:16] == "07b7b4a3ada61859"
    text = json.dumps(GOLDEN.to_json(), sort_keys=True)
    assert sha256(text.encode()).hexdigest()[:16] == "6437afa3f808977f"


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "other"},
        {"version": "1"},
        {"version": True},
        {"index": "3"},
        {"index": -1},
        {"index": 3.0},
        {"count": True},
        {"code": 8},
        {"code": 1},
        {"status": "fine"},
        {"id": RECEIPT.leaf.id.hex().upper()},
        {"id": RECEIPT.leaf.id.hex()[:-2]},
        {"block": " " + RECEIPT.block.hex()},
        {"outcome_path": "x"},
        {"outcome_path": ["x"]},
        {"history_path": None},
        {"genesis": "***"},
        {"genesis": RECEIPT.to_json()["genesis"] + "\n"},
        {"certificate": "AAAA"},
        {"anchor": 5},
        {"more": 1},
    ],
)
def test_T31_json_that_is_not_exactly_a_receipt_is_refused(changes: dict[str, Any]) -> None:
    document = {**RECEIPT.to_json(), **changes}
    with pytest.raises(ReceiptInvalid):
        Receipt.from_json(document)
    with pytest.raises(ReceiptInvalid):
        Receipt.from_json(json.dumps(document))


def test_T31_json_with_a_field_missing_or_doubled_is_refused() -> None:
    for name in RECEIPT.to_json():
        document = RECEIPT.to_json()
        del document[name]
        with pytest.raises(ReceiptInvalid):
            Receipt.from_json(document)
    text = json.dumps(RECEIPT.to_json())
    for wrong in (
        text[:-1] + ', "height": 3}',
        text[:-1],
        "[]",
        "",
        "null",
        "[" * 100_000,
        b"\xff\xfe",
    ):
        with pytest.raises(ReceiptInvalid):
            Receipt.from_json(wrong)


def test_a_receipt_of_a_later_version_cannot_be_checked() -> None:
    later = list(codec.decode(RECEIPT.encode()))
    later[1] = 3
    with pytest.raises(ReceiptInvalid) as invalid:
        Receipt.decode(codec.encode(tuple(later)))
    assert invalid.value.verdict == "cannot check"
    with pytest.raises(ReceiptInvalid) as invalid:
        Receipt.from_json({**RECEIPT.to_json(), "version": 3})
    assert invalid.value.verdict == "cannot check"


# --- through several epochs (T33, T41) ------------------------------------------------------------


def test_a_receipt_carries_the_succession_of_epochs_from_the_pin_to_its_anchor() -> None:
    chain = after_epochs(3)
    for height in (outcome.height for outcome in chain.outcomes[:-1] if outcome.count):
        receipt = chain.receipt(height, 1)
        verified = verify_receipt(receipt, PIN)
        anchored = chain.blocks[verified.anchor_height - 1].header
        assert (verified.height, verified.index, verified.epoch) == (height, 1, anchored.epoch)
        assert len(receipt.epochs) == anchored.epoch
        assert (
            Receipt.decode(receipt.encode())
            == receipt
            == Receipt.from_json(json.dumps(receipt.to_json()))
        )
        assert receipt.version == (1 if anchored.epoch == 0 else 2)
    assert verified.epoch == 3


def test_members_may_join_and_leave_between_a_transaction_and_its_anchor() -> None:
    chain = Succession()
    chain.end_epoch(b"x", without=(0,), joining=("n4",))
    height = chain.tip.height
    chain.commit()
    verified = verify_receipt(chain.receipt(height), PIN)
    assert (verified.height, verified.epoch) == (height, 1)
    chain.end_epoch(joining=("n5", "n6", "n7"))
    chain.commit(b"y")
    chain.commit()
    late = chain.receipt(chain.tip.height - 1)
    assert verify_receipt(late, PIN).epoch == 2
    assert len(late.certificate.signers) == chain.description.quorum.size == 5


def _late() -> tuple[Succession, Receipt]:
    """A chain in epoch 2, and a receipt of a transaction in it."""
    chain = after_epochs(2)
    return chain, chain.receipt(
        next(outcome.height for outcome in reversed(chain.outcomes) if outcome.count)
    )


def test_T33_the_anchor_counts_only_with_the_votes_of_its_own_epochs_members() -> None:
    chain, receipt = _late()
    verify_receipt(receipt, PIN)
    first, second = (chain.epochs.description(Epoch(number)) for number in (0, 1))
    assert first is not None
    assert second is not None
    wrong = {
        "old vote keys under the new epoch": replace(
            chain.certificate(receipt.anchor, by=first),
            statement=chain.certificate(receipt.anchor).statement,
        ),
        "old vote keys under their own epoch": chain.certificate(receipt.anchor, by=first),
        "the epoch before": chain.certificate(receipt.anchor, by=second),
        "too few": chain.certificate(receipt.anchor, signers=(0, 1)),
    }
    for reason, certificate in wrong.items():
        with pytest.raises(ReceiptInvalid) as invalid:
            verify_receipt(replace(receipt, certificate=certificate), PIN)
        assert invalid.value.verdict == "forged", reason


def test_T33_a_header_of_an_old_epoch_does_not_count_once_later_epochs_are_shown() -> None:
    """T33: the vote keys of epoch 0 were stolen, and write on above the block that ended it."""
    chain, receipt = _late()
    old = chain.epochs.description(Epoch(0))
    assert old is not None
    forged = replace(receipt.anchor, epoch=Epoch(0), next_epoch=old.digest)
    with pytest.raises(ReceiptInvalid, match="of epoch 0, expected 2"):
        verify_receipt(
            replace(receipt, anchor=forged, certificate=chain.certificate(forged, by=old)), PIN
        )


def test_T33_a_header_at_or_below_its_epochs_anchor_is_no_header_of_that_epoch() -> None:
    chain, receipt = _late()
    low = replace(receipt.anchor, height=chain.epochs.anchor.height)
    with pytest.raises(ReceiptInvalid, match="not above the anchor"):
        verify_receipt(replace(receipt, anchor=low, certificate=chain.certificate(low)), PIN)


def _forged_entries(chain: Succession) -> dict[str, tuple[EpochEntry, ...]]:
    first, second = chain.epochs.entries(Epoch(1))
    stranger = Succession(make_cluster_genesis(4))
    alien = stranger.end_epoch()
    members = [one.node_key for one in second.description.validators]
    taken, key = chain.described(
        Epoch(2), [*members[1:], stranger.description.validators[0].node_key]
    )
    unsigned = replace(second.header, next_epoch=taken.digest)
    base = chain.epochs.description(Epoch(0))
    assert base is not None
    assert isinstance(second.certificate, Certificate)
    twice = (second.certificate.signatures[0],) * 3
    return {
        "one is skipped": (second,),
        "one is missing at the end": (first,),
        "in another order": (second, first),
        "one stands twice": (first, first, second),
        "none": (),
        "of another service": (alien, second),
        "a set that nobody named": (first, replace(second, description=taken, public_key=key)),
        "a set named by a header that nobody certified": (
            first,
            EpochEntry(unsigned, second.certificate, taken, key),
        ),
        "certified by the set of the epoch before": (
            first,
            EpochEntry(unsigned, chain.certificate(unsigned, by=base), taken, key),
        ),
        "certified by the new set itself": (
            first,
            EpochEntry(
                unsigned,
                replace(chain.certificate(unsigned), signers=(0, 1, 2)),  # type: ignore[arg-type]
                taken,
                key,
            ),
        ),
        "too few signers": (
            first,
            replace(
                second,
                certificate=replace(
                    second.certificate,
                    signers=second.certificate.signers[:2],
                    signatures=second.certificate.signatures[:2],
                ),
            ),
        ),
        "one signer's signature three times": (
            first,
            replace(second, certificate=replace(second.certificate, signatures=twice)),
        ),
        "another public key": (first, replace(second, public_key=first.public_key)),
        "not the last block of its epoch": (
            first,
            replace(second, header=chain.blocks[first.header.height].header),
        ),
    }


def test_T41_every_forged_succession_of_epochs_is_refused() -> None:
    chain, receipt = _late()
    for reason, epochs in _forged_entries(chain).items():
        with pytest.raises(ReceiptInvalid) as invalid:
            verify_receipt(replace(receipt, epochs=epochs), PIN)
        assert invalid.value.verdict == "forged", reason


def test_T33_a_signer_that_is_named_twice_is_not_canonical() -> None:
    """T33: duplicate signers cannot even be written down."""
    _, receipt = _late()
    signatures, signers = receipt.certificate.signatures, receipt.certificate.signers
    with pytest.raises(NotCanonical):
        replace(
            receipt.certificate, signers=(signers[0], signers[0], signers[1]), signatures=signatures
        )


def test_T31_a_receipt_of_version_2_without_epochs_or_of_version_1_with_some_is_none() -> None:
    _, receipt = _late()
    document = receipt.to_json()
    for wrong in (
        {**document, "version": 1},
        {**document, "epochs": []},
        {**document, "epochs": "x"},
        {**document, "epochs": [1]},
        {**document, "epochs": [*document["epochs"][:1], "AAAA"]},
        {name: value for name, value in document.items() if name != "epochs"},
        {**RECEIPT.to_json(), "version": 2},
        {**RECEIPT.to_json(), "epochs": []},
        {**RECEIPT.to_json(), "version": 2, "epochs": []},
    ):
        with pytest.raises(ReceiptInvalid):
            Receipt.from_json(json.dumps(wrong))
    value = list(codec.decode(receipt.encode()))
    for changed in ([*value[:1], 1, *value[2:]], [*value[:-1], ()], value[:-1]):
        with pytest.raises(ReceiptInvalid):
            Receipt.decode(codec.encode(tuple(changed)))


def test_golden_bytes_of_a_receipt_with_epochs() -> None:
    document = replace(GOLDEN, epochs=(GOLDEN_ENTRY,))
    assert sha256(document.encode()).hexdigest()[:16] == "3bb2cc2fe4228c37"
    assert (
        sha256(json.dumps(document.to_json(), sort_keys=True).encode()).hexdigest()[:16]
        == "55830b89eaaf0115"
    )


def test_a_receipt_is_not_built_without_the_epochs_that_it_needs() -> None:
    chain, receipt = _late()
    with pytest.raises(InvariantBroken):
        build_receipt(
            genesis=chain.genesis.data,
            outcome=chain.outcomes[receipt.height - 1],
            position=0,
            history=chain.history,
            anchor=receipt.anchor,
            certificate=receipt.certificate,
        )
