"""Public facts as JSON-shaped documents: blocks, envelopes, receipts as anybody can see them
(INTERFACES, JSON-RPC).

Pure functions of stored bytes; the same documents come from a running node and from files.
"""

from collections.abc import Sequence
from itertools import islice

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.recovery import Finality, RecoveryCertificate
from strongroom.consensus.statements import Certificate
from strongroom.enclave.formats import envelope as envelopes
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.outcome import CODE_MAX, Code, Outcome
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.outside.receipts import build_receipt
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.rpc.backend import Blob, Document, Rows

_KINDS = {envelopes.CALL: "call", envelopes.OPENING: "opening", envelopes.PUBLIC: "public"}


def code_text(code: int) -> str:
    """The name of an outcome code."""
    return Code(code).text if 0 <= code <= CODE_MAX else f"code {code}"


def envelope_document(envelope: bytes) -> Document:
    """What anyone can see of one envelope: its header, its size, and that the rest is sealed."""
    document: Document = {"size": len(envelope), "sealed": Blob(envelope)}
    try:
        fields = read_envelope(envelope)
    except NotCanonical:
        return {**document, "kind": "malformed"}
    kind = fields[1]
    if kind == envelopes.PUBLIC:
        return {
            "size": len(envelope),
            "public": Blob(envelope),
            "kind": _KINDS[kind],
            **_public(fields[2]),
        }
    document |= {"kind": _KINDS.get(kind, f"kind {kind}"), "epoch": fields[2]}
    if kind == envelopes.CALL:
        document |= {"session": fields[3], "sequence": fields[4]}
    return document


def _public(protected: bytes) -> Document:
    """Who signed a public transaction, and what it asks for."""
    try:
        _, signer, action = codec.fields(
            codec.decode(protected), int, bytes, str, name="protected header"
        )
    except NotCanonical:
        return {"signer": None, "action": None}
    return {"signer": signer, "action": action}


def count_of(block: StoredBlock) -> int:
    """How many transactions a block holds."""
    return sum(batch.header.count for batch in block.batches)


def transaction_documents(
    block: StoredBlock, outcome: Outcome | None, offset: int, limit: int
) -> list[Document]:
    """Some transactions of a block, by position."""
    return transaction_rows(block, outcome).page(offset, limit)


def transaction_rows(block: StoredBlock, outcome: Outcome | None) -> Rows:
    """All of them, described page by page."""
    envelopes = block.envelopes()
    codes = None if outcome is None else outcome.codes

    def page(offset: int, limit: int) -> list[Document]:
        shown = islice(enumerate(envelopes), offset, offset + limit)
        return [
            _transaction(index, envelope, None if codes is None else codes[index])
            for index, envelope in shown
        ]

    return Rows(len(envelopes), page)


def _transaction(index: int, envelope: bytes, code: int | None) -> Document:
    seen = envelope_document(envelope)
    return {
        "id": envelopes.transaction_id(envelope),
        "index": index,
        "code": code,
        "status": "final" if code is None else code_text(code),
        "size": len(envelope),
        "kind": seen["kind"],
        "action": seen.get("action"),
    }


def head_document(block: StoredBlock, names: Sequence[str]) -> Document:
    """What stands in a block's head: who made it, when, how much it holds, who signed."""
    header = block.header
    return {
        "height": header.height,
        "hash": header.digest,
        "time_ms": header.time_ms,
        "proposer": names[header.proposer],
        "epoch": header.epoch,
        "view": header.view,
        "count": count_of(block),
        "bytes": header.batch_bytes,
        "signers": None
        if block.certificate is None
        else [names[one] for one in block.certificate.signers],
    }


def block_document(
    block: StoredBlock, outcome: Outcome | None, names: Sequence[str], *, transactions: bool = True
) -> Document:
    """One final block; `names` are the validators' by index; codes and root once it is executed.

    Without `transactions` it has no row for each of them: its size then depends on its batches
    alone.
    """
    header = block.header
    count = count_of(block)
    rows = {"transactions": transaction_documents(block, outcome, 0, count)} if transactions else {}
    return {
        "height": header.height,
        "hash": header.digest,
        "parent": header.parent,
        "epoch": header.epoch,
        "view": header.view,
        "proposer": names[header.proposer],
        "time_ms": header.time_ms,
        "batches": [
            {
                "lane": batch.header.lane,
                "origin": names[batch.header.lane],
                "sequence": batch.header.sequence,
                "digest": batch.header.digest,
                "count": batch.header.count,
                "size": batch.header.size,
            }
            for batch in block.batches
        ],
        "count": count,
        **rows,
        "anchor": {"height": header.anchor.height, "root": header.anchor.root},
        "certificate": None
        if block.certificate is None
        else _certificate(block.certificate, names),
        "outcome_root": None if outcome is None else outcome.root,
        "header": Blob(header.encoded),
        "bytes": header.batch_bytes,
    }


def _certificate(certificate: Finality, names: Sequence[str]) -> Document:
    if isinstance(certificate, RecoveryCertificate):
        return {
            "view": certificate.view,
            "kind": "recovery",
            "signers": [],
            "members": list(certificate.members),
            "recovered_at": certificate.head.header.height,
        }
    return {
        "view": certificate.view,
        "kind": certificate.kind.name.lower(),
        "signers": [names[signer] for signer in certificate.signers],
    }


def receipt_of(
    genesis: bytes,
    outcome: Outcome,
    position: int,
    history: HistoryTree,
    anchor: Header,
    certificate: Certificate,
    epochs: EpochChain,
) -> Document:
    """The JSON form of a transaction's receipt."""
    receipt = build_receipt(
        genesis=genesis,
        outcome=outcome,
        position=position,
        history=history,
        anchor=anchor,
        certificate=certificate,
        epochs=epochs,
    )
    return receipt.to_json()
