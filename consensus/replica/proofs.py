"""Which certificates are held, and what can be justified with them (R2, R4, R12, R13).

Owns at most one certificate per kind and view, from the final view on. Two that exclude each other
prove more than f liars: `contradiction` names them. Knows nothing of blocks but their digests.
"""

from collections.abc import Callable

from strongroom.consensus.justifications import NULLS_MAX, Justification
from strongroom.consensus.statements import Certificate, Kind
from strongroom.consensus.types import Digest, View

ANSWER_VIEWS_MAX = 64
"""Views that one answer covers; whoever is further behind gets the oldest and the newest half, and
asks again."""


class Proofs:
    """Certificates of one epoch."""

    def __init__(self) -> None:
        self._held: dict[tuple[Kind, View], Certificate] = {}
        self._newest = dict.fromkeys(Kind, View(0))
        """The newest view of which a certificate of this kind was ever held."""

    def get(self, kind: Kind, view: View) -> Certificate | None:
        """The certificate of this kind and view, if held."""
        return self._held.get((kind, view))

    def contradiction(self, certificate: Certificate) -> str:
        """How a valid certificate contradicts a held one; empty if it does not (PROTOCOL §8, L1 to
        L3)."""
        excluded = Kind.FINALIZE if certificate.kind is Kind.NULLIFY else Kind.NULLIFY
        if certificate.kind is not Kind.NOTARIZE and (excluded, certificate.view) in self._held:
            return f"view {certificate.view} is both nullified and final"
        for kind in (Kind.NOTARIZE, Kind.FINALIZE):
            held = self.get(kind, certificate.view)
            if (
                held is not None
                and certificate.kind is not Kind.NULLIFY
                and held.digest != certificate.digest
            ):
                return (
                    f"view {certificate.view} has two blocks: {held.digest.hex()} and "
                    f"{certificate.digest.hex()}"
                )
        return ""

    def add(self, certificate: Certificate) -> None:
        """Hold a certificate that was built here or verified."""
        kind, view = certificate.kind, certificate.view
        self._held[kind, view] = certificate
        if view > self._newest[kind]:
            self._newest[kind] = view

    def above(self, kind: Kind, view: View) -> list[Certificate]:
        """Certificates of a kind in later views, newest first."""
        # Asked several times a step: mostly there is none, else nothing to sort.
        if view >= self._newest[kind]:
            return []
        views = [at for held, at in self._held if at > view and held is kind]
        if len(views) > 1:
            views.sort(reverse=True)
        return [self._held[kind, at] for at in views]

    @property
    def newest_view(self) -> View:
        """The newest view of any certificate; 0 if none is held."""
        return max((view for _, view in self._held), default=View(0))

    def justify(
        self, view: View, final: View, available: Callable[[Digest], bool]
    ) -> Justification | View:
        """The justification of a proposal in `view` (R4), or the view of which a certificate is
        missing.

        Scans downward from view − 1: a notarized block whose chain is available becomes the parent,
        an X certificate leads further down, and the final view ends the scan.
        """
        nulls: list[Certificate] = []
        for below in range(view - 1, final, -1):
            at = View(below)
            parent = self.get(Kind.NOTARIZE, at) or self.get(Kind.FINALIZE, at)
            if parent is not None and available(parent.digest):
                return Justification(parent, tuple(reversed(nulls)))
            null = self.get(Kind.NULLIFY, at)
            if null is None or len(nulls) == NULLS_MAX:
                return at
            nulls.append(null)
        if final == 0:
            return Justification(None, tuple(reversed(nulls)))
        parent = self.get(Kind.FINALIZE, final) or self.get(Kind.NOTARIZE, final)
        return final if parent is None else Justification(parent, tuple(reversed(nulls)))

    def leading_to(self, view: View, final: View) -> tuple[Certificate, ...]:
        """The minimal justification of being in `view`, newest first, as far as it is held
        (R12)."""
        found: list[Certificate] = []
        for below in range(view - 1, max(final, view - 1 - ANSWER_VIEWS_MAX), -1):
            at = View(below)
            certificate = (
                self.get(Kind.NOTARIZE, at)
                or self.get(Kind.FINALIZE, at)
                or self.get(Kind.NULLIFY, at)
            )
            if certificate is None:
                break
            found.append(certificate)
            if certificate.kind is not Kind.NULLIFY:
                break
        return tuple(found)

    def leading_from(self, view: View, end: View) -> tuple[Certificate, ...]:
        """All that is held of the views from `view` up to below `end`: moves a laggard on (R13)."""
        views = list(range(view, end))
        if len(views) > ANSWER_VIEWS_MAX:
            half = ANSWER_VIEWS_MAX // 2
            views = views[:half] + views[-half:]
        held = (self.get(kind, View(at)) for at in views for kind in Kind)
        return tuple(certificate for certificate in held if certificate is not None)

    def all(self) -> tuple[Certificate, ...]:
        """Everything held, by view."""
        return tuple(
            self._held[key] for key in sorted(self._held, key=lambda key: (key[1], key[0]))
        )

    def drop_below(self, view: View) -> None:
        """Forget the certificates of all views below this one."""
        for key in [key for key in self._held if key[1] < view]:
            del self._held[key]

    @property
    def size(self) -> int:
        """Certificates held."""
        return len(self._held)
