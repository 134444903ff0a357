"""What is missing here, and who may have it (R14, catch-up of PROTOCOL §6).

Owns the list of missing headers, batches, certificates and ranges, made anew from what is held.
When to ask the next one is fetch.py's; whether an answer is genuine shows when it comes.
"""

from collections.abc import Iterable

from strongroom.consensus.batches import BatchHeader
from strongroom.consensus.messages import CertificateRequest, StatusBody
from strongroom.consensus.replica.blocktree import BlockTree
from strongroom.consensus.replica.events import Ask, Output, Send
from strongroom.consensus.replica.fetch import Fetcher, Thing, Want
from strongroom.consensus.replica.settings import Settings
from strongroom.consensus.replica.validity import Pending
from strongroom.consensus.statements import Certificate, Kind
from strongroom.consensus.types import Digest, Epoch, Height, SignerIndex, View

RANGE_GAP_MIN = 8
"""Blocks by which a certified block must be ahead to be fetched as a range instead of header by
header."""


class Missing:
    """The errands of one replica, by what its tree and certificates lack."""

    def __init__(
        self,
        epoch: Epoch,
        own: SignerIndex | None,
        others: tuple[SignerIndex, ...],
        tree: BlockTree,
        settings: Settings,
    ) -> None:
        self._epoch, self._own, self._others, self._tree, self._settings = (
            epoch,
            own,
            others,
            tree,
            settings,
        )
        self._fetcher = Fetcher(settings.fetch_timeout_max)
        self._claims: dict[SignerIndex, StatusBody] = {}
        self._doubted: set[SignerIndex] = set()
        """Peers that were or are away since their claim: they may hold less than it says, or be no
        more."""
        self._claimed_max = Height(0)
        """The highest block that anybody claims to have."""
        self._range_peer: SignerIndex | None = None
        self._catching_up = False

    def note_claim(self, peer: SignerIndex, claim: StatusBody) -> None:
        """A peer says how far it is: it may be asked for that, no more."""
        self._claims[peer] = claim
        self._doubted.discard(peer)
        self._claimed_max = max(one.height for one in self._claims.values())

    def doubt(self, peer: SignerIndex) -> None:
        """A peer is gone, or back: what it holds is not known until it says so."""
        self._doubted.add(peer)

    def note_progress(self) -> None:
        """A range arrived: go on with the next at once."""
        self._catching_up = True

    def lacking(self, batch: BatchHeader) -> tuple[SignerIndex, ...]:
        """Members that have not shown, by their newest STATUS, to hold this batch's place of its
        lane."""
        claims, lane = self._claims, batch.lane
        return tuple(
            peer
            for peer in self._others
            if peer not in claims
            or peer in self._doubted
            or lane >= len(claims[peer].lanes)
            or claims[peer].lanes[lane] <= batch.sequence
        )

    def wants_header(self, digest: Digest) -> bool:
        """Was this header asked for?"""
        return self._fetcher.wants(Want(Thing.HEADER, digest))

    @property
    def deadline(self) -> float | None:
        """When the next question is due."""
        return self._fetcher.deadline

    @property
    def size(self) -> int:
        """Errands open."""
        return self._fetcher.size

    def pursue(
        self,
        certified: Iterable[Certificate],
        candidate: tuple[Digest, SignerIndex] | None,
        view: View | None,
        *,
        delta: float,
        now: float,
        out: Output,
    ) -> None:
        """Ask for what is missing.

        Args:
            certified: certificates whose blocks must be held, newest first.
            candidate: the current view's candidate and its leader.
            view: a view of which a leader lacks every certificate (R4).
            delta: Δ in seconds.
            now: monotonic seconds.
            out: where the questions go.
        """
        wanted: dict[Want, tuple[SignerIndex, ...]] = {}
        for certificate in certified:
            self._want_block(wanted, certificate.digest, certificate.signers)
            if certificate.kind is Kind.FINALIZE and wanted:
                self._want_final(wanted, certificate)
        if candidate is not None:
            digest, leader = candidate
            self._want_block(wanted, digest, (leader,))
        if view is not None:
            wanted[Want(Thing.CERTIFICATES, view)] = self._sources((), view)
        self._want_claimed(wanted)
        if not wanted and not self._fetcher.size:  # mostly: nothing is missing
            return
        waits = dict.fromkeys(Thing, self._settings.fetch_wait)
        waits[Thing.RANGE] = 0.0 if self._catching_up else delta
        self._fetcher.pursue(wanted, waits, now)
        self._ask(now, delta, out)

    def _want_block(
        self,
        wanted: dict[Want, tuple[SignerIndex, ...]],
        digest: Digest,
        holders: tuple[SignerIndex, ...],
    ) -> None:
        verdict = self._tree.judge(digest)
        if not isinstance(verdict, Pending):
            return
        header = self._tree.header(digest)
        if (
            verdict.headers
            and header is not None
            and header.height - self._tree.final.height > RANGE_GAP_MIN
        ):
            wanted[self._next_range] = self._sources(holders, header.height)
            return
        for name in verdict.headers:
            wanted.setdefault(Want(Thing.HEADER, name), self._sources(holders, name[0]))
        proposer = () if header is None else (header.proposer,)
        for lane, name in verdict.batches:
            first = (*proposer, SignerIndex(lane), *holders)
            wanted.setdefault(Want(Thing.BATCH, name), self._sources(first, name[0]))

    def _want_final(
        self, wanted: dict[Want, tuple[SignerIndex, ...]], certificate: Certificate
    ) -> None:
        """Others may have executed this block, and hold its batches in their stores alone: it is
        asked for as a range too, if they do not come."""
        verdict = self._tree.judge(certificate.digest)
        if isinstance(verdict, Pending) and verdict.batches and not verdict.headers:
            sources = self._sources(certificate.signers, certificate.view)
            wanted.setdefault(self._next_range, sources)

    def _want_claimed(self, wanted: dict[Want, tuple[SignerIndex, ...]]) -> None:
        """Final blocks that peers claim to have; who answered last is asked first again."""
        following = self._tree.final.height + 1
        if following > self._claimed_max:  # mostly: nobody is ahead
            self._catching_up = False
            return
        peers = sorted(
            peer
            for peer, claim in self._claims.items()
            if claim.height >= following >= claim.lowest
        )
        if not peers:
            self._catching_up = False
            return
        preferred = () if self._range_peer not in peers else (self._range_peer,)
        wanted[self._next_range] = tuple(dict.fromkeys((*preferred, *peers)))

    @property
    def _next_range(self) -> Want:
        return Want(Thing.RANGE, Height(self._tree.final.height + 1))

    def _sources(self, first: tuple[SignerIndex, ...], turn: int) -> tuple[SignerIndex, ...]:
        """Some peers first, then all others, each replica beginning elsewhere."""
        start = (turn + (self._own or 0)) % max(1, len(self._others))
        ordered = (*first, *self._others[start:], *self._others[:start])
        return tuple(peer for peer in dict.fromkeys(ordered) if peer != self._own)

    def _ask(self, now: float, delta: float, out: Output) -> None:
        batches: dict[SignerIndex, list[Digest]] = {}
        headers: dict[SignerIndex, list[Digest]] = {}
        for want, peer in self._fetcher.due(now, delta):
            match want:
                case Want(Thing.BATCH, bytes() as name):
                    batches.setdefault(peer, []).append(Digest(name))
                case Want(Thing.HEADER, bytes() as name):
                    headers.setdefault(peer, []).append(Digest(name))
                case Want(Thing.RANGE, int() as name):
                    self._range_peer = peer
                    out.ask.append(Ask(peer, range_from=Height(name)))
                case Want(_, int() as name) if self._own is not None:
                    out.send.append(Send(peer, CertificateRequest(self._epoch, View(name))))
        for peer in sorted(batches.keys() | headers.keys()):
            out.ask.append(Ask(peer, tuple(batches.get(peer, ())), tuple(headers.get(peer, ()))))
