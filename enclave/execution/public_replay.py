"""Follows a ledger without a single key: what was ordered, what it came to, and all that is public
of the state (VAULT §7).

Owns the walk of an enclave that is to recover a dead service: every header, batch and certificate
from genesis on, every outcome under the history that a quorum anchored, and the state of governance
(members, policy, shares), which follows from public transactions alone. What is sealed stays
sealed. What is not certified in the end counts for nothing: `head` says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from strongroom.consensus import codec
from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Anchor, Header
from strongroom.consensus.epochs import EpochChain, EpochEntry
from strongroom.consensus.errors import NotCanonical, OperatorFault, PeerFault
from strongroom.consensus.history import HistoryLeaf
from strongroom.consensus.recovery import (
    Finality,
    LostHead,
    RecoveryCertificate,
    RecoveryRules,
)
from strongroom.consensus.types import NO_DIGEST, Digest, Height
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.formats.envelope import PUBLIC, VERSION
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.governance.governance import Governance
from strongroom.enclave.governance.records import RECENT_BLOCKS, BlockFacts
from strongroom.enclave.governance.recovering import judge_recovery
from strongroom.enclave.governance.refusals import Ground
from strongroom.enclave.governance.tables import governance
from strongroom.enclave.programs.roster_tables import roster
from strongroom.enclave.programs.state import State
from strongroom.enclave.proofs.block_data import ordered_lanes
from strongroom.enclave.proofs.genesis import VerifiedGenesis, epoch_chain

HEAD_BLOCKS_MAX = 1024
"""Heights below the newest block whose leaves and rules are kept: a head anchors one of them."""
_PUBLIC_BEGINS = bytes((VERSION, PUBLIC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Where a service died, as its ledger certifies it."""

    head: LostHead
    rules: RecoveryRules
    policy: Policy
    """By which enclaves are judged; its digest stands in the rules."""
    executed: Anchor
    """The newest execution that is recorded: what goes on."""


