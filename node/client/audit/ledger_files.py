"""Reading a node's ledger files without a node, changing nothing: for whoever checks them against a
pin.

Owns the order of records and where a genesis lies beside them. What they prove is audit.py's.
"""

from collections.abc import Iterator
from pathlib import Path

from strongroom.consensus.errors import NotCanonical, ReceiptInvalid
from strongroom.enclave.formats.outcome import Outcome
from strongroom.node.layout import ClusterLayout, NodeLayout
from strongroom.node.ledger.archive.where import read_where
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.frames import CorruptRecord, TornTail
from strongroom.node.ledger.outcome_record import with_ids
from strongroom.node.ledger.segments import Heights, Kind, Location, Segments

NODES_SHOWN_MAX = 8


def find_ledger(folder: Path) -> Path:
    """The folder with the segments: of a node, or itself.

    Raises:
        ReceiptInvalid: ``cannot check``: there is no ledger, or there are several.
    """
    for candidate in (NodeLayout(folder).ledger, folder):
        if any(candidate.glob("blocks-*.log")):
            return candidate
    nodes = [node.directory.name for node in ClusterLayout(folder).nodes()]
    if nodes:
        names = ", ".join(str(folder / name) for name in nodes[:NODES_SHOWN_MAX])
        raise ReceiptInvalid(
            f"{folder} holds several ledgers: name one of {names}", verdict="cannot check"
        )
    raise ReceiptInvalid(f"no ledger in {folder}: no file blocks-*.log", verdict="cannot check")


def read_genesis(ledger: Path, given: Path | None) -> bytes:
    """The genesis document: the given file, or the one that lies beside the ledger.

    Raises:
        ReceiptInvalid: ``cannot check``: there is none.
    """
    places = (ledger, ledger.parent, ledger.parent.parent)
    candidates = (
        [given] if given is not None else [ClusterLayout(place).genesis for place in places]
    )
    for candidate in candidates:
        try:
            return candidate.read_bytes()
        except OSError:
            continue
    raise ReceiptInvalid(
        f"no genesis at {candidates[-1]}: name the file with --genesis; its hash is the pin",
        verdict="cannot check",
    )


def open_segments(ledger: Path, archive: Path | None = None) -> Segments:
    """The files of a ledger, to be read and not changed, also while a node writes them; with those
    that the node archived.

    Args:
        ledger: the folder with the segments.
        archive: where archived ones lie; by default where the node's folder says.

    Raises:
        CorruptRecord: a file is not what its name says.
        ReceiptInvalid: ``cannot check``: there is an archive, and it cannot be read.
    """
    elsewhere = archive or _archive_of(ledger)
    try:
        return Segments(ledger, elsewhere=elsewhere, read_only=True)
    except OSError as error:
        raise ReceiptInvalid(
            f"older segments are archived in {elsewhere}, which cannot be read "
            f"({error.strerror}): mount it, or name the archive with --archive",
            verdict="cannot check",
        ) from None


def _archive_of(ledger: Path) -> Path | None:
    """Where the node of this ledger archives; None: nothing is archived."""
    try:
        where = read_where(NodeLayout(ledger.parent).archived)
    except CorruptRecord as damage:
        raise ReceiptInvalid(str(damage), verdict="cannot check") from None
    return None if where is None else where.directory


def read_records(ledger: Path, archive: Path | None = None) -> Iterator[StoredBlock | Outcome]:
    """Every block and outcome from height 1 on, each outcome after its block; a torn end is where
    it ends.

    Args:
        ledger: the folder with the segments.
        archive: where archived ones lie; by default where the node's folder says.

    Raises:
        ReceiptInvalid: ``incomplete``: a file is missing, damaged or out of order; ``forged``: a
            record is none; ``cannot check``: an archive cannot be read.
    """
    try:
        segments, waiting = open_segments(ledger, archive), dict[int, Location]()
        for record in segments.scan(1, Heights()):
            if record.kind == Kind.BLOCK:
                waiting[record.height] = record.location
                yield StoredBlock.decode(record.payload)
            else:
                block = segments.read(Kind.BLOCK, record.height, waiting.pop(record.height))
                yield Outcome.decode(with_ids(record.payload, block))
    except TornTail:
        return
    except CorruptRecord as damage:
        raise ReceiptInvalid(str(damage), verdict="incomplete") from None
    except (NotCanonical, ValueError) as error:
        raise ReceiptInvalid(f"a record is neither block nor outcome: {error}") from None
    except OSError as error:
        raise ReceiptInvalid(
            f"cannot read {ledger}: {error.strerror}", verdict="cannot check"
        ) from None
