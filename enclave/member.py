"""A member of a service: what an enclave does once it has keys (DESIGN §2, §6; PROTOCOL §6).

Owns the composition of the parts (guard, executor, heads, evidence) and the conditions under which each may be used: no
execution and no answer before q fresh heads, no vote without the guard. The parts know nothing of each other.
"""

from collections.abc import Sequence

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Batch, Header
from strongroom.consensus.errors import AttestationError, ClientFault, OperatorFault
from strongroom.consensus.messages import Head, HeadBody, StatusBody
from strongroom.consensus.statements import Certificate, Statement
from strongroom.consensus.types import Digest, Epoch, Milliseconds, Signature
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.deployment import SignedDeployment
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.verifier import VerifiedEnclave, describe, verify_evidence
from strongroom.enclave.envelope import transaction_id
from strongroom.enclave.execution import Executor
from strongroom.enclave.finality import check_run
from strongroom.enclave.genesis import VerifiedGenesis
from strongroom.enclave.heads import FreshPoint, check_heads
from strongroom.enclave.outcome import Outcome
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measurement import Measurement
from strongroom.enclave.primitives import Secret, random_bytes, verify
from strongroom.enclave.queries import HeadsNeeded, Need
from strongroom.enclave.sealing import SealedState, seal_state
from strongroom.enclave.voting import VotingGuard

DEMANDS_MAX = 1024
EPOCH = Epoch(0)
"""The epoch that this member serves; epochs change with R16 (PROTOCOL §4)."""


class NotFresh(ClientFault):
    """The enclave does not know yet whether its host shows it the newest ledger."""


class StaleHeads(OperatorFault):
    """Heads or ledger lie below what this enclave had executed before: the disk or the peers were rolled back."""


