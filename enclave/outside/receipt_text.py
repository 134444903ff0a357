"""The text of a receipt: which bytes are one JSON object, and which only end too early.

Owns the rules that hold on every interpreter and in the checker of the web page alike
(node/web/page/check/json.js), whatever a JSON library takes beside: UTF-8 without a byte order mark
(RFC 8259 §8.1), bounds of depth, items and integers, no field twice. Knows nothing of the fields.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from strongroom.consensus.errors import ReceiptInvalid

JSON_BYTES_MAX = 16 * 1024 * 1024
JSON_DEPTH_MAX = 32
"""Lists and objects within one another; a receipt has two. A rule of ours: how deep a library goes
differs between interpreters."""
JSON_DIGITS_MAX = 20
"""Of an integer: those of 2^64 - 1."""
JSON_COMMAS_MAX = 10_000
"""Between items; a receipt has one per hash and epoch (RECEIPT_EPOCHS_MAX), and a few."""
_MARK = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)
"""A text, whole or cut short, a bracket, or a comma."""


def read_text(document: str | bytes) -> Mapping[str, Any]:
    """The fields of a JSON object.

    Raises:
        ReceiptInvalid: too long, too deep, of too many items, or none; ``incomplete`` when it only
            ends too early.
    """
    if len(document) > JSON_BYTES_MAX:
        raise ReceiptInvalid(f"not a receipt: longer than {JSON_BYTES_MAX} bytes")
    try:
        text = document if isinstance(document, str) else document.decode("utf-8")
        _check_bounds(text)
        loaded = json.loads(text, object_pairs_hook=_once, parse_int=_integer)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Unterminated string") or error.pos >= len(error.doc.rstrip()):
            raise ReceiptInvalid(
                "not a whole receipt: it ends too early", verdict="incomplete"
            ) from None
        raise ReceiptInvalid(f"not a receipt: not JSON ({error})") from None
    except UnicodeDecodeError:
        raise ReceiptInvalid("not a receipt: not UTF-8") from None
    except ValueError as error:
        raise ReceiptInvalid(f"not a receipt: not JSON ({error})") from None
    if not isinstance(loaded, dict):
        raise ReceiptInvalid("not a receipt: not a JSON object")
    return loaded


def _check_bounds(text: str) -> None:
    """Before anything is built: how deep it is, and how many items it has."""
    depth = commas = 0
    for mark in _MARK.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(mark[0], 0)
        commas += mark[0] == ","
        if depth > JSON_DEPTH_MAX:
            raise ValueError(f"more than {JSON_DEPTH_MAX} lists and objects within one another")
        if commas > JSON_COMMAS_MAX:
            raise ValueError(f"more than {JSON_COMMAS_MAX} commas")


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > JSON_DIGITS_MAX:
        raise ValueError(f"an integer of more than {JSON_DIGITS_MAX} digits")
    return int(digits)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands twice")
    return fields
