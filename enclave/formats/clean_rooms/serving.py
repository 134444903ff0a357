"""A contract that serves: its one input, a model, answers rows of the contract's recipients one by
one, as long as a job of it lasts (ROOMS §2).

Owns what such a contract may say, and the bytes of a row. Pure; which row a model knows is for
whoever holds the model.
"""

from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.formats.clean_rooms.fields import name_in

SERVING = "ml.serve"
"""By which data terms and a contract's one stage name it."""
SERVING_MS_MAX = 7 * 24 * 3_600_000
ANSWERS = "answers"
"""The one parameter: how many answers each recipient may have of a job."""
ANSWERS_MAX = 1_000_000
ROW_BYTES_MAX = 2 * 1024
ROW_FIELDS_MAX = 128
NUMBER_DIGITS_MAX = 12
"""Of a number before its point, and behind it."""
_DIGITS = frozenset("0123456789")

Row = tuple[tuple[str, str], ...]
"""(column, text of a number), ascending by columns; what lacks is a gap."""


def check_serving(contract: Any) -> None:
    """Check a contract that has the stage SERVING.

    Raises:
        NotCanonical: it has more, or is no such contract.
    """
    if (len(contract.stages), len(contract.inputs), len(contract.outputs)) != (1, 1, 1):
        raise NotCanonical(f"{SERVING}: one stage, one input, one output")
    (output,) = contract.outputs
    if (output.kind, output.filter_alias, output.releases) != ("bytes", "", 0):
        raise NotCanonical(f"{SERVING}: its output has the kind bytes, no filter and no releases")
    (least, most), *more = [(one.least, one.most) for one in contract.parameters] or [(0, 0)]
    named = [(one.name, one.type) for one in contract.parameters]
    if more or named != [(ANSWERS, "int")] or not 1 <= least <= most <= ANSWERS_MAX:
        raise NotCanonical(f"{SERVING}: one parameter `{ANSWERS}`, int, 1 to {ANSWERS_MAX}")


def encode_row(row: Row) -> bytes:
    """Bytes of a row.

    Raises:
        NotCanonical: it is none.
    """
    return codec.encode(_checked(row))


def decode_row(data: bytes) -> Row:
    """Read a row.

    Raises:
        NotCanonical: the bytes are none.
    """
    return _checked(codec.decode(data, size_max=ROW_BYTES_MAX))


def _checked(value: Any) -> Row:
    pairs = codec.listed(value, name="row", count_max=ROW_FIELDS_MAX)
    for pair in pairs:
        name, number = codec.fields(pair, str, str, name="field of a row")
        name_in(name, "column")
        whole, point, part = number.removeprefix("-").partition(".")
        if not _is_digits(whole) or (point and not _is_digits(part)):
            raise NotCanonical(f"{name}: a number, written as 12 or 12.5")
    names = [name for name, _ in pairs]
    if not names or names != sorted(set(names)):
        raise NotCanonical("row: columns in ascending order, each once, at least one")
    return tuple(pairs)


def _is_digits(text: str) -> bool:
    return 1 <= len(text) <= NUMBER_DIGITS_MAX and set(text) <= _DIGITS
