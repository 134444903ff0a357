"""A generation of recovery shares: made, checked, opened, put together; what liars do to one."""

from dataclasses import replace
from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.types import ChainId, Digest, Epoch, PublicKey
from strongroom.enclave.formats.recovery import (
    EPOCH_BOX_SIZE,
    EPOCHS_COVERED_MAX,
    GENERATION_BYTES_MAX,
    Generation,
    RecoveryKey,
)
from strongroom.enclave.formats.recovery_share import Share, ShareRefused
from strongroom.enclave.keys import recovery
from strongroom.enclave.keys.keys import EpochSecrets
from strongroom.enclave.keys.recovery import (
    ShareCollector,
    check_generation,
    make_generation,
    open_epoch,
    open_share,
    seal_epoch,
)
from strongroom.enclave.keys.sealing import EPOCHS_MAX
from strongroom.enclave.keys.sharing import combine
from strongroom.enclave.primitives import DoesNotOpen, HybridKey, Secret, check_point, curve_seal

CHAIN, OTHER_CHAIN, BASIS = ChainId(b"c" * 32), ChainId(b"d" * 32), Digest(b"b" * 32)
KEYS = [HybridKey(Secret(bytes([one]) * 32)) for one in range(5)]
MEMBERS = [PublicKey(bytes([at]) * 32) for at in range(5)]
HOLDERS = [(MEMBERS[at], RecoveryKey(KEYS[at].public)) for at in range(5)]
EPOCHS = [
    EpochSecrets(epoch=Epoch(at), input_secret=None, ledger=Secret(bytes([64 + at]) * 32))
    for at in range(4)
]


def made(
    *, number: int = 1, chain: ChainId = CHAIN, threshold: int = 3, epochs: int = 3
) -> Generation:
    return make_generation(
        chain=chain,
        number=number,
        basis=BASIS,
        threshold=threshold,
        members=HOLDERS,
        secrets=EPOCHS[:epochs],
    )


GENERATION = made()
SHARES = [open_share(GENERATION, MEMBERS[at], KEYS[at]) for at in range(5)]


def refused(share: Share, generation: Generation = GENERATION) -> str:
    with pytest.raises(ShareRefused) as refusal:
        share.check(generation)
    return refusal.value.reason


def test_any_k_members_open_every_epochs_ledger_secret_and_no_input_secret() -> None:
    for chosen in combinations(SHARES, 3):
        collector = ShareCollector(GENERATION)
        for share in chosen:
            collector.take(share)
        wrapping = collector.wrapping()
        for one in EPOCHS[:3]:
            opened = open_epoch(
                wrapping, one.epoch, GENERATION.epoch_box(one.epoch), CHAIN, GENERATION.number
            )
            assert opened.ledger.reveal() == one.ledger.reveal()
            assert not opened.opens


def test_T45_k_less_one_shares_open_nothing_and_are_not_even_tried() -> None:
    collector = ShareCollector(GENERATION)
    collector.take(SHARES[0])
    collector.take(SHARES[4])
    with pytest.raises(ShareRefused, match="too-few-shares: 1 more"):
        collector.wrapping()
    for wrong in ({1: SHARES[0].value, 5: SHARES[4].value}, {1: SHARES[0].value}):
        with pytest.raises(DoesNotOpen):
            open_epoch(combine(wrong), Epoch(0), GENERATION.epoch_box(Epoch(0)), CHAIN, 1)


def test_T5A_a_share_that_does_not_count_is_refused_by_name_alone() -> None:
    elsewhere, older = made(chain=OTHER_CHAIN), made(number=1)
    newer = made(number=2)
    assert refused(open_share(elsewhere, MEMBERS[0], KEYS[0])) == "share-of-another-chain"
    assert refused(SHARES[0], newer) == "share-of-an-older-generation"
    assert refused(SHARES[0], older) == "share-of-another-generation"  # same number, another W
    assert refused(open_share(newer, MEMBERS[0], KEYS[0])) == "share-of-another-generation"
    assert refused(replace(SHARES[0], value=Secret(bytes(32)))) == "share-forged"
    assert refused(replace(SHARES[0], blinding=Secret(bytes(32)))) == "share-forged"
    assert refused(replace(SHARES[0], member=MEMBERS[1])) == "share-forged"
    stranger = PublicKey(b"\xff" * 32)
    assert refused(replace(SHARES[0], member=stranger)) == "share-of-no-member"


def test_T5A_a_refused_share_changes_nothing_of_those_that_were_taken() -> None:
    collector = ShareCollector(GENERATION)
    collector.take(SHARES[0])
    for wrong, reason in (
        (SHARES[0], "share-twice"),
        (replace(SHARES[1], value=SHARES[2].value), "share-forged"),
    ):
        with pytest.raises(ShareRefused, match=reason):
            collector.take(wrong)
        assert collector.missing == 2
    collector.take(SHARES[2])
    collector.take(SHARES[1])
    assert collector.missing == 0
    check = check_generation(GENERATION, EPOCHS[:3])
    assert collector.wrapping().reveal() == check.reveal()


