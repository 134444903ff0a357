"""Everything that a host of one twin saw, as plain values that can be compared.

Owns the list of what is looked at. Values are lengths, counts, codes, names and orders: contents
are ciphertext, which differs between any two runs. Times are left out, and what only a clock
decides is kept apart (`by_the_clock`).
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.leak_hunt.frames import FrameLine, read_frames
from scripts.leak_hunt.twin import capture_of

from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.formats.envelope import PUBLIC
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.formats.reading import read_envelope
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.layout import NodeLayout
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.reading import open_store

TIMED_REQUESTS = frozenset(
    {"SIGN_STATUS", "SIGN_HEAD", "SEAL", "CHALLENGE", "FRESHEN", "CHECK_LINK", "LINK_EVIDENCE"}
)
"""Requests of the door that a clock or a connecting peer causes."""
GROUPED_REQUESTS = frozenset({"CAST", "FORGET", "SIGN_BATCH", "SIGN_LINK"})
"""Requests that carry as many statements as wait in a turn of the host's loop."""
GROUPED_AMONG_SEVERAL = GROUPED_REQUESTS | {"EXECUTE"}
"""A node that lags behind its peers has several blocks executed at once, and may never see the
certificate of one; what each block came to is compared block by block."""
ROUTINE_REQUESTS = frozenset({"DUTIES", "GOVERNANCE"})
"""Requests that a host makes each second whatever happens, or in each in which something was
executed: how many there are its clock decides; which lengths they and their answers have is
compared."""
TIMED_METHODS = frozenset({"service_heads"})
"""Methods whose answer holds as many heads as members answered in time."""
CLOCKED_METHODS = frozenset({"node_status"})
"""Methods that a client asks each few seconds, whatever it does, without parameters
(node/client/calls/failback.py): how often, and between which others, its clock decides."""
CLOCKED_EVENTS = frozenset({"link.failed"})
"""Events of which a clock decides how many there are: a node that dials again and again until its
peer listens."""
PIDS_AND_TIMES = frozenset({"node.log", "run.json", "host.pid", "lock"})
"""Files of a node's folder that hold process ids and times; events of the log are compared by
name."""


@dataclass(frozen=True, slots=True)
class Sightings:
    """What the hosts of a twin saw."""

    seen: dict[str, Any]
    """What may not depend on a secret."""
    by_the_clock: dict[str, Any]
    """What differs between any two runs, because time decides it (DESIGN §1: timing and counts)."""


def collect(cluster: Cluster) -> Sightings:
    """Look at everything that a stopped cluster left, and at what its hosts wrote down."""
    seen: dict[str, Any] = {}
    clock: dict[str, Any] = {}
    batches: set[int] = set()
    for node in cluster.nodes:
        frames = read_frames(capture_of(node).with_suffix(".frames"))
        own, timed = _one_node(node.layout, frames, several=len(cluster.nodes) > 1)
        seen |= {f"{node.name}: {name}": value for name, value in own.items()}
        clock |= {f"{node.name}: {name}": value for name, value in timed.items()}
        batches |= {
            frame.size for frame in frames if (frame.place, frame.kind) == ("link", "BATCH")
        }
    seen["links: lengths of batches"] = sorted(batches)
    return Sightings(seen, clock)


