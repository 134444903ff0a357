"""A generation of recovery shares: made, checked by other enclaves, opened by its members, put
together again (VAULT §7; T45, T5A).

Owns what is derived from what, and what is sealed to whom; bytes are formats/recovery.py's,
arithmetic sharing.py's. When one is made, who acknowledges and which is active governance says.

    seed ─┬─ W ── one key per epoch ── that epoch's ledger secret
          │        └─ the ledger secret of an epoch that a recovery ended, and none of these opens
          ├─ coefficients ── shares of W, one for each member
          └─ blindings ── commitments to the shares
    the seed itself is sealed under the newest epoch's ledger secret

A member can see that its share opens and was committed to, not that all shares lie on one
polynomial nor that W opens anything. Enclaves that hold the ledger secrets can, and do.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.types import ChainId, Digest, Epoch, PublicKey
from strongroom.enclave.formats.recovery import (
    EPOCHS_COVERED_MAX,
    SHARE_SIZE,
    SHARED_AMONG_MAX,
    Generation,
    RecoveryKey,
    ShareHolder,
)
from strongroom.enclave.formats.recovery_share import Share, ShareRefused, commitment_to
from strongroom.enclave.keys.keys import EpochSecrets
from strongroom.enclave.keys.sharing import combine, split
from strongroom.enclave.primitives import (
    SECRET_SIZE,
    DeterministicBox,
    DoesNotOpen,
    HybridKey,
    Secret,
    curve_seal,
    hybrid_seal,
)

OpenInToken = Callable[[bytes, bytes], bytes]
"""Opens with the half of a recovery key that lies in a token: (sealed, info) → plaintext."""


def make_generation(
    *,
    chain: ChainId,
    number: int,
    basis: Digest,
    threshold: int,
    members: Sequence[tuple[PublicKey, RecoveryKey]],
    secrets: Sequence[EpochSecrets],
) -> Generation:
    """Draw W, share it, and seal these epochs' ledger secrets under it. W is forgotten here.

    Args:
        chain: the service.
        number: of the generation, from 1.
        basis: what it is made for.
        threshold: k.
        members: with their recovery keys, ascending by member's key.
        secrets: of consecutive epochs, ascending; the last is the current one.

    Raises:
        ValueError: no epoch or too many, or not consecutive; a threshold that cannot be.
        DoesNotOpen: nothing can be sealed to one of the keys.
    """
    epochs = [one.epoch for one in secrets]
    if not 0 < len(epochs) <= EPOCHS_COVERED_MAX or epochs != [
        Epoch(at) for at in range(epochs[0], epochs[0] + len(epochs))
    ]:
        raise ValueError(f"1 to {EPOCHS_COVERED_MAX} epochs in a row are covered")
    if not 0 < threshold <= len(members) <= SHARED_AMONG_MAX:
        raise ValueError(f"{threshold} of {len(members)} members, at most {SHARED_AMONG_MAX}")
    seed, newest = Secret.fresh(), secrets[-1]
    drawn = _Drawn(seed, chain, number, threshold, len(members))
    holders = tuple(
        ShareHolder(
            member,
            key.digest,
            commitment_to(chain, number, at, *share),
            _seal_share(share, key, _share_info(chain, number, basis, member, at)),
        )
        for at, ((member, key), share) in enumerate(zip(members, drawn.shares(), strict=True), 1)
    )
    return Generation(
        chain=chain,
        number=number,
        basis=basis,
        threshold=threshold,
        first=epochs[0],
        epoch=newest.epoch,
        sealed_seed=_seed_box(newest, chain, number).seal(0, seed.reveal(), basis),
        sealed_secrets=b"".join(seal_epoch(drawn.wrapping, one, chain, number) for one in secrets),
        holders=holders,
    )


def check_generation(generation: Generation, secrets: Iterable[EpochSecrets]) -> Secret:
    """Check, in an enclave that holds the ledger secrets, that k shares of this generation will
    open them all; W, under which the secrets of later epochs are sealed too.

    Args:
        generation: as it was published.
        secrets: all that are held here; that of the generation's epoch among them.

    Raises:
        PeerFault: its maker lied: the seed does not open, does not give these commitments, or a
            secret is missing or another one.
    """
    held = {one.epoch: one for one in secrets if one.epoch <= generation.epoch}
    wrapping, drawn = _wrapping(generation, held.get(generation.epoch))
    for at, (holder, share) in enumerate(zip(generation.holders, drawn.shares(), strict=True), 1):
        expected = commitment_to(generation.chain, generation.number, at, *share)
        if holder.commitment != expected:
            raise PeerFault(f"generation {generation.number}: share {at} lies on no polynomial")
    if min(held) < generation.first:
        raise PeerFault(f"generation {generation.number} leaves epoch {min(held)} out")
    for epoch, one in held.items():
        box = seal_epoch(wrapping, one, generation.chain, generation.number)
        if generation.epoch_box(epoch) != box:
            raise PeerFault(f"generation {generation.number} holds no secret of epoch {epoch}")
    return wrapping


def wrapping_of(generation: Generation, secrets: EpochSecrets) -> Secret:
    """W, in an enclave that holds the ledger secret of the generation's epoch.

    Raises:
        PeerFault: the seed does not open: its maker lied.
    """
    return _wrapping(generation, secrets)[0]


def seal_epoch(wrapping: Secret, secrets: EpochSecrets, chain: ChainId, number: int) -> bytes:
    """One epoch's ledger secret under W: the same bytes from every enclave."""
    plaintext = secrets.generation.to_bytes(4, "big") + secrets.ledger.reveal()
    key, aad = _epoch_key(wrapping, chain, number, secrets.epoch)
    return key.seal(0, plaintext, aad)


