"""One segment on its way into the archive.

Owns the steps. Each may be the last one before a kill; the next start takes them again from the
first, and finds what was done:

1. copy it under a name that nobody reads, sync, give it its name, sync the folder, read it back and
   compare its SHA-256;
2. read every record of it here, and make its contents;
3. list it in the archive's manifest, durably;
4. write its contents down in the node's folder, durably;
5. read it from the archive from now on (on the event loop: `BlockStore.let_go`);
6. remove it here, and sync the folder.

Until step 6 the node's own file is there, and counts.
"""

from pathlib import Path

from strongroom.node.ledger.archive.contents import Summary
from strongroom.node.ledger.archive.folder import ArchiveFolder
from strongroom.node.ledger.store import BlockStore
from strongroom.node.machine.durable_files import disk_faults, fsync_directory


def archive_segment(
    store: BlockStore, archive: ArchiveFolder, path: Path, first: int, epochs: tuple[bytes, ...]
) -> Summary:
    """Steps 1 to 4, in any thread; nothing is removed.

    Args:
        store: whose oldest segment it is.
        archive: where it goes.
        path: its file.
        first: height of its first block.
        epochs: how epochs were opened by blocks in it, encoded.

    Raises:
        ArchiveFault: the archive refused.
        CorruptRecord: the segment is damaged: a copy would be as well.
        DiskFault: the node's own disk refused.
    """
    with disk_faults(path):
        size, digest = archive.put(path)
    contents = store.survey_closed(path, first, size, digest, epochs)
    archive.note(contents.summary)
    store.archived.keep(contents)
    return contents.summary


def remove_segment(path: Path) -> None:
    """Step 6.

    Raises:
        DiskFault: the node's own disk refused.
    """
    with disk_faults(path):
        path.unlink()
        fsync_directory(path.parent)
