"""Where could a service's keys be opened, in which epoch, and by whose word? Recomputed offline
from a report and the pin (VAULT §5, T58).

Owns the verdict. Nothing of a report is believed: validators come from the succession of epochs
that the pin begins; each node's region from its own evidence, judged again, whose deployment
statement its operator signed; each word's place from the history that a quorum certified. A
validator without evidence, an epoch that is missing, another region: there is no verdict `valid`.
What it comes to: residency_shown.py.
"""

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import (
    AttestationError,
    PeerFault,
    ReceiptInvalid,
    invariant,
)
from strongroom.consensus.recovery import RecoveryCertificate, basis_of
from strongroom.consensus.types import (
    DIGEST_SIZE,
    Digest,
    Height,
    Milliseconds,
    PublicKey,
)
from strongroom.enclave.attestation.reasons import Reason
from strongroom.enclave.attestation.verifier import GOVERNED, VerifiedEnclave, verify_evidence
from strongroom.enclave.formats import merkle
from strongroom.enclave.formats.envelope import PUBLIC, transaction_id
from strongroom.enclave.formats.outcome import Code, Leaf, outcome_root
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.governance.public import (
    ATTEST,
    PublicTransaction,
    Unsigned,
    read_public,
)
from strongroom.enclave.proofs.genesis import VerifiedGenesis, epoch_chain
from strongroom.node.client.audit.audit import genesis_of
from strongroom.node.client.audit.residency_report import CARRIED, Place, ResidencyReport, Word
from strongroom.node.client.audit.residency_shown import Shown, Statement, document_of
from strongroom.node.client.audit.rules_shown import RulesShown


def verify_residency(report: ResidencyReport, pin: str, *, at_least: int = 0) -> dict[str, Any]:
    """What a report proves, as a document.

    Raises:
        ReceiptInvalid: ``forged``; ``incomplete`` when a node, an epoch or a rule is left out, or
            when it ends below `at_least`; ``cannot check`` without a good pin.
    """
    document = residency_of(report, pin)
    if _written(report.says) != _written(document):
        raise ReceiptInvalid("the report says something else than what its proofs come to")
    if document["height"] < at_least:
        raise ReceiptInvalid(
            f"ends with block {document['height']}, and at least {at_least} is known to be final",
            verdict="incomplete",
        )
    return document


def residency_of(report: ResidencyReport, pin: str) -> dict[str, Any]:
    """What a report's proofs come to, whatever it says.

    Raises:
        ReceiptInvalid: the same.
    """
    genesis = genesis_of(report.genesis, pin)
    try:
        shown = _begin(report, genesis)
        _take_words(shown, report.words)
    except (PeerFault, Unsigned) as fault:
        raise ReceiptInvalid(str(fault)) from None
    return document_of(shown)


def _begin(report: ResidencyReport, genesis: VerifiedGenesis) -> Shown:
    """The succession of epochs, and the header that everything hangs on."""
    epochs, header = epoch_chain(genesis), Header.decode(report.header)
    for entry in report.epochs:
        if not epochs.extend(entry):
            raise ReceiptInvalid("an epoch stands twice")
    if report.certificate is None:
        if header.digest != genesis.header.digest or report.epochs or report.words:
            raise ReceiptInvalid(f"block {header.height} has no certificate")
    else:
        description = epochs.description(header.epoch)
        if description is None:
            raise ReceiptInvalid(f"epoch {header.epoch} is left out", verdict="incomplete")
        epochs.check_final(header, report.certificate)
        if header.next_epoch != epochs.newest.digest:
            raise ReceiptInvalid(
                f"an epoch after epoch {epochs.newest.epoch} is left out", verdict="incomplete"
            )
    shown = Shown(genesis, epochs, header, RulesShown(genesis.constitution))
    for enclave in genesis.validators:
        shown.statements[enclave.claims.node_key] = [Statement(enclave, Height(0))]
    return shown


def _take_words(shown: Shown, words: Sequence[Word]) -> None:
    """Words and recoveries, in the order of their heights: each is judged by what was allowed
    then."""
    before, recoveries = (0, -1), deque(shown.epochs.recoveries())
    for word in words:
        place = (word.place.leaf.height, word.index)
        if place <= before:
            raise ReceiptInvalid("words are not in the order in which they were executed")
        before = place
        while recoveries and recoveries[0].opening.height < place[0]:
            _take_recovery(shown, recoveries.popleft())
        header, transaction = _check_word(shown, word)
        if transaction.action == ATTEST:
            statement = _check_attestation(shown, word, header, transaction)
            _state(shown, transaction.signer, statement)
        else:
            for name in shown.rules.take(transaction, word.result, header):
                _remove(shown, header.height, name)
    for recovery in recoveries:
        _take_recovery(shown, recovery)


def _take_recovery(shown: Shown, recovery: RecoveryCertificate) -> None:
    """Enclaves to which members gave shares: their evidence stands in the certificate that opened
    their epoch."""
    opening = recovery.opening
    nonce = basis_of(recovery.head.header, opening.anchor, recovery.rules)
    if any(len(one) == DIGEST_SIZE for one in recovery.evidence):
        raise ReceiptInvalid(
            f"the evidence of those who recovered epoch {opening.epoch} is left out",
            verdict="incomplete",
        )
    enclaves = [_judge(shown, one, nonce, opening) for one in recovery.evidence]
    named = [enclave.claims.node_key for enclave in enclaves]
    if named != [one.node_key for one in recovery.description.validators]:
        raise ReceiptInvalid("evidence of a recovery is of others than its epoch's validators")
    _remove(shown, opening.height)
    for enclave in enclaves:
        _state(shown, enclave.claims.node_key, Statement(enclave, opening.height, recovered=True))


