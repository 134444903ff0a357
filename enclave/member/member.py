"""A node's enclave once it has keys (DESIGN §2, §6; PROTOCOL §6).

Owns the composition of the parts (keys, guards, executor, release, duties, erasure) and the
conditions under which each may be used: no execution and no answer before q fresh heads, no vote
without a guard, nothing after a newer boot or after the hand-over to a successor. The parts know
nothing of each other's conditions.
"""

from collections.abc import Callable, Sequence

from strongroom.consensus import codec, labels
from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.messages import StatusBody
from strongroom.consensus.recovery import Finality
from strongroom.consensus.remembered import RememberedSignatures
from strongroom.consensus.statements import Statement
from strongroom.consensus.types import Digest, Epoch, Height, Milliseconds, Signature, View
from strongroom.enclave.execution.executor import Executor, go_on
from strongroom.enclave.execution.queries import HeadsNeeded, OutcomeWanted
from strongroom.enclave.execution.snapshot_loading import Loader
from strongroom.enclave.formats.envelope import transaction_id
from strongroom.enclave.formats.history import HistoryLeaf
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.governance.action_context import present
from strongroom.enclave.governance.grant_records import Act, parameters_digest
from strongroom.enclave.governance.public import ACT, ATTEST, LEAVE, OBSERVE, REFRESH
from strongroom.enclave.keys.keystore import KeyStore
from strongroom.enclave.keys.sealing import SealedState
from strongroom.enclave.member.diagnostics import Counters, diagnostics
from strongroom.enclave.member.duties import Duties
from strongroom.enclave.member.erasure import Erasure
from strongroom.enclave.member.freshness import Freshness, NotFresh
from strongroom.enclave.member.granted import Granted
from strongroom.enclave.member.handover import HandOver
from strongroom.enclave.member.key_release import KeyRelease
from strongroom.enclave.member.peers import judge_peer
from strongroom.enclave.member.stage import Need
from strongroom.enclave.member.starts import Starts
from strongroom.enclave.member.voting import VotingGuards
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measuring import Measurement, interpreter
from strongroom.enclave.primitives import Secret, verify
from strongroom.enclave.proofs.finality import FinalRun, check_run
from strongroom.enclave.proofs.genesis import VerifiedGenesis, epoch_chain

DIAGNOSTICS = str(Act.DIAGNOSTICS)


class Superseded(OperatorFault):
    """A newer boot of this node stands on the ledger: this one is over (T25)."""


