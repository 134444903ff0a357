"""A block's write set: what a replica that did not execute the block needs to stand where the
others stand.

Owns its plaintext form and its box (AES-256-GCM-SIV under the epoch's ledger secret, nonce from the
height). The AAD names chain, epoch, height, block and outcome root: so whoever opens the box knows
that an enclave of this service, after executing this very block, came to exactly these leaves.
Results stand in it too, for `system.result`.
"""

from dataclasses import dataclass
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import ChainId, Digest, Epoch, Height
from strongroom.enclave.formats.size_classes import pad_write_set, unpad
from strongroom.enclave.primitives import DeterministicBox, place_of

VERSION = 3


@dataclass(frozen=True, slots=True, repr=False)
class WriteSet:
    """The plaintext: everything that one block changed, and everything that it answered."""

    changes: tuple[Any, ...]
    """State.take_changes."""
    opened: tuple[Any, ...]
    windows: tuple[Any, ...]
    """Sessions.take_changes of the block's epoch."""
    windows_before: tuple[Any, ...]
    """Windows of sessions of the epoch before, in its grace."""
    results: tuple[Any, ...]
    """(identity, ((position, result plaintext) …)) for every identity that was answered; of what is
    given once, its digest (programs/runner.py)."""

    def result_of(self, position: int) -> tuple[bytes, bytes] | None:
        """(identity, result plaintext) of the transaction executed at a position of the block."""
        for identity, answered in self.results:
            for at, plaintext in answered:
                if at == position:
                    return identity, plaintext
        return None


@dataclass(frozen=True, slots=True)
class WriteSetBox:
    """Seals and opens write sets of one epoch."""

    chain: ChainId
    epoch: Epoch
    box: DeterministicBox

    def seal(
        self,
        write_set: WriteSet,
        height: Height,
        block: Digest,
        outcome_root: Digest,
        *,
        envelope_bytes: int = 0,
    ) -> bytes:
        """The sealed write set of a block, padded by the size of the block's envelopes (T08)."""
        parts = (
            write_set.changes,
            write_set.opened,
            write_set.windows,
            write_set.windows_before,
            write_set.results,
        )
        plaintext = codec.encode((VERSION, *parts))
        aad = self._aad(height, block, outcome_root)
        return self.box.seal(place_of(height, 0), pad_write_set(plaintext, envelope_bytes), aad)

    def open(self, sealed: bytes, height: Height, block: Digest, outcome_root: Digest) -> WriteSet:
        """Open the write set of a block.

        Raises:
            DoesNotOpen: it was made for another chain, epoch, height, block or outcome, or was
                changed.
            NotCanonical: its plaintext is of another version.
        """
        plaintext = unpad(
            self.box.open(place_of(height, 0), sealed, self._aad(height, block, outcome_root))
        )
        version, *parts = codec.fields(
            codec.decode(plaintext), int, tuple, tuple, tuple, tuple, tuple, name="write set"
        )
        if version != VERSION:
            raise NotCanonical(f"write set: version {version}, this enclave reads {VERSION}")
        return WriteSet(*parts)

    def _aad(self, height: Height, block: Digest, outcome_root: Digest) -> bytes:
        place = self.epoch.to_bytes(8, "big") + height.to_bytes(8, "big")
        return labels.bound(labels.WRITE_SET, self.chain, place + block + outcome_root)
