"""What the receipt of an opening claims: its form, and files that are none (ROOMS §7)."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical, ReceiptInvalid
from strongroom.node.clean_rooms.openings import OpeningClaim, OpeningReceipt

CLAIM = OpeningClaim(
    room=bytes([1]) * 32,
    contract=bytes([2]) * 32,
    job=bytes([3]) * 32,
    recipient=bytes([4]) * 32,
    output="case",
    whose=b"",
    root=bytes([5]) * 32,
    chunks=2,
    size_class=21,
    data=(("a", bytes([6]) * 32, "transfers", 3, bytes([7]) * 32),),
    operators=("north", "south"),
)


def test_a_claim_is_read_as_it_was_made() -> None:
    assert OpeningClaim.decode(CLAIM.encode()) == CLAIM
    told = CLAIM.to_json()
    assert (told["assurance"], told["alone"]) == ("replicated", False)
    assert told["data"][0]["version"] == 3


def test_one_executor_is_attested_and_not_replicated() -> None:
    assert replace(CLAIM, operators=("north",)).to_json()["assurance"].startswith("attested, not")


@pytest.mark.parametrize(
    "value",
    [
        (),
        (b"another label", *codec.decode(CLAIM.encode())[1:]),
        (labels.JOB_OPENED, bytes(31), *codec.decode(CLAIM.encode())[2:]),
        (*codec.decode(CLAIM.encode())[:5], ("case", b"", bytes(32), 2), (), ()),
        (*codec.decode(CLAIM.encode())[:6], (("a", b"", "t", True, b""),), ()),
        (*codec.decode(CLAIM.encode())[:7], (b"north",)),
    ],
)
def test_what_is_no_claim_is_refused(value: tuple[object, ...]) -> None:
    with pytest.raises(NotCanonical):
        OpeningClaim.decode(codec.encode(value))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        json.dumps({"receipt": {}, "claim": "00"}),
        json.dumps({"receipt": {}, "claim": "zz", "blinding": "00"}),
        json.dumps({"receipt": {}, "claim": 7, "blinding": "00"}),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "receipt.json"
    path.write_text(text)
    with pytest.raises(ReceiptInvalid):
        OpeningReceipt.read(path)


def test_a_file_that_is_not_there_cannot_be_checked(tmp_path: Path) -> None:
    with pytest.raises(ReceiptInvalid) as refused:
        OpeningReceipt.read(tmp_path / "none.json")
    assert refused.value.verdict == "cannot check"


def test_claim_and_blinding_are_not_shown() -> None:
    shown = repr(OpeningReceipt(None, b"claim", b"blinding"))  # type: ignore[arg-type]
    assert "blinding'" not in shown
    assert "claim'" not in shown