class ActiveEnclave:
    """One enclave with keys, from UNSEAL to the end of its process."""

    def __init__(
        self,
        chip: SimulatedChip,
        measurement: Measurement,
        sealing_secret: Secret,
        state: SealedState,
        genesis: VerifiedGenesis,
        on_slice: Callable[[], None] = go_on,
    ) -> None:
        self.keystore = KeyStore(chip, measurement, sealing_secret, state, genesis)
        self._epochs = epoch_chain(genesis)
        self._executor = Executor(genesis, self.keystore.keyring, self._epochs, on_slice=on_slice)
        self._signatures = RememberedSignatures(verify)
        self.voting = VotingGuards(genesis.chain, self._signatures)
        self.freshness = Freshness(self._epochs, self.keystore)
        self._release = KeyRelease(self.keystore, self._epochs)
        self._loader = Loader(genesis.chain, self._executor, self.keystore.keyring, self._epochs)
        self._duties = Duties(self.keystore)
        self._granted = Granted(self.keystore)
        self.starts = Starts(self.keystore)
        self._counters = Counters()
        self._measurement = measurement
        self._erasure = Erasure(self.keystore.keyring, self._executor, self._epochs)
        self._clock_ms = 0
        """The host's, as it told it with its duties: each second."""
        self._executing = False
        """Between two slices of an execution: what it changes is not looked at."""
        self._provisional = False
        """Outcomes were applied that no quorum's anchor has confirmed yet."""
        self._settled = Epoch(0)
        """Keys that only earlier epochs needed are gone."""
        self._needs_by_turns = False
        """Keys were named last: whoever is suspended gets none before it has attested, so both are
        asked for."""
        self._open_guards()

    # --- evidence and links ---

    def link_evidence(self, nonce: bytes) -> bytes:
        """Evidence of this boot over a peer's or client's nonce (T20)."""
        return self.keystore.evidence(self._epochs, nonce, self._executor.height)

    def check_link(
        self, evidence: bytes, nonce: bytes, time_ms: Milliseconds
    ) -> tuple[bytes, str, bytes, str, bool]:
        """Judge a peer's evidence over my nonce: (node key, name, TLS key, summary, judged by
        a policy?).

        Raises:
            AttestationError: see `judge_peer`.
        """
        peer = judge_peer(
            evidence,
            nonce,
            time_ms,
            chain=self.keystore.chain,
            epochs=self._epochs,
            governance=self._executor.governance,
        )
        claims = peer.claims
        return claims.node_key, claims.node, claims.tls_key, peer.summary, peer.judged

    def attest(self, height: Height, block: Digest, rpc: str, peer: str) -> bytes:
        """The transaction by which this node is admitted, stays in, or announces its boot: evidence
        over a block."""
        evidence = self.keystore.evidence(self._epochs, bytes(block), height)
        self.starts.note(evidence)
        return self._duties.say(ATTEST, (evidence, rpc, peer))

    # --- signatures by the node key ---

    def sign_link(self, nonce: bytes, tls_key: bytes) -> Signature:
        """That this node dialled the listener with this TLS key, which gave this nonce."""
        return self.keystore.sign(labels.LINK, nonce + tls_key)

    def sign_batch(self, digest: Digest) -> Signature:
        """That this node made the batch."""
        self._check_current()
        return self.keystore.sign(labels.BATCH, digest)

    def sign_status(self, body: StatusBody) -> Signature:
        """That this node says so."""
        return self.keystore.sign(labels.STATUS, codec.encode(body.to_wire()))

    def sign_head(self, body: HeadBody) -> Signature:
        """That this node knows nothing newer."""
        self._check_current()
        return self.keystore.sign(labels.HEAD, codec.encode(body.to_wire()))

    # --- epochs, freshness and votes ---

    def extend(self, entries: Sequence[EpochEntry]) -> Epoch:
        """Take proof of how later epochs were opened; returns the newest that is known.

        Raises:
            PeerFault: an entry proves nothing; those before it were taken.
        """
        for entry in entries:
            self._epochs.extend(entry)
            opened = (
                entry.description
            )  # a secret that was opened before a restart is this epoch's now
            self.keystore.keyring.begin(opened.epoch, opened.public_key_digest)
        self._open_guards()
        return self._epochs.newest.epoch

    def challenge(self) -> bytes:
        """A nonce for heads; the one before is void."""
        return self.freshness.challenge()

    def freshen(self, heads: Sequence[Head]) -> tuple[int, int, bool, int]:
        """Take q heads over my nonce: (newest final height, newest certified view, may I vote?,
        newest epoch).

        Raises:
            EpochUnknown: the heads are of a later epoch: EPOCHS first.
            PeerFault: fewer than q validators' heads verify.
            StaleHeads: they are older than what this enclave had executed (T05).
        """
        point = self.freshness.freshen(heads)
        self._settle_doubts()
        for head in heads:
            self.voting.notice(head.body.votes)
        newest = self._epochs.newest.epoch
        return point.height, point.view, self.voting.may_vote(newest), newest

    def recall(self, statements: Sequence[Statement]) -> None:
        """What the host's log says was cast before this boot (see VotingGuards.recall)."""
        self.voting.recall(statements)

    def cast(self, statements: Sequence[Statement]) -> tuple[Signature, ...]:
        """Sign votes of one epoch (its guard decides).

        Raises:
            NotFresh: before heads have shown whether my log is complete.
            Superseded: a newer boot of this node votes.
        """
        self.freshness.need()
        self._check_current()
        return self.voting.cast(statements)

    def forget(self, epoch: Epoch, view: View) -> None:
        """Statements up to a final view are never cast again."""
        self.voting.forget_below(epoch, view)

    def _open_guards(self) -> None:
        for epoch in range(self._settled, self._epochs.newest.epoch + 1):
            description = self._epochs.description(Epoch(epoch))
            index = None if description is None else description.index_of(self.keystore.node_key)
            if description is not None and index is not None:
                named = self.keystore.keys.vote_named(description.validators[index].vote_key)
                self.voting.begin(description, named)

    # --- execution ---

    def apply(self, headers: Sequence[Header], outcomes: Sequence[bytes]) -> None:
        """Take over recorded outcomes instead of executing; provisional until `confirm`.

        Raises:
            OperatorFault: an outcome does not open, or does not follow the one before.
            EpochUnknown: a terminal block whose successor EPOCHS has not shown.
        """
        if len(headers) != len(outcomes):
            raise OperatorFault("APPLY: as many outcomes as headers")
        for header, outcome in zip(headers, outcomes, strict=True):
            self._executor.apply(header, Outcome.decode(outcome))
            self._counters.applied += 1
            self._provisional = True
            if (header.height, self._executor.root) == self.keystore.recovered:
                # This enclave came to it itself, when members opened the epoch that begins here:
                # no quorum can have anchored it, and those who could make it one wait for it.
                self._provisional = False
                self._note_final(header.height)

    def confirm(self, headers: Sequence[Header], certificate: Finality) -> None:
        """Headers that follow what was applied, the last certified, its anchor equal to what was
        applied.

        Raises:
            OperatorFault: what was applied is not what a quorum anchored; this process is of no
                more use.
        """
        run = self._final_run(headers, certificate)
        anchor = run.last.anchor
        if anchor.height != self._executor.height or anchor.root != self._executor.root:
            raise OperatorFault(
                "the applied outcomes are not the ones that a "
                "quorum anchored: restore the ledger folder"
            )
        self._provisional = False
        self._note_final(anchor.height)

    def _final_run(self, headers: Sequence[Header], certificate: Finality) -> FinalRun:
        """What a quorum finalised; the own vote in its certificate was signed here."""
        return check_run(
            self._executor.header, headers, certificate, self._epochs, self._signatures
        )

    def execute(
        self, blocks: Sequence[tuple[Header, Sequence[Batch]]], certificate: Finality
    ) -> tuple[tuple[bytes, Digest], ...]:
        """Execute a run of final blocks, the last with its FINALIZE certificate: each outcome with
        its root (T03, T04).

        Raises:
            NotFresh: before fresh heads, or while applied outcomes are unconfirmed.
            KeysNeeded: an input secret is not here: the blocks must be applied.
            PeerFault: not the next blocks, other data than theirs, or no certificate of a quorum.
            Superseded: a newer boot of this node stands on the ledger.
        """
        self.freshness.need()
        self._check_current()
        if self._provisional:
            raise NotFresh("CONFIRM what was applied first")
        headers = [header for header, _ in blocks]
        run = self._final_run(headers, certificate)
        ended = self._counters.begin()
        self._executing = True
        try:
            outcomes = self._executor.execute(run, [batches for _, batches in blocks])
        finally:
            self._executing = False
        ended(len(outcomes), sum(len(outcome.codes) for outcome in outcomes))
        governance = self._executor.governance
        if governance.epoch > run.last.epoch:
            self.extend(
                [EpochEntry(run.last, certificate, governance.current, governance.public_key)]
            )
        self._note_final(run.last.anchor.height)
        return tuple((outcome.encode(), outcome.root) for outcome in outcomes)

    def snapshot(self, height: Height, first: int) -> tuple[int, int, int, int, tuple[bytes, ...]]:
        """Sealed chunks of the newest snapshots that the host has not stored yet (see
        Snapshots.hand_out)."""
        return self._executor.snapshots.hand_out(height, first)

    def load(
        self,
        header: Header,
        leaf: HistoryLeaf,
        path: Sequence[Digest],
        certified: Header,
        certificate: Finality,
        count: int,
    ) -> None:
        """Begin to take a snapshot in (see Loader.begin)."""
        self._loader.begin(header, leaf, path, certified, certificate, count)

    def load_chunk(self, index: int, data: bytes) -> None:
        """Its next chunk (see Loader.add)."""
        self._loader.add(index, data)

    def end_load(self) -> None:
        """Go on from it: a quorum has anchored what it holds, so nothing is provisional (see
        Loader.end)."""
        self._loader.end()
        self._note_final(self._executor.height)

    def _settle_doubts(self) -> None:
        """Not while something is provisional: a host could have made it up."""
        if not self._provisional:
            self._erasure.settle_doubts(self.freshness.point)

    def _note_final(self, anchored: Height) -> None:
        """What was executed is certain: keys that only the past needed go (T13, T33)."""
        self._erasure.note_anchored(anchored)
        self._settle_doubts()
        self.keystore.note_executed(self._executor.height, self._executor.header.digest)
        epoch = self._executor.governance.epoch
        if epoch > self._settled:
            self._settled = epoch
            description = self._executor.governance.current
            index = description.index_of(self.keystore.node_key)
            vote_key = None if index is None else description.validators[index].vote_key
            self.keystore.keys = self.keystore.keys.after(epoch, vote_key)
            self.voting.close_below(epoch)

    def query(self, envelope: bytes, outcome: bytes | None) -> tuple[bytes, int] | bytes:
        """Answer a sealed query on the newest executed state, or name the transaction whose outcome
        is needed.

        Raises:
            NotFresh: what is executed lies below the fresh heads (T05, T06).
            DoesNotOpen: not a query for this service.
        """
        self._check_current()
        if self._executor.height < self.freshness.need().height or self._provisional:
            raise NotFresh("this node is catching up: ask again, or ask another node")
        id = transaction_id(envelope)
        try:
            answer = self._executor.query(
                envelope, outcome, fresh=self.freshness.since(id), clock_ms=self._clock_ms
            )
        except HeadsNeeded:
            self.freshness.demand(id)
            raise
        return answer.id if isinstance(answer, OutcomeWanted) else (answer, self._executor.height)

    # --- privileged access ---

    def diagnostics(self, grant_id: str, recipient: bytes) -> tuple[bytes, bytes]:
        """(the `act` to be submitted, or nothing; sealed diagnostics, or nothing): see Granted.

        Raises:
            NotFresh: what is executed lies below the fresh heads: a revocation might stand there.
            NotGranted: no `begin` that stands in this state says so.
            DoesNotOpen: nothing can be sealed to the recipient's key.
        """
        self._check_current()
        executor = self._executor
        if executor.height < self.freshness.need().height or self._provisional:
            raise NotFresh("this node is catching up: ask again")
        now_ms, view = executor.header.time_ms, executor.governance.view
        named, sealed = self._granted.diagnostics(view, now_ms, grant_id, recipient, self._measure)
        if not named:
            return b"", sealed
        node = present(view.tables.node(self.keystore.node_key), "it was found a line before")
        place = parameters_digest(DIAGNOSTICS, node.name, (recipient,))
        return self._duties.say(ACT, (grant_id, DIAGNOSTICS, place, named)), b""

    def _measure(self) -> tuple[object, ...]:
        """What stands in diagnostics.DIAGNOSTICS_FIELDS."""
        executor, ring, store = self._executor, self.keystore.keyring, self.keystore
        sessions, entries = executor.counts()
        held = ring.all()
        fresh = self.freshness.point is not None
        known = {
            "measurement": self._measurement.digest,
            "python": interpreter(),
            "boot": store.boot,
            "stage": "fresh" if fresh else "member",
            "may_vote": self.voting.may_vote(executor.governance.epoch),
            "provisional": self._provisional,
            "height": executor.height,
            "block_ms": executor.header.time_ms,
            "epoch": executor.governance.epoch,
            "validators": len(executor.governance.current.validators),
            "epochs_held": len(held),
            "inputs_held": sum(one.input is not None for one in held),
            "offers_opened": len(ring.candidates()),
            "open_epochs": len(executor.open_epochs),
            "sessions": sessions,
        }
        return diagnostics(known | self._counters.told(), entries)

    # --- secrets of other enclaves ---

    def keys_challenge(self) -> bytes:
        """A nonce for the evidence of a node that asks for secrets."""
        return self._release.challenge()

    def keys_proof(self, nonce: bytes) -> bytes:
        """Evidence over a giver's nonce, with a one-time key."""
        return self._release.prove(nonce, self._executor.height)

    def keys_give(self, evidence: bytes, nonce: bytes, time_ms: Milliseconds) -> bytes:
        """Wrap secrets for a registered node (T29).

        Raises:
            NotFresh: this enclave does not know yet whether it sees the newest ledger.
            AttestationError: see KeyRelease.give.
        """
        self._check_current()
        if self._provisional or self._executor.height < self.freshness.need().height:
            raise NotFresh("this node is catching up: ask another one for keys")
        executor = self._executor
        return self._release.give(
            evidence, nonce, time_ms, executor.governance, executor.open_epochs
        )

    def keys_take(self, wrapped: bytes) -> bytes:
        """Take secrets that a peer wrapped; the sealed state with them.

        Raises:
            PeerFault: see KeyRelease.take.
        """
        self._release.take(wrapped, over=self._erasure.is_over)
        return self.sealed()

    # --- duties ---

    def duties(self, wall_ms: int) -> tuple[bytes, tuple[bytes, ...], int, Need]:
        """(sealed state to be stored first, or nothing; envelopes to submit; next deadline in block
        time; a need)."""
        self._clock_ms = wall_ms
        need = self._need()
        governance, executor = self._executor.governance, self._executor
        changed, said = False, tuple[bytes, ...]()
        reached = (
            self.freshness.is_reached_by if executor.can_execute else self.freshness.is_followed_by
        )
        settled = not self._provisional and reached(executor.height)
        if settled and need is not Need.SUPERSEDED:
            changed, said = self._duties.now(governance, wall_ms, executor.height, executor.root)
        changed = changed or self.starts.unsealed
        deadline = 1 if self._erasure.waits_for_anchor() else int(governance.deadline_ms)
        return self._sealed() if changed else b"", said, deadline, need

    def _need(self) -> Need:
        governance, keystore = self._executor.governance, self.keystore
        node = governance.node(keystore.node_key)
        if self.starts.is_over(node):
            return Need.SUPERSEDED
        attests = node is None or node.boot < keystore.boot or governance.is_due_to_attest(node)
        if self._lacks_keys() and not (attests and self._needs_by_turns):
            self._needs_by_turns = True
            return Need.KEYS
        self._needs_by_turns = False
        if attests:
            return Need.ATTEST
        return Need.SUCCESSOR if self._erasure.due() or keystore.keyring.forgot else Need.NOTHING

    def _lacks_keys(self) -> bool:
        """Is a secret missing that a peer may give? As a member: every input secret that blocks may
        need (P8)."""
        governance, ring = self._executor.governance, self.keystore.keyring
        held = {secrets.epoch for secrets in ring.all()}
        if governance.epoch not in held or self._epochs.newest.epoch not in held:
            return True
        votes = governance.current.index_of(self.keystore.node_key) is not None
        return votes and not self._executor.can_execute

    def refresh(self) -> bytes:
        """The transaction that asks for a new epoch, in which this node may vote again after it
        lost its log."""
        return self._duties.say(REFRESH, (int(self._executor.governance.epoch),))

    def leave(self) -> bytes:
        """The transaction by which this node leaves the validator set."""
        return self._duties.say(LEAVE, ())

    def observe(self, issuer: str, keys: tuple[tuple[str, str, str], ...]) -> bytes:
        """The transaction that says which keys this node's host saw at an issuer; whether it did,
        no enclave knows."""
        return self._duties.say(OBSERVE, (issuer, tuple(map(tuple, keys))))

    def governance_document(self) -> tuple[object, ...]:
        """Everything public of governance and nodes."""
        return tuple(self._executor.governance.document())

    # --- state ---

    def sealed(self) -> bytes:
        """The sealed state with the newest mark, and without input secrets that are of no more use
        (P10)."""
        self._erasure.erase_due()
        return self._sealed()

    def _sealed(self) -> bytes:
        self.starts.unsealed = False
        return self.keystore.sealed()

    def hand_over(self, nonce: bytes) -> HandOver:
        """All that a successor with this nonce goes on from; what is to be erased is not in it."""
        self.sealed()
        return HandOver(
            nonce=nonce,
            state=self.keystore.state(),
            promises=self.voting.hand_over(),
            doubted=self.keystore.keyring.doubted,
            announced=self.starts.announced,
            took_another=self.starts.took_another,
        )

    def take_over(self, taken: HandOver) -> bytes:
        """Go on from what a predecessor handed over; the sealed state.

        Raises:
            OperatorFault: it was handed over by another boot.
        """
        self.keystore.go_on(taken.state, taken.doubted)
        self.starts.take_over(taken.announced, took_another=taken.took_another)
        self._erasure.erase_outlived()
        self._open_guards()
        self.voting.take_over(taken.promises)
        return self.keystore.sealed()

    def status(self) -> tuple[int, bytes, int, bool, bool, int, bool]:
        """(executed height, history root, boot, fresh, may vote, epoch, is its input secret
        here?)."""
        executor, epoch = self._executor, self._executor.governance.epoch
        return (
            executor.height,
            executor.root,
            self.keystore.boot,
            self.freshness.point is not None,
            self.voting.may_vote(epoch),
            epoch,
            self.keystore.keyring.opens(epoch),
        )

    def _check_current(self) -> None:
        if self._executing:  # it was current when this began, and half a block tells nothing
            return
        node = self._executor.governance.node(self.keystore.node_key)
        if self.starts.is_over(node):
            raise Superseded(
                f"boot {present(node, 'it is another').boot} of this node stands on the ledger, "
                f"this is boot {self.keystore.boot}: it stops"
            )
