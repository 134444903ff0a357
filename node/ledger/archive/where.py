"""Where a node's archive is, as the node's own folder says: `archived/where.json`."""

import json
from dataclasses import dataclass
from pathlib import Path

from strongroom.node.ledger.frames import CorruptRecord
from strongroom.node.machine.durable_files import disk_faults, make_directory, write_atomic

_WHERE = "where.json"


@dataclass(frozen=True, slots=True)
class Where:
    """How this node finds its archive, and knows it again."""

    id: str
    directory: Path


def read_where(directory: Path) -> Where | None:
    """Where the archive of a node is, by its `archived/`; None: it has none.

    Raises:
        CorruptRecord: what stands there says of none.
    """
    path = directory / _WHERE
    try:
        value = json.loads(path.read_bytes())
        id, where = value["id"], value["directory"]
        if type(id) is not str or type(where) is not str or "\0" in where:
            raise TypeError("id and directory are text")
        return Where(id, Path(where))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptRecord(path, 0, f"says of no archive: {error}") from None


def write_where(directory: Path, where: Where) -> None:
    """Write down, durably, which archive is a node's.

    Raises:
        DiskFault: this node's own disk refused.
    """
    value = {"id": where.id, "directory": str(where.directory)}
    path = directory / _WHERE
    with disk_faults(path):
        make_directory(directory)
        write_atomic(path, json.dumps(value).encode())
