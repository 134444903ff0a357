"""The bytes of the consensus log: one kind number and one canonical encoding for each record
(PROTOCOL §5).

Framing, checksums and fsync are the log's own business; this file knows no file. Kinds 5 to 15 are
reserved for epochs and snapshots; whoever keeps the log may use those from 100 on for records of
its own.
"""

from enum import IntEnum
from typing import assert_never

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.recovery import read_finality
from strongroom.consensus.replica.events import (
    CandidateRecord,
    CastRecord,
    CertificateRecord,
    FinalRecord,
    Record,
)
from strongroom.consensus.statements import Certificate, Statement
from strongroom.consensus.types import Epoch


class RecordKind(IntEnum):
    """One byte in the log's frame."""

    CAST = 1
    CERTIFICATE = 2
    CANDIDATE = 3
    FINAL = 4


RESERVED_KINDS = range(5, 16)


def encode_record(record: Record) -> tuple[RecordKind, bytes]:
    """Kind and canonical payload of a record."""
    match record:
        case CastRecord(statement):
            return RecordKind.CAST, codec.encode(statement.to_wire())
        case CertificateRecord(certificate):
            return RecordKind.CERTIFICATE, codec.encode(certificate.to_wire())
        case CandidateRecord(header):
            return RecordKind.CANDIDATE, header.encoded
        case FinalRecord(header, certificate):
            return RecordKind.FINAL, codec.encode((header.encoded, certificate.to_wire()))
    assert_never(record)


def epoch_of_record(record: Record) -> Epoch:
    """The epoch that a record is of: a log that begins anew keeps those of later ones than its
    replica's (R16)."""
    match record:
        case CastRecord(statement):
            return statement.epoch
        case CertificateRecord(certificate):
            return certificate.statement.epoch
        case CandidateRecord(header) | FinalRecord(header):
            return header.epoch
    assert_never(record)


def decode_record(kind: int, payload: bytes) -> Record:
    """Read a record.

    Raises:
        NotCanonical: an unknown kind, or not the canonical encoding of a record of this kind.
    """
    if kind == RecordKind.CANDIDATE:
        return CandidateRecord(Header.decode(payload))
    if kind == RecordKind.CAST:
        return CastRecord(
            Statement.from_wire(
                *codec.fields(codec.decode(payload), int, int, int, bytes, name="cast")
            )
        )
    if kind == RecordKind.CERTIFICATE:
        return CertificateRecord(Certificate.from_wire(codec.decode(payload)))
    if kind == RecordKind.FINAL:
        header, certificate = codec.fields(codec.decode(payload), bytes, tuple, name="final record")
        return FinalRecord(Header.decode(header), read_finality(certificate))
    raise NotCanonical(f"log record of unknown kind {kind}")
