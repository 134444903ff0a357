"""Which blocks may be executed: those that a quorum finalised, and no others (T03, T33).

Owns FinalRun, which only `check_run` can make: a signature that takes one says that nothing
unordered gets in.
"""

from collections.abc import Sequence
from typing import Final

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochUnknown
from strongroom.consensus.errors import InvariantBroken, PeerFault
from strongroom.consensus.recovery import Finality
from strongroom.consensus.types import ChainId
from strongroom.consensus.validators import EpochDescription, Verify

RUN_BLOCKS_MAX = 1024
_CHECKED: Final = object()


class FinalRun:
    """Consecutive headers of one epoch, the last with a FINALIZE certificate of a quorum; so all of
    them are final."""

    __slots__ = ("certificate", "headers")

    def __init__(self, headers: tuple[Header, ...], certificate: Finality, checked: object) -> None:
        if checked is not _CHECKED:
            raise InvariantBroken("a FinalRun comes from check_run alone")
        self.headers = headers
        self.certificate = certificate

    @property
    def last(self) -> Header:
        """The newest header, which the certificate is of."""
        return self.headers[-1]


def check_run(
    parent: Header,
    headers: Sequence[Header],
    certificate: Finality,
    epochs: EpochChain,
    verify: Verify,
) -> FinalRun:
    """Check that `headers` follow `parent` one by one in one epoch and that its quorum, or
    a recovery, finalised the last.

    Raises:
        EpochUnknown: their epoch is not one of `epochs`.
        PeerFault: they do not follow, or the certificate is of something else or does not verify.
    """
    if not 1 <= len(headers) <= RUN_BLOCKS_MAX:
        raise PeerFault(f"run of {len(headers)} blocks, expected 1 to {RUN_BLOCKS_MAX}")
    epoch = headers[0].epoch
    description, anchor = epochs.description(epoch), epochs.anchor_of(epoch)
    if description is None or anchor is None:
        raise EpochUnknown(epoch)
    _check_links(parent, headers, anchor, description, chain=anchor.chain)
    epochs.check_final(headers[-1], certificate, verify)
    return FinalRun(tuple(headers), certificate, _CHECKED)


def _check_links(
    parent: Header,
    headers: Sequence[Header],
    anchor: Header,
    description: EpochDescription,
    *,
    chain: ChainId,
) -> None:
    previous = parent
    for header in headers:
        if header.chain != chain or header.epoch != description.epoch:
            raise PeerFault(f"block {header.height} is of another chain or epoch")
        if previous.epoch != header.epoch or previous.height == 0:
            if previous.digest != anchor.digest:
                raise PeerFault(
                    f"block {header.height} does not begin its epoch at the block that opened it"
                )
        elif previous.next_epoch != description.digest:
            raise PeerFault(f"block {header.height} stands on a terminal block of its own epoch")
        if header.height != previous.height + 1 or header.parent != previous.digest:
            raise PeerFault(f"block {header.height} does not follow block {previous.height}")
        previous = header
