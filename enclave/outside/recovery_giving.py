"""A member's side of the recovery of a dead service: is this plan one to agree to? (VAULT §7; T45,
T5B).

Owns the offer as it travels, its verdict against the pin alone, and what a member hands over. An
offer carries all that the verdict needs: the genesis, the succession of epochs, the plan, the
generation of shares. That the ledger behind it is the newest nobody can prove: so a member compares
it with what it saw itself, and refuses an older one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from strongroom.consensus import codec
from strongroom.consensus.epochs import EpochChain, EpochEntry
from strongroom.consensus.errors import ClientFault, NotCanonical, PeerFault
from strongroom.consensus.recovery import Agreement
from strongroom.consensus.types import Height, PublicKey, Signature
from strongroom.enclave.attestation.verifier import VerifiedEnclave
from strongroom.enclave.formats.recovery import Generation
from strongroom.enclave.formats.recovery_plan import (
    GivenShare,
    RecoveryPlan,
    handed_info,
    statement_digest,
)
from strongroom.enclave.governance.recovering import check_plan, one_time_key
from strongroom.enclave.keys.recovery import OpenInToken, open_share
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.primitives import HybridKey, hybrid_seal
from strongroom.enclave.proofs.genesis import VerifiedGenesis, chain_of, epoch_chain, verify_genesis

OFFER_VERSION = 1
OFFER_BYTES_MAX = 32 * 1024 * 1024
OFFER_EPOCHS_MAX = 1 << 16
AHEAD_MS_MAX = 10 * 60_000
"""By so much an opening header may be later than a member's clock."""


