"""Checking the chain of headers that a node shows against the pin, down to genesis.

Owns the walk: the succession of epochs from genesis on, the first header at or above a height that
has a FINALIZE certificate of its own by its epoch's validators, then parent by parent to genesis,
whose hash is the pin. Transactions and outcomes are not read; that is what receipts are for.
"""

from base64 import b64decode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import AttestationError, NotCanonical, PeerFault, ReceiptInvalid
from strongroom.consensus.recovery import Finality, RecoveryCertificate, read_finality
from strongroom.enclave.outside.epochs_shown import follow_epochs
from strongroom.enclave.proofs.genesis import VerifiedGenesis, chain_of, epoch_chain, verify_genesis
from strongroom.node.client.errors import NotTrusted
from strongroom.node.faults import NotFound

HEADERS_AT_ONCE = 100
CERTIFIED_WITHIN_MAX = 1_000
"""Headers above the asked one that are looked through for a certificate."""

AskAll = Callable[[Sequence[tuple[str, dict[str, Any]]]], Awaitable[list[Any]]]


@dataclass(frozen=True, slots=True)
class CheckedChain:
    """What the walk showed."""

    genesis: VerifiedGenesis
    header: Header
    """The asked one."""
    certified: Header
    """The one whose certificate makes it final."""
    signers: int
    """How many validators signed that certificate; of a recovery, how many members."""
    members: int
    """Validators of its epoch; of a recovery, members who could have agreed."""
    by_members: bool
    """That block is the end of a lost epoch, which members certified."""
    recoveries: tuple[RecoveryCertificate, ...]
    """Where members opened the next epoch, because the one before was lost."""


async def check_chain(
    ask_all: AskAll, pin: str, height: int, progress: Callable[[int], None]
) -> CheckedChain:
    """Check every header from `height` down to genesis, and that a quorum made it final.

    Args:
        ask_all: asks a node several JSON-RPC calls at once.
        pin: of the service.
        height: from 1.
        progress: told how many headers are checked so far.

    Raises:
        ReceiptInvalid: with the verdict ``forged``, ``incomplete`` (a header is not there) or
            ``cannot check``.
    """
    genesis, epochs = await check_epochs(ask_all, pin)
    certified, certificate = await _certified(ask_all, height)
    description = epochs.description(certified.epoch)
    try:
        if description is None:
            raise PeerFault(f"the node does not show how epoch {certified.epoch} began")
        epochs.check_final(certified, certificate)
    except PeerFault as fault:
        raise ReceiptInvalid(f"block {certified.height}: {fault}") from None
    child, asked = certified, certified
    checked = 1
    while child.height > 1:
        low = max(1, child.height - HEADERS_AT_ONCE)
        shown = await ask_all(
            [("ledger_header", {"height": at}) for at in range(child.height - 1, low - 1, -1)]
        )
        for document in shown:
            parent = _header(document)
            _check_link(parent, child, epochs)
            child = parent
            asked = parent if parent.height >= height else asked
            checked += 1
        progress(checked)
    _check_link(genesis.header, child, epochs)
    signers, members = len(certificate.signers), len(description.validators)
    by_members = isinstance(certificate, RecoveryCertificate)
    if isinstance(certificate, RecoveryCertificate):
        signers, members = len(certificate.agreements), len(certificate.rules.members)
    return CheckedChain(
        genesis, asked, certified, signers, members, by_members, epochs.recoveries()
    )


def _check_link(parent: Header, child: Header, epochs: EpochChain) -> None:
    if (
        parent.digest != child.parent
        or parent.height + 1 != child.height
        or parent.chain != child.chain
    ):
        raise ReceiptInvalid(
            f"block {child.height} does not stand on the block {child.height - 1} that is shown"
        )
    if parent.epoch != child.epoch or parent.height == 0:
        anchor = epochs.anchor_of(child.epoch)
        if anchor is None or anchor.digest != parent.digest:
            raise ReceiptInvalid(
                f"block {parent.height} is not the one that opened epoch {child.epoch}"
            )


async def check_epochs(ask_all: AskAll, pin: str) -> tuple[VerifiedGenesis, EpochChain]:
    """The succession of epochs that a node shows, followed from the pinned genesis to the newest.

    Raises:
        ReceiptInvalid: it does not hold.
    """

    async def ask(method: str, **params: Any) -> Any:
        return (await ask_all([(method, params)]))[0]

    genesis = await _genesis(ask_all, pin)
    epochs = epoch_chain(genesis)
    try:
        await follow_epochs(ask, epochs)
    except NotTrusted as fault:
        raise ReceiptInvalid(f"the succession of epochs does not hold: {fault}") from None
    return genesis, epochs


async def _genesis(ask_all: AskAll, pin: str) -> VerifiedGenesis:
    (info,) = await ask_all([("service_info", {})])
    try:
        data = b64decode(info["genesis"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise ReceiptInvalid("the node shows no genesis", verdict="cannot check") from None
    if sha256(data).digest() != chain_of(pin):
        raise ReceiptInvalid("the node serves another chain than the pinned one")
    try:
        return verify_genesis(data)
    except (AttestationError, NotCanonical) as error:
        raise ReceiptInvalid(
            f"the evidence of the service's enclaves does not verify: {error}"
        ) from None


async def _certified(ask_all: AskAll, height: int) -> tuple[Header, Finality]:
    """The first header at or above `height` with a certificate of its own, both decoded and not yet
    verified."""
    for above in range(height, height + CERTIFIED_WITHIN_MAX):
        try:
            (document,) = await ask_all([("ledger_header", {"height": above})])
        except NotFound:
            missing = (
                "it is not there"
                if above == height
                else "no block above it has a certificate of its own yet"
            )
            raise ReceiptInvalid(
                f"block {height} cannot be checked: {missing}", verdict="incomplete"
            ) from None
        if document.get("certificate") is not None:
            header = _header(document)
            if header.height != above:
                raise ReceiptInvalid(
                    f"asked for block {above}, the node shows block {header.height}"
                )
            return header, _certificate(document)
    raise ReceiptInvalid(
        f"no certificate within {CERTIFIED_WITHIN_MAX} blocks", verdict="cannot check"
    )


def _header(document: Any) -> Header:
    try:
        return Header.decode(b64decode(document["header"], validate=True))
    except (KeyError, TypeError, ValueError, NotCanonical) as error:
        raise ReceiptInvalid(f"not a header: {error}") from None


def _certificate(document: Any) -> Finality:
    try:
        return read_finality(codec.decode(b64decode(document["certificate"], validate=True)))
    except (KeyError, TypeError, ValueError, NotCanonical) as error:
        raise ReceiptInvalid(f"not a certificate: {error}") from None
