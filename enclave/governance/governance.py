"""Governance as the executor sees it: members' votes, nodes' words, and the epochs that follow from
them.

Owns the order in which a block changes governance, and what is kept between blocks to be quick.
Holds no key and reads no clock: everything is a function of the executed blocks. Rules are
elsewhere:

| who | what | file |
|---|---|---|
| anyone | form and signature of a public transaction; who hears it | public.py; actions.py |
| members | proposals, ballots | proposals.py |
| | the table of changes | changes.py, arguments.py, rules.py |
| nodes | evidence; catching up, leaving, offences | admission.py; registry.py |
| askers, members | privileged access: grants, and what time does to them | grants*.py, grant_*.py |
| members of an epoch | offers, readies, the wish, the next epoch | succession.py |
| everybody | who is suspended, who is wanted | node_roster.py |
| | records, and how they lie in the state | records.py, tables.py, uncounted.py, clock.py |
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import AttestationError
from strongroom.consensus.recovery import RecoveryRules
from strongroom.consensus.types import ChainId, Digest, Epoch, Height, Milliseconds, PublicKey
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.contained import OF_THIS_PROCESS
from strongroom.enclave.governance import founding, proposals, recovering, recovery, succession
from strongroom.enclave.governance.action_context import ActionContext, GovernanceView
from strongroom.enclave.governance.actions import ACTIONS
from strongroom.enclave.governance.clock import ActiveClock
from strongroom.enclave.governance.deadlines import NEVER, Deadlines, read_deadlines
from strongroom.enclave.governance.document import Document, build_document
from strongroom.enclave.governance.grant_roles import holders
from strongroom.enclave.governance.grant_time import settle_grants
from strongroom.enclave.governance.public import Unsigned as Unsigned
from strongroom.enclave.governance.public import read_public
from strongroom.enclave.governance.records import (
    BlockFacts,
    Due,
    EpochRecord,
    Node,
    Offer,
    Status,
    Wish,
)
from strongroom.enclave.governance.recovering import Reopening
from strongroom.enclave.governance.recovery import WantedGeneration
from strongroom.enclave.governance.recovery_records import RecoveryTables
from strongroom.enclave.governance.rules import LIMITS, Rules
from strongroom.enclave.governance.tables import Tables
from strongroom.enclave.programs.framework import ProgramError
from strongroom.enclave.programs.state import State
from strongroom.enclave.proofs.genesis import VerifiedGenesis

_T = TypeVar("_T")


class Governance:
    """Governance of one replica. Every replica that executes or applies the same blocks holds the
    same."""

    def __init__(self, state: State, chain: ChainId, *, blind: bool = False) -> None:
        """`blind`: without keys, as execution/public_replay.py follows a ledger."""
        self._state = state
        self._view = GovernanceView(Tables(state), ActiveClock(state), chain, blind)
        self._touched = False
        """Did a public transaction of the block at hand change something?"""
        self._deadlines: Deadlines | None = None
        self._kept: dict[str, Any] = {}
        """What was read of the maps since they last changed."""

    def found(self, genesis: VerifiedGenesis) -> None:
        """Fill the maps at height 0. This is in no write set: every replica does it for itself."""
        founding.enter(self._view, genesis)
        self._state.commit()
        self._state.take_changes()
        self.refresh()

    def tick(self, header: Header) -> None:
        """Every block, executed or applied, before anything else: the active clock goes on by at
        most 60 s."""
        self._view.clock.tick(header)

    def refresh(self) -> None:
        """The maps were changed, here or from outside (State.apply, a snapshot): forget what was
        read of them."""
        self._deadlines = None
        self._kept.clear()

    def run(self, fields: tuple[bytes, bytes, bytes], block: BlockFacts) -> bytes:
        """Execute a public transaction: its plain result, (True, value) or (False, (code,
        message)), encoded.

        Args:
            fields: protected header, payload and signature of its envelope.
            block: the block in which it stands.

        Raises:
            NotCanonical: it is malformed; nothing was changed.
            Unsigned: its signature does not verify for its signer and this chain; nothing was
                changed.
        """
        transaction = read_public(*fields, self._view.chain)
        try:
            value = ACTIONS[transaction.action](ActionContext(self._view, transaction, block))
            answer = codec.encode((True, value))
            self._state.commit()
        except OF_THIS_PROCESS:
            raise
        except ProgramError as refused:
            self._state.roll_back()
            return codec.encode((False, (refused.code, refused.message)))
        except Exception:
            self._state.roll_back()
            return codec.encode((False, ("internal", "governance failed; nothing was changed")))
        self._touched = True
        self.refresh()
        return answer

    def end_block(self, header: Header) -> None:
        """After all transactions of a block, before its write set is taken: what time and counted
        votes bring about."""
        clock = self._view.clock
        if self._deadlines is None:
            self._deadlines = read_deadlines(self._view, clock.at(Height(header.height - 1)))
        deadlines = self._deadlines
        if not (
            self._touched
            or header.time_ms >= deadlines.time_ms
            or header.height >= deadlines.height
            or clock.now_ms >= deadlines.active_ms
        ):
            return
        if 0 < self._view.tables.grace_until_ms <= header.time_ms:
            self._view.tables.grace_until_ms = 0
        self._attempt(lambda: proposals.settle(self._view, header.height, header.time_ms))
        self._attempt(lambda: settle_grants(self._view, header.height, header.time_ms))
        if not self._attempt(lambda: succession.consider(self._view, header)):
            self._attempt(lambda: succession.start_over(self._view))
        self._touched = False
        self.refresh()

    def end_epoch(self, terminal: Header) -> None:
        """At the end of the terminal block's execution, before its write set is taken: the wish
        becomes the epoch.

        Raises:
            InvariantBroken: there is no wish, or the block names another one.
        """
        succession.succeed(self._view, terminal)
        succession.consider(self._view, terminal)
        self._state.commit()
        self.refresh()

    def recover(self, reopening: Reopening) -> None:
        """In the block by which members end a lost epoch, before its write set is taken: what they
        agreed to becomes the epoch.

        Raises:
            InvariantBroken: it is not what that block opens.
        """
        recovering.reopen(self._view, reopening)
        succession.consider(self._view, reopening.opening)
        self._state.commit()
        self.refresh()

    def _attempt(self, step: Callable[[], None]) -> bool:
        """One step of a block's end, whole or not at all: what stands in the state must not stop
        the block."""
        try:
            step()
            self._state.commit()
        except OF_THIS_PROCESS:
            raise
        except Exception:
            self._state.roll_back()
            self._kept.clear()
            return False
        return True

    @property
    def current(self) -> EpochDescription:
        """The current epoch."""
        return self._epoch_record.description

    @property
    def epoch(self) -> Epoch:
        """Its number."""
        return self._epoch_record.description.epoch

    @property
    def public_key(self) -> bytes:
        """Its hybrid public key, 1216 bytes."""
        return self._epoch_record.public_key

    @property
    def wish(self) -> Wish | None:
        """What the next epoch shall be, once that is decided; it does not change any more."""
        return self._keep("wish", lambda: self._view.tables.wish)

    @property
    def deadline_ms(self) -> int:
        """Earliest block time at which end_block would do something by itself; 0: none. A block is
        worth making then.

        While blocks are rare the active clock lags behind, and a deadline of age may need more than
        one of them.
        """
        clock = self._view.clock
        deadlines = self._keep("deadlines", lambda: read_deadlines(self._view, clock.now_ms))
        if clock.now_ms >= deadlines.expiry_ms:
            deadlines = self._kept["deadlines"] = read_deadlines(self._view, clock.now_ms)
        expires_ms = clock.block_ms + deadlines.expiry_ms - clock.now_ms
        earliest_ms = min(deadlines.time_ms, expires_ms if deadlines.expiry_ms < NEVER else NEVER)
        return 0 if earliest_ms >= NEVER else earliest_ms

    @property
    def rules(self) -> Rules:
        """Everything that members vote on."""
        return self._keep("rules", lambda: self._view.tables.rules)

    @property
    def policy(self) -> Policy:
        """What is demanded of enclaves."""
        return self.rules.policy

    @property
    def members(self) -> Mapping[str, PublicKey]:
        """Members, also those who only watch: keys by name."""
        return dict(self.rules.members)

    @property
    def voters(self) -> Mapping[str, PublicKey]:
        """Members who vote: keys by name."""
        return dict(self.rules.voters)

    @property
    def roles(self) -> frozenset[tuple[str, str, bytes]]:
        """(program, role, identity)."""
        return frozenset(
            (program, role, bytes(identity)) for program, role, identity in self.rules.roles
        )

    @property
    def held_roles(self) -> frozenset[tuple[str, str, bytes]]:
        """(program, role, identity) of those that are held by a grant."""
        return self._keep("held_roles", lambda: holders(self._view.tables))

    @property
    def view(self) -> GovernanceView:
        """The state that rules judge on, for an enclave that acts by a grant."""
        return self._view

    @property
    def limits(self) -> Mapping[str, int]:
        """Bounds that members may change."""
        return {name: limit.default for name, limit in LIMITS.items()} | dict(self.rules.limits)

    @property
    def recovery_rules(self) -> RecoveryRules | None:
        """Who may recover the service, and how many of them must agree; None while no shares are in
        force."""
        return self._keep("recovery_rules", lambda: recovering.rules_of(self._view))

    @property
    def grace_until_ms(self) -> int:
        """Until which block time calls in sessions of the epoch before open; 0: there is no
        grace."""
        return self._keep("grace", lambda: self._view.tables.grace_until_ms)

    @property
    def due(self) -> Due | None:
        """The next epoch, when one is due."""
        return self._keep("due", lambda: self._view.tables.due)

    @property
    def ends_compromised(self) -> bool:
        """Would the current epoch, ended now, leave a secret that others are believed to know?"""
        return succession.is_compromised(self._view)

    def block_ms_at(self, height: Height) -> Milliseconds:
        """Block time of the newest height, or of one of the RECENT_BLOCKS below it."""
        return self._view.clock.block_ms_at(height)

    def node(self, node_key: PublicKey) -> Node | None:
        """A node of the registry."""
        return self._keep("nodes by key", self._nodes_by_key).get(node_key)

    def _nodes_by_key(self) -> dict[PublicKey, Node]:
        return {node.node_key: node for node in self.nodes()}

    def nodes(self) -> tuple[Node, ...]:
        """All of the registry, by node key."""
        return self._keep("nodes", self._view.tables.nodes)

    def offers(self) -> tuple[Offer, ...]:
        """Open offers of the due epoch, in order of execution."""
        return self._keep("offers", self._view.tables.offers)

    def wrap_key(self, node_key: PublicKey, epoch: Epoch) -> bytes | None:
        """The wrap key that a node announced for an epoch, 1216 bytes."""
        return self._view.tables.wrap_key(node_key, epoch)

    def recipients(self, due: Due) -> tuple[tuple[PublicKey, bytes], ...]:
        """Members of a due epoch that announced a wrap key for it, with the key, by node key: an
        offer's recipients."""
        return succession.recipients(self._view, due)

    def is_suspended(self, node: Node) -> bool:
        """Does it get no keys until it attests again?"""
        return node.node_key in self._view.roster.suspended

    def is_due_to_attest(self, node: Node) -> bool:
        """Should it show fresh evidence now, well before it is suspended?"""
        return self._view.roster.is_due_to_attest(node)

    @property
    def won_offer(self) -> Digest:
        """The offer that opened the current epoch; zeros in epoch 0. A member that was late names
        it."""
        return self._epoch_record.offer

    def may_get_keys(self, node_key: PublicKey) -> None:
        """Check that secrets may be given to a node (T29).

        Raises:
            AttestationError: ``not-admitted``, ``removed`` or ``suspended``.
        """
        node = self.node(node_key)
        if node is None:
            raise AttestationError(
                "not-admitted", "no node of the registry has this key: attest first"
            )
        if node.status is Status.REMOVED or node.offence:
            raise AttestationError("removed", f"node {node.name} gets no keys any more")
        if self.is_suspended(node):
            raise AttestationError(
                "suspended", f"node {node.name} gets no keys until it attests again"
            )

    @property
    def recovery(self) -> RecoveryTables:
        """Members' recovery keys, and the generations of shares."""
        return RecoveryTables(self._view.tables)

    def recovery_due(self, time_ms: int) -> WantedGeneration | None:
        """The generation of shares that is missing at this block time."""
        return recovery.due(self._view, time_ms)

    def recovery_barred(self, missing: WantedGeneration) -> frozenset[PublicKey]:
        """Whose generation would not be taken."""
        return recovery.barred(self._view, missing)

    def document(self) -> Document:
        """Everything public of governance at the newest executed height: see document.py, field by
        field."""
        return build_document(self._view, self.deadline_ms)

    @property
    def _epoch_record(self) -> EpochRecord:
        return self._keep("epoch_record", lambda: self._view.epoch_record)

    def _keep(self, name: str, read: Callable[[], _T]) -> _T:
        if name not in self._kept:
            self._kept[name] = read()
        kept: _T = self._kept[name]
        return kept
