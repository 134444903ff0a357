"""The succession of epochs, checked link by link from genesis on (PROTOCOL §1, R16).

Owns which validator set certifies which heights, and the proof of it: for each epoch after the
first, the terminal header of the one before, a FINALIZE certificate for it by that epoch's quorum,
or by k of the members where that quorum was lost, and the description that it names. Knows nothing
of who was admitted or why, and of no secret.
"""

from bisect import bisect_left
from dataclasses import dataclass
from hashlib import sha256

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import PeerFault, invariant
from strongroom.consensus.recovery import Finality, RecoveryCertificate, read_finality
from strongroom.consensus.statements import check_final as check_final
from strongroom.consensus.types import ChainId, Epoch, Height
from strongroom.consensus.validators import PUBLIC_KEY_SIZE as PUBLIC_KEY_SIZE
from strongroom.consensus.validators import EpochDescription, Verify

ENTRIES_MAX = 1024
"""Entries of one EPOCH message."""
ENTRIES_BYTES_MAX = 16 * 1024 * 1024
"""Bytes of the entries that one answer holds; whoever needs more asks again."""


class EpochUnknown(PeerFault):
    """Something is of an epoch whose beginning has not been shown: EPOCHS first.

    Attributes:
        epoch: the one.
    """

    def __init__(self, epoch: int) -> None:
        super().__init__(f"epoch {epoch} is not known here yet: show how it was opened (EPOCHS)")
        self.epoch = epoch


@dataclass(frozen=True, slots=True)
class EpochEntry:
    """What opens epoch e+1. Existing says nothing of its truth: see `EpochChain.extend`."""

    header: Header
    """The terminal header of epoch e."""
    certificate: Finality
    """FINALIZE for it, by a quorum of epoch e, in whose view or a later one; or, of a lost epoch,
    the agreements of k members (recovery.py)."""
    description: EpochDescription
    """Of epoch e+1; its digest is `header.next_epoch`."""
    public_key: bytes
    """The hybrid public key of epoch e+1, 1216 bytes; its SHA-256 is
    `description.public_key_digest`."""

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (
            self.header.encoded,
            self.certificate.to_wire(),
            self.description.encode(),
            self.public_key,
        )

    @classmethod
    def from_wire(cls, value: object) -> "EpochEntry":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        header, certificate, description, public_key = codec.fields(
            value, bytes, tuple, bytes, bytes, name="epoch entry"
        )
        return cls(
            Header.decode(header),
            read_finality(certificate),
            EpochDescription.decode(description),
            codec.sized(public_key, PUBLIC_KEY_SIZE, name="epoch public key"),
        )


