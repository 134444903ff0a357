"""A member gives its share after a disaster: what it knows of the ledger, and what it agreed to
before (VAULT §7; T45, T5B).

Owns the memory that an offer is compared with: the newest heights that this folder's identities
saw, receipts, generations that were checked, and the one offer of each generation that was agreed
to. The verdict on the offer itself: enclave/outside/recovery_giving.py.
"""

from collections.abc import Sequence
from pathlib import Path
from time import time_ns

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.consensus.types import Digest, Height
from strongroom.enclave.formats.recovery_plan import GivenShare, statement_digest
from strongroom.enclave.outside.receipt import Receipt
from strongroom.enclave.outside.receipts import verify_receipt
from strongroom.enclave.outside.recovery_giving import JudgedOffer, RefusedToGive, check_time, give
from strongroom.node.client.passphrases import Ask
from strongroom.node.client.recovery_keys import OpenersOf, RecoveryKeyFolder
from strongroom.node.client.trust.service import Service
from strongroom.node.layout import ClusterLayout
from strongroom.node.machine.durable_files import make_directory, write_atomic


def known_height(directory: Path, service: Service, receipts: Sequence[bytes] = ()) -> Height:
    """The newest height of this ledger that is known here to be final: seen by any identity of the
    folder, or anchoring a receipt.

    Raises:
        ReceiptInvalid: a receipt does not hold against the pin.
    """
    known = [int(seen_state(directory, service))]
    for data in receipts:
        known.append(int(verify_receipt(Receipt.from_json(data), service.pin).anchor_height))
    return Height(max(known, default=0))


def seen_state(directory: Path, service: Service) -> Height:
    """The newest height whose state an identity of the folder was shown: executed, and said so by
    a node's enclave or by f+1 nodes."""
    seen = (_seen(path, service) for path in ClusterLayout(directory).keys.glob("*.seen"))
    return Height(max(seen, default=0))


def check_executed(offer: JudgedOffer, seen: Height, lost_above: int | None = None) -> None:
    """Compare the newest outcome behind an offer with the state that was seen: blocks are there
    before anybody executes them, and an older copy may have them without what they came to.

    Args:
        offer: judged.
        seen: see `seen_state`.
        lost_above: above this height the member agrees that outcomes are lost; None: nothing is.

    Raises:
        RefusedToGive: ``older-than-you-know``.
    """
    executed = offer.plan.opening.anchor.height
    if executed >= seen or (lost_above is not None and executed >= lost_above):
        return
    raise RefusedToGive(
        "older-than-you-know",
        f"the outcomes behind this offer end at height {executed}, and you saw the state of height "
        f"{seen}: what came of the blocks between would be lost; have it begun from a node's "
        f"ledger that has them; if none has, agree to that with --lost-above {executed}",
    )


def _seen(path: Path, service: Service) -> int:
    """The height in one of these files, if it is of this ledger."""
    try:
        text, *chain = path.read_text().split()
        return int(text) if chain == [service.chain.hex()] else 0
    except (OSError, ValueError):
        return 0


def give_share(
    directory: Path,
    service: Service,
    member: str,
    offer: JudgedOffer,
    *,
    again: bool = False,
    ask: Ask | None = None,
    now_ms: int | None = None,
    openers: OpenersOf | None = None,
) -> GivenShare:
    """Agree to an offer as a member of this folder, and note it before it leaves.

    Args:
        directory: the member's folder.
        service: in it.
        member: name of its key file.
        offer: judged, and not older than what is known.
        again: although another offer of this generation was agreed to.
        ask: gets passphrases.
        now_ms: Unix milliseconds; by default this machine's clock.
        openers: gives what opens with the half of a recovery key that lies in a token.

    Raises:
        RefusedToGive: ``time-ahead``, ``not-a-member``, ``older-than-you-know`` (it has a newer
            generation's share) or ``agreed-already``.
        NoRecoveryKey: the key to which its share is sealed is not here.
        ShareRefused, DoesNotOpen: its share is not the one that was committed to.
    """
    check_time(offer, time_ns() // 1_000_000 if now_ms is None else now_ms)
    identity = service.keys.load(member, ask)
    layout = ClusterLayout(directory)
    folder = RecoveryKeyFolder(layout.recovery(member), service.chain, identity.public)
    rules, generation = offer.plan.rules, offer.generation
    newest = max((one.number for one in folder.kept()), default=0)
    if newest > rules.generation:
        raise RefusedToGive(
            "older-than-you-know",
            f"this offer is under shares {rules.generation}, and you hold shares {newest}: its "
            "ledger is older",
        )
    at = generation.coordinate(identity.public)
    if at is None or rules.name_of(identity.public) is None:
        raise RefusedToGive("not-a-member", "you hold no share of the generation in force")
    name = statement_digest(service.chain, offer.plan.statement)
    sealed_to = generation.holders[at - 1].recovery_key
    own, in_token = folder.load(sealed_to, ask), folder.opener(sealed_to, openers)
    _note(layout.recovery(member) / f"agreed-{rules.generation}", name, again=again)
    return give(offer, identity.public, identity.key.sign, own, in_token)


def _note(path: Path, name: Digest, *, again: bool) -> None:
    """Remember what was agreed to: two recoveries under one generation are two histories."""
    try:
        before = path.read_text().split() if path.exists() else []
    except OSError as error:
        raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
    if name.hex() in before:
        return
    if before and not again:
        raise RefusedToGive(
            "agreed-already",
            f"you agreed to another offer of these shares ({path}): two of them are two histories, "
            "and whoever has both agreements can show that you signed both; if the first can never "
            "be opened, say --again",
        )
    try:
        make_directory(path.parent)
        write_atomic(path, "".join(f"{one}\n" for one in (*before, name.hex())).encode())
    except OSError as error:
        raise ClientFault(f"cannot write {path}: {error.strerror}") from None
