"""Files of misbehaviour: a vote, and a proof that holds two files; as JSON, strict both ways.

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
from strongroom.consensus.statements import Vote
from strongroom.enclave.outside.misbehaviour import Shown, ShownVote
from strongroom.enclave.outside.receipt import JSON_BYTES_MAX, RECEIPT_EPOCHS_MAX, Receipt

VOTE_FORMAT, PROOF_FORMAT = "strongroom-vote", "strongroom-misbehaviour"
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


def proof_document(first: Shown, second: Shown) -> dict[str, Any]:
    """Both, in one file: all that it takes beside the pin."""
    return {
        "format": PROOF_FORMAT,
        "version": VERSION,
        "first": shown_document(first),
        "second": shown_document(second),
    }


def shown_document(shown: Shown) -> dict[str, Any]:
    """The form of a vote, or of a receipt."""
    return shown.to_json() if isinstance(shown, Receipt) else vote_document(shown)


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
    if document.get("format") == VOTE_FORMAT:
        return _read_vote(document)
    return Receipt.from_json(document)


def _read_vote(document: Mapping[str, Any]) -> ShownVote:
    _check_version(document)
    try:
        epochs = codec.listed(
            tuple(document["epochs"]), name="epochs", count_max=RECEIPT_EPOCHS_MAX
        )
        shown = ShownVote(
            genesis=_bytes(document["genesis"], "genesis"),
            vote=Vote.from_wire(codec.decode(_bytes(document["vote"], "vote"))),
            epochs=tuple(
                EpochEntry.from_wire(codec.decode(_bytes(one, "epochs"))) for one in epochs
            ),
        )
    except PeerFault as fault:
        raise ReceiptInvalid(f"not a vote: {fault}") from None
    except (KeyError, TypeError) as error:
        raise ReceiptInvalid(f"not a vote: {error}") from None
    if vote_document(shown) != dict(document):
        raise ReceiptInvalid("not a vote: written in another way than votes are")
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
