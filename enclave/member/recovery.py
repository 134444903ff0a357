"""An enclave without keys that brings a dead service back: it follows the ledger, shows evidence,
takes shares, and opens with k of them (VAULT §7; T45, T5B).

    every enclave   follow … → ground: (H, block, root), rules, shares
                    show() → evidence over that ground, which names a one-time key
    the lead        plan(everyone's evidence) → the next epoch: validators, key, its first header
    members         agree to that header, seal their share to the lead's one-time key
    the lead        take … → open() → certificate; for each other enclave what it needs
    every enclave   go_on(): secrets → recorded outcomes → root as agreed → the last block's outcome

The lead is the enclave of lowest node key. Owns this order, and what is kept sealed between its
steps; the host can only refuse. Each step: recovery_ground.py, recovery_planning.py,
recovery_shares.py, recovery_opening.py. What it is about to become is a node like any other: it
ends by giving that node's sealed state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochEntry
from strongroom.consensus.errors import InvariantBroken, OperatorFault, PeerFault
from strongroom.consensus.recovery import Finality, RecoveryCertificate
from strongroom.consensus.types import Epoch, Height, Milliseconds, PublicKey
from strongroom.enclave.execution.public_replay import PublicReplay
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.formats.recovery_plan import RecoveryPlan
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.keys.recovery_state import Ground, RecoveryState
from strongroom.enclave.keys.sealing import seal_state
from strongroom.enclave.member.recovery_ground import ground_of, state_on
from strongroom.enclave.member.recovery_opening import OpenedLedger
from strongroom.enclave.member.recovery_planning import (
    hand_over,
    join_plan,
    make_plan,
    open_handed,
)
from strongroom.enclave.member.recovery_shares import collect, judge_share
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measuring import Measurement
from strongroom.enclave.primitives import Secret
from strongroom.enclave.programs import PROGRAMS
from strongroom.enclave.programs.framework import Program
from strongroom.enclave.proofs.genesis import VerifiedGenesis


class RecoveryStatus(NamedTuple):
    """How far a recovery is, in public words."""

    height: Height
    """Up to which the ledger was followed, or applied."""
    planned: bool
    threshold: int
    members: tuple[str, ...]
    """Names of those who may agree."""
    given: tuple[str, ...]
    """Of those whose share counts."""
    opened: bool


class Recovery:
    """One enclave's part, from its first look at the ledger to the node that it becomes."""

    def __init__(
        self,
        chip: SimulatedChip,
        measurement: Measurement,
        sealing_secret: Secret,
        genesis: VerifiedGenesis,
        identity: Identity,
        programs: Mapping[str, Program] = PROGRAMS,
    ) -> None:
        self._chip, self._measurement, self._sealing_secret = chip, measurement, sealing_secret
        self._genesis, self._identity, self._programs = genesis, identity, programs
        self._replay: PublicReplay | None = PublicReplay(genesis)
        self._epochs: EpochChain = self._replay.epochs
        self._state: RecoveryState | None = None
        self._opened: OpenedLedger | None = None

    @classmethod
    def again(
        cls,
        chip: SimulatedChip,
        measurement: Measurement,
        sealing_secret: Secret,
        genesis: VerifiedGenesis,
        sealed: bytes,
        programs: Mapping[str, Program] = PROGRAMS,
    ) -> "Recovery":
        """Go on after a restart; the ledger need not be followed again, its epochs alone shown.

        Raises:
            OperatorFault: sealed elsewhere, or for another chain.
        """
        state = RecoveryState.unseal(sealing_secret, sealed)
        if state.chain != genesis.chain:
            raise OperatorFault("this recovery is one of another chain than this genesis")
        made = cls(chip, measurement, sealing_secret, genesis, state.identity, programs)
        made._replay, made._state = None, state
        return made

    # --- the ledger ---

    def follow(
        self, blocks: Sequence[tuple[Header, Sequence[Batch], Finality | None, bytes]]
    ) -> Height:
        """The next blocks, each with what it came to or nothing; the height reached.

        Raises:
            OperatorFault: see PublicReplay.follow; this process is of no more use.
        """
        replay = self._replay
        if replay is None:
            raise OperatorFault("the ledger was followed already: it is what members agree about")
        for header, batches, certificate, data in blocks:
            outcome = Outcome.decode(data) if data else None
            replay.follow(header, batches, certificate, outcome)
        return replay.height

    def learn(self, entries: Sequence[EpochEntry]) -> Epoch:
        """How later epochs were opened, after a restart; the newest known.

        Raises:
            PeerFault: an entry proves nothing.
        """
        for entry in entries:
            self._epochs.extend(entry)
        return self._epochs.newest.epoch

    def show(self) -> tuple[bytes, bytes]:
        """Make this node's keys, and evidence over what the ledger said: (sealed state, evidence).

        Raises:
            OperatorFault: the ledger ends with nothing that members could agree to.
        """
        if self._state is None:
            if self._replay is None:
                raise OperatorFault("RECOVER_FOLLOW comes first")
            self._state = state_on(
                ground_of(self._replay),
                self._epochs.newest,
                chain=self._genesis.chain,
                identity=self._identity,
                chip=self._chip,
                measurement=self._measurement,
            )
            self._replay = None
        return self._sealed(), self._state.evidence

    # --- the plan ---

    def plan(self, evidence: Sequence[bytes], time_ms: Milliseconds) -> tuple[bytes, bytes, bytes]:
        """As the lead: make the secret of the epoch that begins, and what members are to agree to;
        (sealed state, plan, generation of shares). Asked again, it gives the same plan.

        Args:
            evidence: of every enclave that takes part, this one's among it.
            time_ms: the host's clock.

        Raises:
            AttestationError: an enclave does not meet the policy, or is over another ground.
            PeerFault: two of them are one, or this is not the lead.
        """
        state, ground = self._need()
        if state.plan is None:
            lost, anchor = self._epochs.newest, self._epochs.anchor
            self._state = make_plan(state, ground, evidence, lost, anchor, time_ms)
        return self._sealed(), self._planned().encode(), ground.generation.encode()

    def join(self, encoded: bytes) -> bytes:
        """As one of the others: check the lead's plan, open its secret; the sealed state.

        Raises:
            PeerFault: it is not over what this enclave followed, or does not wrap its secret here.
        """
        state, ground = self._need()
        plan = RecoveryPlan.decode(encoded)
        lost, anchor = self._epochs.newest, self._epochs.anchor
        self._state = join_plan(state, ground, plan, lost, anchor)
        return self._sealed()

    # --- shares ---

    def take(self, given: bytes) -> tuple[bytes, str, int]:
        """As the lead: count one member's agreement and share: (sealed state, its name, how many
        are missing).

        Raises:
            ShareRefused: by a name; nothing was changed, and the others stand.
        """
        plan, (state, ground) = self._planned(), self._need()
        name, share, agreement = judge_share(state, plan, ground.generation, given)
        collector = collect(state, ground.generation)
        collector.take(share)
        self._state = replace(state, shares=(*state.shares, (share, agreement)))
        return self._sealed(), name, collector.missing

    def status(self) -> RecoveryStatus:
        """How far it is."""
        state, replay, opened = self._state, self._replay, self._opened
        height = Height(0) if replay is None else replay.height
        if opened is not None:
            height = opened.executor.height
        if state is None or state.ground is None:
            return RecoveryStatus(height, False, 0, (), (), False)
        rules = state.ground.rules
        given = (one.member for one in (*(one for _, one in state.shares), *state.agreements))
        return RecoveryStatus(
            height=height,
            planned=state.plan is not None,
            threshold=rules.threshold,
            members=tuple(name for name, _ in rules.members),
            given=tuple(sorted({rules.name_of(key) or "" for key in given})),
            opened=opened is not None,
        )

    def tell(self) -> tuple[object, ...]:
        """The same, field by field, for the host."""
        return tuple(self.status())

    def open(self) -> tuple[RecoveryCertificate, tuple[tuple[PublicKey, bytes], ...]]:
        """As the lead, with k shares: what opens the next epoch, and for each other enclave, by
        node key, what it needs.

        Raises:
            ShareRefused: ``too-few-shares``.
            OperatorFault: the shares open nothing: whoever made them lied.
        """
        plan, (state, ground) = self._planned(), self._need()
        wrapping = collect(state, ground.generation).wrapping()
        certificate = plan.certificate(one for _, one in state.shares)
        self._begin(wrapping, certificate)
        own = state.keys.node.public
        return certificate, hand_over(plan, state.chain, wrapping, without=own)

    def receive(self, certificate: Finality, handed: bytes) -> tuple[bytes, RecoveryCertificate]:
        """As one of the others: what the lead opened; (sealed state, certificate with its
        evidence). After a restart it is given again.

        Raises:
            PeerFault: members did not agree to this plan, or what was handed does not open.
            OperatorFault: it opens nothing.
        """
        plan, state = self._planned(), self._need()[0]
        if not isinstance(certificate, RecoveryCertificate) or certificate.agreed != plan.statement:
            raise PeerFault("members agreed to another plan than this enclave's")
        wrapping = Secret(open_handed(state, plan, handed))
        whole = plan.certificate(certificate.agreements)
        self._begin(wrapping, whole)
        self._state = replace(state, agreements=certificate.agreements)
        return self._sealed(), whole

    # --- going on ---

    def apply(self, headers: Sequence[Header], outcomes: Sequence[bytes]) -> Height:
        """Recorded outcomes, from height 1 on, up to the executed height; the height reached.

        Raises:
            OperatorFault: an outcome does not open, or is not of this history.
        """
        return self._ledger().apply(headers, outcomes)

    def lose(self, blocks: Sequence[tuple[Header, Sequence[Batch]]]) -> tuple[bytes, ...]:
        """Final blocks above that height, which nobody executed: their outcomes, in which all is
        refused.

        Raises:
            OperatorFault: the outcomes below do not come to the agreed root.
            PeerFault: not the next blocks, or not their data.
        """
        return self._ledger().lose(blocks)

    def end(self) -> tuple[bytes, bytes]:
        """The outcome of the block that ends the lost epoch, and the sealed state of the node that
        this enclave is from now on; another process unseals it.

        Raises:
            OperatorFault: outcomes are missing, or do not come to the agreed root.
        """
        outcome, node = self._ledger().end(self._need()[0])
        return outcome.encode(), seal_state(self._sealing_secret, node)

    # --- parts of these ---

    def _begin(self, wrapping: Secret, certificate: RecoveryCertificate) -> None:
        plan, (state, ground) = self._planned(), self._need()
        if self._opened is not None:
            raise OperatorFault("the ledger is open already: its outcomes come next")
        if state.service is None:
            raise InvariantBroken("a plan came without the secret of its epoch")
        self._opened = OpenedLedger(
            self._genesis,
            self._epochs,
            ground,
            plan,
            certificate,
            wrapping,
            state.service,
            self._programs,
        )

    def _ledger(self) -> OpenedLedger:
        if self._opened is None:
            raise OperatorFault("RECOVER_OPEN comes first: k members must have given their share")
        return self._opened

    def _planned(self) -> RecoveryPlan:
        plan = self._need()[0].plan
        if plan is None:
            raise OperatorFault("there is no plan yet: RECOVER_PLAN or RECOVER_JOIN comes first")
        return plan

    def _need(self) -> tuple[RecoveryState, Ground]:
        state = self._state
        if state is None or state.ground is None:
            raise OperatorFault("the ledger must be followed, and RECOVER_SHOW asked, first")
        return state, state.ground

    def _sealed(self) -> bytes:
        return self._need()[0].seal(self._sealing_secret)
