"""Requests about the ledger: epochs, heads, votes, execution, queries, snapshots (requests.py).

Owns the strict reading of their arguments. What a request means is member.py's.
"""

from collections.abc import Callable
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.blocks import Batch, Header
from strongroom.consensus.epochs import ENTRIES_MAX, EpochEntry
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.messages import Head
from strongroom.consensus.statements import Certificate, Statement
from strongroom.consensus.types import DIGEST_SIZE, Digest, Epoch, Height, View
from strongroom.consensus.validators import VALIDATORS_MAX
from strongroom.enclave.door.requests import Op, byte_strings, check_nothing
from strongroom.enclave.formats.history import HistoryLeaf
from strongroom.enclave.formats.merkle import PATH_MAX
from strongroom.enclave.formats.snapshot import CHUNKS_MAX
from strongroom.enclave.member.lifecycle import Lifecycle

RUN_BLOCKS_MAX = 256
STATEMENTS_MAX = 1 << 16


def _epochs(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    (entries,) = codec.fields(arguments, tuple, name="EPOCHS")
    listed = codec.listed(entries, name="entries", count_max=ENTRIES_MAX)
    return core.learner.extend([EpochEntry.from_wire(entry) for entry in listed])


def _statements(arguments: tuple[Any, ...], name: str) -> list[Statement]:
    (wire,) = codec.fields(arguments, tuple, name=name)
    listed = codec.listed(wire, name="statements", count_max=STATEMENTS_MAX)
    return [
        Statement.from_wire(*codec.fields(statement, int, int, int, bytes, name="statement"))
        for statement in listed
    ]


def _recall(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    core.member.recall(_statements(arguments, "RECALL"))
    return None


def _cast(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    return core.member.cast(_statements(arguments, "CAST"))


def _forget(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    epoch, view = codec.fields(arguments, int, int, name="FORGET")
    core.member.forget(
        Epoch(codec.unsigned(epoch, name="epoch")), View(codec.unsigned(view, name="view"))
    )
    return None


def _challenge(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    check_nothing(arguments, "CHALLENGE")
    return core.learner.challenge()


def _freshen(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    (heads,) = codec.fields(arguments, tuple, name="FRESHEN")
    listed = codec.listed(heads, name="heads", count_max=VALIDATORS_MAX)
    return core.learner.freshen([Head.from_wire(head) for head in listed])


def _apply(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    headers, outcomes = codec.fields(arguments, tuple, tuple, name="APPLY")
    core.learner.apply(
        _headers(headers), byte_strings(outcomes, name="outcomes", count_max=RUN_BLOCKS_MAX)
    )
    return None


def _confirm(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    headers, certificate = codec.fields(arguments, tuple, tuple, name="CONFIRM")
    core.learner.confirm(_headers(headers), Certificate.from_wire(certificate))
    return None


def _execute(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    blocks, certificate = codec.fields(arguments, tuple, tuple, name="EXECUTE")
    run = []
    for block in codec.listed(blocks, name="run", count_max=RUN_BLOCKS_MAX):
        header, batches = codec.fields(block, bytes, tuple, name="block")
        run.append((Header.decode(header), [Batch.from_wire(batch) for batch in batches]))
    return core.member.execute(run, Certificate.from_wire(certificate))


def _query(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    if (
        len(arguments) != 2
        or type(arguments[0]) is not bytes
        or type(arguments[1]) not in (bytes, type(None))
    ):
        raise NotCanonical("QUERY: expected (envelope, outcome or nil)")
    return core.member.query(arguments[0], arguments[1])


def _snapshot(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    height, first = codec.fields(arguments, int, int, name="SNAPSHOT")
    return core.learner.snapshot(
        Height(codec.unsigned(height, name="height")),
        codec.unsigned(first, name="chunk", value_max=CHUNKS_MAX),
    )


def _load(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    header, leaf, path, certified, certificate, count = codec.fields(
        arguments, bytes, bytes, tuple, bytes, tuple, int, name="LOAD"
    )
    hashes = byte_strings(path, name="path", count_max=PATH_MAX)
    core.learner.load(
        Header.decode(header),
        HistoryLeaf.decode(leaf),
        [Digest(codec.sized(one, DIGEST_SIZE, name="path")) for one in hashes],
        Header.decode(certified),
        Certificate.from_wire(certificate),
        codec.unsigned(count, name="count", value_max=CHUNKS_MAX),
    )
    return None


def _load_chunk(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    index, chunk = codec.fields(arguments, int, bytes, name="LOAD_CHUNK")
    core.learner.load_chunk(codec.unsigned(index, name="chunk", value_max=CHUNKS_MAX), chunk)
    return None


def _load_end(core: Lifecycle, arguments: tuple[Any, ...]) -> object:
    check_nothing(arguments, "LOAD_END")
    core.learner.end_load()
    return None


def _headers(value: object) -> list[Header]:
    return [
        Header.decode(data)
        for data in byte_strings(value, name="headers", count_max=RUN_BLOCKS_MAX)
    ]


HANDLERS: dict[Op, Callable[[Lifecycle, tuple[Any, ...]], object]] = {
    Op.EPOCHS: _epochs,
    Op.RECALL: _recall,
    Op.CAST: _cast,
    Op.FORGET: _forget,
    Op.CHALLENGE: _challenge,
    Op.FRESHEN: _freshen,
    Op.APPLY: _apply,
    Op.CONFIRM: _confirm,
    Op.EXECUTE: _execute,
    Op.QUERY: _query,
    Op.SNAPSHOT: _snapshot,
    Op.LOAD: _load,
    Op.LOAD_CHUNK: _load_chunk,
    Op.LOAD_END: _load_end,
}
