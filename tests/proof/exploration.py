"""Every reachable state of a small cluster of real replicas, breadth first.

Four members, one of them a liar that says everything to everybody, and a network that delivers
anything that exists, in any order, or never. What keeps that small without losing a way to fork:

- A vote matters by the certificate that it completes, or because it moves a replica to say NULLIFY,
  which its timer may do at any moment anyway. So certificates travel, not votes: one exists as soon
  as q−1 honest members have said its statement, for the liar has said it too.
- A replica's step depends on nothing but its own state and the event. Each is computed once, on a
  copy of the real replica, and kept; a state of the cluster is a tuple of numbers. Replicas are
  told apart by what `observe` names, not by running timers, by whom they fetch from, or by who
  signed a certificate.
- Time stands still, but a replica's timers may fire whenever it is in a view of the scope.
- What a replica takes in without saying anything is nobody else's business, and what exists goes on
  existing: it may as well be taken in just before the replica speaks next. So a step of the cluster
  is: one member takes in whatever it likes of what exists, and then says something. Its states are
  those in which members have just spoken.
- Honest members that lead no view of the scope are alike: which of them is in which state does not
  matter.
- What members commit needs no states of its own: it must be the chain below a FINALIZE certificate
  that exists, and T1 and T2 are checked for all of those.

Batches are held by all from the start; nothing is executed; nobody restarts.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from hashlib import sha256
from itertools import combinations

from tests.proof.copies import clone, observe
from tests.simulation.world import World

from strongroom.consensus.batches import BatchHeader, encode_payload
from strongroom.consensus.blocks import Header, initial_cut
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.justifications import Justification
from strongroom.consensus.leaders import leader_of, leader_order
from strongroom.consensus.messages import BlockMessage, CertificateMessage, Propose, VoteMessage
from strongroom.consensus.replica.events import BatchHeld, Event, Now, Output, Received, Tick
from strongroom.consensus.replica.replica import Replica, ReplicaConfig
from strongroom.consensus.statements import Certificate, Kind, Statement, Vote
from strongroom.consensus.types import (
    NO_DIGEST,
    Digest,
    Lane,
    Milliseconds,
    Sequence,
    SignerIndex,
    View,
)

MEMBERS = 4
START = Now(1_000.0, Milliseconds(1_700_000_001_000))
PATIENCE_DELTAS = 1.01
"""A leader without anything new to say waits Δ (R4)."""
EXPIRY_DELTAS = 6.01
"""t_view, which covers t_prop (R9)."""
FACE_MS, VIEW_MS = 10, 100
"""Milliseconds by which the liar's blocks differ, for each face and view; below what R6 waits
for."""
FACES = 2
"""Different blocks that the liar builds on one parent in a view that it leads."""


class Unsafe(AssertionError):
    """A reachable state breaks a promise of PROTOCOL §8."""


@dataclass(frozen=True, slots=True)
class Local:
    """One honest replica in one of its states."""

    replica: Replica
    said: int
    """Bits of the statements that it ever made."""
    proposed: int
    """Bits of the events that its proposals are."""
    final: tuple[Digest, ...]
    """Blocks that it committed, in order."""


@dataclass
class Scope:
    """What is explored, and what was found."""

    views: int
    liar_leads: int
    """The liar is the leader of this view, in the order of the epoch."""
    states_max: int = 10_000_000
    states: int = 0
    deliveries: int = 0
    locals: int = 0
    silent: int = 0
    """Steps by which a member took something in."""
    words: set[tuple[tuple[str, ...], ...]] = field(default_factory=set)
    """What the honest members have said and proposed, in any order of members: a state as far as
    others see it."""
    certificates: set[str] = field(default_factory=set)
    """Kinds of certificate that could exist somewhere."""
    heights: set[int] = field(default_factory=set)
    """Final heights that some replica reached."""
    complete: bool = False


class Exploration:
    """One exploration; `run` fills the scope's counts."""

    nulls_needed = True
    """False: the liar also proposes with justifications that lack an X, which honest members must
    refuse."""
    reduced = True
    """False: every step of a member is one of the cluster, and nobody is alike; what the reduction
    is held to."""

    def __init__(self, scope: Scope, replica: type[Replica] = Replica) -> None:
        self.scope = scope
        self._world = World(size=MEMBERS, seed=1)
        self._order = leader_order(self._world.anchor.digest, MEMBERS)
        self._liar = leader_of(self._order, View(scope.liar_leads))
        self._honest = tuple(SignerIndex(index) for index in range(MEMBERS) if index != self._liar)
        self._statements: list[Statement] = []
        self._events: list[Event] = []
        self._event_bits: dict[object, int] = {}
        self._headers: dict[Digest, Header] = {self._world.anchor.digest: self._world.anchor}
        leaders = {leader_of(self._order, View(view)) for view in range(1, scope.views + 1)}
        alike = tuple(place for place, index in enumerate(self._honest) if index not in leaders)
        self._alike = alike if self.reduced else ()
        self._locals: list[list[Local]] = [[] for _ in self._honest]
        self._known: list[dict[object, int]] = [{} for _ in self._honest]
        self._moves: list[dict[int, dict[int, int]]] = [{} for _ in self._honest]
        self._words: list[dict[tuple[int, int], tuple[int, ...]]] = [{} for _ in self._honest]
        self._offers: dict[tuple[int, int], int] = {}
        self._certificates: dict[int, Certificate] = {}
        self._batch = self._make_batch()
        self._ticks = self._bit("ticks", Tick()), self._bit("expires", Tick())
        self._builder = self._make_replica(self._liar, Replica)
        self._start = tuple(self._boot(place, replica) for place in self._roles)

    # --- set-up -----------------------------------------------------------------------------------

    def _make_batch(self) -> BatchHeader:
        payload = encode_payload([b"transaction"])
        lane = Lane(self._honest[0])
        return BatchHeader(
            epoch=self._world.members.epoch,
            lane=lane,
            sequence=Sequence(0),
            previous=initial_cut(self._world.anchor.digest, MEMBERS)[lane].digest,
            count=1,
            size=len(payload),
            payload_digest=Digest(sha256(payload).digest()),
        )

    def _make_replica(self, own: SignerIndex, kind: type[Replica]) -> Replica:
        role = self._world.roles[own]
        replica = kind(
            ReplicaConfig(
                chain=role.chain,
                members=role.members,
                own=own,
                anchor=role.anchor,
                verify=role.verify,
                settings=role.settings,
            )
        )
        replica.resume(START)
        if own == self._liar:
            replica.step(BatchHeld(self._batch), START)
        return replica

    def _boot(self, place: int, kind: type[Replica]) -> int:
        replica = self._make_replica(self._honest[place], kind)
        return self._settle(place, replica, 0, 0, (), replica.step(BatchHeld(self._batch), START))

    @property
    def _roles(self) -> tuple[int, ...]:
        """For each honest member the place whose states it shares: the first of those that are
        alike."""
        return tuple(
            self._alike[0] if place in self._alike else place for place in range(len(self._honest))
        )

    # --- one replica ------------------------------------------------------------------------------

    def _move(self, place: int, number: int, bit: int) -> int:
        """The state after an event; the same number if nothing changes."""
        moves = self._moves[place].setdefault(number, {})
        if bit not in moves:
            moves[bit] = self._step(place, number, bit)
        return moves[bit]

    def _next_words(self, place: int, number: int, possible: int, offered: int) -> tuple[int, ...]:
        """The states in which a member has just said something, having taken in any part of what is
        offered before."""
        words = self._words[place]
        if (number, offered) not in words:
            taken, waiting, spoken = {number}, [number], set()
            while waiting:
                at = waiting.pop()
                before = self._locals[place][at]
                for bit in bits(offered):
                    moved = self._move(place, at, bit)
                    after = self._locals[place][moved]
                    if (after.said, after.proposed) != (before.said, before.proposed):
                        spoken.add(moved)
                    elif moved not in taken:
                        self.scope.silent += 1
                        taken.add(moved)
                        if self.reduced:
                            waiting.append(moved)
            for at in taken | spoken:
                self._check_ledger(self._locals[place][at].final, possible)
            words[number, offered] = tuple(spoken if self.reduced else taken | spoken)
        return words[number, offered]

    def _step(self, place: int, number: int, bit: int) -> int:
        local = self._locals[place][number]
        if bit in self._ticks and local.replica.state.view > self.scope.views:
            return number
        replica = self._copy(local.replica)
        deltas = {self._ticks[0]: PATIENCE_DELTAS, self._ticks[1]: EXPIRY_DELTAS}.get(bit, 0.0)
        now = Now(START.monotonic + deltas * replica.state.delta, START.wall_ms)
        try:
            out = replica.step(self._events[bit], now)
        except PeerFault:
            return number
        return self._settle(place, replica, local.said, local.proposed, local.final, out)

    def _settle(
        self,
        place: int,
        replica: Replica,
        said: int,
        proposed: int,
        final: tuple[Digest, ...],
        out: Output,
    ) -> int:
        """Carry out what a step says, as a driver would: own votes come back at once."""
        own, queue = self._honest[place], deque([out])
        while queue:
            out = queue.popleft()
            if out.alarm:
                raise Unsafe(f"{own} raises an alarm: {out.alarm}")
            final += tuple(commit.header.digest for commit in out.commit)
            for cast in out.cast:
                vote = self._vote(own, cast.statement)
                if cast.statement.view <= self.scope.views:
                    said |= 1 << self._statement_bit(cast.statement)
                    if cast.proposal is not None:
                        header, justification = cast.proposal.header, cast.proposal.justification
                        proposed |= self._propose(header, cast.statement.view, justification, vote)
                queue.append(replica.step(Received(own, VoteMessage(vote)), START))
        self._check_word(own, said)
        key = (observe(replica, self.scope.views), said, proposed, final)
        known = self._known[place]
        if key not in known:
            known[key] = len(self._locals[place])
            self._locals[place].append(Local(replica, said, proposed, final))
        return known[key]

    def _copy(self, replica: Replica) -> Replica:
        config = replica.state.config
        shared = [config, *(getattr(config, item.name) for item in fields(config))]
        copied: Replica = clone(replica, {id(value): value for value in shared})
        return copied

    # --- words ------------------------------------------------------------------------------------

    def _bit(self, key: object, event: Event) -> int:
        if key not in self._event_bits:
            self._event_bits[key] = len(self._events)
            self._events.append(event)
        return self._event_bits[key]

    def _statement_bit(self, statement: Statement) -> int:
        if statement not in self._statements:
            self._statements.append(statement)
        return self._statements.index(statement)

    def _vote(self, signer: SignerIndex, statement: Statement) -> Vote:
        role = self._world.roles[signer]
        return Vote(statement, signer, role.vote_key.sign(statement.signed_bytes(role.chain)))

    def _propose(self, header: Header, view: View, justification: Justification, vote: Vote) -> int:
        """Bits of the proposal, and of its header alone, for whoever asks for it."""
        self._headers[header.digest] = header
        why = (justification.parent and justification.parent.statement, len(justification.nulls))
        message = Propose(header, view, justification, vote)
        whole = self._bit(
            ("propose", header.digest, view, why), Received(self._leader(view), message)
        )
        return 1 << whole | 1 << self._bit(
            header.digest, Received(self._leader(view), BlockMessage(header))
        )

    def _leader(self, view: int) -> SignerIndex:
        return leader_of(self._order, View(view))

    def _certificate(self, bit: int) -> Certificate:
        """A certificate that exists: by the liar, and as many honest members as it lacks."""
        if bit not in self._certificates:
            signers = sorted((*self._honest[: self._world.members.quorum.size - 1], self._liar))
            votes = [self._vote(signer, self._statements[bit]) for signer in signers]
            self._certificates[bit] = Certificate(
                self._statements[bit], tuple(signers), tuple(vote.signature for vote in votes)
            )
        return self._certificates[bit]

    # --- what there is to deliver -----------------------------------------------------------------

    def _offered(self, possible: int, proposed: int) -> int:
        """Bits of all events that may happen once these certificates may exist and these proposals
        were made."""
        if (possible, proposed) not in self._offers:
            held = [self._certificate(bit) for bit in bits(possible)]
            offered = proposed | sum(1 << tick for tick in self._ticks)
            for certificate in held:
                event = Received(self._liar, CertificateMessage(certificate))
                offered |= 1 << self._bit(certificate.statement, event)
            for view in range(1, self.scope.views + 1):
                if self._leader(view) == self._liar:
                    offered |= self._lies(View(view), held)
            self._offers[possible, proposed] = offered
        return self._offers[possible, proposed]

    def _lies(self, view: View, held: list[Certificate]) -> int:
        """Every proposal that the liar can justify in a view that it leads, with two faces each."""
        nulls = {
            certificate.view: certificate
            for certificate in held
            if certificate.kind is Kind.NULLIFY
        }
        parents: list[Certificate | None] = [None]
        parents += [one for one in held if one.kind is not Kind.NULLIFY and one.view < view]
        offered = 0
        for parent in parents:
            between = [View(at) for at in range(1 if parent is None else parent.view + 1, view)]
            header = self._world.anchor if parent is None else self._headers.get(parent.digest)
            if header is None or (self.nulls_needed and any(at not in nulls for at in between)):
                continue
            justification = Justification(parent, tuple(nulls[at] for at in between if at in nulls))
            self._builder.state.come_to(view)
            for face in range(FACES):
                wall_ms = Milliseconds(START.wall_ms + VIEW_MS * view + FACE_MS * face)
                block = self._builder._build(header, Now(START.monotonic, wall_ms))
                vote = self._vote(
                    self._liar, Statement(Kind.NOTARIZE, block.epoch, view, block.digest)
                )
                offered |= self._propose(block, view, justification, vote)
        return offered

    # --- what must hold ---------------------------------------------------------------------------

    def _check_word(self, signer: SignerIndex, said: int) -> None:
        """One honest member never contradicts itself."""
        kinds = [(self._statements[bit].view, self._statements[bit].kind) for bit in bits(said)]
        doubles = len(kinds) != len(set(kinds))
        if doubles or any(
            (view, Kind.NULLIFY) in kinds for view, kind in kinds if kind is Kind.FINALIZE
        ):
            raise Unsafe(
                f"{signer} contradicts itself: {[self._statements[bit] for bit in bits(said)]}"
            )

    def _check_certificates(self, possible: int) -> None:
        """L1 to L3, T1 and T2 over every certificate that may exist."""
        held = [self._statements[bit] for bit in bits(possible)]
        self.scope.certificates |= {f"{one.kind.name} in view {one.view}" for one in held}
        final = [one for one in held if one.kind is Kind.FINALIZE]
        notarized = [one for one in held if one.kind is Kind.NOTARIZE]
        for one, two in combinations(held, 2):
            same = one.view == two.view
            if same and one.kind is two.kind:
                raise Unsafe(f"L1: two {one.kind.name} certificates in view {one.view}")
            if same and {one.kind, two.kind} == {Kind.NULLIFY, Kind.FINALIZE}:
                raise Unsafe(f"L2: view {one.view} is nullified and final")
        for one in final:
            if not any(two.view == one.view and two.digest == one.digest for two in notarized):
                raise Unsafe(f"L3: view {one.view} is final and not notarized")
            for two in notarized:
                if two.view >= one.view and one.digest not in self._ancestry(two.digest):
                    raise Unsafe(
                        f"T1: what view {two.view} notarized does not "
                        f"stand on what view {one.view} finalised"
                    )

    def _ancestry(self, digest: Digest) -> Iterator[Digest]:
        while digest in self._headers and digest != NO_DIGEST:
            yield digest
            digest = self._headers[digest].parent

    def _check_ledger(self, ledger: tuple[Digest, ...], possible: int) -> None:
        """What a member committed is the chain below a FINALIZE certificate that exists."""
        if not ledger:
            return
        final = {
            self._statements[bit].digest
            for bit in bits(possible)
            if self._statements[bit].kind is Kind.FINALIZE
        }
        chain = tuple(reversed(tuple(self._ancestry(ledger[-1]))))
        if ledger[-1] not in final or chain[1:] != ledger:
            raise Unsafe("a member committed what no certificate made final")

    # --- the search -------------------------------------------------------------------------------

    def _canonical(self, state: tuple[int, ...]) -> tuple[int, ...]:
        """One of the states that differ only in which of the members that are alike is which."""
        if len(self._alike) < 2:
            return state
        ordered = iter(sorted(state[place] for place in self._alike))
        return tuple(
            next(ordered) if place in self._alike else number for place, number in enumerate(state)
        )

    def run(self) -> Scope:
        """Visit every state.

        Raises:
            Unsafe: of the first that breaks a promise.
        """
        scope, seen, queue = self.scope, {self._start}, deque([self._start])
        checked: set[int] = set()
        roles = self._roles
        words: set[tuple[tuple[int, int], ...]] = set()
        while queue and len(seen) < scope.states_max:
            state = queue.popleft()
            first, second, third = (
                self._locals[role][number] for number, role in zip(state, roles, strict=True)
            )
            possible = first.said & second.said | first.said & third.said | second.said & third.said
            if possible not in checked:
                checked.add(possible)
                self._check_certificates(possible)
            words.add(tuple((local.said, local.proposed) for local in (first, second, third)))
            offered = self._offered(possible, first.proposed | second.proposed | third.proposed)
            for place, role in enumerate(roles):
                for moved in self._next_words(role, state[place], possible, offered):
                    scope.deliveries += 1
                    following = self._canonical((*state[:place], moved, *state[place + 1 :]))
                    if following not in seen:
                        seen.add(following)
                        queue.append(following)
        scope.states, scope.locals = len(seen), sum(len(held) for held in self._locals)
        scope.heights = {len(local.final) for held in self._locals for local in held}
        scope.words = {tuple(sorted(self._readable(*word) for word in each)) for each in words}
        scope.complete = not queue
        return scope

    def _readable(self, said: int, proposed: int) -> tuple[str, ...]:
        names = {bit: repr(key) for key, bit in self._event_bits.items()}
        return tuple(
            sorted(
                [repr(self._statements[bit]) for bit in bits(said)]
                + [names[bit] for bit in bits(proposed)]
            )
        )


def bits(mask: int) -> tuple[int, ...]:
    """Numbers of the bits that are set."""
    return tuple(number for number in range(mask.bit_length()) if mask >> number & 1)