def _remove(shown: Shown, height: Height, name: str | None = None) -> None:
    """From this height on the node of this name is none any more; without a name all of them."""
    for node_key, said in shown.statements.items():
        if name in (None, said[-1].enclave.claims.node):
            shown.gone.setdefault(node_key, height)


def _state(shown: Shown, node_key: PublicKey, statement: Statement) -> None:
    """The next statement of a node."""
    said = shown.statements.setdefault(node_key, [])
    if said and _lasting(said[-1]) != _lasting(statement):
        raise ReceiptInvalid("a node's later evidence is of another node, operator or chip")
    said.append(statement)


def _check_word(shown: Shown, word: Word) -> tuple[Header, PublicTransaction]:
    """Check that a word was executed at its place, and read it."""
    header, leaf = Header.decode(word.header), word.place.leaf
    if header.digest != leaf.block or header.height != leaf.height:
        raise ReceiptInvalid(f"the header of block {leaf.height} is another one")
    executed = Leaf(
        transaction_id(word.envelope),
        Code.EXECUTED,
        Digest(sha256(word.result).digest()),
        Digest(bytes(32)),
    )
    root = merkle.root_from_path(executed.hash, word.index, word.count, word.outcome_path)
    if outcome_root(word.count, root) != leaf.outcome_root:
        raise ReceiptInvalid(f"a word was not executed in block {leaf.height}, or not with this")
    _check_place(shown, word.place)
    fields = read_envelope(word.envelope)
    if fields[1] != PUBLIC:
        raise ReceiptInvalid("a word is no public transaction")
    _, _, protected, payload, signature = fields
    transaction = read_public(protected, payload, signature, shown.genesis.chain)
    if transaction.action not in CARRIED:
        raise ReceiptInvalid(f"a report carries no {transaction.action}")
    return header, transaction


def _check_place(shown: Shown, place: Place) -> None:
    anchor, leaf = shown.header.anchor, place.leaf
    if leaf.height > anchor.height or anchor.root != merkle.root_from_path(
        leaf.hash, leaf.height, anchor.height + 1, place.path
    ):
        raise ReceiptInvalid(
            f"height {leaf.height} is not in the history that block {shown.header.height} anchors"
        )


def _check_attestation(
    shown: Shown, word: Word, header: Header, transaction: PublicTransaction
) -> Statement:
    """Judge a node's evidence again: under what members had allowed, over a block of this chain."""
    if word.answered is None:
        nonce, height = shown.genesis.header.digest, Height(0)
    else:
        _check_place(shown, word.answered)
        nonce, height = word.answered.leaf.block, word.answered.leaf.height
    at = word.place.leaf.height
    enclave = _judge(shown, transaction.fields[0], nonce, header)
    claims = enclave.claims
    if claims.node_key != transaction.signer or claims.height != height or height >= at:
        raise ReceiptInvalid(f"evidence at height {at} is of another node, or over another block")
    return Statement(enclave, at)


def _judge(shown: Shown, evidence: bytes, nonce: bytes, header: Header) -> VerifiedEnclave:
    refused: AttestationError | None = None
    for policy in shown.rules.allowed():
        try:
            return verify_evidence(
                evidence,
                policy,
                chain=shown.genesis.chain,
                nonce=nonce,
                time_ms=Milliseconds(header.time_ms),
            )
        except AttestationError as error:
            refused = refused or error
            if error.reason is not Reason.OPERATOR_SIGNATURE:
                break
    invariant(refused is not None, "there is a policy")
    reason = refused.reason if refused is not None else ""
    left_out = reason in GOVERNED
    raise ReceiptInvalid(
        f"evidence at height {header.height}: {reason}"
        + (": the report leaves out the vote that allowed it" if left_out else ""),
        verdict="incomplete" if left_out else "forged",
    )


def _written(document: Mapping[str, Any]) -> str:
    """As text: 1, 1.0 and true are equal to one another, and not the same answer."""
    return json.dumps(document, sort_keys=True)


def _lasting(statement: Statement) -> tuple[object, ...]:
    claims = statement.enclave.claims
    return claims.node, claims.operator, claims.tls_key, statement.enclave.chip_id


def check_complete(
    report: ResidencyReport, whole: ResidencyReport, root_at: Callable[[Height], Digest]
) -> None:
    """Check that a report leaves out nothing of a ledger, as far as it goes.

    Args:
        report: one that was verified.
        whole: made now, from a ledger's files.
        root_at: that ledger's history root with a height.

    Raises:
        ReceiptInvalid: ``incomplete``; ``forged`` when the two tell different histories;
            ``cannot check`` when the ledger ends before the report.
    """
    anchor = Header.decode(report.header).anchor
    last = anchor.height
    if Header.decode(whole.header).anchor.height < last:
        raise ReceiptInvalid(
            f"the ledger ends before height {last}, to which the report goes: give a newer one",
            verdict="cannot check",
        )
    opened = [one.header for one in report.epochs]
    if opened != [one.header for one in whole.epochs[: len(opened)]] or (
        last and root_at(last) != anchor.root
    ):
        raise ReceiptInvalid(
            f"report and ledger tell different histories up to height {last}: two recoveries? "
            "`strongroom verify misbehaviour` names who agreed to both"
        )
    told = {transaction_id(word.envelope) for word in report.words}
    for word in whole.words:
        height = word.place.leaf.height
        if height <= last and transaction_id(word.envelope) not in told:
            raise ReceiptInvalid(
                f"the report leaves out a word at height {height} of the ledger",
                verdict="incomplete",
            )
