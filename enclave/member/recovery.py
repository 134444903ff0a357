"""An enclave without keys that brings a dead service back: it follows the ledger, shows evidence,
takes shares, and opens with k of them (VAULT §7; T45, T5B).

    every enclave   follow … → ground: (H, block, root), rules, shares
                    show() → evidence over that ground, which names a one-time key
    the lead        plan(everyone's evidence) → the next epoch: validators, key, its first header
    members         agree to that header, seal their share to the lead's one-time key
    the lead        take … → open() → certificate; for each other enclave what it needs
    every enclave   go_on(): secrets → recorded outcomes → root as agreed → the last block's outcome

The lead is the enclave of lowest node key. Owns this order, and what is kept sealed between its
steps; the host can only refuse. What it is about to become is a node like any other: it ends by
giving that node's sealed state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochEntry
from strongroom.consensus.errors import NotCanonical, OperatorFault, PeerFault, invariant
from strongroom.consensus.recovery import (
    Agreement,
    Finality,
    RecoveryCertificate,
    basis_of,
    opening_header,
)
from strongroom.consensus.types import (
    SIGNATURE_SIZE,
    Epoch,
    Height,
    Milliseconds,
    PublicKey,
    Signature,
)
from strongroom.consensus.validators import EpochDescription, Validator
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.attestation.verifier import VerifiedEnclave, verify_evidence
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.execution.public_replay import PublicReplay
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.formats.recovery import Generation
from strongroom.enclave.formats.recovery_plan import (
    GivenShare,
    RecoveryPlan,
    handed_info,
    plan_bytes,
    statement_digest,
)
from strongroom.enclave.formats.recovery_share import Share, ShareRefused
from strongroom.enclave.governance.recovering import check_plan, one_time_key
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.keys.keys import EpochSecrets, NodeKeys, ServiceSecret
from strongroom.enclave.keys.recovery import ShareCollector, open_epoch
from strongroom.enclave.keys.recovery_state import Ground, RecoveryState
from strongroom.enclave.keys.sealing import SealedState, seal_state
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measuring import Measurement
from strongroom.enclave.primitives import (
    DoesNotOpen,
    HybridKey,
    Secret,
    hybrid_seal,
    verify,
)
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
        self._executor: Executor | None = None
        self._secrets: tuple[EpochSecrets, ...] = ()
        self._lost, self._lost_anchor = self._epochs.newest, self._epochs.anchor

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
            self._state = self._grounded()
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
            lost, head = self._epochs.newest, ground.head.header
            time_ms = max(time_ms, Milliseconds(head.time_ms + 1))
            enclaves = self._judged(evidence, ground, time_ms)
            if enclaves[0].claims.node_key != state.keys.node.public:
                raise PeerFault(
                    f"node {enclaves[0].claims.node} leads this recovery: its key is the lowest"
                )
            service = Secret.fresh()
            secrets = ServiceSecret(service).split(Epoch(lost.epoch + 1))
            description = EpochDescription(
                epoch=secrets.epoch,
                validators=tuple(
                    Validator(node_key=one.claims.node_key, vote_key=one.claims.vote_key)
                    for one in enclaves
                ),
                public_key_digest=secrets.public_key_digest,
            )
            opening = opening_header(
                head,
                lost,
                self._epochs.anchor,
                executed=ground.executed,
                description=description,
                time_ms=time_ms,
            )
            plan = self._signed(ground, opening, description, secrets.public_key, enclaves, service)
            check_plan(plan, state.chain, lost, self._epochs.anchor)
            self._state = replace(state, plan=plan, service=service)
        return self._sealed(), self._planned().encode(), ground.generation.encode()

    def join(self, encoded: bytes) -> bytes:
        """As one of the others: check the lead's plan, open its secret; the sealed state.

        Raises:
            PeerFault: it is not over what this enclave followed, or does not wrap its secret here.
        """
        state, ground = self._need()
        plan = RecoveryPlan.decode(encoded)
        if state.plan is not None and state.plan.statement != plan.statement:
            raise PeerFault("this enclave is part of another plan already")
        own = (ground.head.header, ground.executed, ground.rules)
        if (plan.head.header, plan.opening.anchor, plan.rules) != own:
            raise PeerFault("this plan goes on from another head, root or rules than this ledger's")
        check_plan(plan, state.chain, self._epochs.newest, self._epochs.anchor)
        if state.evidence not in plan.evidence:
            raise PeerFault("this enclave is no part of this plan")
        sealed = dict(plan.wraps)[state.keys.node.public]
        service = Secret(self._opened(plan, sealed, state.keys.node.public))
        secrets = ServiceSecret(service).split(plan.description.epoch)
        if secrets.public_key != plan.public_key:
            raise PeerFault("the wrapped secret derives another key than the plan names")
        self._state = replace(state, plan=plan, service=service)
        return self._sealed()

    # --- shares ---

    def take(self, given: bytes) -> tuple[bytes, str, int]:
        """As the lead: count one member's agreement and share: (sealed state, its name, how many
        are missing).

        Raises:
            ShareRefused: by a name; nothing was changed, and the others stand.
        """
        plan, state = self._planned(), self._need()[0]
        name, share, agreement = self._judged_share(plan, given)
        collector = self._collector()
        collector.take(share)
        self._state = replace(state, shares=(*state.shares, (share, agreement)))
        return self._sealed(), name, collector.missing

    def status(self) -> RecoveryStatus:
        """How far it is."""
        state, replay, executor = self._state, self._replay, self._executor
        height = Height(0) if replay is None else replay.height
        if executor is not None:
            height = executor.height
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
            opened=executor is not None,
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
        plan, state = self._planned(), self._need()[0]
        wrapping = self._collector().wrapping()
        certificate = plan.certificate(one for _, one in state.shares)
        self._begin(wrapping, certificate)
        name = statement_digest(state.chain, plan.statement)
        handed = []
        for enclave, evidence in zip(plan.description.validators, plan.evidence, strict=True):
            if enclave.node_key != state.keys.node.public:
                info = handed_info(state.chain, name, enclave.node_key)
                key = one_time_key(evidence)
                handed.append((enclave.node_key, hybrid_seal(key, wrapping.reveal(), info)))
        return certificate, tuple(handed)

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
        wrapping = Secret(self._opened(plan, handed, state.keys.node.public))
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
        executor, end = self._opened_executor(), self._need()[1].executed
        for header, data in zip(headers, outcomes, strict=True):
            if header.height > end.height:
                raise OperatorFault(f"members agreed to go on from height {end.height}")
            executor.apply(header, Outcome.decode(data))
        return executor.height

    def lose(self, blocks: Sequence[tuple[Header, Sequence[Batch]]]) -> tuple[bytes, ...]:
        """Final blocks above that height, which nobody executed: their outcomes, in which all is
        refused.

        Raises:
            OperatorFault: the outcomes below do not come to the agreed root.
            PeerFault: not the next blocks, or not their data.
        """
        executor = self._settled()
        head = self._need()[1].head.header
        if executor.height + len(blocks) > head.height:
            raise OperatorFault(f"nothing above block {head.height} is certified")
        made = [executor.lose(header, batches) for header, batches in blocks]
        return tuple(outcome.encode() for outcome in made)

    def end(self) -> tuple[bytes, bytes]:
        """The outcome of the block that ends the lost epoch, and the sealed state of the node that
        this enclave is from now on; another process unseals it.

        Raises:
            OperatorFault: outcomes are missing, or do not come to the agreed root.
        """
        executor, (state, ground), plan = self._settled(), self._need(), self._planned()
        head = ground.head.header
        if executor.header.digest != head.digest:
            raise OperatorFault(f"blocks up to {head.height} come first, this is {executor.height}")
        reopening = check_plan(plan, state.chain, self._lost, self._lost_anchor)
        outcome = executor.reopen(reopening)
        service = state.service
        invariant(service is not None, "a plan comes with its secret")
        secrets = ServiceSecret(service or Secret.fresh()).split(plan.description.epoch)
        node = SealedState(
            chain=state.chain,
            keys=state.keys,
            secrets=(*self._secrets, secrets),
            boot=1,
            mark=(plan.opening.height, plan.opening.digest),
            recovered=(plan.opening.height, executor.root),
            identity=self._identity,
        )
        return outcome.encode(), seal_state(self._sealing_secret, node)

    # --- parts of these ---

    def _grounded(self) -> RecoveryState:
        replay = self._replay
        if replay is None:
            raise OperatorFault("RECOVER_FOLLOW comes first")
        found, epoch = replay.head(), Epoch(self._epochs.newest.epoch + 1)
        shares = replay.governance.recovery
        record = shares.active
        if record is None or record.digest != found.rules.shares:
            raise OperatorFault("the shares in force are not those that a quorum anchored")
        generation, added = shares.generation(record), shares.added(record.number)
        if generation.epoch < self._epochs.newest.epoch and self._epochs.newest.epoch not in added:
            raise OperatorFault(
                f"not-covered: no shares open epoch {self._epochs.newest.epoch}, the service died "
                "before its enclaves had sealed that epoch's secret for its members"
            )
        keys = NodeKeys(
            node=Secret.fresh(),
            votes={epoch: Secret.fresh()},
            wraps={Epoch(epoch + 1): Secret.fresh()},
        )
        ground = Ground(
            head=found.head,
            rules=found.rules,
            policy=found.policy.encode(),
            executed=found.executed,
            generation=generation,
            added=tuple(sorted(added.items())),
        )
        state = RecoveryState(
            chain=self._genesis.chain,
            identity=self._identity,
            keys=keys,
            one_time=Secret.fresh(),
            ground=ground,
        )
        return replace(state, evidence=self._evidence(state, ground))

    def _evidence(self, state: RecoveryState, ground: Ground) -> bytes:
        lost, keys = self._epochs.newest, state.keys
        following = Epoch(lost.epoch + 1)
        one_time = HybridKey(state.one_time).public
        claims = self._identity.claims(
            chain=state.chain,
            node_key=keys.node.public,
            vote_key=keys.vote(following).public,
            epoch=lost.epoch,
            epoch_key_digest=lost.public_key_digest,
            nonce=basis_of(ground.head.header, ground.executed, ground.rules),
            height=ground.head.header.height,
            boot=1,
            wrap_keys=((following, one_time), *keys.wrap_keys),
        )
        return self._chip.evidence(
            claims, measurement=self._measurement.digest, deployment=self._identity.deployment
        )

    def _judged(
        self, evidence: Sequence[bytes], ground: Ground, time_ms: Milliseconds
    ) -> list[VerifiedEnclave]:
        nonce = basis_of(ground.head.header, ground.executed, ground.rules)
        policy, chain = Policy.decode(ground.policy), self._genesis.chain
        found = [
            verify_evidence(one, policy, chain=chain, nonce=nonce, time_ms=time_ms)
            for one in evidence
        ]
        if not found:
            raise PeerFault("a recovery needs one enclave at least")
        return sorted(found, key=lambda one: one.claims.node_key)

    def _signed(
        self,
        ground: Ground,
        opening: Header,
        description: EpochDescription,
        public_key: bytes,
        enclaves: Sequence[VerifiedEnclave],
        service: Secret,
    ) -> RecoveryPlan:
        keys = self._need()[0].keys
        plan = RecoveryPlan(
            head=ground.head,
            rules=ground.rules,
            policy=ground.policy,
            opening=opening,
            description=description,
            public_key=public_key,
            evidence=tuple(one.evidence for one in enclaves),
            wraps=(),
            signature=Signature(bytes(SIGNATURE_SIZE)),
        )
        chain, statement = self._genesis.chain, plan.statement
        name = statement_digest(chain, statement)
        wraps = tuple(
            (
                one.claims.node_key,
                hybrid_seal(
                    one_time_key(one.evidence),
                    service.reveal(),
                    handed_info(chain, name, one.claims.node_key),
                ),
            )
            for one in enclaves
        )
        signature = keys.node.sign(plan_bytes(chain, statement))
        return replace(plan, wraps=wraps, signature=signature)

    def _judged_share(self, plan: RecoveryPlan, data: bytes) -> tuple[str, Share, Agreement]:
        """A member's name, share and agreement.

        Raises:
            ShareRefused: it is no member's, over another plan, not signed, or does not open.
        """
        try:
            given = GivenShare.decode(data)
        except NotCanonical as error:
            raise ShareRefused("share-malformed", str(error)) from None
        chain, statement = self._genesis.chain, plan.statement
        name = statement_digest(chain, statement)
        member = given.agreement.member
        if plan.rules.name_of(member) is None:
            raise ShareRefused(
                "share-of-no-member", f"{member.hex()[:16]}… may not agree to this recovery"
            )
        if given.statement != name:
            raise ShareRefused(
                "agreed-to-another-plan", "it is for another head, enclave or recovery than this"
            )
        try:
            called = given.agreement.check(statement, plan.rules, chain, verify)
        except PeerFault as error:
            raise ShareRefused("agreement-forged", str(error)) from None
        try:
            opened = HybridKey(self._need()[0].one_time).open(
                given.sealed, handed_info(chain, name, member)
            )
            share = Share.decode(opened)
        except (DoesNotOpen, NotCanonical):
            raise ShareRefused(
                "share-does-not-open", f"what {called} sealed is no share for this enclave"
            ) from None
        if share.member != member:
            raise ShareRefused("share-of-another-member", f"{called} gave somebody else's share")
        share.check(self._generation())
        return called, share, given.agreement

    def _collector(self) -> ShareCollector:
        collector = ShareCollector(self._generation())
        for share, _ in self._need()[0].shares:
            collector.take(share)
        return collector

    def _generation(self) -> Generation:
        return self._need()[1].generation

    def _opened(self, plan: RecoveryPlan, sealed: bytes, node_key: PublicKey) -> bytes:
        state = self._need()[0]
        info = handed_info(state.chain, statement_digest(state.chain, plan.statement), node_key)
        try:
            return HybridKey(state.one_time).open(sealed, info)
        except DoesNotOpen:
            raise PeerFault("what was sealed to this enclave does not open") from None

    def _begin(self, wrapping: Secret, certificate: RecoveryCertificate) -> None:
        """Open the ledger's secrets, and stand where genesis stood."""
        (state, ground), plan = self._need(), self._planned()
        generation, lost = ground.generation, self._epochs.newest
        if lost.epoch != plan.description.epoch - 1:
            raise OperatorFault(f"EPOCHS up to {plan.description.epoch - 1} come first")
        boxes = {
            Epoch(epoch): generation.epoch_box(Epoch(epoch))
            for epoch in range(generation.first, generation.epoch + 1)
        } | dict(ground.added)
        try:
            self._secrets = tuple(
                open_epoch(wrapping, epoch, boxes[epoch], state.chain, generation.number)
                for epoch in sorted(boxes)
                if epoch <= lost.epoch
            )
        except DoesNotOpen:
            raise OperatorFault("the shares open nothing: whoever made them lied") from None
        certificate.check(state.chain, lost, verify, anchor=self._epochs.anchor)
        self._lost, self._lost_anchor = lost, self._epochs.anchor
        self._epochs.extend(
            EpochEntry(plan.opening, certificate, plan.description, plan.public_key)
        )
        keyring = Keyring(self._secrets)
        self._executor = Executor(self._genesis, keyring, self._epochs, self._programs)

    def _opened_executor(self) -> Executor:
        if self._executor is None:
            raise OperatorFault("RECOVER_OPEN comes first: k members must have given their share")
        return self._executor

    def _settled(self) -> Executor:
        """The executor, once what was applied is what members agreed to go on from."""
        executor, executed = self._opened_executor(), self._need()[1].executed
        if executor.height < executed.height:
            raise OperatorFault(f"outcomes up to height {executed.height} come first")
        if executor.height == executed.height and executor.root != executed.root:
            raise OperatorFault(
                f"the outcomes up to height {executed.height} are not those that members agreed to"
            )
        return executor

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