class EpochChain:
    """Every epoch from a trusted first one on, each proven by the quorum of the one before."""

    def __init__(
        self, chain_id: ChainId, first: EpochDescription, anchor: Header, verify: Verify
    ) -> None:
        """Begin at an epoch that is trusted as it stands: epoch 0 with genesis, or one that is
        pinned.

        Args:
            chain_id: SHA-256 of the genesis document.
            first: the description of the first epoch.
            anchor: the header that opens it: genesis, or a terminal header that names it.
            verify: (public key, signature, message) → does it verify?
        """
        invariant(anchor.next_epoch == first.digest, "the anchor does not open the first epoch")
        self._chain, self._first, self._anchor, self._verify = chain_id, first, anchor, verify
        self._entries: list[EpochEntry] = []
        self._sizes: list[int] = []
        """Bytes of each entry on the wire."""

    @property
    def newest(self) -> EpochDescription:
        """The description of the newest epoch."""
        return self._entries[-1].description if self._entries else self._first

    @property
    def anchor(self) -> Header:
        """The header that the newest epoch starts from."""
        return self._entries[-1].header if self._entries else self._anchor

    def extend(self, entry: EpochEntry) -> bool:
        """Take what opens the next epoch; what is known already changes nothing.

        A known epoch is the same if its terminal header, description and key are: another quorum's
        certificate, or one of another view, proves nothing else.

        Returns:
            Whether it was new.

        Raises:
            PeerFault: not the next epoch; a header that is of another chain or epoch, not terminal,
                or not above the epoch's anchor; a certificate that is not FINALIZE for it by the
                epoch's quorum; a description or key that is not the one named; or a known epoch
                told differently.
        """
        header, description = entry.header, entry.description
        known = self._entry(description.epoch)
        if known is not None:
            same = (known.header, known.description, known.public_key) == (
                header,
                description,
                entry.public_key,
            )
            if not same:
                raise PeerFault(
                    f"epoch {description.epoch} was opened by another block, or is another one"
                )
            return False
        ending = self.newest
        if description.epoch != ending.epoch + 1:
            raise PeerFault(f"epoch {description.epoch} does not follow epoch {ending.epoch}")
        if header.next_epoch == ending.digest:
            raise PeerFault(f"block {header.height} does not end epoch {ending.epoch}")
        if header.height <= self.anchor.height:
            raise PeerFault(f"block {header.height} is not above its epoch's anchor")
        if description.digest != header.next_epoch:
            raise PeerFault(
                f"epoch {description.epoch} is not the one that block {header.height} names"
            )
        if sha256(entry.public_key).digest() != description.public_key_digest:
            raise PeerFault(
                f"epoch {description.epoch}: its public key is "
                "not the one that its description names"
            )
        self._check_final(header, entry.certificate, ending, self.anchor)
        recovery = entry.certificate
        if isinstance(recovery, RecoveryCertificate) and (
            (recovery.description, recovery.public_key) != (description, entry.public_key)
        ):
            raise PeerFault(f"epoch {description.epoch} is not the one that members agreed to")
        self._entries.append(entry)
        self._sizes.append(len(codec.encode(entry.to_wire())))
        return True

    def check_final(
        self, header: Header, certificate: Finality, verify: Verify | None = None
    ) -> None:
        """Check that a block is final, by its epoch's validators or, if it is the last one of a
        lost epoch, by k of the members.

        Args:
            header: the block's.
            certificate: what shows it.
            verify: of Ed25519; this chain's own by default.

        Raises:
            EpochUnknown: its epoch is not one of this chain.
            PeerFault: it is not.
        """
        description, anchor = self.description(header.epoch), self.anchor_of(header.epoch)
        if description is None or anchor is None:
            raise EpochUnknown(header.epoch)
        if isinstance(certificate, RecoveryCertificate):
            following = self.anchor_of(Epoch(header.epoch + 1))
            if following is not None and following.digest != header.digest:
                raise PeerFault(f"epoch {header.epoch} was ended by another block")
            if following is not None and certificate == self._certificate_of(header.epoch + 1):
                return
        self._check_final(header, certificate, description, anchor, verify)

    def recoveries(self) -> tuple[RecoveryCertificate, ...]:
        """Where members opened the next epoch of this chain, because the one before was lost."""
        made = (entry.certificate for entry in self._entries)
        return tuple(one for one in made if isinstance(one, RecoveryCertificate))

    def description(self, epoch: Epoch) -> EpochDescription | None:
        """The description of an epoch, if it is one of this chain."""
        if epoch == self._first.epoch:
            return self._first
        entry = self._entry(epoch)
        return None if entry is None else entry.description

    def anchor_of(self, epoch: Epoch) -> Header | None:
        """The header that an epoch starts from: the terminal one of the epoch before."""
        if epoch == self._first.epoch:
            return self._anchor
        entry = self._entry(epoch)
        return None if entry is None else entry.header

    def public_key(self, epoch: Epoch) -> bytes | None:
        """The hybrid public key of an epoch after the first, 1216 bytes; that of the first stands
        in genesis."""
        entry = self._entry(epoch)
        return None if entry is None else entry.public_key

    def entries(self, start: Epoch) -> tuple[EpochEntry, ...]:
        """Those that open epochs from `start` on, in order: at most what one EPOCH message
        holds."""
        begin = max(0, start - self._first.epoch - 1)
        end, size = begin, 0
        while (
            end < min(len(self._entries), begin + ENTRIES_MAX)
            and size + self._sizes[end] <= ENTRIES_BYTES_MAX
        ):
            size += self._sizes[end]
            end += 1
        return tuple(self._entries[begin:end])

    def epoch_at(self, height: Height) -> Epoch:
        """The epoch whose quorum certifies this height: a terminal block is its own epoch's
        last."""
        return Epoch(
            self._first.epoch
            + bisect_left(self._entries, height, key=lambda entry: entry.header.height)
        )

    def _check_final(
        self,
        header: Header,
        certificate: Finality,
        description: EpochDescription,
        anchor: Header,
        verify: Verify | None = None,
    ) -> None:
        verify = verify or self._verify
        if not isinstance(certificate, RecoveryCertificate):
            check_final(header, certificate, self._chain, description, verify)
            return
        if certificate.opening != header:
            raise PeerFault(f"recovery: its members agreed to another block than {header.height}")
        certificate.check(self._chain, description, verify, anchor=anchor)

    def _certificate_of(self, epoch: int) -> Finality | None:
        entry = self._entry(Epoch(epoch))
        return None if entry is None else entry.certificate

    def _entry(self, epoch: Epoch) -> EpochEntry | None:
        index = epoch - self._first.epoch - 1
        return self._entries[index] if 0 <= index < len(self._entries) else None