class PublicReplay:
    """One ledger, from genesis on; blocks and outcomes come in order."""

    def __init__(self, genesis: VerifiedGenesis) -> None:
        self._genesis = genesis
        self.epochs: EpochChain = epoch_chain(genesis)
        state = State([*governance.maps, *roster.maps])
        self._state = state
        self.governance = Governance(state, genesis.chain, blind=True)
        self.governance.found(genesis)
        self._header = genesis.header
        self._history = HistoryTree(genesis.header)
        self._blocks: dict[Height, Digest] = {Height(0): genesis.header.digest}
        self._roots: dict[Height, Digest] = {Height(0): self._history.root()}
        self._final: tuple[Header, Finality | None] = (genesis.header, None)
        self._leaves: dict[Height, HistoryLeaf] = {}
        """Without the rules, of heights that the head may anchor."""
        self._rules: dict[Height, tuple[RecoveryRules, Policy]] = {}
        """Of the same heights, with the policy that they name."""

    @property
    def height(self) -> Height:
        """Of the newest block that was followed."""
        return self._header.height

    def follow(
        self,
        header: Header,
        batches: Sequence[Batch],
        certificate: Finality | None,
        outcome: Outcome | None,
    ) -> None:
        """The next block, and what it came to; no outcome where none is recorded, and from there on
        none.

        Raises:
            OperatorFault: it is not the next one, or not what it says: this ledger is damaged, or
                no ledger of this service.
        """
        try:
            self._follow(header, batches, certificate, outcome)
        except (PeerFault, NotCanonical) as error:
            raise OperatorFault(f"height {header.height}: {error}") from None

    def head(self) -> Followed:
        """Where the service died.

        Raises:
            OperatorFault: nothing certified, the last block is not, or no shares are in force:
                nobody can recover it from this ledger.
        """
        header, certificate = self._final
        if header.digest != self._header.digest:
            raise OperatorFault(
                f"block {self._header.height} has no certificate of its own: end with block "
                f"{header.height}"
            )
        if certificate is not None:
            self.epochs.check_final(header, certificate)
            certificate = None if header == self.epochs.anchor else certificate
        anchor = header.anchor.height
        known, leaf = self._rules.get(anchor), self._leaves.get(anchor)
        if known is None or leaf is None or isinstance(certificate, RecoveryCertificate):
            raise OperatorFault(
                f"no shares are in force at height {anchor}: members cannot recover this service"
            )
        executed = Height(self._history.size - 1)
        for height in range(anchor, executed + 1):
            if self._rules.get(Height(height)) != known:
                raise OperatorFault(
                    f"members or shares changed at height {height}, which no quorum has anchored: "
                    f"go on from height {anchor}"
                )
        rules, policy = known
        head = LostHead(
            header=header,
            certificate=certificate,
            leaf=leaf,
            path=self._history.path(anchor, anchor + 1),
        )
        head.check_rules(rules)
        return Followed(
            head=head,
            rules=rules,
            policy=policy,
            executed=Anchor(executed, self._history.root(executed + 1)),
        )

    def _follow(
        self,
        header: Header,
        batches: Sequence[Batch],
        certificate: Finality | None,
        outcome: Outcome | None,
    ) -> None:
        parent, current = self._header, self.governance.current
        if (header.height, header.parent) != (parent.height + 1, parent.digest):
            raise PeerFault(f"it does not stand on block {parent.height}")
        if (header.chain, header.epoch) != (self._genesis.chain, current.epoch):
            raise PeerFault(f"it is of another chain, or not of epoch {current.epoch}")
        if header.anchor.height >= header.height or not self._anchors(header):
            raise PeerFault(f"it anchors another history at height {header.anchor.height}")
        lanes = ordered_lanes(parent, header, batches, len(current.validators))
        envelopes = [envelope for lane in lanes for envelope in lane]
        terminal = header.next_epoch != current.digest
        if terminal and certificate is None:
            raise PeerFault("it ends its epoch, and has no certificate of its own")
        self.governance.tick(header)
        if outcome is not None:
            self._run(header, envelopes, outcome)
        self.governance.end_block(header)
        if terminal and certificate is not None:
            self._turn(header, certificate)
        self._state.take_changes()
        if outcome is not None:
            self._note(header, outcome)
        self._header = header
        self._blocks[header.height] = header.digest
        self._blocks.pop(Height(header.height - RECENT_BLOCKS - 1), None)
        if certificate is not None:
            self._final = (header, certificate)

    def _anchors(self, header: Header) -> bool:
        at = header.anchor.height
        return at == 0 or self._root_at(at) == header.anchor.root

    def _root_at(self, height: Height) -> Digest | None:
        return self._history.root(height + 1) if height < self._history.size else None

    def _run(self, header: Header, envelopes: Sequence[bytes], outcome: Outcome) -> None:
        """What public transactions changed, and that they came to what is recorded."""
        if outcome.height != self._history.size:
            raise PeerFault(f"its outcome comes after that of height {self._history.size - 1}")
        ids = b"".join(sha256(envelope).digest() for envelope in envelopes)
        if (outcome.height, outcome.block, outcome.ids) != (header.height, header.digest, ids):
            raise PeerFault("its outcome is of another block or other transactions")
        facts = BlockFacts(
            height=header.height,
            time_ms=header.time_ms,
            epoch=self.governance.epoch,
            digest_of=self._blocks.get,
            root_of=self._root_of,
        )
        for envelope, code, result in zip(envelopes, outcome.codes, outcome.results, strict=True):
            if code == Code.EXECUTED and is_public(envelope):
                if is_of_sealed_state(result):
                    continue
                fields = read_envelope(envelope)[2:]
                if self.governance.run(fields, facts) != result:
                    raise PeerFault("a public transaction came to something else than is recorded")

    def _root_of(self, height: Height) -> Digest | None:
        return self._root_at(height) if height in self._blocks else None

    def _turn(self, header: Header, certificate: Finality) -> None:
        """The next epoch begins, as the state wished, or as members agreed."""
        if isinstance(certificate, RecoveryCertificate):
            self.epochs.extend(
                EpochEntry(header, certificate, certificate.description, certificate.public_key)
            )
            known = self._rules.get(certificate.head.header.anchor.height)
            if known is None or known[0] != certificate.rules:
                raise PeerFault("members agreed under other rules than the state had")
            self.governance.recover(judge_recovery(certificate, known[1], self._genesis.chain))
            return
        wish = self.governance.wish
        if wish is None:
            raise PeerFault("it ends its epoch, and the state wishes no other")
        self.epochs.extend(EpochEntry(header, certificate, wish.description, wish.public_key))
        self.governance.end_epoch(header)

    def _note(self, header: Header, outcome: Outcome) -> None:
        rules, wish = self.governance.recovery_rules, self.governance.wish
        wished = b"" if wish is None else codec.encode((wish.description.encode(), wish.public_key))
        if outcome.rules != (NO_DIGEST if rules is None else rules.digest):
            raise PeerFault("its outcome names other recovery rules than the state has")
        if outcome.wish != wished:
            raise PeerFault("its outcome wishes another epoch than the state does")
        self._history.append(outcome.history_leaf)
        self._leaves[header.height] = outcome.leaf_without_rules
        gone = Height(header.height - HEAD_BLOCKS_MAX)
        self._leaves.pop(gone, None)
        self._rules.pop(gone, None)
        if rules is not None:
            self._rules[header.height] = (rules, self.governance.policy)


def is_of_sealed_state(result: bytes) -> bool:
    """Was this refused for where a person is, which nothing public says? Then it changed nothing.
    That it was so, the anchored history says."""
    told = codec.decode(result)
    return type(told) is tuple and told[0] is False and told[1][0] == Ground.WRONG_REGION


def is_public(envelope: bytes) -> bool:
    """Is it a public transaction, by its first bytes? Nothing else of it is looked at."""
    return envelope[1:3] == _PUBLIC_BEGINS
