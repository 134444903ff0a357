"""Every statement of a vote key that can be seen, held against all others (PROTOCOL §8, §10: the
omniscient check).

Seen are the logs of all nodes, where each statement stands before it is signed, and the
certificates in the ledgers and in heads. What was seen once is kept, so that a node whose log is
put back cannot take anything back.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from strongroom.consensus.quorum import Quorum
from strongroom.consensus.replica.events import CastRecord, CertificateRecord, FinalRecord
from strongroom.consensus.replica.records import RecordKind, decode_record
from strongroom.consensus.statements import Certificate, Kind, Statement, Vote
from strongroom.consensus.types import Digest
from strongroom.node.ledger.frames import CorruptRecord, Purpose, read_frames

_Place = tuple[int, int]
"""(epoch, view)."""


@dataclass(slots=True)
class Statements:
    """Who said what, by view."""

    members: int
    _said: dict[_Place, dict[Kind, dict[Digest, set[int]]]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Statements seen."""
        return sum(len(signers) for _, _, _, signers in self._all())

    def add(self, statement: Statement, signer: int) -> None:
        """One more."""
        kinds = self._said.setdefault(
            (statement.epoch, statement.view), defaultdict(lambda: defaultdict(set))
        )
        kinds[statement.kind][statement.digest].add(signer)

    def add_votes(self, votes: Iterable[Vote]) -> None:
        """Votes as heads show them."""
        for vote in votes:
            self.add(vote.statement, vote.signer)

    def add_certificate(self, certificate: Certificate | None) -> None:
        """Everybody who signed it."""
        for signer in () if certificate is None else certificate.signers:
            self.add(certificate.statement, signer)  # type: ignore[union-attr]

    def add_log(self, directory: Path, signer: int) -> None:
        """All that stands in a node's log now, up to the first damage or to where it is being
        written."""
        for kind, payload in _records(directory):
            if kind not in set(RecordKind):
                continue
            match decode_record(kind, payload):
                case CastRecord(statement):
                    self.add(statement, signer)
                case CertificateRecord(certificate) | FinalRecord(_, certificate):
                    if isinstance(certificate, Certificate):
                        self.add_certificate(certificate)
                case _:
                    pass

    def contradictions(self) -> list[str]:
        """What no honest member may have said, and what no quorum may have."""
        return [*self._of_signers(), *self._of_quorums()]

    def _of_signers(self) -> Iterator[str]:
        for (epoch, view), kinds in self._said.items():
            for signer in range(self.members):
                said = [
                    (kind, digest)
                    for kind, by in kinds.items()
                    for digest, who in by.items()
                    if signer in who
                ]
                for kind in (Kind.NOTARIZE, Kind.FINALIZE):
                    if len([digest for of, digest in said if of is kind]) > 1:
                        yield (
                            f"member {signer} said two different {kind.name} "
                            f"in view {view} of epoch {epoch}"
                        )
                if {Kind.NULLIFY, Kind.FINALIZE} <= {kind for kind, _ in said}:
                    yield (
                        f"member {signer} said NULLIFY and FINALIZE in view {view} of epoch {epoch}"
                    )

    def _of_quorums(self) -> Iterator[str]:
        quorum = Quorum(self.members).size
        for (epoch, view), kinds in self._said.items():
            reached = {
                kind: [digest for digest, who in by.items() if len(who) >= quorum]
                for kind, by in kinds.items()
            }
            if len(reached.get(Kind.NOTARIZE, [])) > 1 or len(reached.get(Kind.FINALIZE, [])) > 1:
                yield f"two blocks have a quorum in view {view} of epoch {epoch}"
            if reached.get(Kind.NULLIFY) and reached.get(Kind.FINALIZE):
                yield f"view {view} of epoch {epoch} is both nullified and final"

    def _all(self) -> Iterator[tuple[_Place, Kind, Digest, set[int]]]:
        for place, kinds in self._said.items():
            for kind, by in kinds.items():
                for digest, signers in by.items():
                    yield place, kind, digest, signers


def _records(directory: Path) -> Iterator[tuple[int, bytes]]:
    for path in sorted(directory.glob("wal-*.log")):
        number = int(path.stem.removeprefix("wal-"))
        try:
            for frame in read_frames(path, Purpose.LOG, number):
                yield frame.kind, frame.payload
        except (CorruptRecord, FileNotFoundError):
            continue
