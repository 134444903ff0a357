"""The live screen for those who cannot use one: a line per event, nothing redrawn.

For screen readers, pipes, CI and terminals that are none; with --json a document per line. Owns
which lines there are; what is worth a note is the model's.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

from strongroom.node.watch.events import Event, HeadTold
from strongroom.node.watch.lines import clock, number
from strongroom.node.watch.model import Model
from strongroom.node.watch.view import BlockRow, Note

Say = Callable[[str], None]
Emit = Callable[[dict[str, Any]], None]


async def follow(events: AsyncIterator[Event], model: Model, say: Say) -> None:
    """Say what happens, a line each, until the feed ends."""
    async for line in changes(events, model):
        say(block_line(line) if isinstance(line, BlockRow) else note_line(line))


async def follow_json(events: AsyncIterator[Event], model: Model, emit: Emit) -> None:
    """The same as documents."""
    async for line in changes(events, model):
        emit(block_document(line) if isinstance(line, BlockRow) else note_document(line))


async def changes(events: AsyncIterator[Event], model: Model) -> AsyncIterator[BlockRow | Note]:
    """What is new after each event: a block, notes."""
    told = 0
    async for event in events:
        before = model.newest
        model.take(event)
        newest = model.newest
        if isinstance(event, HeadTold) and newest is not None and newest is not before:
            yield newest
        for note in model.notes:
            if note.number > told:
                told = note.number
                yield note


def block_line(block: BlockRow) -> str:
    """A block in words."""
    signed = "a later block" if block.signers is None else " ".join(block.signers)
    return (
        f"{clock(block.time)} block {number(block.height)} by {block.proposer}, "
        f"view {number(block.view)}, {number(block.count)} transactions, "
        f"{number(block.bytes)} bytes, signed by {signed}"
    )


def note_line(note: Note) -> str:
    """A note in words; a grave one says so first."""
    grave = {"bad": "ALERT ", "warn": "notice "}.get(note.tone, "")
    return f"{clock(note.time)} {grave}{note.words}"


def block_document(block: BlockRow) -> dict[str, Any]:
    """A block for --json."""
    return {
        "event": "block",
        "time_ms": round(block.time * 1000),
        "height": block.height,
        "hash": block.hash,
        "proposer": block.proposer,
        "epoch": block.epoch,
        "view": block.view,
        "count": block.count,
        "bytes": block.bytes,
        "signers": None if block.signers is None else list(block.signers),
    }


def note_document(note: Note) -> dict[str, Any]:
    """A note for --json."""
    return {
        "event": note.kind,
        "time_ms": round(note.time * 1000),
        "tone": note.tone or None,
        "words": note.words,
    }
