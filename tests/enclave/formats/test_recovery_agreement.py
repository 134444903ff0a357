"""What a member agrees to at a recovery, and how two of its agreements accuse it."""

from dataclasses import replace

import pytest

from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import ChainId, Digest, Height
from strongroom.enclave.formats.recovery_agreement import AgreementForged, RecoveryAgreement
from strongroom.enclave.primitives import Secret, SigningKey

KEY = SigningKey(Secret(b"m" * 32))
UNSIGNED = RecoveryAgreement(
    chain=ChainId(b"c" * 32),
    generation=Digest(b"g" * 32),
    height=Height(7),
    block=Digest(b"b" * 32),
    root=Digest(b"r" * 32),
    evidence=Digest(b"e" * 32),
    one_time_key=Digest(b"k" * 32),
    member=KEY.public,
)


def signed(agreement: RecoveryAgreement) -> RecoveryAgreement:
    return replace(agreement, signature=KEY.sign(agreement.signed_bytes()))


def test_an_agreement_is_read_again_and_its_signature_covers_every_field() -> None:
    agreement = signed(UNSIGNED)
    assert RecoveryAgreement.decode(agreement.encode()) == agreement
    agreement.check()
    other = bytes(32)
    for name in ("chain", "generation", "block", "root", "evidence", "one_time_key", "member"):
        with pytest.raises(AgreementForged):
            replace(agreement, **{name: other}).check()  # type: ignore[arg-type]
    with pytest.raises(AgreementForged):
        replace(agreement, height=Height(8)).check()
    with pytest.raises(AgreementForged):
        UNSIGNED.check()


def test_T5B_two_heads_under_one_generation_contradict_each_other() -> None:
    agreement, other = signed(UNSIGNED), Digest(bytes(32))
    higher = replace(UNSIGNED, height=Height(8))
    for changed in (higher, replace(UNSIGNED, block=other), replace(UNSIGNED, root=other)):
        assert agreement.contradicts(signed(changed))
    for changed in (
        UNSIGNED,
        replace(UNSIGNED, evidence=other),
        replace(higher, generation=other),
        replace(higher, chain=ChainId(bytes(32))),
    ):
        assert not agreement.contradicts(signed(changed))


def test_bytes_that_are_no_agreement_are_not_read() -> None:
    good = signed(UNSIGNED)
    for bad in (
        good.encode()[:-1],
        replace(good, height=Height(-1)).encode(),
        replace(good, block=Digest(b"")).encode(),
        UNSIGNED.encode(),
        b"",
    ):
        with pytest.raises(NotCanonical):
            RecoveryAgreement.decode(bad)