class RefusedToGive(ClientFault):
    """A member gives nothing for this offer.

    Attributes:
        reason: ``another-service``, ``offer-forged``, ``older-than-you-know``,
            ``another-history``, ``time-ahead`` or ``not-a-member``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a recovering node asks members to agree to. Existing says nothing of its truth."""

    genesis: bytes
    entries: tuple[EpochEntry, ...]
    plan: RecoveryPlan
    generation: Generation

    def encode(self) -> bytes:
        """Canonical bytes."""
        entries = tuple(entry.to_wire() for entry in self.entries)
        return codec.encode(
            (OFFER_VERSION, self.genesis, entries, self.plan.encode(), self.generation.encode())
        )

    @classmethod
    def decode(cls, data: bytes) -> "Offer":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of an offer.
        """
        version, genesis, entries, plan, generation = codec.fields(
            codec.decode(data, size_max=OFFER_BYTES_MAX),
            *(int, bytes, tuple, bytes, bytes),
            name="offer",
        )
        if version != OFFER_VERSION:
            raise NotCanonical(f"an offer of version {version}, this code reads {OFFER_VERSION}")
        listed = codec.listed(entries, name="epochs", count_max=OFFER_EPOCHS_MAX)
        return cls(
            genesis=genesis,
            entries=tuple(EpochEntry.from_wire(one) for one in listed),
            plan=RecoveryPlan.decode(plan),
            generation=Generation.decode(generation),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedOffer:
    """An offer that holds against the pin. Only `judge_offer` makes one."""

    genesis: VerifiedGenesis
    epochs: EpochChain
    plan: RecoveryPlan
    generation: Generation
    enclaves: tuple[VerifiedEnclave, ...]
    """Who would be the validators, judged by the policy that the lost quorum certified."""

    @property
    def height(self) -> Height:
        """H, the newest certified one of the ledger behind it."""
        return self.plan.head.header.height


def judge_offer(data: bytes, pin: str) -> JudgedOffer:
    """Check an offer against nothing but the pin.

    Raises:
        RefusedToGive: ``another-service`` or ``offer-forged``.
        ClientFault: not a pin.
    """
    chain = chain_of(pin)
    try:
        offer = Offer.decode(data)
        if sha256(offer.genesis).digest() != chain:
            raise RefusedToGive("another-service", f"this is not the service of {pin}")
        genesis = verify_genesis(offer.genesis)
        epochs = epoch_chain(genesis)
        for entry in offer.entries:
            epochs.extend(entry)
        plan = offer.plan
        reopening = check_plan(plan, chain, epochs.newest, epochs.anchor)
        if offer.generation.digest != plan.rules.shares or offer.generation.chain != chain:
            raise PeerFault("its shares are not those that the ledger certifies")
    except PeerFault as fault:
        raise RefusedToGive("offer-forged", str(fault)) from None
    return JudgedOffer(
        genesis=genesis,
        epochs=epochs,
        plan=plan,
        generation=offer.generation,
        enclaves=reopening.enclaves,
    )


def check_newest(offer: JudgedOffer, known: Height) -> None:
    """Compare an offer with what this member saw of the ledger itself.

    Args:
        offer: judged.
        known: the newest height that it knows to be final: of its receipts, of answers that it got.

    Raises:
        RefusedToGive: ``older-than-you-know``.
    """
    if offer.height < known:
        raise RefusedToGive(
            "older-than-you-know",
            f"the ledger behind this offer ends at height {offer.height}, and you know height "
            f"{known}: what came after it would be lost; have it begun from a newer copy",
        )


def check_history(offer: JudgedOffer, receipt: Receipt) -> None:
    """Compare an offer with how a receipt says that epochs ended: height alone does not tell a
    ledger that went on from one that went on otherwise.

    Args:
        offer: judged.
        receipt: verified against the same pin (receipts.py).

    Raises:
        RefusedToGive: ``another-history``.
    """
    anchor, head = receipt.anchor, offer.plan.head.header
    same = anchor.height != head.height or anchor.digest == head.digest
    for entry in receipt.epochs:
        known = offer.epochs.anchor_of(entry.description.epoch)
        ends = offer.plan.opening if known is None else known
        same = same and ends.digest == entry.header.digest
    if not same:
        raise RefusedToGive(
            "another-history",
            f"your receipt of height {receipt.height} is of a ledger that went on otherwise than "
            "the one behind this offer: who agrees to it drops what you have a receipt of",
        )


def check_time(offer: JudgedOffer, now_ms: int) -> None:
    """Compare the time at which the next epoch would begin with this member's clock: that of one
    host alone, where else a quorum's clocks keep block time. Ahead of it, delays and terms would be
    over at once, and the chain would stand still until clocks are there.

    Args:
        offer: judged.
        now_ms: Unix milliseconds.

    Raises:
        RefusedToGive: ``time-ahead``.
    """
    opening, head = offer.plan.opening, offer.plan.head.header
    if opening.time_ms > max(now_ms + AHEAD_MS_MAX, head.time_ms + 1):
        raise RefusedToGive(
            "time-ahead",
            f"this offer would go on {(opening.time_ms - now_ms) // 1000} s after your clock: "
            "have the clock of the node that leads put right, and a recovery begun anew; or yours",
        )


def give(
    offer: JudgedOffer,
    member: PublicKey,
    sign: Callable[[bytes], Signature],
    recovery_key: HybridKey,
    in_token: OpenInToken | None = None,
) -> GivenShare:
    """Agree, and seal the own share to the enclave that leads.

    Args:
        offer: judged, and compared with what this member knows.
        member: its public key.
        sign: signs with it.
        recovery_key: to which its share is sealed on the ledger.
        in_token: opens with the half of that key that lies in its token, when there is one.

    Raises:
        RefusedToGive: ``not-a-member``.
        ShareRefused, DoesNotOpen: its share is not one, or not for this key.
    """
    plan, chain = offer.plan, offer.genesis.chain
    if plan.rules.name_of(member) is None:
        raise RefusedToGive("not-a-member", "you hold no share of the generation that is in force")
    share = open_share(offer.generation, member, recovery_key, in_token)
    statement = plan.statement
    name = statement_digest(chain, statement)
    agreement = Agreement(member, sign(statement.signed_bytes(chain)))
    key = one_time_key(plan.evidence[0])
    sealed = hybrid_seal(key, share.encode(), handed_info(chain, name, member))
    return GivenShare(name, agreement, sealed)
