"""Certificates that are held: what they justify, what they contradict, what is told of them (R2,
R4, R12)."""

import pytest

from strongroom.consensus.justifications import Justification
from strongroom.consensus.replica.proofs import Proofs
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch, Signature, SignerIndex, View

A, B = Digest(b"a" * 32), Digest(b"b" * 32)
SIGNERS = (SignerIndex(0), SignerIndex(1), SignerIndex(2))
N, X, F = Kind.NOTARIZE, Kind.NULLIFY, Kind.FINALIZE


def certificate(kind: Kind, view: int, digest: Digest = A) -> Certificate:
    return Certificate(
        Statement(kind, Epoch(0), View(view), NO_DIGEST if kind is X else digest),
        SIGNERS,
        (Signature(bytes(64)),) * 3,
    )


def holding(*held: Certificate) -> Proofs:
    proofs = Proofs()
    for one in held:
        proofs.add(one)
    return proofs


@pytest.mark.parametrize(
    ("held", "new"),
    [
        (certificate(N, 3, A), certificate(N, 3, B)),
        (certificate(F, 3, A), certificate(F, 3, B)),
        (certificate(N, 3, A), certificate(F, 3, B)),
        (certificate(F, 3, A), certificate(N, 3, B)),
        (certificate(F, 3, A), certificate(X, 3)),
        (certificate(X, 3), certificate(F, 3, A)),
    ],
)
def test_L1_to_L3_two_blocks_of_a_view_or_its_end_and_its_finality_contradict(
    held: Certificate, new: Certificate
) -> None:
    assert holding(held).contradiction(new)


@pytest.mark.parametrize(
    ("held", "new"),
    [
        (certificate(N, 3, A), certificate(F, 3, A)),
        (certificate(F, 3, A), certificate(N, 3, A)),
        (certificate(N, 3, A), certificate(X, 3)),
        (certificate(X, 3), certificate(N, 3, A)),
        (certificate(N, 3, A), certificate(N, 4, B)),
        (certificate(F, 3, A), certificate(X, 4)),
    ],
)
def test_what_may_stand_side_by_side(held: Certificate, new: Certificate) -> None:
    assert not holding(held).contradiction(new)


def test_R4_a_parent_whose_chain_is_not_here_justifies_nothing() -> None:
    """The scan goes down over the view's X if there is one, else it says which view's certificate
    is missing."""
    proofs = holding(certificate(N, 1, A), certificate(N, 2, B))
    assert proofs.justify(View(3), View(0), {A, B}.__contains__) == Justification(
        certificate(N, 2, B), ()
    )
    assert proofs.justify(View(3), View(0), {A}.__contains__) == View(2)
    proofs.add(certificate(X, 2))
    assert proofs.justify(View(3), View(0), {A}.__contains__) == Justification(
        certificate(N, 1, A), (certificate(X, 2),)
    )
    assert proofs.justify(View(3), View(0), set[Digest]().__contains__) == View(1)


def test_R12_of_a_view_with_both_N_and_X_the_block_is_told() -> None:
    """The block is what its listener can build on; the X alone would hide it."""
    proofs = holding(
        certificate(N, 1, A), certificate(N, 2, B), certificate(X, 2), certificate(X, 3)
    )
    assert proofs.leading_to(View(4), View(0)) == (certificate(X, 3), certificate(N, 2, B))
    assert proofs.leading_to(View(3), View(0)) == (certificate(N, 2, B),)


def test_R12_a_view_of_which_nothing_is_held_ends_what_is_told() -> None:
    proofs = holding(certificate(N, 1, A), certificate(X, 3))
    assert proofs.leading_to(View(4), View(0)) == (certificate(X, 3),)