def open_epoch(
    wrapping: Secret, epoch: Epoch, box: bytes, chain: ChainId, number: int
) -> EpochSecrets:
    """What of an epoch a recovery brings back: the ledger secret alone.

    Raises:
        DoesNotOpen: another W, epoch, chain or generation, or changed bytes.
    """
    key, aad = _epoch_key(wrapping, chain, number, epoch)
    plaintext = key.open(0, box, aad)
    if len(plaintext) != 4 + SECRET_SIZE:
        raise DoesNotOpen("an epoch's secret of another size")
    return EpochSecrets(
        epoch=epoch,
        generation=int.from_bytes(plaintext[:4], "big"),
        input_secret=None,
        ledger=Secret(plaintext[4:]),
    )


def lost_secret(
    wrapping: Secret, epoch: Epoch, end: Digest, chain: ChainId, number: int
) -> EpochSecrets:
    """The ledger secret under which a recovery writes what it must of an epoch that no share
    opens. Every enclave of it derives the same, and so does a later one with the same shares;
    whoever lacks W knows nothing of it, nor of W by it.

    Args:
        wrapping: W.
        epoch: that was lost.
        end: digest of the header that ends it: two recoveries never write under one secret.
        chain: the service.
        number: of the generation.
    """
    ledger = wrapping.derive(labels.RECOVERY_LOST, chain + codec.encode((number, epoch, end)))
    return EpochSecrets(epoch=epoch, input_secret=None, ledger=ledger)


def open_share(
    generation: Generation,
    member: PublicKey,
    own: HybridKey,
    in_token: OpenInToken | None = None,
) -> Share:
    """A member's own share, opened by its client and compared with the commitment.

    Args:
        generation: as it stands on the ledger.
        member: whose share.
        own: its recovery key.
        in_token: opens with the half that lies in its token, when there is one.

    Raises:
        ShareRefused: the member holds none in it, or what was sealed is not what was committed to.
        DoesNotOpen: it was sealed to another key, or not as it must be.
    """
    at = generation.coordinate(member)
    if at is None:
        raise ShareRefused("share-of-no-member", "this member holds none in this generation")
    info = _share_info(generation.chain, generation.number, generation.basis, member, at)
    opened = own.open(generation.holders[at - 1].sealed, info)
    if in_token is not None:
        opened = in_token(opened, info)
    if len(opened) != SHARE_SIZE:
        raise DoesNotOpen("a share of another size: is half of the recovery key in a token?")
    value, blinding = Secret(opened[:SECRET_SIZE]), Secret(opened[SECRET_SIZE:])
    share = Share(generation.chain, generation.digest, generation.number, member, value, blinding)
    share.check(generation)
    return share


