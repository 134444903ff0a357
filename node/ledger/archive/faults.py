"""What may be wrong with an archive, each named by the segment and by what to do next (T40).

None of those of the archive stops a node: what it needs to run never leaves its folder. Contents
are in its folder; without them it knows nothing of what it archived, and halts.
"""

from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.node.ledger.frames import CorruptRecord


class ContentsDamaged(CorruptRecord):
    """This node's own word of an archived segment is not what it wrote, whatever its checksums
    say."""

    advice = (
        "put an intact copy back, or stop the node, copy the archive's blocks-*.log into ledger/, "
        "remove archived/ and index/, and name an empty archive"
    )


class ArchiveFault(OperatorFault):
    """The archive cannot be used as it must be.

    Attributes:
        directory: of the archive.
    """

    def __init__(self, directory: Path, text: str) -> None:
        super().__init__(text)
        self.directory = directory


class ArchiveRefused(ArchiveFault):
    """It is not this node's, or another process has it: nothing was written."""

    def __init__(self, directory: Path, reason: str, advice: str) -> None:
        super().__init__(directory, f"archive {directory}: {reason}: {advice}")


class ArchiveUnwritable(ArchiveFault):
    """Nothing can be moved there now; the node keeps its segments, and tries again."""

    def __init__(self, directory: Path, reason: str) -> None:
        text = (
            f"archive {directory} cannot be written: {reason}. All segments stay in this node's "
            "folder: mount, repair or empty the archive, it is tried again by itself"
        )
        super().__init__(directory, text)


class SegmentNotAtHand(ArchiveFault):
    """A record is in the archive, and cannot be given from there.

    Attributes:
        segment: name of the segment's file.
        first: first height of its blocks.
        last: last height of its blocks.
        reason: what is wrong with it.
    """

    advice = ""

    def __init__(self, path: Path, first: int, last: int, reason: str) -> None:
        self.segment, self.first, self.last, self.reason = path.name, first, last, reason
        super().__init__(path.parent, f"{path}, heights {first} to {last}: {reason}; {self.advice}")

    @property
    def public(self) -> str:
        """The same for whoever asks at the front door: no path of this machine."""
        return (
            f"heights {self.first} to {self.last} are archived in {self.segment}, which this node "
            f"cannot give: {self.reason}; ask another node, or tell its operator"
        )


class SegmentMissing(SegmentNotAtHand):
    """It is not there, or does not answer."""

    advice = "mount the archive again, or put a copy of the file there; nothing else is affected"


class SegmentDamaged(SegmentNotAtHand):
    """It is not what was archived."""

    advice = (
        "put an intact copy there (archive.json has its SHA-256; another node's ledger has the "
        "same blocks); nothing else is affected"
    )