def test_a_share_opens_for_its_member_and_place_alone() -> None:
    with pytest.raises(DoesNotOpen):
        open_share(GENERATION, MEMBERS[0], KEYS[1])
    first, second, *rest = GENERATION.holders
    swapped = replace(
        GENERATION,
        holders=(replace(first, sealed=second.sealed), replace(second, sealed=first.sealed), *rest),
    )
    with pytest.raises(DoesNotOpen):
        open_share(swapped, MEMBERS[0], KEYS[0])
    for changed in (
        replace(GENERATION, chain=OTHER_CHAIN),
        replace(GENERATION, number=2),
        replace(GENERATION, basis=Digest(bytes(32))),
    ):
        with pytest.raises(DoesNotOpen):
            open_share(changed, MEMBERS[0], KEYS[0])
    with pytest.raises(ShareRefused, match="share-of-no-member"):
        open_share(GENERATION, PublicKey(b"\xff" * 32), KEYS[0])


def test_two_members_with_one_key_open_each_its_own_share_alone() -> None:
    key = RecoveryKey(KEYS[0].public)
    one = make_generation(
        chain=CHAIN,
        number=1,
        basis=BASIS,
        threshold=2,
        members=[(MEMBERS[0], key), (MEMBERS[1], key)],
        secrets=EPOCHS[:1],
    )
    first, second = one.holders
    swapped = (replace(first, sealed=second.sealed), replace(second, sealed=first.sealed))
    for at in (0, 1):
        open_share(one, MEMBERS[at], KEYS[0])
        with pytest.raises(DoesNotOpen):
            open_share(replace(one, holders=swapped), MEMBERS[at], KEYS[0])


def test_T5A_a_maker_that_commits_to_other_than_it_seals_is_seen_by_that_member() -> None:
    first, *rest = GENERATION.holders
    lie = replace(GENERATION, holders=(replace(first, commitment=rest[0].commitment), *rest))
    with pytest.raises(ShareRefused, match="share-forged"):
        open_share(lie, MEMBERS[0], KEYS[0])
    assert open_share(lie, MEMBERS[1], KEYS[1]).check(lie) == 2


def test_T5A_other_enclaves_see_what_no_member_can() -> None:
    """Shares that open and were committed to, but lie on no polynomial; secrets that W opens, but
    of something else."""
    other = made()
    first, *rest = GENERATION.holders
    lies = [
        replace(GENERATION, holders=(other.holders[0], *rest)),
        replace(GENERATION, threshold=2),
        replace(GENERATION, sealed_seed=other.sealed_seed),
        replace(GENERATION, sealed_secrets=other.sealed_secrets),
        replace(GENERATION, basis=Digest(bytes(32))),
        replace(GENERATION, number=2),
        replace(GENERATION, chain=OTHER_CHAIN),
        replace(GENERATION, first=Epoch(1), sealed_secrets=GENERATION.sealed_secrets[52:]),
        make_generation(
            chain=CHAIN,
            number=1,
            basis=BASIS,
            threshold=3,
            members=HOLDERS,
            secrets=[
                EpochSecrets(epoch=Epoch(0), input_secret=None, ledger=Secret(bytes(32))),
                *EPOCHS[1:3],
            ],
        ),
    ]
    assert first.member == MEMBERS[0]
    for lie in lies:
        with pytest.raises(PeerFault):
            check_generation(lie, EPOCHS)
    with pytest.raises(PeerFault, match="leaves epoch 0 out"):
        check_generation(lies[-2], EPOCHS)
    check_generation(GENERATION, EPOCHS)
    check_generation(GENERATION, EPOCHS[1:])  # an enclave that joined lately holds fewer
    with pytest.raises(PeerFault, match="is not here"):
        check_generation(GENERATION, EPOCHS[:2])


def test_a_later_epochs_secret_is_sealed_alike_by_every_enclave_and_opens() -> None:
    wrapping = check_generation(GENERATION, EPOCHS)
    box = seal_epoch(wrapping, EPOCHS[3], CHAIN, 1)
    assert box == seal_epoch(recovery.wrapping_of(GENERATION, EPOCHS[2]), EPOCHS[3], CHAIN, 1)
    assert open_epoch(wrapping, Epoch(3), box, CHAIN, 1).ledger.reveal() == (
        EPOCHS[3].ledger.reveal()
    )
    for chain, epoch, number in ((OTHER_CHAIN, 3, 1), (CHAIN, 2, 1), (CHAIN, 3, 2)):
        with pytest.raises(DoesNotOpen):
            open_epoch(wrapping, Epoch(epoch), box, chain, number)


