"""A residency report as a file: what a stranger needs to see where keys could be opened.

Owns the form, strict both ways, and how one is made from a ledger's files: every public word that
admits a node or changes a rule, with its place in the history that a quorum certified. What it
proves is residency.py's; nothing in it is trusted before.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import NotCanonical, PeerFault, ReceiptInvalid
from strongroom.consensus.recovery import Finality, read_finality
from strongroom.consensus.types import DIGEST_SIZE, Digest, Epoch, Height
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.formats.envelope import PUBLIC
from strongroom.enclave.formats.history import HistoryLeaf, HistoryTree
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.governance.public import (
    ATTEST,
    BALLOT,
    PROPOSE,
    PROPOSE_SEVERAL,
    WITHDRAW,
    action_of,
)
from strongroom.enclave.proofs.genesis import VerifiedGenesis
from strongroom.node.client.audit.audit import LedgerProof, check_ledger
from strongroom.node.ledger.block_record import StoredBlock

REPORT_BYTES_MAX = 256 * 1024 * 1024
CARRIED = frozenset({ATTEST, PROPOSE, PROPOSE_SEVERAL, BALLOT, WITHDRAW})
"""Public words that a report holds: who was admitted where, and which rules stood."""
_FORMAT, _VERSION = "strongroom-residency", 2
_FIELDS = {"format", "version", "genesis", "epochs", "header", "certificate", "words", "says"}


@dataclass(frozen=True, slots=True)
class Place:
    """One height in the history."""

    leaf: HistoryLeaf
    path: tuple[Digest, ...]
    """Up to the root that the report's header anchors."""


@dataclass(frozen=True, slots=True)
class Word:
    """One public transaction that was executed."""

    place: Place
    header: bytes
    """Of its block."""
    index: int
    count: int
    outcome_path: tuple[Digest, ...]
    envelope: bytes
    result: bytes
    answered: Place | None
    """Of an attestation: the height whose block it answers; None at genesis."""


