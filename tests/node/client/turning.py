"""A chain through several epochs with the real enclave code, and governance that does what a test
says.

The executor, its keys and its sessions are real; only who wishes for the next epoch is made up (the
real way there is tested in tests/enclave and tests/integration).
"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from tests.enclave.chain import Chain, Made, make_batch
from tests.enclave.fixtures import FoundedCluster
from tests.enclave.succession import vote_key

from strongroom.consensus.batches import encode_payload
from strongroom.consensus.blocks import Anchor, Header, LaneTip, initial_cut
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import Epoch, Height, Milliseconds, SignerIndex, View
from strongroom.consensus.types import Sequence as LaneSequence
from strongroom.consensus.validators import EpochDescription, Validator
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.governance.governance import Governance
from strongroom.enclave.keys.keys import ServiceSecret
from strongroom.enclave.proofs.genesis import VerifiedGenesis

DEFAULT_GRACE_MS = 60_000


class Wishing:
    """Governance as it was founded, but for the epoch, and what a test wishes for the next one."""

    def __init__(self, founded: Governance, genesis: VerifiedGenesis) -> None:
        self._founded = founded
        self.current = genesis.description
        self.public_key = genesis.public_key
        self.wish: Any = None
        self.grace_until_ms = self.grace_ms = 0

    @property
    def epoch(self) -> Epoch:
        return self.current.epoch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._founded, name)

    def end_block(self, header: Header) -> None:
        if self.epoch == 0:
            self._founded.end_block(header)

    def end_epoch(self, terminal: Header) -> None:
        self.current, self.public_key = self.wish.description, self.wish.public_key
        self.grace_until_ms = terminal.time_ms + self.grace_ms if self.grace_ms else 0
        self.wish = None


class TurningChain(Chain):
    """`turn` ends the epoch; blocks are certified by the vote keys of their own epoch."""

    time_step_ms = 10
    """Between two blocks."""

    def new_executor(self, index: int = 0) -> Executor:
        executor = super().new_executor(index)
        executor.governance = self.governance = Wishing(executor.governance, self.genesis)  # type: ignore[assignment]
        return executor

    @property
    def description(self) -> EpochDescription:
        return self.governance.current

    @property
    def epoch(self) -> Epoch:
        return self.governance.epoch

    @property
    def grace_over(self) -> bool:
        """Is the grace of the epoch before over, at the newest block?"""
        return self.executor.header.time_ms >= self.governance.grace_until_ms

    def make(
        self,
        lanes: Mapping[int, Sequence[Sequence[bytes]]],
        *,
        anchor: Anchor | None = None,
        next_epoch: Any = None,
    ) -> Made:
        parent = self.tip
        begins = parent.height == 0 or parent.epoch != self.epoch
        cut = list(
            initial_cut(parent.digest, len(self.description.validators)) if begins else parent.cut
        )
        batches = []
        for lane in sorted(lanes):
            for envelopes in lanes[lane]:
                batch = make_batch(
                    lane, cut[lane], encode_payload(list(envelopes)), len(envelopes), self.epoch
                )
                cut[lane] = LaneTip(LaneSequence(cut[lane].length + 1), batch.header.digest)
                batches.append(batch)
        header = Header(
            chain=self.genesis.chain,
            epoch=self.epoch,
            view=View(1 if begins else parent.view + 1),
            height=Height(parent.height + 1),
            parent=parent.digest,
            proposer=SignerIndex(0),
            time_ms=Milliseconds(parent.time_ms + self.time_step_ms),
            cut=tuple(cut),
            batch_count=len(batches),
            batch_bytes=sum(len(batch.payload) for batch in batches),
            anchor=anchor or Anchor(self.executor.height, self.executor.root),
            next_epoch=next_epoch or self.description.digest,
        )
        self.tip = header
        made = Made(header, tuple(batches))
        self.blocks.append(made)
        return made

    def certificate(
        self, header: Header, kind: Kind = Kind.FINALIZE, signers: Sequence[int] = (0, 1, 2)
    ) -> Certificate:
        return self.certify(Statement(kind, header.epoch, header.view, header.digest), signers)

    def certify(self, statement: Statement, signers: Sequence[int] = (0, 1, 2)) -> Certificate:
        members = self.epochs.description(statement.epoch) or self.description
        message = statement.signed_bytes(self.genesis.chain)
        keys = [
            vote_key(self.cluster, statement.epoch, members.validators[index].node_key)
            for index in signers
        ]
        return Certificate(
            statement,
            tuple(SignerIndex(index) for index in signers),
            tuple(key.sign(message) for key in keys),
        )

    def turn(self, *, grace_ms: int = DEFAULT_GRACE_MS) -> list[Outcome]:
        """End the epoch: a block after which the next one is wished, and the terminal block."""
        epoch = Epoch(self.epoch + 1)
        secrets = ServiceSecret.fresh().split(epoch)
        description = EpochDescription(
            epoch=epoch,
            validators=tuple(
                Validator(
                    node_key=one.node_key,
                    vote_key=vote_key(self.cluster, epoch, one.node_key).public,
                )
                for one in self.description.validators
            ),
            public_key_digest=secrets.public_key_digest,
        )
        self.executor._keyring.add_candidate(description.digest, secrets)
        self.governance.wish = SimpleNamespace(
            description=description, public_key=secrets.public_key
        )
        self.governance.grace_ms = grace_ms
        wished = self.commit()
        terminal = self.make({}, next_epoch=description.digest)
        certificate = self.certificate(terminal.header)
        (ended,) = self.executor.execute(self.run_of(terminal), [()])
        self.outcomes.append(ended)
        self.history.append(ended.history_leaf)
        self.epochs.extend(
            EpochEntry(terminal.header, certificate, description, secrets.public_key)
        )
        return [wished, ended]


def founded_as(cluster: FoundedCluster) -> type[TurningChain]:
    """Such a chain of this genesis, whose programs are other ones."""

    class Founded(TurningChain):
        def __init__(self) -> None:
            super().__init__(cluster)

    return Founded
