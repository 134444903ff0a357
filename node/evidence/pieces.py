"""A piece of evidence: its kind and the files that it consists of, each under its role."""

from collections.abc import Mapping
from dataclasses import dataclass

from strongroom.node.evidence.reasons import CannotJudge, Unjudged

FILE_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that nobody has judged yet."""

    kind: str
    files: Mapping[str, bytes]
    """By role: `report`, `vek`, `chain`, `quote`, `collateral`, `root`, `cose`, `token`, `jwks`,
    `key`, …"""

    def file(self, role: str) -> bytes:
        """The file of a role.

        Raises:
            CannotJudge: it was not given.
        """
        data = self.files.get(role)
        if data is None:
            raise CannotJudge(
                Unjudged.MISSING_FILE,
                f"{self.kind}: without a file for {role!r} there is no verdict",
            )
        return data
