"""The bytes of every message, record and signed thing are frozen (fault matrix row 48): a change is
a new version."""

import json
from pathlib import Path

import pytest
from tests.consensus.samples import EVIDENCE, HEADER, MESSAGES, RECORDS, encodings

from strongroom.consensus.blocks import Header
from strongroom.consensus.equivocation import decode_evidence
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.leaders import leader_order
from strongroom.consensus.messages import decode_message
from strongroom.consensus.replica.records import RESERVED_KINDS, RecordKind, decode_record
from strongroom.consensus.types import Digest

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())


@pytest.mark.parametrize("name", sorted(encodings()))
def test_bytes_are_as_they_were(name: str) -> None:
    assert encodings()[name] == GOLDEN[name]


def test_every_golden_entry_still_exists() -> None:
    assert encodings().keys() == GOLDEN.keys()


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_a_golden_message_decodes_to_what_it_was(name: str) -> None:
    assert decode_message(bytes.fromhex(GOLDEN[f"message {name}"])) == MESSAGES[name]


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_golden_record_decodes_to_what_it_was(name: str) -> None:
    data = bytes.fromhex(GOLDEN[f"record {name}"])
    assert decode_record(data[0], data[1:]) == RECORDS[name]


@pytest.mark.parametrize("name", sorted(EVIDENCE))
def test_golden_evidence_decodes_to_what_it_was(name: str) -> None:
    assert decode_evidence(bytes.fromhex(GOLDEN[f"evidence {name}"])) == EVIDENCE[name]


def test_unknown_versions_and_kinds_are_refused() -> None:
    assert HEADER.encoded[1] == 1, "the version is the header's first field"
    with pytest.raises(NotCanonical, match="version 2"):
        Header.decode(HEADER.encoded[:1] + b"\x02" + HEADER.encoded[2:])
    for kind in (0, *RESERVED_KINDS, 100):
        with pytest.raises(NotCanonical, match="unknown kind"):
            decode_record(kind, b"\xc0")
    assert not set(RESERVED_KINDS) & set(RecordKind)
    for tag in (0, 27, 28, 100):
        with pytest.raises(NotCanonical, match="unknown tag"):
            decode_message(b"\x91" + bytes((tag,)))


def test_the_order_of_leaders_is_as_it_was() -> None:
    assert leader_order(Digest(bytes(32)), 1) == (0,)
    assert leader_order(Digest(bytes(32)), 4) == (3, 1, 0, 2)
    assert leader_order(Digest(bytes(range(32))), 7) == (1, 4, 2, 3, 5, 6, 0)
    assert sorted(leader_order(Digest(b"\x07" * 32), 30)) == list(range(30))
