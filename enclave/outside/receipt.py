"""A receipt as bytes and as a JSON file: strict both ways, and nothing in it trusted yet.

Owns the two forms. What a receipt proves is in receipts.py. A receipt of epoch 0 is of version 1;
one that needs the succession of epochs carries it, and is of version 2: no receipt has two
encodings.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import NotCanonical, PeerFault, ReceiptInvalid
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import DIGEST_SIZE, Digest, Height, TransactionId
from strongroom.enclave.formats.merkle import PATH_MAX
from strongroom.enclave.formats.outcome import Code, Leaf
from strongroom.enclave.outside.receipt_text import JSON_BYTES_MAX as JSON_BYTES_MAX
from strongroom.enclave.outside.receipt_text import read_text

VERSIONS = (1, 2)
RECEIPT_EPOCHS_MAX = 4096
"""Epochs that lead to a receipt's anchor, beside the first."""
_COUNT_MAX = 2**32 - 1
_FORMAT = "strongroom-receipt"
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Everything that a stranger with only the pin needs. Nothing in it is trusted before
    `verify_receipt`."""

    genesis: bytes
    """The genesis document: the pin is its hash, the validators' evidence is in it."""
    leaf: Leaf
    index: int
    """Position of the transaction in its block."""
    count: int
    """Envelopes of that block."""
    outcome_path: tuple[Digest, ...]
    height: Height
    """Of that block."""
    block: Digest
    """Of that block's header."""
    write_set_digest: Digest
    snapshot_root: Digest
    history_path: tuple[Digest, ...]
    """Of the height, in the history tree over heights 0..anchor height."""
    anchor: Header
    """The first header with a FINALIZE certificate of its own whose anchor is at or above the
    height."""
    certificate: Certificate
    """FINALIZE for that header."""
    epochs: tuple[EpochEntry, ...] = ()
    """What opened every epoch from 1 to that header's, in order; none for a header of epoch 0."""

    @property
    def version(self) -> int:
        """Of its encoding: 1 without epochs, 2 with them."""
        return 2 if self.epochs else 1

    def encode(self) -> bytes:
        """Canonical bytes; the first field is the label."""
        fields: tuple[object, ...] = (
            labels.RECEIPT,
            self.version,
            self.genesis,
            self.leaf.encode(),
            self.index,
            self.count,
            self.outcome_path,
            self.height,
            self.block,
            self.write_set_digest,
            self.snapshot_root,
            self.history_path,
            self.anchor.encoded,
            self.certificate.to_wire(),
        )
        epochs = tuple(entry.to_wire() for entry in self.epochs)
        return codec.encode((*fields, epochs) if epochs else fields)

    @classmethod
    def decode(cls, data: bytes) -> "Receipt":
        """Read canonical bytes.

        Raises:
            ReceiptInvalid: not the encoding of a receipt.
        """
        try:
            return _from_wire(codec.decode(data))
        except PeerFault as fault:
            raise ReceiptInvalid(f"not a receipt: {fault}") from None

    def to_json(self) -> dict[str, Any]:
        """The JSON document: hex for digests, base64 for documents."""
        leaf = self.leaf
        document = {
            "format": _FORMAT,
            "version": self.version,
            "id": leaf.id.hex(),
            "height": self.height,
            "index": self.index,
            "count": self.count,
            "code": int(leaf.code),
            "status": leaf.code.text,
            "result_digest": leaf.result_digest.hex(),
            "claim_digest": leaf.claim_digest.hex(),
            "outcome_path": [item.hex() for item in self.outcome_path],
            "block": self.block.hex(),
            "write_set_digest": self.write_set_digest.hex(),
            "snapshot_root": self.snapshot_root.hex(),
            "history_path": [item.hex() for item in self.history_path],
            "anchor": b64encode(self.anchor.encoded).decode(),
            "certificate": b64encode(codec.encode(self.certificate.to_wire())).decode(),
            "genesis": b64encode(self.genesis).decode(),
        }
        if self.epochs:
            document["epochs"] = [
                b64encode(codec.encode(entry.to_wire())).decode() for entry in self.epochs
            ]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any] | str | bytes) -> "Receipt":
        """Read a JSON document, or its text: exactly what `to_json` makes, no field more or less.

        Raises:
            ReceiptInvalid: not the JSON form of a receipt; ``cannot check`` when it is of an
                unknown version.
        """
        fields = document if isinstance(document, Mapping) else read_text(document)
        if fields.get("format") != _FORMAT or type(fields.get("version")) is not int:
            raise ReceiptInvalid(f"not a receipt: its format is not {_FORMAT}")
        if fields["version"] not in VERSIONS:
            raise _unknown(fields["version"])
        try:
            receipt = _from_fields(fields)
        except PeerFault as fault:
            raise ReceiptInvalid(f"not a receipt: {fault}") from None
        except KeyError as missing:
            raise ReceiptInvalid(f"not a receipt: no field {missing}") from None
        if receipt.to_json() != dict(fields):
            raise ReceiptInvalid(
                "not a receipt: written in another way than receipts are, or with further fields"
            )
        return receipt


