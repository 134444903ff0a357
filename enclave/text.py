"""Which text may be a name, and which a line to be read: closed rules of our own (T72).

Owns both rules. They are ranges of numbers, so that no interpreter's, library's or locale's idea of
a character decides what a transaction comes to: `str.isprintable` knows another table under every
version of Python. A character that is not listed is refused today and on every later interpreter; a
change of these ranges is a change of the program. Guarded by tests/enclave/test_text.py, which
compares them with the tables of Unicode 3.2 that every Python carries.
"""

from bisect import bisect_right
from collections.abc import Sequence

_Ranges = tuple[tuple[int, int], ...]

# fmt: off
LETTERS: _Ranges = (
    # Latin
    (0x00C0, 0x00D6), (0x00D8, 0x00F6), (0x00F8, 0x0131), (0x0134, 0x013E), (0x0141, 0x0148),
    (0x014A, 0x017E), (0x0180, 0x01C3), (0x01CD, 0x01F0), (0x01F4, 0x0220), (0x0222, 0x0233),
    (0x0250, 0x02AD), (0x1E00, 0x1E99), (0x1EA0, 0x1EF9),
    # Greek
    (0x0386, 0x0386), (0x0388, 0x038A), (0x038C, 0x038C), (0x038E, 0x03A1), (0x03A3, 0x03CE),
    (0x03D7, 0x03E1), (0x03F3, 0x03F3), (0x1F00, 0x1F15), (0x1F18, 0x1F1D), (0x1F20, 0x1F45),
    (0x1F48, 0x1F4D), (0x1F50, 0x1F57), (0x1F59, 0x1F59), (0x1F5B, 0x1F5B), (0x1F5D, 0x1F5D),
    (0x1F5F, 0x1F70), (0x1F72, 0x1F72), (0x1F74, 0x1F74), (0x1F76, 0x1F76), (0x1F78, 0x1F78),
    (0x1F7A, 0x1F7A), (0x1F7C, 0x1F7C), (0x1F80, 0x1FB4), (0x1FB6, 0x1FBA), (0x1FBC, 0x1FBC),
    (0x1FC2, 0x1FC4), (0x1FC6, 0x1FC8), (0x1FCA, 0x1FCA), (0x1FCC, 0x1FCC), (0x1FD0, 0x1FD2),
    (0x1FD6, 0x1FDA), (0x1FE0, 0x1FE2), (0x1FE4, 0x1FEA), (0x1FEC, 0x1FEC), (0x1FF2, 0x1FF4),
    (0x1FF6, 0x1FF8), (0x1FFA, 0x1FFA), (0x1FFC, 0x1FFC),
    # Cyrillic
    (0x0400, 0x0481), (0x048A, 0x04CE), (0x04D0, 0x04F5), (0x04F8, 0x04F9), (0x0500, 0x050F),
    # Armenian
    (0x0531, 0x0556), (0x0559, 0x0559), (0x0561, 0x0586),
    # Hebrew
    (0x05D0, 0x05EA), (0x05F0, 0x05F2),
    # Arabic
    (0x0621, 0x063A), (0x0641, 0x064A), (0x066E, 0x066F), (0x0671, 0x0674), (0x0679, 0x06D3),
    (0x06D5, 0x06D5), (0x06FA, 0x06FC),
    # Georgian
    (0x10A0, 0x10C5), (0x10D0, 0x10F8),
    # Ethiopic
    (0x1200, 0x1206), (0x1208, 0x1246), (0x1248, 0x1248), (0x124A, 0x124D), (0x1250, 0x1256),
    (0x1258, 0x1258), (0x125A, 0x125D), (0x1260, 0x1286), (0x1288, 0x1288), (0x128A, 0x128D),
    (0x1290, 0x12AE), (0x12B0, 0x12B0), (0x12B2, 0x12B5), (0x12B8, 0x12BE), (0x12C0, 0x12C0),
    (0x12C2, 0x12C5), (0x12C8, 0x12CE), (0x12D0, 0x12D6), (0x12D8, 0x12EE), (0x12F0, 0x130E),
    (0x1310, 0x1310), (0x1312, 0x1315), (0x1318, 0x131E), (0x1320, 0x1346), (0x1348, 0x135A),
    # Kana and Bopomofo
    (0x3041, 0x3096), (0x309D, 0x309E), (0x30A1, 0x30FA), (0x30FC, 0x30FE), (0x3105, 0x312C),
    (0x31A0, 0x31B7), (0x31F0, 0x31FF),
    # Han
    (0x3400, 0x4DB5), (0x4E00, 0x9FA5), (0x20000, 0x2A6D6),
    # Hangul
    (0xAC00, 0xD7A3),
)
# fmt: on
"""Letters that may stand in a name beside printable ASCII: first and last code point of each range,
ascending within a script. They are letters of Unicode 3.2 that compose with nothing and are their
own compatibility form, so that every text made of them is in NFC and NFKC: there is one way to
write it. Marks are left out, hence scripts that need them."""

UNREADABLE: _Ranges = (
    (0x0000, 0x001F),  # controls: line ends, escape
    (0x007F, 0x009F),  # delete; controls of eight bits, with which a terminal is repainted too
    (0x00AD, 0x00AD),  # soft hyphen
    (0x061C, 0x061C),  # direction of writing, here and below
    (0x180E, 0x180E),
    (0x200B, 0x200B),  # zero width space; its joining kin stand in words and pictures
    (0x200E, 0x200F),
    (0x2028, 0x202E),  # line and paragraph ends, directions
    (0x2060, 0x206F),
    (0xD800, 0xDFFF),  # surrogates
    (0xFDD0, 0xFDEF),  # no characters, for ever
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFF9, 0xFFFF),  # annotations; replacement; no characters
    (0xE0000, 0xE0FFF),  # tags and other things that are not shown
)
"""What may not stand in a line that somebody reads. Everything else may, known to Unicode today or
not."""

KEY_NAME_MAX = 64
"""Characters of a vault key's name."""

_ASCENDING = tuple(sorted(LETTERS))


def is_ascii_line(text: str) -> bool:
    """Is it printable ASCII, spaces among it? An empty text is."""
    return text.isascii() and text.isprintable()  # of ASCII every Python says the same


def is_name(text: str) -> bool:
    """Is every character printable ASCII or one of LETTERS? An empty text is; whoever asks knows
    its bounds."""
    return is_ascii_line(text) or all(
        0x20 <= code < 0x7F or _within(_ASCENDING, code) for code in map(ord, sorted(set(text)))
    )


def is_line(text: str) -> bool:
    """Is no character of it UNREADABLE? An empty text is a line."""
    return is_ascii_line(text) or not any(
        _within(UNREADABLE, code) for code in map(ord, sorted(set(text)))
    )


def _within(ranges: Sequence[tuple[int, int]], code: int) -> bool:
    at = bisect_right(ranges, (code, 0x11_0000))
    return at > 0 and code <= ranges[at - 1][1]
