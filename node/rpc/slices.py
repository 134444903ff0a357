"""A block's document, described and encoded slice by slice: at most `SLICE_ROWS` transactions
between two turns of a lane.

Owns the slices alone: no call into a thread describes a whole full block, so that whoever votes, or
reads little, waits for milliseconds. Whose turn it is: `Lane` (reading.py); what a row says: the
backend.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Protocol, TypeVar

from strongroom.node.rpc.backend import Document, Rows
from strongroom.node.rpc.forms import Form

SLICE_ROWS = 64
"""About 0.6 ms of one core: less than the interpreter's threads are switched in (node/__main__.py),
so that the event loop waits for one slice at most."""
ROWS = "transactions"
"""The member of a document that is long."""
_T = TypeVar("_T")
Describe = Callable[[], Document]
"""Reads and describes one block; runs in a thread."""
Prepare = Callable[[], Describe]
"""Looks, on the event loop, whether there is such a block."""
Keep = Callable[[Document], bool]
"""Is this row told?"""


class Turns(Protocol):
    """What gives turns, one slice at a time."""

    def desk(self) -> AbstractAsyncContextManager[None]: ...
    async def slice(self, prepare: Callable[[], Callable[[], _T]]) -> _T: ...


async def read(
    turns: Turns,
    form: Form,
    prepare: Prepare,
    fits: Callable[[int], None],
    keep: Keep | None = None,
) -> tuple[dict[str, bytes], int]:
    """The encoded members of a document, and how many rows of it are told.

    Args:
        turns: where slices queue.
        form: of the encoding.
        prepare: the document.
        fits: told the bytes so far after each slice; what it raises ends the reading.
        keep: which rows are told; all without it.
    """

    def begin() -> Callable[[], tuple[dict[str, bytes], Rows | None]]:
        return partial(_members, form, prepare())

    async with turns.desk():
        members, rows = await turns.slice(begin)
        size, told, pieces = sum(map(len, members.values())), 0, list[bytes]()
        fits(size)
        if rows is None:
            return members, 0
        async for count, piece in _pages(turns, form, rows, keep):
            size, told = size + len(piece) + 1, told + count
            fits(size)
            pieces.append(piece)
        members[ROWS] = form.of_items(told, pieces)
        return members, told


async def _pages(
    turns: Turns, form: Form, rows: Rows, keep: Keep | None
) -> AsyncIterator[tuple[int, bytes]]:
    for offset in range(0, rows.count, SLICE_ROWS):
        page = partial(_page, form, rows, offset, keep)
        count, piece = await turns.slice(partial(_same, page))
        if count:
            yield count, piece


def _members(form: Form, describe: Describe) -> tuple[dict[str, bytes], Rows | None]:
    document = describe()
    rows: Any = document.pop(ROWS, None)
    if type(rows) is list:
        rows = of_list(rows)
    return {name: form.encode(value) for name, value in document.items()}, rows


def _page(form: Form, rows: Rows, offset: int, keep: Keep | None) -> tuple[int, bytes]:
    page = rows.page(offset, SLICE_ROWS)
    if keep is not None:
        page = [row for row in page if keep(row)]
    return len(page), form.items(page)


def of_list(rows: list[Document]) -> Rows:
    """Rows that are described already."""
    return Rows(len(rows), lambda offset, limit: rows[offset : offset + limit])


def _same(work: Callable[[], _T]) -> Callable[[], _T]:
    return work
