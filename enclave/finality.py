"""Which blocks may be executed: those that a quorum finalised, and no others (T03, T33).

Owns FinalRun, which only `check_run` can make: a signature that takes one says that nothing unordered gets in.
"""

from collections.abc import Sequence
from typing import Final

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import InvariantBroken, PeerFault
from strongroom.consensus.statements import Certificate, Kind
from strongroom.consensus.types import ChainId
from strongroom.consensus.validators import EpochDescription, Verify
from strongroom.enclave.genesis import VerifiedGenesis

RUN_BLOCKS_MAX = 1024
_CHECKED: Final = object()


class FinalRun:
    """Consecutive headers, the last with a FINALIZE certificate of a quorum; so all of them are final."""

    __slots__ = ("certificate", "headers")

    def __init__(self, headers: tuple[Header, ...], certificate: Certificate, checked: object) -> None:
        if checked is not _CHECKED:
            raise InvariantBroken("a FinalRun comes from check_run alone")
        self.headers = headers
        self.certificate = certificate

    @property
    def last(self) -> Header:
        """The newest header, which the certificate is of."""
        return self.headers[-1]


def check_run(
    parent: Header, headers: Sequence[Header], certificate: Certificate, genesis: VerifiedGenesis, verify: Verify
) -> FinalRun:
    """Check that `headers` follow `parent` one by one and that a quorum finalised the last.

    Raises:
        PeerFault: they do not, or the certificate is of something else or does not verify.
    """
    if not 1 <= len(headers) <= RUN_BLOCKS_MAX:
        raise PeerFault(f"run of {len(headers)} blocks, expected 1 to {RUN_BLOCKS_MAX}")
    description, previous = genesis.description, parent
    for header in headers:
        if previous is not parent and previous.next_epoch != description.digest:
            raise PeerFault(f"block {header.height} stands on a terminal block of its own epoch")
        if header.height != previous.height + 1 or header.parent != previous.digest:
            raise PeerFault(f"block {header.height} does not follow block {previous.height}")
        if header.chain != genesis.chain or header.epoch != description.epoch:
            raise PeerFault(f"block {header.height} is of another chain or epoch")
        previous = header
    check_final(previous, certificate, genesis.chain, description, verify)
    return FinalRun(tuple(headers), certificate, _CHECKED)


def check_final(
    header: Header, certificate: Certificate, chain: ChainId, description: EpochDescription, verify: Verify
) -> None:
    """Check a FINALIZE certificate of this very header. A terminal block may be certified in a later view.

    Raises:
        PeerFault: another kind, block, view, chain or epoch, or not a quorum's signatures.
    """
    if certificate.kind is not Kind.FINALIZE or certificate.digest != header.digest:
        raise PeerFault(f"no FINALIZE certificate of block {header.height}")
    if header.chain != chain:
        raise PeerFault(f"block {header.height} is of another chain")
    terminal = header.next_epoch != description.digest
    if certificate.view != header.view and not (terminal and certificate.view > header.view):
        raise PeerFault(f"block {header.height} of view {header.view}, certified in view {certificate.view}")
    certificate.check(chain, description, verify)