@dataclass(frozen=True, slots=True)
class ShareCollector:
    """Takes shares of one generation until there are k."""

    generation: Generation
    _taken: dict[int, Secret] = field(default_factory=dict, repr=False)

    def take(self, share: Share) -> None:
        """Count one more.

        Raises:
            ShareRefused: this one does not count; those that were taken stay.
        """
        at = share.check(self.generation)
        if at in self._taken:
            raise ShareRefused(
                "share-twice", f"that of member {share.member.hex()[:16]} was given before"
            )
        self._taken[at] = share.value

    @property
    def missing(self) -> int:
        """How many more are needed."""
        return max(0, self.generation.threshold - len(self._taken))

    def wrapping(self) -> Secret:
        """W.

        Raises:
            ShareRefused: ``too-few-shares``.
        """
        if self.missing:
            raise ShareRefused("too-few-shares", f"{self.missing} more are needed")
        chosen = sorted(self._taken)[: self.generation.threshold]
        return combine({at: self._taken[at] for at in chosen})


@dataclass(frozen=True, slots=True, repr=False)
class _Drawn:
    """What follows from a seed."""

    seed: Secret
    chain: ChainId
    number: int
    threshold: int
    count: int

    @property
    def wrapping(self) -> Secret:
        return self.seed.derive(labels.RECOVERY_WRAPPING, self._context("wrapping", 0))

    def shares(self) -> list[tuple[Secret, Secret]]:
        """(value, blinding), by coordinate."""
        coefficients = [self._split("coefficient", degree) for degree in range(1, self.threshold)]
        values = split(self.wrapping, coefficients, self.count)
        return [(one, self._split("blinding", at)) for at, one in enumerate(values, 1)]

    def _split(self, purpose: str, at: int) -> Secret:
        return self.seed.derive(labels.RECOVERY_SPLIT, self._context(purpose, at))

    def _context(self, purpose: str, at: int) -> bytes:
        return codec.encode((self.chain, self.number, self.threshold, self.count, purpose, at))


def _wrapping(generation: Generation, newest: EpochSecrets | None) -> tuple[Secret, _Drawn]:
    words = f"the seed of generation {generation.number} does not open"
    if newest is None:
        raise PeerFault(f"{words}: the secret of epoch {generation.epoch} is not here")
    box = _seed_box(newest, generation.chain, generation.number)
    try:
        seed = Secret(box.open(0, generation.sealed_seed, generation.basis))
    except (DoesNotOpen, NotCanonical):
        raise PeerFault(words) from None
    drawn = _Drawn(
        seed, generation.chain, generation.number, generation.threshold, len(generation.holders)
    )
    return drawn.wrapping, drawn


def _seed_box(newest: EpochSecrets, chain: ChainId, number: int) -> DeterministicBox:
    context = codec.encode((chain, number, newest.epoch, newest.generation))
    return DeterministicBox(newest.ledger.derive(labels.RECOVERY_SEED, context))


def _epoch_key(
    wrapping: Secret, chain: ChainId, number: int, epoch: Epoch
) -> tuple[DeterministicBox, bytes]:
    context = codec.encode((number, epoch))
    key = wrapping.derive(labels.RECOVERY_SECRET, chain + context)
    return DeterministicBox(key), labels.bound(labels.RECOVERY_SECRET, chain, context)


def _share_info(
    chain: ChainId, number: int, basis: Digest, member: PublicKey, coordinate: int
) -> bytes:
    """The basis stands for k, for all members and for their keys."""
    return labels.bound(
        labels.RECOVERY_SHARE, chain, codec.encode((number, basis, member, coordinate))
    )


def _seal_share(share: tuple[Secret, Secret], key: RecoveryKey, info: bytes) -> bytes:
    """X-Wing outside, so that what is on the ledger opens to no later quantum computer (P11)."""
    value, blinding = share
    plaintext = value.reveal() + blinding.reveal()
    inner = curve_seal(key.point, plaintext, info) if key.point else plaintext
    return hybrid_seal(key.hybrid, inner, info)
