"""JSON read strictly, in one pass, without recursion (RFC 8259): for texts that replicas judge.

Owns which texts are taken: objects, lists, texts, whole numbers of 64 bits, true and false. Refused
are fractions, exponents, null, a name twice in an object, lone surrogates and whatever no line may
hold (text.py). Every replica comes to the same value or refusal, whatever its interpreter, stack
and hash seed, in time linear in the text. Knows nothing of what is written in it.
"""

from collections.abc import Iterator
from typing import NoReturn

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.text import is_line

BRACKETS_MAX = 32
"""Objects and lists within one another."""
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1

Json = dict[str, "Json"] | list["Json"] | str | int

_DIGITS = "0123456789"
_DIGIT = {digit: value for value, digit in enumerate(_DIGITS)}
_HEX_DIGITS = {digit: value for value, digit in enumerate("0123456789abcdef")}
_HEX_DIGITS |= {digit: value for value, digit in enumerate("ABCDEF", 10)}
_INTEGER_DIGITS_MAX = 19
_BLANKS, _MARKS = " \t\n\r", "{}[]:,"
_BEGINS = ("", "{", "[")
"""Marks of a value: none of a text or word."""
_ENDS_WORD = frozenset(_BLANKS + _MARKS + '"')
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS: dict[str, int] = {"true": True, "false": False} | _DIGIT
"""Words that need no reading."""
_VALUE, _NAME, _COLON, _END_OR_COMMA = range(4)
"""What may stand next. Integers of this module: the reader asks at every token."""


class NotStrictJson(ClientFault):
    """A text is not JSON of this form.

    Attributes:
        at: Character at which it is seen, from 0.
        why: What is wrong there.
    """

    def __init__(self, at: int, why: str) -> None:
        super().__init__(f"character {at}: {why}")
        self.at, self.why = at, why


def read_json(text: str) -> Json:
    """The value that a text is.

    Raises:
        NotStrictJson: it is none.
    """
    return _Reader().read(text)


class _Reader:
    """Reads one text: the containers that are open, and what may stand next."""

    def __init__(self) -> None:
        self._values: list[Json] = []
        """The outermost list holds the whole value."""
        self._open: list[dict[str, Json] | list[Json]] = [self._values]
        self._names = [""]
        """Of each open container, the name whose value comes."""
        self._next = _VALUE
        self._just_opened = False

    def read(self, text: str) -> Json:
        for at, mark, value in _tokens(text):
            if mark == "," and self._next == _END_OR_COMMA and len(self._open) > 1:
                self._next = _NAME if type(self._open[-1]) is dict else _VALUE
            elif self._next == _VALUE and mark in _BEGINS:
                self._put(at, mark, value)
                continue
            elif mark == "" and type(value) is str and self._next == _NAME:
                self._name(at, value)
            elif mark == ":" and self._next == _COLON:
                self._next = _VALUE
            elif mark in ("}", "]"):
                self._close(at, mark)
            else:
                _refuse(at, "this does not belong here")
            self._just_opened = False
        if self._next != _END_OR_COMMA or len(self._open) > 1:
            _refuse(len(text), "the text ends too early")
        return self._values[0]

    def _name(self, at: int, name: str) -> None:
        if name in self._open[-1]:
            _refuse(at, "a name stands twice in one object")
        self._names[-1] = name
        self._next = _COLON

    def _put(self, at: int, mark: str, value: Json) -> None:
        if mark:
            value = {} if mark == "{" else []
        around = self._open[-1]
        if isinstance(around, list):
            around.append(value)
        else:
            around[self._names[-1]] = value
        self._next, self._just_opened = _END_OR_COMMA, mark != ""
        if mark:
            self._go_into(at, value)

    def _go_into(self, at: int, value: Json) -> None:
        if len(self._open) > BRACKETS_MAX:
            _refuse(at, f"more than {BRACKETS_MAX} brackets within one another")
        if isinstance(value, dict | list):
            self._open.append(value)
            self._names.append("")
            self._next = _NAME if isinstance(value, dict) else _VALUE

    def _close(self, at: int, mark: str) -> None:
        may = self._just_opened or self._next == _END_OR_COMMA
        kind = dict if mark == "}" else list
        if not may or len(self._open) == 1 or type(self._open[-1]) is not kind:
            _refuse(at, "a bracket closes what is not open")
        self._open.pop()
        self._names.pop()
        self._next = _END_OR_COMMA


def _tokens(text: str) -> Iterator[tuple[int, str, Json]]:
    """(where, mark or "", value) of each mark, text and word."""
    at, end = 0, len(text)
    while at < end:
        char, began = text[at], at
        if char in _MARKS:
            at += 1
            yield began, char, 0
        elif char in _BLANKS:
            at += 1
        elif char == '"':
            value, at = _text(text, at + 1)
            if not is_line(value):
                _refuse(began, "a character that no line may hold")
            yield began, "", value
        else:
            at += 1
            while at < end and text[at] not in _ENDS_WORD:
                at += 1
            yield began, "", _word(text[began:at], began)


def _text(text: str, at: int) -> tuple[str, int]:
    """A text whose first character stands here, and where it has ended."""
    parts = []
    end = slash = -1
    while True:
        if end < at:
            end = text.find('"', at)
        if end < 0:
            _refuse(at, "a text without end")
        slash = text.find("\\", at, end)
        if slash < 0:
            parts.append(text[at:end])
            return "".join(parts), end + 1
        parts.append(text[at:slash])
        escaped, at = _escape(text, slash + 1)
        parts.append(escaped)


def _escape(text: str, at: int) -> tuple[str, int]:
    """The character behind a backslash, and where its escape has ended."""
    letter = text[at : at + 1]
    if letter in _ESCAPES:
        return _ESCAPES[letter], at + 1
    code, after = _unit(text, at), at + 5
    if 0xD800 <= code < 0xDC00 and text[after : after + 1] == "\\":
        low = _unit(text, after + 1)
        if 0xDC00 <= low < 0xE000:
            code, after = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), after + 6
    if 0xD800 <= code < 0xE000:
        _refuse(at, "half of a character (a lone surrogate)")
    return chr(code), after


def _unit(text: str, at: int) -> int:
    """The 16 bits of `u` and four hex digits."""
    digits = text[at + 1 : at + 5]
    if text[at : at + 1] != "u" or len(digits) != 4 or any(d not in _HEX_DIGITS for d in digits):
        _refuse(at, "no escape of JSON")
    code = 0
    for digit in digits:
        code = code * 16 + _HEX_DIGITS[digit]
    return code


def _word(word: str, at: int) -> int:
    """true, false, or a whole number."""
    if word in _WORDS:
        return _WORDS[word]
    digits = word[1:] if word[0] == "-" else word
    if not digits or digits.strip(_DIGITS):
        _refuse(at, "expected true, false, a text or a whole number without fraction or exponent")
    if len(digits) > 1 and digits[0] == "0":
        _refuse(at, "a number begins with 0")
    number = 0
    for digit in digits[: _INTEGER_DIGITS_MAX + 1]:
        number = number * 10 + _DIGIT[digit]
    number = -number if word[0] == "-" else number
    if not INTEGER_MIN <= number <= INTEGER_MAX:
        _refuse(at, "a number beyond 64 bits")
    return number


def _refuse(at: int, why: str) -> NoReturn:
    raise NotStrictJson(at, why)