@dataclass(frozen=True, slots=True)
class ResidencyReport:
    """Everything that is recomputed, and what its maker says comes out."""

    genesis: bytes
    epochs: tuple[EpochEntry, ...]
    header: bytes
    """The newest header with a certificate of its own; genesis' when there is no block."""
    certificate: Finality | None
    words: tuple[Word, ...]
    says: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The document."""
        certificate = self.certificate
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "genesis": _text(self.genesis),
            "epochs": [_text(codec.encode(entry.to_wire())) for entry in self.epochs],
            "header": _text(self.header),
            "certificate": None
            if certificate is None
            else _text(codec.encode(certificate.to_wire())),
            "words": [_word_to_json(word) for word in self.words],
            "says": dict(self.says),
        }

    @classmethod
    def from_json(cls, data: bytes) -> "ResidencyReport":
        """Read a file.

        Raises:
            ReceiptInvalid: it is no report, or one of an unknown version (``cannot check``).
        """
        fields = _load(data)
        try:
            report = cls(
                genesis=_bytes(fields["genesis"]),
                epochs=tuple(
                    EpochEntry.from_wire(codec.decode(_bytes(one))) for one in fields["epochs"]
                ),
                header=_bytes(fields["header"]),
                certificate=None
                if fields["certificate"] is None
                else read_finality(codec.decode(_bytes(fields["certificate"]))),
                words=tuple(_word_from_json(one) for one in fields["words"]),
                says=fields["says"],
            )
        except (PeerFault, KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise ReceiptInvalid("not a residency report: a field is not what it must be") from None
        if report.to_json() != fields:
            raise ReceiptInvalid("not a residency report: written in another way than reports are")
        return report


def make_report(
    genesis: VerifiedGenesis, records: Iterable[StoredBlock | Outcome], says: Any
) -> ResidencyReport:
    """Check a ledger, and put together what shows its residency.

    Args:
        genesis: of the pinned service.
        records: of a ledger, in the order in which a node wrote them.
        says: (report without words of its own) → what comes out.

    Raises:
        ReceiptInvalid: the ledger does not hold.
    """
    return read_whole(genesis, records, says)[0]


def read_whole(
    genesis: VerifiedGenesis,
    records: Iterable[StoredBlock | Outcome],
    says: Any,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[ResidencyReport, HistoryTree]:
    """The same, with the ledger's history; `progress` is told heights on the way.

    Raises:
        ReceiptInvalid: the ledger does not hold.
    """
    found = _Found()
    proof = check_ledger(genesis, found.watch(records), progress=progress).proof
    if proof.certified is None:
        report = ResidencyReport(genesis.data, (), genesis.header.encoded, None, (), {})
    else:
        header, certificate = proof.certified
        report = ResidencyReport(
            genesis=genesis.data,
            epochs=_entries(proof, header),
            header=header.encoded,
            certificate=certificate,
            words=tuple(found.words(proof, header)),
            says={},
        )
    return replace(report, says=says(report)), proof.history


class _Found:
    """Words of a ledger, seen while it is checked."""

    def __init__(self) -> None:
        self._headers: dict[Height, Header] = {}
        self._envelopes: dict[Height, dict[int, bytes]] = {}
        """By height and position: those of CARRIED, whatever became of them."""
        self._outcomes: dict[Height, Outcome] = {}
        self._leaves: dict[Height, HistoryLeaf] = {}

    def watch(self, records: Iterable[StoredBlock | Outcome]) -> Iterator[StoredBlock | Outcome]:
        for record in records:
            if isinstance(record, StoredBlock):
                carried = {
                    position: envelope
                    for position, envelope in enumerate(record.envelopes())
                    if _is_carried(envelope)
                }
                if carried:
                    self._headers[record.header.height] = record.header
                    self._envelopes[record.header.height] = carried
            else:
                self._leaves[record.height] = record.history_leaf
                if record.height in self._envelopes:
                    self._outcomes[record.height] = record
            yield record

    def words(self, proof: LedgerProof, header: Header) -> Iterator[Word]:
        size = header.anchor.height + 1

        def place(height: Height) -> Place:
            return Place(self._leaves[height], proof.history.path(height, size))

        for height, envelopes in sorted(self._envelopes.items()):
            outcome = self._outcomes.get(height)
            if outcome is None or height >= size:
                continue
            for position, envelope in envelopes.items():
                if outcome.codes[position] != Code.EXECUTED:
                    continue
                over = answered_height(envelope)
                yield Word(
                    place=place(height),
                    header=self._headers[height].encoded,
                    index=position,
                    count=outcome.count,
                    outcome_path=outcome.path_of(position),
                    envelope=envelope,
                    result=outcome.result_at(position),
                    answered=place(over) if over else None,
                )


def answered_height(envelope: bytes) -> Height:
    """The height whose block an attestation answers; 0 for any other word.

    Raises:
        NotCanonical: it is no attestation that anybody could have executed.
    """
    _, _, protected, payload, _ = read_envelope(envelope)
    if action_of(protected) != ATTEST:
        return Height(0)
    evidence, _, _ = codec.fields(codec.decode(payload), bytes, str, str, name=ATTEST)
    return Claims.decode(Evidence.decode(evidence).claims).height


def _is_carried(envelope: bytes) -> bool:
    try:
        fields = read_envelope(envelope)
        return fields[1] == PUBLIC and action_of(fields[2]) in CARRIED
    except NotCanonical:
        return False


def _entries(proof: LedgerProof, header: Header) -> tuple[EpochEntry, ...]:
    """What opened every epoch up to the one that this header is in, or opens."""
    entries: list[EpochEntry] = []
    while some := proof.epochs.entries(Epoch(len(entries) + 1)):
        entries += some
    return tuple(one for one in entries if one.header.height <= header.height)


def _load(data: bytes) -> dict[str, Any]:
    if len(data) > REPORT_BYTES_MAX:
        raise ReceiptInvalid(f"not a residency report: longer than {REPORT_BYTES_MAX} bytes")
    try:
        fields = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ReceiptInvalid(f"not a residency report: not JSON ({error})") from None
    if not isinstance(fields, dict) or fields.get("format") != _FORMAT:
        raise ReceiptInvalid(f"not a residency report: its format is not {_FORMAT}")
    if fields.get("version") != _VERSION or type(fields["version"]) is not int:
        raise ReceiptInvalid(
            f"a residency report of another version than {_VERSION}: make it anew from a ledger, "
            "or get a newer verifier",
            verdict="cannot check",
        )
    if set(fields) != _FIELDS or not isinstance(fields["says"], dict):
        raise ReceiptInvalid("not a residency report: a field is missing, or there is one more")
    return fields


def _word_to_json(word: Word) -> dict[str, Any]:
    return {
        "place": _place_to_json(word.place),
        "header": _text(word.header),
        "index": word.index,
        "count": word.count,
        "outcome_path": [one.hex() for one in word.outcome_path],
        "envelope": _text(word.envelope),
        "result": _text(word.result),
        "answered": None if word.answered is None else _place_to_json(word.answered),
    }


def _word_from_json(fields: Any) -> Word:
    answered = fields["answered"]
    return Word(
        place=_place_from_json(fields["place"]),
        header=_bytes(fields["header"]),
        index=codec.unsigned(fields["index"], name="index", value_max=2**32 - 1),
        count=codec.unsigned(fields["count"], name="count", value_max=2**32 - 1),
        outcome_path=_digests(fields["outcome_path"]),
        envelope=_bytes(fields["envelope"]),
        result=_bytes(fields["result"]),
        answered=None if answered is None else _place_from_json(answered),
    )


def _place_to_json(place: Place) -> dict[str, Any]:
    return {"leaf": _text(place.leaf.encode()), "path": [one.hex() for one in place.path]}


def _place_from_json(fields: Any) -> Place:
    return Place(HistoryLeaf.decode(_bytes(fields["leaf"])), _digests(fields["path"]))


def _digests(values: Sequence[str]) -> tuple[Digest, ...]:
    return tuple(
        Digest(codec.sized(bytes.fromhex(one), DIGEST_SIZE, name="hash of a proof"))
        for one in values
    )


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _bytes(value: str) -> bytes:
    if not isinstance(value, str):
        raise TypeError("expected base64")
    return b64decode(value, validate=True)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands twice")
    return fields