def _from_wire(value: object) -> Receipt:
    """Read fields of the codec.

    Raises:
        NotCanonical: a field is not what it must be.
        ReceiptInvalid: ``cannot check``: of a version that this code does not know.
    """
    if (
        type(value) is not tuple
        or len(value) < 2
        or value[0] != labels.RECEIPT
        or type(value[1]) is not int
    ):
        raise NotCanonical("another label")
    if value[1] not in VERSIONS:
        raise _unknown(value[1])
    if value[1] == 1:
        value = (*value, ())
    shape = (
        bytes,
        int,
        bytes,
        bytes,
        int,
        int,
        tuple,
        int,
        bytes,
        bytes,
        bytes,
        tuple,
        bytes,
        tuple,
        tuple,
    )
    _, version, genesis, leaf, *rest = codec.fields(value, *shape, name="receipt")
    (
        index,
        count,
        outcome_path,
        height,
        block,
        write_set,
        snapshot,
        history_path,
        anchor,
        certificate,
        epochs,
    ) = rest
    if (version == 1) != (not epochs):
        raise NotCanonical("version 2 has epochs, and version 1 none")
    return Receipt(
        genesis=genesis,
        leaf=Leaf.decode(leaf),
        index=codec.unsigned(index, name="index", value_max=_COUNT_MAX),
        count=codec.unsigned(count, name="count", value_max=_COUNT_MAX),
        outcome_path=_read_path(outcome_path),
        height=Height(codec.unsigned(height, name="height")),
        block=Digest(codec.sized(block, DIGEST_SIZE, name="block")),
        write_set_digest=Digest(codec.sized(write_set, DIGEST_SIZE, name="write-set digest")),
        snapshot_root=Digest(codec.sized(snapshot, DIGEST_SIZE, name="snapshot root")),
        history_path=_read_path(history_path),
        anchor=Header.decode(anchor),
        certificate=Certificate.from_wire(certificate),
        epochs=_read_epochs(epochs),
    )


def _unknown(version: object) -> ReceiptInvalid:
    return ReceiptInvalid(
        f"receipt of version {version}: get a newer verifier", verdict="cannot check"
    )


def _read_epochs(value: object) -> tuple[EpochEntry, ...]:
    return tuple(
        EpochEntry.from_wire(one)
        for one in codec.listed(value, name="epochs", count_max=RECEIPT_EPOCHS_MAX)
    )


def _read_path(value: object) -> tuple[Digest, ...]:
    """The hashes of a proof.

    Raises:
        NotCanonical: not a sequence of at most PATH_MAX digests.
    """
    hashes = codec.listed(value, name="proof", count_max=PATH_MAX)
    return tuple(Digest(codec.sized(item, DIGEST_SIZE, name="hash of a proof")) for item in hashes)


def _from_fields(fields: Mapping[str, Any]) -> Receipt:
    code = codec.unsigned(fields["code"], name="code", value_max=max(Code))
    return Receipt(
        genesis=_base64(fields["genesis"], "genesis"),
        leaf=Leaf(
            TransactionId(_digest(fields["id"], "id")),
            Code(code),
            _digest(fields["result_digest"], "result_digest"),
            _digest(fields["claim_digest"], "claim_digest"),
        ),
        index=codec.unsigned(fields["index"], name="index", value_max=_COUNT_MAX),
        count=codec.unsigned(fields["count"], name="count", value_max=_COUNT_MAX),
        outcome_path=_path(fields, "outcome_path"),
        height=Height(codec.unsigned(fields["height"], name="height")),
        block=_digest(fields["block"], "block"),
        write_set_digest=_digest(fields["write_set_digest"], "write_set_digest"),
        snapshot_root=_digest(fields["snapshot_root"], "snapshot_root"),
        history_path=_path(fields, "history_path"),
        anchor=Header.decode(_base64(fields["anchor"], "anchor")),
        certificate=Certificate.from_wire(
            codec.decode(_base64(fields["certificate"], "certificate"))
        ),
        epochs=_read_epochs(
            tuple(codec.decode(_base64(one, "epochs")) for one in _listed(fields, "epochs"))
        ),
    )


def _path(fields: Mapping[str, Any], name: str) -> tuple[Digest, ...]:
    value = fields[name]
    if not isinstance(value, list):
        raise NotCanonical(f"{name}: expected a list")
    return _read_path(tuple(_digest(item, name) for item in value))


def _digest(value: object, name: str) -> Digest:
    if not isinstance(value, str) or _HEX.fullmatch(value) is None:
        raise NotCanonical(f"{name}: expected {2 * DIGEST_SIZE} lowercase hex digits")
    return Digest(bytes.fromhex(value))


def _listed(fields: Mapping[str, Any], name: str) -> list[Any]:
    value = fields[name] if fields["version"] > 1 else fields.get(name, [])
    if not isinstance(value, list):
        raise NotCanonical(f"{name}: expected a list")
    return value


def _base64(value: object, name: str) -> bytes:
    try:
        data = b64decode(value, validate=True) if isinstance(value, str) else None
    except ValueError:
        data = None
    if data is None:
        raise NotCanonical(f"{name}: expected base64")
    return data
