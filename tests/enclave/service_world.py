"""Real enclaves of a founded service, and a ledger made by hand: blocks certified by their own vote
keys, no network.

Owns the loop that a cluster of hosts would run: gather what enclaves want said, order it, certify,
execute everywhere, go on into the next epoch. Time passes as a test says.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from tests.enclave.chain import make_batch, person, resolve
from tests.enclave.fixtures import (
    REGION,
    FoundedCluster,
    key_named,
    make_cluster_genesis,
    manufacturer,
)
from tests.enclave.hostile_host import Measured

from strongroom.consensus import codec
from strongroom.consensus.batches import Batch, encode_payload
from strongroom.consensus.blocks import Anchor, Header, LaneTip, initial_cut
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import (
    ChainId,
    Digest,
    Epoch,
    Height,
    Milliseconds,
    PublicKey,
    Sequence,
    SignerIndex,
    View,
)
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.formats.envelope import Call, transaction_id
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.enclave.governance.governance import Governance
from strongroom.enclave.governance.public import proposal_digest, proposal_id, sign_public
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.keys.sealing import SealedState, seal_state
from strongroom.enclave.member.lifecycle import Lifecycle
from strongroom.enclave.member.member import ActiveEnclave
from strongroom.enclave.outside.client_sessions import ClientSession, Result
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.programs import bind_arguments

BLOCK_MS = 100
RPC, PEER = "127.0.0.1:7400", "127.0.0.1:7410"


@dataclass(slots=True)
class Node:
    """One node: its enclave, and the file that its host keeps."""

    name: str
    chip: SimulatedChip
    core: Lifecycle
    sealed: bytes

    @property
    def member(self) -> ActiveEnclave:
        return self.core.active

    @property
    def key(self) -> PublicKey:
        return self.core.learner.keystore.node_key

    @property
    def governance(self) -> Governance:
        return self.core.learner._executor.governance

    @property
    def height(self) -> int:
        return self.core.learner.status()[0]


@dataclass(frozen=True)
class Block:
    header: Header
    batches: tuple[Batch, ...]
    certificate: Certificate


@dataclass
class World:
    """A service from genesis on."""

    cluster: FoundedCluster = field(
        default_factory=lambda: make_cluster_genesis(limits={"activation_delay_ms": 0})
    )

    def __post_init__(self) -> None:
        self.chain: ChainId = self.cluster.verified.chain
        self.measured = Measured(self.cluster.measurement)
        self.nodes: dict[str, Node] = {}
        self.blocks: list[Block] = []
        self.outcomes: list[bytes] = []
        self.entries: list[EpochEntry] = []
        self.tip = self.cluster.verified.header
        self.view = 0
        self.wall_ms = self.tip.time_ms
        self.description: EpochDescription = self.cluster.verified.description
        for index, applicant in enumerate(self.cluster.applicants):
            self._found(applicant.name, index)

    # --- nodes ------------------------------------------------------------------------------------

    def _found(self, name: str, index: int) -> None:
        chip = self.cluster.chips[index]
        state = SealedState(
            chain=self.chain,
            keys=self.cluster.keys[index],
            secrets=(self.cluster.secrets[index],),
            boot=0,
            mark=(Height(0), Digest(bytes(32))),
        )
        self.nodes[name] = self.boot(
            name, chip, seal_state(chip.sealing_secret(self.cluster.measurement), state)
        )

    def boot(
        self, name: str, chip: SimulatedChip, sealed: bytes, measurement: bytes | None = None
    ) -> Node:
        """A process that unseals; its heads come with the next `freshen`."""
        core = Lifecycle(chip, Measured(measurement or self.cluster.measurement))  # type: ignore[arg-type]
        return Node(name, chip, core, core.unseal(sealed, self.cluster.genesis))

    def prepare(
        self,
        name: str,
        operator: str = "operator9",
        measurement: bytes | None = None,
        region: str = REGION,
    ) -> Node:
        """A node that is in no genesis, in its first boot, maybe of other code; its operator is not
        known yet."""
        chip, code = manufacturer().make_chip(), measurement or self.cluster.measurement
        core = Lifecycle(chip, Measured(code))  # type: ignore[arg-type]
        deployment = Deployment(
            name=name, operator=operator, chip_id=chip.chip_id, measurement=code, region=region
        ).sign(key_named(operator))
        identity = Identity(
            name=name,
            operator=operator,
            region=region,
            tls_key=Digest(sha256(b"tls " + name.encode()).digest()),
            deployment=deployment,
        )
        sealed = core.prepare_join(self.cluster.genesis, identity)
        return self.boot(name, chip, sealed, code)

    def catch_up(self, node: Node) -> None:
        """Apply everything that a quorum has anchored, from recorded outcomes, as a host does after
        a restart."""
        learner = node.core.learner
        learner.extend(self.entries)
        newest = self.blocks[-1]
        target = newest.header.anchor.height
        start = learner.status()[0]
        if target > start:
            wanted = range(start, target)
            learner.apply(
                [self.blocks[at].header for at in wanted], [self.outcomes[at] for at in wanted]
            )
            learner.confirm([block.header for block in self.blocks[target:]], newest.certificate)

    def finish(self, node: Node) -> None:
        """Fresh heads, then execute what is final and not anchored."""
        self.freshen(node)
        for block in self.blocks[node.height :]:
            node.member.execute([(block.header, block.batches)], block.certificate)

    def freshen(self, node: Node) -> tuple[int, int, bool, int]:
        """Heads of a quorum over its nonce."""
        learner = node.core.learner
        nonce = learner.challenge()
        newest = self.blocks[-1] if self.blocks else None
        body = HeadBody(
            nonce,
            self.description.epoch,
            self.tip,
            None if newest is None else newest.certificate,
            None,
            (),
        )
        members = {one.node_key for one in self.description.validators}
        whole = self.description.quorum.size == len(members)  # then its own head counts too
        others = [
            one for one in self.nodes.values() if one.key in members and (whole or one is not node)
        ]
        heads = [Head(body, one.key, one.core.learner.sign_head(body)) for one in others]
        return learner.freshen(heads)

    def voters(self) -> list[Node]:
        """A quorum of the current epoch."""
        keys = {node.key: node for node in self.nodes.values()}
        members = [
            keys[one.node_key] for one in self.description.validators if one.node_key in keys
        ]
        return members[-self.description.quorum.size :]

    # --- the ledger -------------------------------------------------------------------------------

    def commit(
        self, *envelopes: bytes, after_ms: int = BLOCK_MS, only: set[str] | None = None
    ) -> Outcome:
        """One block, executed by all nodes that have the epoch's keys; the terminal one when the
        state wishes so."""
        block = self.next_block(envelopes, after_ms)
        outcome: bytes | None = None
        for node in self.nodes.values():
            if only is not None and node.name not in only:
                continue
            if node.height == block.header.height - 1:
                if node.core.learner.freshness.point is None:
                    self.freshen(node)
                made = node.member.execute([(block.header, block.batches)], block.certificate)
                assert outcome in (None, made[0][0]), "two replicas came to two outcomes"
                outcome = made[0][0]
        assert outcome is not None
        self.blocks.append(block)
        self.outcomes.append(outcome)
        self.tip = block.header
        self.wall_ms = block.header.time_ms
        if block.header.next_epoch != self.description.digest:
            self._turn(block)
        return Outcome.decode(outcome)

    def next_block(
        self,
        envelopes: tuple[bytes, ...] = (),
        after_ms: int = BLOCK_MS,
        next_epoch: Digest | None = None,
    ) -> Block:
        """The next block, certified; of the epoch that the state wishes, unless a test wishes
        another."""
        parent, members = self.tip, len(self.description.validators)
        begins = parent.height == 0 or parent.epoch != self.description.epoch
        cut = list(initial_cut(parent.digest, members) if begins else parent.cut)
        batches: list[Batch] = []
        if envelopes:
            made = make_batch(
                0,
                cut[0],
                encode_payload(list(envelopes)),
                len(envelopes),
                epoch=self.description.epoch,
            )
            cut[0] = LaneTip(Sequence(cut[0].length + 1), made.header.digest)
            batches.append(made)
        self.view += 1
        header = Header(
            chain=self.chain,
            epoch=self.description.epoch,
            view=View(self.view),
            height=Height(parent.height + 1),
            parent=parent.digest,
            proposer=SignerIndex(0),
            time_ms=Milliseconds(parent.time_ms + after_ms),
            cut=tuple(cut),
            batch_count=len(batches),
            batch_bytes=sum(len(batch.payload) for batch in batches),
            anchor=Anchor(Height(parent.height), Digest(self._root())),
            next_epoch=next_epoch or self._wished(),
        )
        return Block(header, tuple(batches), self.certify(header))

    def _root(self) -> bytes:
        if self.tip.height == 0:
            return next(iter(self.nodes.values())).core.learner.status()[1]
        return next(
            node for node in self.nodes.values() if node.height == self.tip.height
        ).core.learner.status()[1]

    def _wished(self) -> Digest:
        wish = Outcome.decode(self.outcomes[-1]).wish if self.outcomes else b""
        if not wish:
            return self.description.digest
        return next(iter(self.voters())).governance.wish.description.digest  # type: ignore[union-attr]

    def certify(self, header: Header) -> Certificate:
        """FINALIZE by a quorum of the epoch, signed in their enclaves."""
        statement = Statement(Kind.FINALIZE, header.epoch, header.view, header.digest)
        signed = []
        for node in self.voters():
            if node.core.learner.freshness.point is None:
                self.freshen(node)
            index = self.description.index_of(node.key)
            assert index is not None
            signed.append((index, node.member.cast([statement])[0]))
        signed.sort()
        return Certificate(
            statement,
            tuple(index for index, _ in signed),
            tuple(signature for _, signature in signed),
        )

    def _turn(self, terminal: Block) -> None:
        governance = next(
            node for node in self.voters() if node.height == terminal.header.height
        ).governance
        self.entries.append(
            EpochEntry(
                terminal.header, terminal.certificate, governance.current, governance.public_key
            )
        )
        self.description, self.view = governance.current, 0
        for node in self.nodes.values():
            node.core.learner.extend(self.entries)

    @property
    def epoch(self) -> Epoch:
        return self.description.epoch

    # --- what enclaves and members say ------------------------------------------------------------

    def duties(self, *, skip: tuple[str, ...] = ()) -> list[bytes]:
        """Everything that enclaves want said now."""
        said: list[bytes] = []
        for node in self.nodes.values():
            if node.name in skip:
                continue
            sealed, envelopes, _, _ = node.member.duties(self.wall_ms)
            node.sealed = sealed or node.sealed
            said += envelopes
        return said

    def turn_epoch(self, *, blocks: int = 40, skip: tuple[str, ...] = ()) -> None:
        """Go on, a second a block, until the next epoch has begun."""
        begun = self.epoch
        for _ in range(blocks):
            self.commit(*self.duties(skip=skip), after_ms=1_000)
            if self.epoch > begun:
                return
        raise AssertionError(
            f"epoch {begun} does not end: due {next(iter(self.nodes.values())).governance.due}"
        )

    def govern(self, change: str, *, nonce: bytes = b"", **arguments: object) -> None:
        """A proposal of member0, and the ballots of two more."""
        listed = tuple(arguments.items())
        fields = (
            sha256(change.encode() + nonce + repr(listed).encode()).digest()[:16],
            change,
            listed,
        )
        proposer = self.cluster.members["member0"]
        made = sign_public(proposer.public, proposer.sign, self.chain, "propose", fields)
        self.must(made)
        id, digest = (
            proposal_id(proposer.public, codec.encode(fields)),
            proposal_digest(change, listed),
        )
        for name in ("member1", "member2"):
            member = self.cluster.members[name]
            self.must(
                sign_public(member.public, member.sign, self.chain, "ballot", (id, digest, True))
            )

    def must(self, envelope: bytes) -> object:
        """A public transaction that succeeds; its value."""
        ok, value = self.say(envelope)
        assert ok, value
        return value

    def say(self, envelope: bytes) -> tuple[bool, object]:
        """A public transaction: (did it succeed?, value or (code, message))."""
        outcome = self.commit(envelope)
        result = outcome.result_at(0)
        assert result, f"refused publicly: {outcome.codes[0]}"
        ok, value = codec.decode_value(result)
        assert (outcome.codes[0] == Code.EXECUTED) == ok
        return ok, value

    # --- users ------------------------------------------------------------------------------------

    def public_key(self) -> bytes:
        """Of the current epoch."""
        return self.entries[-1].public_key if self.entries else self.cluster.verified.public_key

    def call(self, name: str, /, **arguments: object) -> Call:
        """A call of a program for this measurement."""
        program, operation = name.split(".")
        bound = bind_arguments(program, operation, arguments, resolve)
        return Call(
            program, self.cluster.verified.validators[0].measurement_digest, operation, bound
        )

    def open(
        self, name: str, call: Call | None = None, *, close: bool = False
    ) -> tuple[ClientSession, bytes]:
        """A session sealed to the current epoch."""
        return ClientSession.open(
            self.public_key(), self.chain, self.epoch, person(name), call, close=close
        )

    def result(
        self, session: ClientSession, sequence: int, envelope: bytes, outcome: Outcome, at: int = 0
    ) -> Result:
        """Open a sealed result."""
        return session.open_result(sequence, transaction_id(envelope), outcome.result_at(at))


def allowed(world: World, operator: str, chip: bytes) -> None:
    """Members let this operator run a node on this chip."""
    if operator not in dict(next(iter(world.nodes.values())).governance.policy.operators):
        world.govern("allow_operator", operator=operator, key=bytes(key_named(operator).public))
    world.govern("allow_chip", operator=operator, chip=chip)


def attested(world: World, node: Node) -> None:
    """Its evidence stands on the ledger."""
    world.must(node.core.active.attest(Height(world.tip.height), world.tip.digest, RPC, PEER))


def admitted(world: World, name: str = "n9") -> Node:
    """A node that governance let in and the ledger admitted."""
    joiner = world.prepare(name)
    allowed(world, "operator9", joiner.chip.chip_id)
    joiner.core.learner.extend(world.entries)
    attested(world, joiner)
    return joiner


def newer_boot(world: World, name: str) -> Node:
    """The same node in its next boot, which stands on the ledger; the older one runs still."""
    old = world.nodes[name]
    new = world.boot(name, old.chip, old.member.sealed())
    world.catch_up(new)
    world.freshen(new)
    attested(world, new)
    return new
