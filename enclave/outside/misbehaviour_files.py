"""Files of misbehaviour: a vote, agreements, and a proof that holds two files; as JSON, strict both
ways.

Owns these forms; a receipt's is receipt.py's. Nothing in a file is trusted before `judge`
(misbehaviour.py), and a proof says nothing that is not judged anew.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import NotCanonical, PeerFault, ReceiptInvalid
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.statements import Vote
from strongroom.enclave.formats.recovery_plan import GivenShare, statement_digest
from strongroom.enclave.outside.misbehaviour_shown import Shown, ShownAgreement, ShownVote
from strongroom.enclave.outside.receipt import JSON_BYTES_MAX, RECEIPT_EPOCHS_MAX, Receipt
from strongroom.enclave.outside.recovery_giving import Offer

VOTE_FORMAT, PROOF_FORMAT = "strongroom-vote", "strongroom-misbehaviour"
AGREEMENT_FORMAT = "strongroom-agreement"
VERSION = 1
PROOF_JSON_BYTES_MAX = 2 * JSON_BYTES_MAX


def vote_document(shown: ShownVote) -> dict[str, Any]:
    """A vote with what proves who its signer is."""
    statement = shown.vote.statement
    return {
        "format": VOTE_FORMAT,
        "version": VERSION,
        "kind": statement.kind.name,
        "epoch": statement.epoch,
        "view": statement.view,
        "digest": statement.digest.hex(),
        "signer": shown.vote.signer,
        "vote": _text(shown.vote.to_wire()),
        "genesis": b64encode(shown.genesis).decode(),
        "epochs": [_text(entry.to_wire()) for entry in shown.epochs],
    }


def agreement_document(shown: ShownAgreement) -> dict[str, Any]:
    """What members agreed to, with what proves who they are."""
    agreed = shown.certificate.agreed
    return {
        "format": AGREEMENT_FORMAT,
        "version": VERSION,
        "generation": agreed.generation,
        "height": agreed.height,
        "head": agreed.head.hex(),
        "members": list(shown.certificate.members),
        "agreement": _text(shown.certificate.to_wire()),
        "genesis": b64encode(shown.genesis).decode(),
        "epochs": [_text(entry.to_wire()) for entry in shown.epochs],
    }


def agreement_of(offer: bytes, share: bytes) -> ShownAgreement:
    """What a member agreed to: from the offer of a recovering node, and the share that it gave.

    Raises:
        ReceiptInvalid: these are none, or the share was given for another offer.
    """
    try:
        read, given = Offer.decode(offer), GivenShare.decode(share)
    except PeerFault as fault:
        raise ReceiptInvalid(f"not an offer and a share: {fault}") from None
    plan = read.plan
    if given.statement != statement_digest(plan.opening.chain, plan.statement):
        raise ReceiptInvalid("this share was given for another offer")
    return ShownAgreement(
        genesis=read.genesis,
        certificate=plan.certificate([given.agreement]).brief(),
        epochs=read.entries,
    )


def proof_document(first: Shown, second: Shown) -> dict[str, Any]:
    """Both, in one file: all that it takes beside the pin."""
    return {
        "format": PROOF_FORMAT,
        "version": VERSION,
        "first": shown_document(first),
        "second": shown_document(second),
    }


def shown_document(shown: Shown) -> dict[str, Any]:
    """The form of a receipt, a vote or agreements."""
    if isinstance(shown, Receipt):
        return shown.to_json()
    return vote_document(shown) if isinstance(shown, ShownVote) else agreement_document(shown)


def read_file(data: bytes) -> tuple[Shown, ...]:
    """What a file shows: one thing; or two, when it is a proof.

    Raises:
        ReceiptInvalid: none of these forms; ``cannot check``: of an unknown version.
    """
    if len(data) > PROOF_JSON_BYTES_MAX:
        raise ReceiptInvalid(f"longer than {PROOF_JSON_BYTES_MAX} bytes")
    try:
        document = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ReceiptInvalid(f"neither a receipt, a vote nor a proof: not JSON ({error})") from None
    form = document.get("format") if isinstance(document, dict) else None
    if form != PROOF_FORMAT:
        return (_read(document),)
    if set(document) != {"format", "version", "first", "second"}:
        raise ReceiptInvalid("not a proof of misbehaviour: other fields than it has")
    _check_version(document)
    return _read(document["first"]), _read(document["second"])


def _read(document: object) -> Shown:
    if not isinstance(document, dict):
        raise ReceiptInvalid("neither a receipt nor a vote: not a JSON object")
    if document.get("format") in (VOTE_FORMAT, AGREEMENT_FORMAT):
        return _read_signed(document)
    return Receipt.from_json(document)


def _read_signed(document: Mapping[str, Any]) -> ShownVote | ShownAgreement:
    _check_version(document)
    shown: ShownVote | ShownAgreement
    try:
        epochs = codec.listed(
            tuple(document["epochs"]), name="epochs", count_max=RECEIPT_EPOCHS_MAX
        )
        entries = tuple(EpochEntry.from_wire(codec.decode(_bytes(one, "epochs"))) for one in epochs)
        genesis = _bytes(document["genesis"], "genesis")
        if document["format"] == VOTE_FORMAT:
            vote = Vote.from_wire(codec.decode(_bytes(document["vote"], "vote")))
            shown = ShownVote(genesis=genesis, vote=vote, epochs=entries)
        else:
            agreement = codec.decode(_bytes(document["agreement"], "agreement"))
            shown = ShownAgreement(
                genesis=genesis,
                certificate=RecoveryCertificate.from_wire(agreement),
                epochs=entries,
            )
    except PeerFault as fault:
        raise ReceiptInvalid(f"not a vote or agreement: {fault}") from None
    except (KeyError, TypeError) as error:
        raise ReceiptInvalid(f"not a vote or agreement: {error}") from None
    if shown_document(shown) != dict(document):
        raise ReceiptInvalid("not a vote or agreement: written in another way than these are")
    return shown


def _check_version(document: Mapping[str, Any]) -> None:
    version = document.get("version")
    if type(version) is not int:
        raise ReceiptInvalid("a file without a version")
    if version != VERSION:
        raise ReceiptInvalid(f"version {version}: get a newer verifier", verdict="cannot check")


def _text(value: object) -> str:
    return b64encode(codec.encode(value)).decode()


def _bytes(value: object, name: str) -> bytes:
    try:
        if isinstance(value, str):
            return b64decode(value, validate=True)
    except ValueError:
        pass
    raise NotCanonical(f"{name}: expected base64")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands twice")
    return fields
