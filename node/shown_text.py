"""How text from elsewhere is shown in a terminal: whatever would move the cursor, recolour or
reorder it is escaped.

Names, memos, reasons and addresses come from members, nodes and strangers; a terminal obeys what
stands in them (T72). One function for all tables, messages and errors. JSON keeps its value; only
its spelling changes.
"""

import unicodedata
from collections.abc import Sequence

_OBEYED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format (bidirectional marks, joiners, zero width), surrogate, private, unassigned; line
separators."""
SHOWN_MAX = 4096
"""Characters of one piece of text that are shown."""


def shown(text: object) -> str:
    """One piece of text in one line: what a terminal would obey is written as in Python, like \\x1b
    and \\u202e."""
    return _cut("".join(map(_shown, str(text))))


def shown_lines(text: object) -> str:
    """Text of several lines, each as `shown`."""
    return "\n".join(map(shown, str(text).split("\n")))


def escaped_json(text: str) -> str:
    """The same JSON value, its characters that a terminal would obey written as \\u escapes."""
    return "".join(map(_escaped, text)) if any(map(_is_obeyed, text)) else text


def _is_obeyed(character: str) -> bool:
    return unicodedata.category(character) in _OBEYED


def _escaped(character: str) -> str:
    if not _is_obeyed(character):
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _shown(character: str) -> str:
    if not _is_obeyed(character):
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}… ({len(text)} characters)"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: n0, n1 and n2."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])