def test_half_of_a_recovery_key_in_a_token() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    suite = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    holders = [(MEMBERS[0], RecoveryKey(KEYS[0].public, point)), *HOLDERS[1:]]
    holders[0][1].check()
    generation = make_generation(
        chain=CHAIN, number=1, basis=BASIS, threshold=2, members=holders, secrets=EPOCHS[:1]
    )
    assert Generation.decode(generation.encode()) == generation
    share = open_share(
        generation, MEMBERS[0], KEYS[0], lambda sealed, info: suite.decrypt(sealed, key, info)
    )
    assert share.check(generation) == 1
    with pytest.raises(DoesNotOpen, match="in a token"):
        open_share(generation, MEMBERS[0], KEYS[0])


def test_a_point_that_is_none_is_refused_without_a_librarys_word() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    check_point(point)
    pressed = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    shifted = point[:64] + bytes([point[64] ^ 1])
    for wrong in (b"", pressed, shifted, b"\x04" + bytes(64), b"\x04" + b"\xff" * 64):
        with pytest.raises(NotCanonical):
            check_point(wrong)
        with pytest.raises(DoesNotOpen):
            curve_seal(wrong, b"share", b"info")


def test_the_largest_generation_that_there_can_be_has_its_bound() -> None:
    """255 members that all have half in a token, and 4,096 epochs: by sizes alone."""
    holder = replace(GENERATION.holders[0], sealed=bytes(64 + 81 + 1136))
    keys = sorted(PublicKey(bytes([at]) * 32) for at in range(255))
    largest = replace(
        GENERATION,
        number=2**32 - 1,
        first=Epoch(2**40),
        epoch=Epoch(2**40 + EPOCHS_COVERED_MAX - 1),
        sealed_secrets=bytes(EPOCH_BOX_SIZE * EPOCHS_COVERED_MAX),
        holders=tuple(replace(holder, member=key) for key in keys),
    )
    encoded = largest.encode()
    assert len(encoded) <= GENERATION_BYTES_MAX
    assert Generation.decode(encoded) == largest
    assert EPOCHS_COVERED_MAX == EPOCHS_MAX
    with pytest.raises(ValueError, match="at most 255"):
        make_generation(
            chain=CHAIN,
            number=1,
            basis=BASIS,
            threshold=2,
            members=HOLDERS * 52,
            secrets=EPOCHS[:1],
        )


def test_epochs_with_a_gap_and_thresholds_that_cannot_be_are_not_made() -> None:
    for epochs, threshold in (([], 1), ([0, 2], 1), ([1, 0], 1), ([0], 0), ([0], 6)):
        with pytest.raises(ValueError, match=r"covered|members"):
            make_generation(
                chain=CHAIN,
                number=1,
                basis=BASIS,
                threshold=threshold,
                members=HOLDERS,
                secrets=[EPOCHS[at] for at in epochs],
            )


@pytest.mark.parametrize(
    "changes",
    [
        {"threshold": 0},
        {"threshold": 6},
        {"number": 0},
        {"number": 2**32},
        {"first": 3},
        {"sealed_secrets": b""},
        {"sealed_seed": b""},
        {"basis": b""},
        {"chain": b""},
        {"holders": GENERATION.holders[::-1]},
        {"holders": (GENERATION.holders[0],) * 2, "threshold": 1},
        {"holders": ()},
        {"holders": (replace(GENERATION.holders[0], sealed=b""),)},
        {"epoch": 2**63, "first": 0},
    ],
)
def test_a_generation_that_contradicts_itself_is_not_read(changes: dict[str, object]) -> None:
    with pytest.raises(NotCanonical):
        Generation.decode(replace(GENERATION, **changes).encode())  # type: ignore[arg-type]


def test_what_is_written_is_read_again() -> None:
    assert Generation.decode(GENERATION.encode()) == GENERATION
    again = Share.decode(SHARES[0].encode())
    assert (again.encode(), again.check(GENERATION)) == (SHARES[0].encode(), 1)
    for data in (b"", SHARES[0].encode()[:-1], GENERATION.encode()):
        with pytest.raises(NotCanonical):
            Share.decode(data)


def test_no_share_prints_itself() -> None:
    assert SHARES[0].value.reveal().hex() not in repr(SHARES[0])
    assert repr(SHARES[0].value) == "Secret(…)"
    collector = ShareCollector(GENERATION)
    collector.take(SHARES[0])
    assert "Secret" not in repr(collector)


def test_needed_acknowledgements_are_one_more_than_open_it_if_there_are() -> None:
    assert made(threshold=3).needed == 4
    assert made(threshold=4).needed == 5
    assert made(threshold=5).needed == 5
