"""Names and lines follow our own closed rules, compared with the frozen tables of Unicode 3.2
(T72)."""

import unicodedata
from hashlib import sha256

import pytest

from strongroom.enclave.text import LETTERS, UNREADABLE, is_ascii_line, is_line, is_name

CODE_POINTS = range(0x11_0000)
ASCII = set(range(0x20, 0x7F))
FROZEN = "f24230a49d5c2af82d269255cfca0a67415c6cc8905e4d179914d6bd28fb68a1"
"""SHA-256 of all code points of LETTERS, ascending, four bytes each."""


def letters() -> list[int]:
    return sorted(code for first, last in LETTERS for code in range(first, last + 1))


def test_the_letters_are_exactly_these() -> None:
    """Another table is another program: replicas of both would come to different outcomes."""
    codes = letters()
    assert len(codes) == len(set(codes))
    assert sha256(b"".join(code.to_bytes(4, "big") for code in codes)).hexdigest() == FROZEN


@pytest.mark.parametrize("tables", ["3.2.0", "this interpreter's"])
def test_every_letter_is_a_letter_that_stands_alone_and_has_one_form(tables: str) -> None:
    known = unicodedata.ucd_3_2_0 if tables == "3.2.0" else unicodedata
    for code in letters():
        letter = chr(code)
        assert known.category(letter).startswith("L"), hex(code)
        assert known.combining(letter) == 0, hex(code)
        assert known.normalize("NFKC", letter) == letter, hex(code)


def test_no_two_letters_compose_to_another() -> None:
    """A letter that composed with the one before it would give a name two ways to be written. Every
    composition that Unicode has is looked at, and none has a second part that may stand in a
    name."""
    seconds = set()
    for code in CODE_POINTS:
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            seconds.add(int(parts[1], 16))
    assert seconds
    assert not seconds & (ASCII | set(letters()))
    assert not set(range(0x1161, 0x11C3)) & set(letters()), (
        "vowels and finals of Hangul compose by rule"
    )


def test_a_name_is_printable_ascii_and_those_letters_and_nothing_else() -> None:
    allowed = ASCII | set(letters())
    assert {code for code in CODE_POINTS if is_name(chr(code))} == allowed


def test_an_ascii_line_is_printable_ascii() -> None:
    assert {code for code in CODE_POINTS if is_ascii_line(chr(code))} == ASCII


def test_a_line_has_nothing_that_repaints_ends_or_turns_it() -> None:
    refused = {code for first, last in UNREADABLE for code in range(first, last + 1)}
    assert {code for code in CODE_POINTS if not is_line(chr(code))} == refused
    for code in CODE_POINTS:
        letter = chr(code)
        if unicodedata.bidirectional(letter) in (
            "LRE",
            "RLE",
            "PDF",
            "LRO",
            "RLO",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        ):
            assert code in refused, hex(code)
        if unicodedata.category(letter) in ("Cc", "Zl", "Zp", "Cs"):
            assert code in refused, hex(code)


@pytest.mark.parametrize(
    "text", ["savings", "Žluťoučký kůň", "口座", "계좌", "счёт", "λογαριασμός", "ひらがな", ""]
)
def test_names_that_people_give(text: str) -> None:
    assert is_name(text)
    assert is_line(text)


@pytest.mark.parametrize("new", ["\U0001fae8", "\u2c2f", "\U0002ebf0"])
def test_what_newer_tables_know_is_no_name_and_may_stand_in_a_line(new: str) -> None:
    """U+1FAE8 is printable from Python 3.12 on, U+2C2F from 3.11 on, U+2EBF0 from 3.13 on: each
    split replicas."""
    assert not is_name(new)
    assert not is_name("a" + new)
    assert is_line(new)


@pytest.mark.parametrize("text", ["e\u0301", "\u00a0", "a\u200bb", "ﬁ", "Ａ", "א\u05bc", "a\tb"])
def test_marks_spaces_and_look_alikes_are_no_names(text: str) -> None:
    assert not is_name(text)


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b2J", "two\nlines", "\u202eabc", "\ud800", "\x7f"])
def test_what_repaints_a_terminal_is_no_line(text: str) -> None:
    assert not is_line(text)
