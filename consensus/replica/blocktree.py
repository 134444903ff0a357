"""The headers above the final block, and what is known of each (R4, R6, R8).

Owns the way from a digest down to the final block: which header or batch is missing on it, whether
every block on it is valid, what execution has vouched for. Votes and certificates are elsewhere;
here a header is merely held.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from strongroom.consensus.blocks import Anchor, Header, initial_cut
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.leaders import leader_order
from strongroom.consensus.messages import Propose
from strongroom.consensus.replica.events import Executed
from strongroom.consensus.replica.lanes import Cut, Lanes
from strongroom.consensus.replica.proposals import check_proposal
from strongroom.consensus.replica.validity import (
    Bad,
    Flaw,
    Ok,
    Pending,
    Verdict,
    data_flaw,
    execution_flaw,
    header_flaw,
)
from strongroom.consensus.types import ChainId, Digest, Height, Lane, View
from strongroom.consensus.validators import EpochDescription

_OK = Ok()


@dataclass(slots=True)
class Node:
    """One header above the final block."""

    header: Header
    logged: bool = False
    """It stands in the log."""
    sound: bool = False
    """It fits its parent."""
    batches: tuple[Digest, ...] | None = None
    """Its data in execution order, once all is held."""
    vouched: bool = False
    """Its anchor is what was executed here."""
    flaw: Flaw | None = None
    missing: Pending | None = None
    """What it was waiting for when last examined."""


class BlockTree:
    """Candidates of one epoch."""

    def __init__(
        self, chain: ChainId, members: EpochDescription, anchor: Header, lanes: Lanes
    ) -> None:
        self._chain, self._members, self._anchor, self._lanes = chain, members, anchor, lanes
        self.order = leader_order(anchor.digest, len(members.validators))
        self._initial_cut = initial_cut(anchor.digest, len(members.validators))
        self._nodes: dict[Digest, Node] = {}
        self._history: dict[Height, Executed] = {}
        self._loaded: list[Height] = []
        self.current = members.digest
        """Digest of this epoch's description: a header that names another one as next is
        terminal."""
        self.recovered: Digest | None = None
        """The block by which members end this epoch: no state wished what it opens."""
        self.final = anchor
        self.executed = Height(0)
        """Newest height whose outcome is durable here."""

    # --- headers ----------------------------------------------------------------------------------

    def admit(self, header: Header) -> None:
        """Check that a header is of this chain and epoch.

        Raises:
            PeerFault: it is not.
        """
        if header.chain != self._chain or header.epoch != self._members.epoch:
            raise PeerFault(
                f"header of another chain or epoch ({header.epoch}) where "
                f"{self._members.epoch} is run"
            )

    def check_proposal(self, message: Propose) -> None:
        """R5, without signatures of certificates and without the block's validity.

        Raises:
            PeerFault: it is not entitled to stand in its view.
        """
        terminal = self.is_terminal(message.header)
        epoch, anchor = self._members.epoch, self._anchor.digest
        check_proposal(message, epoch=epoch, order=self.order, anchor=anchor, terminal=terminal)

    def add(self, header: Header, *, logged: bool = False) -> None:
        """Hold a header that is of this chain and epoch."""
        if header.digest != self.final.digest and header.digest not in self._nodes:
            self._nodes[header.digest] = Node(header, logged=logged)

    def header(self, digest: Digest) -> Header | None:
        """A held header, the final one included."""
        if digest == self.final.digest:
            return self.final
        node = self._nodes.get(digest)
        return None if node is None else node.header

    def headers(self) -> tuple[Header, ...]:
        """All headers above the final block, by height."""
        return tuple(
            sorted((node.header for node in self._nodes.values()), key=lambda header: header.height)
        )

    def is_terminal(self, header: Header) -> bool:
        """Does this block end the epoch?"""
        return header.epoch == self._members.epoch and header.next_epoch != self.current

    def cut_of(self, header: Header) -> Cut:
        """A header's cut; of the epoch's anchor, the cut from which the epoch goes on."""
        return self._initial_cut if header.digest == self._anchor.digest else header.cut

    def lineage(self, digest: Digest) -> list[Node] | Pending | Bad:
        """The nodes from the final block's child up to this one, or what severs them."""
        nodes: list[Node] = []
        while digest != self.final.digest:
            node = self._nodes.get(digest)
            if node is None:
                return Pending(headers=(digest,))
            if node.header.height <= self.final.height:
                return Bad(Flaw.SEVERED)
            nodes.append(node)
            digest = node.header.parent
        nodes.reverse()
        return nodes

    # --- validity ---------------------------------------------------------------------------------

    def judge(self, digest: Digest) -> Verdict:
        """Is this block valid, with all its ancestors down to the final block?"""
        lineage = self.lineage(digest)
        return self._verdict(lineage) if isinstance(lineage, list) else lineage

    def _verdict(self, lineage: list[Node]) -> Verdict:
        """Are these blocks valid, from the final block's child on?"""
        if all([node.vouched for node in lineage]):  # what was valid once, remains so
            return _OK
        parent, loaded = self.final, list(self._loaded)
        batches: list[tuple[Lane, Digest]] = []
        executed = Height(0)
        for node in lineage:
            verdict = self._examine(node, parent, loaded)
            if isinstance(verdict, Flaw):
                node.flaw = verdict
                return Bad(verdict)
            if isinstance(verdict, Pending):
                batches.extend(verdict.batches)
                executed = max(executed, verdict.executed or Height(0))
            node.missing = verdict
            parent = node.header
            if parent.batch_count:
                loaded.append(parent.height)
        if batches or executed:
            return Pending(
                batches=tuple(dict.fromkeys(batches)), executed=executed if executed else None
            )
        return _OK

    def _examine(
        self, node: Node, parent: Header, loaded: Iterable[Height]
    ) -> Flaw | Pending | None:
        """One block, given its parent: its header, then its data, then its anchor; each only until
        it is known."""
        header = node.header
        if node.flaw is not None or node.vouched:
            return node.flaw
        if not node.sound:
            if self.is_terminal(parent):
                return Flaw.TERMINAL_PARENT
            lag = sum(height > header.anchor.height for height in loaded)
            flaw = header_flaw(header, parent, self.cut_of(parent), order=self.order, lag=lag)
            if flaw is not None:
                return flaw
            node.sound = True
        if node.batches is None:
            missing = node.missing
            if missing is not None and missing.batches and missing.batches[0][1] not in self._lanes:
                return missing
            walk = self._lanes.between(self.cut_of(parent), header.cut)
            flaw = data_flaw(header, walk)
            if flaw is not None or walk.missing:
                return flaw or Pending(batches=walk.missing)
            node.batches = walk.batches
        own = self._history.get(header.anchor.height)
        verdict = execution_flaw(
            header, parent, current=self.current, executed=self.executed, own=own
        )
        if verdict is Flaw.NEXT_EPOCH and header.digest == self.recovered:
            verdict = None
        node.vouched = verdict is None
        return verdict

    def available(self, digest: Digest) -> bool:
        """Are this block and all its ancestors down to the final one held, with their batches?"""
        if digest == self.final.digest:
            return True
        lineage = self.lineage(digest)
        if not isinstance(lineage, list) or isinstance(self._verdict(lineage), Bad):
            return False
        return all([node.batches is not None for node in lineage])

    # --- execution and pressure -------------------------------------------------------------------

    def execute(self, executed: Executed) -> None:
        """Take note of a durable outcome."""
        self.executed = max(self.executed, executed.height)
        if executed.height >= self.final.anchor.height:
            self._history[executed.height] = executed

    @property
    def diverged(self) -> bool:
        """Was something else executed here than a final header vouches for?"""
        own = self._history.get(self.final.anchor.height)
        return (
            own is not None and self.final.anchor.height > 0 and own.root != self.final.anchor.root
        )

    @property
    def wish(self) -> Digest:
        """The newest executed state's wish for the next epoch."""
        newest = self._history.get(self.executed)
        return self.current if newest is None else newest.next_epoch

    def newest_anchor(self, parent: Header) -> tuple[Anchor, Digest]:
        """The newest anchor that a child of `parent` may carry, and the next epoch that goes with
        it."""
        newest = self._history.get(self.executed)
        if newest is None or newest.height <= parent.anchor.height:
            return parent.anchor, self.current
        return Anchor(newest.height, newest.root), newest.next_epoch

    def loaded_above(self, tip: Header, height: Height) -> list[Height]:
        """Heights above `height`, up to `tip`, whose blocks carry batches."""
        lineage = self.lineage(tip.digest)
        above = [node.header for node in lineage] if isinstance(lineage, list) else []
        loaded = self._loaded + [header.height for header in above if header.batch_count]
        return [at for at in loaded if at > height]

    # --- finality ---------------------------------------------------------------------------------

    def settle(self, final: Header, view: View, recent: Iterable[Header]) -> None:
        """Move the final block up; `recent` are the blocks that became final with it, itself
        included.

        Nothing that was first built in its view or before can descend from it.
        """
        self.final = final
        self._loaded += [header.height for header in recent if header.batch_count]
        self._loaded = [height for height in self._loaded if height > final.anchor.height]
        self._history = {
            at: done for at, done in self._history.items() if at >= final.anchor.height
        }
        self._nodes = {
            digest: node for digest, node in self._nodes.items() if node.header.view > view
        }

    def drop_candidates(self, below: View, certified: Iterable[Digest]) -> None:
        """Forget old headers that no certificate needs; if one comes later, the header is asked
        for."""
        needed: set[Digest] = set()
        for digest in certified:
            while digest in self._nodes and digest not in needed:
                needed.add(digest)
                digest = self._nodes[digest].header.parent
        self._nodes = {
            digest: node
            for digest, node in self._nodes.items()
            if node.header.view >= below or digest in needed
        }

    @property
    def size(self) -> int:
        """Headers held above the final block."""
        return len(self._nodes)