def _one_node(
    layout: NodeLayout, frames: list[FrameLine], *, several: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    seen = {**_ledger(layout), **_clients(frames)}
    clock: dict[str, Any] = {}
    files = _files(layout.directory)
    door = _by_kind(frames, "door")
    timed_kinds = TIMED_REQUESTS | (GROUPED_AMONG_SEVERAL if several else GROUPED_REQUESTS)
    links = _by_kind(frames, "link")
    seen["door: lengths of requests and answers, in order"] = {
        kind: sizes
        for kind, sizes in door.items()
        if kind.split()[0] not in timed_kinds | ROUTINE_REQUESTS
    }
    routine = {kind: sizes for kind, sizes in door.items() if kind.split()[0] in ROUTINE_REQUESTS}
    seen["door: lengths of what is asked each second"] = {
        kind: sorted(set(sizes)) for kind, sizes in routine.items()
    }
    clock["door: how often that was asked"] = {kind: len(sizes) for kind, sizes in routine.items()}
    events = _events(layout.log)
    timed_events = {name for name in events if CLOCKED_EVENTS & set(name.split()[1:2])}
    seen["log: events and their facts"] = {
        name: count for name, count in events.items() if name not in timed_events
    }
    clock["log: events of a clock"] = {name: events[name] for name in sorted(timed_events)}
    clock["clients: questions of a clock"] = Counter(
        f"{frame.way} {frame.kind}"
        for frame in frames
        if frame.place == "client" and frame.kind in CLOCKED_METHODS
    )
    clock["door: signatures, statements, seals"] = {
        kind: len(sizes) for kind, sizes in door.items() if kind.split()[0] in timed_kinds
    }
    clock["links: messages"] = {kind: len(sizes) for kind, sizes in links.items()}
    clock["files: process ids, times"] = sorted(PIDS_AND_TIMES & set(files))
    timed = {name for name in files if name.startswith(("wal/", "ledger/"))} if several else set()
    clock["files: logs of consensus and of blocks with their certificates"] = {
        name: files[name] for name in sorted(timed)
    }
    seen["files: names and lengths"] = {
        name: size for name, size in files.items() if name not in PIDS_AND_TIMES | timed
    }
    return seen, clock


def _ledger(layout: NodeLayout) -> dict[str, Any]:
    """Blocks and outcomes as they stand in the node's files, of those that hold what users sealed.

    What nodes say in public (that a boot began) comes when their clocks say so, and in as many
    blocks as it happens to.
    """
    blocks, records = [], []
    store = open_store(layout.directory)
    try:
        for height in range(1, store.newest_block + 1):
            data, recorded = store.block(height), store.outcome(height)
            assert data is not None
            block = StoredBlock.decode(data)
            if not block.envelopes() or any(map(_is_public, block.envelopes())):
                continue
            blocks.append((len(data), block))
            records.append((len(recorded or b""), Outcome.decode(recorded) if recorded else None))
    finally:
        store.close()
    outcomes = [(size, outcome) for size, outcome in records if outcome is not None]
    return {
        "blocks with sealed envelopes: how many": len(blocks),
        "blocks: lengths of headers": [len(block.header.encoded) for _, block in blocks],
        "blocks: envelopes and bytes of each batch": [
            [(batch.header.count, batch.header.size) for batch in block.batches]
            for _, block in blocks
        ],
        "blocks: lengths of envelopes": [
            [len(one) for one in block.envelopes()] for _, block in blocks
        ],
        "outcomes: lengths of records": [size for size, _ in outcomes],
        "outcomes: codes": [list(outcome.codes) for _, outcome in outcomes],
        "outcomes: lengths of results": [
            [len(result) for result in outcome.results] for _, outcome in outcomes
        ],
        "outcomes: lengths of write sets": [len(outcome.write_set) for _, outcome in outcomes],
        "outcomes: claims": [
            [position for position, _ in outcome.claims] for _, outcome in outcomes
        ],
    }


def _is_public(envelope: bytes) -> bool:
    try:
        return bool(read_envelope(envelope)[1] == PUBLIC)
    except NotCanonical:
        return False


def _clients(frames: list[FrameLine]) -> dict[str, Any]:
    shown = [
        frame for frame in frames if frame.place == "client" and frame.kind not in CLOCKED_METHODS
    ]
    return {
        "clients: methods and refusals, in order": [f"{frame.way} {frame.kind}" for frame in shown],
        "clients: lengths of frames, in order": [
            frame.size for frame in shown if frame.kind not in TIMED_METHODS
        ],
    }


def _by_kind(frames: list[FrameLine], place: str) -> dict[str, list[int]]:
    sizes: defaultdict[str, list[int]] = defaultdict(list)
    for frame in frames:
        if frame.place == place:
            sizes[f"{frame.kind} {frame.way}"].append(frame.size)
    return dict(sorted(sizes.items()))


def _files(directory: Path) -> dict[str, int]:
    """Every file's length; of a sparse one its filled part."""
    return {
        str(path.relative_to(directory)): min(path.stat().st_size, path.stat().st_blocks * 512)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def _events(log: Path) -> dict[str, int]:
    """How often each event was logged, with the names of its facts; a line that is no event counts
    as its text."""
    counts: Counter[str] = Counter()
    for line in log.read_text().splitlines():
        try:
            event = json.loads(line)
            counts[
                f"{event['level']} {event['event']} "
                f"({', '.join(sorted(set(event) - {'event', 'level'}))})"
            ] += 1
        except (ValueError, KeyError, TypeError):
            counts[line] += 1
    return dict(sorted(counts.items()))
