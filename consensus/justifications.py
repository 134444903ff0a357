"""Why a proposal may stand on its parent: certificates for every view between (PROTOCOL §2)."""

from dataclasses import dataclass

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.statements import Certificate, Kind
from strongroom.consensus.types import View

NULLS_MAX = 1024


@dataclass(frozen=True, slots=True)
class Justification:
    """Why a proposal may stand on its parent in a view: the parent's certificate, and an X for
    every view between."""

    parent: Certificate | None
    """N or F of a view before; None for the epoch's anchor (view 0)."""
    nulls: tuple[Certificate, ...]
    """Exactly one X certificate for every view in (parent's view, view), ascending."""

    @property
    def parent_view(self) -> View:
        """The view of the parent's certificate; 0 for the anchor."""
        return View(0) if self.parent is None else self.parent.view

    def check_shape(self, view: View) -> None:
        """Check completeness for a proposal in `view`, without signatures.

        Raises:
            PeerFault: a kind is wrong, or a view between is missing, doubled or superfluous.
        """
        if self.parent is not None and self.parent.kind is Kind.NULLIFY:
            raise PeerFault("justification: a parent cannot be nullified")
        if any(null.kind is not Kind.NULLIFY for null in self.nulls):
            raise PeerFault("justification: nulls must be NULLIFY certificates")
        if [null.view for null in self.nulls] != list(range(self.parent_view + 1, view)):
            raise PeerFault(
                f"justification: not exactly one null for each view in ({self.parent_view}, {view})"
            )

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        parent = None if self.parent is None else self.parent.to_wire()
        return (parent, tuple(null.to_wire() for null in self.nulls))

    @classmethod
    def from_wire(cls, value: object) -> "Justification":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        if type(value) is not tuple or len(value) != 2:
            raise NotCanonical("justification: expected 2 fields")
        parent, nulls = value
        return cls(
            None if parent is None else Certificate.from_wire(parent),
            tuple(
                Certificate.from_wire(null)
                for null in codec.listed(nulls, name="nulls", count_max=NULLS_MAX)
            ),
        )