class Member:
    """One enclave with keys, from UNSEAL to the end of its process."""

    def __init__(
        self,
        chip: SimulatedChip,
        measurement: Measurement,
        sealing_secret: Secret,
        state: SealedState,
        genesis: VerifiedGenesis,
    ) -> None:
        self._chip, self._measurement, self._sealing_secret = chip, measurement, sealing_secret
        self._state, self._genesis = state, genesis
        self._own = self._find_own()
        self.voting = VotingGuard(genesis.chain, genesis.description, state.keys.vote(EPOCH))
        self._executor = Executor(genesis, state.secrets[0])
        self._nonce: bytes | None = None
        self._fresh: FreshPoint | None = None
        self._challenges = 0
        self._fresh_challenge = 0
        """Number of the challenge that `_fresh` answers."""
        self._demands: dict[bytes, int] = {}
        """Linearizable queries that wait for heads: id → challenges made before they came."""
        self._provisional: list[Header] = []

    def _find_own(self) -> VerifiedEnclave:
        own_key = self._state.keys.node.public
        for validator in self._genesis.validators:
            if validator.claims.node_key == own_key:
                return validator
        raise AttestationError("not-a-member", "the sealed node key is no validator of this genesis")

    # --- evidence ---

    def link_evidence(self, nonce: bytes) -> bytes:
        """Evidence of this boot over a peer's or client's nonce (T20)."""
        founded = self._own.claims
        claims = Claims(
            chain=self._genesis.chain,
            node=founded.node,
            node_key=founded.node_key,
            vote_key=founded.vote_key,
            wrap_keys=founded.wrap_keys,
            tls_key=founded.tls_key,
            epoch=EPOCH,
            epoch_key_digest=self._genesis.description.public_key_digest,
            nonce=nonce,
            height=self._executor.height,
            region=founded.region,
            operator=founded.operator,
            boot=self._state.boot,
        )
        evidence = Evidence.decode(self._own.evidence)
        deployment = SignedDeployment(statement=evidence.deployment, signature=Signature(evidence.operator_signature))
        return self._chip.evidence(claims, measurement=self._measurement.digest, deployment=deployment)

    def check_link(self, evidence: bytes, nonce: bytes, time_ms: Milliseconds) -> tuple[int, str, bytes, str]:
        """Judge a peer's evidence over my nonce: (validator index, name, TLS key, verdict in words).

        Raises:
            AttestationError: it does not meet the policy, or its keys are not a validator's.
        """
        policy, chain = self._genesis.constitution.policy, self._genesis.chain
        peer = verify_evidence(evidence, policy, chain=chain, nonce=nonce, time_ms=time_ms)
        index = self._genesis.description.index_of(peer.claims.node_key)
        if index is None:
            raise AttestationError("not-a-member", f"{peer.claims.node} is no validator")
        founded = self._genesis.validators[index]
        same = (
            peer.claims.vote_key == founded.claims.vote_key
            and peer.claims.tls_key == founded.claims.tls_key
            and peer.claims.epoch_key_digest == self._genesis.description.public_key_digest
            and peer.chip_id == founded.chip_id
            and peer.claims.boot >= founded.claims.boot
        )
        if not same:
            raise AttestationError("keys-changed", f"{peer.claims.node} shows other keys than it was admitted with")
        return index, peer.claims.node, peer.claims.tls_key, "good (SIMULATED)" if peer.simulated else "good"

    def words(self) -> list[str]:
        """This node's own evidence in words."""
        return describe(self._own)

    # --- signatures by the node key ---

    def sign_link(self, nonce: bytes, tls_key: bytes) -> Signature:
        """That this node dialled the listener with this TLS key, which gave this nonce."""
        return self._sign(labels.LINK, nonce + tls_key)

    def sign_batch(self, digest: Digest) -> Signature:
        """That this node made the batch."""
        return self._sign(labels.BATCH, digest)

    def sign_status(self, body: StatusBody) -> Signature:
        """That this node says so."""
        return self._sign(labels.STATUS, codec.encode(body.to_wire()))

    def sign_head(self, body: HeadBody) -> Signature:
        """That this node knows nothing newer."""
        return self._sign(labels.HEAD, codec.encode(body.to_wire()))

    def _sign(self, label: bytes, data: bytes) -> Signature:
        return self._state.keys.node.sign(labels.bound(label, self._genesis.chain, data))

    # --- freshness and votes ---

    def challenge(self) -> bytes:
        """A nonce for heads; the one before is void."""
        self._nonce = random_bytes(32)
        self._challenges += 1
        return self._nonce

    def freshen(self, heads: Sequence[Head]) -> tuple[int, int, bool]:
        """Take q heads over my nonce: (newest final height, newest certified view, may I vote?).

        Raises:
            PeerFault: fewer than q members' heads verify.
            StaleHeads: they are older than what this enclave had executed (T05).
        """
        if self._nonce is None:
            raise NotFresh("CHALLENGE comes first")
        description = self._genesis.description
        point = check_heads(heads, self._nonce, description, self._genesis.header, verify)
        if point.height < self._state.mark[0]:
            raise StaleHeads(f"{description.quorum.size} heads end at height {point.height}, below my own mark")
        self._nonce = None
        for head in heads:
            self.voting.notice(head.body.votes)
        self._fresh, self._fresh_challenge = point, self._challenges
        return point.height, point.view, self.voting.may_vote

    def cast(self, statements: Sequence[Statement]) -> tuple[Signature, ...]:
        """Sign votes (the guard decides).

        Raises:
            NotFresh: before heads have shown whether my log is complete.
        """
        self._need_fresh()
        return self.voting.cast(statements)

    def _need_fresh(self) -> FreshPoint:
        if self._fresh is None:
            raise NotFresh("FRESHEN first: q heads over my nonce are needed")
        return self._fresh

    # --- execution ---

    def apply(self, headers: Sequence[Header], outcomes: Sequence[bytes]) -> None:
        """Replay write sets of blocks that my host says are anchored; provisional until `confirm`.

        Raises:
            OperatorFault: an outcome does not open, or does not follow the one before.
        """
        if len(headers) != len(outcomes):
            raise OperatorFault("APPLY: as many outcomes as headers")
        for header, outcome in zip(headers, outcomes, strict=True):
            self._executor.apply(header, Outcome.decode(outcome))
            self._provisional.append(header)

    def confirm(self, headers: Sequence[Header], certificate: Certificate) -> None:
        """Headers that follow what was applied, the last certified, its anchor equal to what was applied.

        Raises:
            OperatorFault: what was applied is not what a quorum anchored; this process is of no more use.
        """
        run = check_run(self._executor.header, headers, certificate, self._genesis, verify)
        anchor = run.last.anchor
        if anchor.height != self._executor.height or anchor.root != self._executor.root:
            raise OperatorFault(
                "the applied outcomes are not the ones that a quorum anchored: restore the ledger folder"
            )
        self._provisional.clear()

    def execute(
        self, blocks: Sequence[tuple[Header, Sequence[Batch]]], certificate: Certificate
    ) -> tuple[tuple[bytes, Digest], ...]:
        """Execute a run of final blocks, the last with its FINALIZE certificate: each outcome with its root (T03, T04).

        Raises:
            NotFresh: before fresh heads, or while applied outcomes are unconfirmed.
            PeerFault: not the next blocks, other data than theirs, or no certificate of a quorum.
        """
        self._need_fresh()
        if self._provisional:
            raise NotFresh("CONFIRM what was applied first")
        headers = [header for header, _ in blocks]
        run = check_run(self._executor.header, headers, certificate, self._genesis, verify)
        outcomes = self._executor.execute(run, [batches for _, batches in blocks])
        return tuple((outcome.encode(), outcome.root) for outcome in outcomes)

    def query(self, envelope: bytes, outcome: bytes | None) -> tuple[bytes, int] | bytes:
        """Answer a sealed query on the newest executed state, or name the transaction whose outcome is needed.

        Raises:
            NotFresh: what is executed lies below the fresh heads (T05, T06).
            DoesNotOpen: not a query for this service.
        """
        if self._executor.height < self._need_fresh().height or self._provisional:
            raise NotFresh("this node is catching up: ask again, or ask another node")
        try:
            answer = self._executor.query(envelope, outcome, fresh=self._fresh_since(envelope))
        except HeadsNeeded:
            self._remember_demand(envelope)
            raise
        return answer.id if isinstance(answer, Need) else (answer, self._executor.height)

    def _remember_demand(self, envelope: bytes) -> None:
        """A linearizable query: only heads over a nonce made from now on can serve it."""
        if len(self._demands) >= DEMANDS_MAX:
            self._demands.pop(next(iter(self._demands)))
        self._demands[transaction_id(envelope)] = self._challenges

    def _fresh_since(self, envelope: bytes) -> FreshPoint | None:
        demanded = self._demands.get(transaction_id(envelope)) if self._demands else None
        return self._fresh if demanded is not None and self._fresh_challenge > demanded else None

    def sealed(self) -> bytes:
        """The sealed state with the newest executed height as its mark."""
        state = self._state
        if not self._provisional:
            mark = (self._executor.height, self._executor.header.digest)
            if mark[0] > state.mark[0]:
                self._state = SealedState(
                    chain=state.chain, keys=state.keys, secrets=state.secrets, boot=state.boot, mark=mark
                )
        return seal_state(self._sealing_secret, self._state)

    def status(self) -> tuple[int, bytes, int, bool, bool]:
        """(executed height, history root, boot, fresh, may vote)."""
        executor = self._executor
        return executor.height, executor.root, self._state.boot, self._fresh is not None, self.voting.may_vote
