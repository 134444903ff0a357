"""A ledger with a snapshot every eight heights, what its host has stored of the first, and how that
is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from tests.enclave.chain import Chain, funded, pay
from tests.enclave.fixtures import FoundedCluster, key_named, make_cluster_genesis
from tests.enclave.probe import probe

from strongroom.consensus.blocks import Header
from strongroom.consensus.statements import Certificate
from strongroom.consensus.types import Digest, Height
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.execution.snapshot_loading import Loader
from strongroom.enclave.formats.history import HistoryLeaf
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.programs import PROGRAMS
from strongroom.enclave.proofs.genesis import epoch_chain

BLOCKS = 8
"""Between two snapshots."""


@cache
def cluster() -> FoundedCluster:
    """One for all tests: a snapshot every eight heights."""
    return make_cluster_genesis(
        4,
        auditor=key_named("auditor").public,
        programs=("payments", "probe", "system"),
        limits={"snapshot_blocks": BLOCKS},
    )


@dataclass(frozen=True)
class Taken:
    """A snapshot as a host has stored it, and what shows that a quorum named it."""

    header: Header
    leaf: HistoryLeaf
    path: tuple[Digest, ...]
    certified: Header
    certificate: Certificate
    chunks: tuple[bytes, ...]

    @property
    def count(self) -> int:
        return len(self.chunks)


class Ledger(Chain):
    """A chain with users at work, and the snapshot of height 8."""

    def __init__(self) -> None:
        super().__init__(cluster())
        self.alice, self.bob = funded(self, "alice"), funded(self, "bob")  # heights 1..4
        self.replayed = pay(self, self.alice, 3)
        self.commit(self.replayed)
        self.once("alice", "payments.transfer", to="bob", amount=5)
        self.do(self.bob, "payments.open", account="savings")

    def go_to(self, height: int) -> None:
        while self.tip.height < height:
            self.commit(pay(self, self.alice), pay(self, self.bob, to="alice"))

    def go_idle(self, height: int) -> None:
        while self.tip.height < height:
            self.commit()

    def taken(self) -> Taken:
        """Of height 8, named at 16, anchored by block 17."""
        self.go_to(17)
        return self.stored(self.executor)

    def stored(self, executor: Executor) -> Taken:
        height, due, count, first, chunks = executor.snapshots.hand_out(Height(0), 0)
        assert (height, due, first, len(chunks)) == (8, 16, 0, count)
        certified = self.blocks[16].header
        return Taken(
            self.blocks[7].header,
            self.outcomes[15].history_leaf,
            self.history.path(Height(16), 17),
            certified,
            self.certificate(certified),
            chunks,
        )

    def keyring(self, index: int = 1) -> Keyring:
        return Keyring([self.cluster.secrets[index]])

    def fresh(self, keyring: Keyring | None = None) -> tuple[Executor, Loader]:
        """A process that has executed nothing."""
        held = keyring or self.keyring()
        epochs = epoch_chain(self.genesis)
        executor = Executor(self.genesis, held, epochs, {**PROGRAMS, "probe": probe})
        return executor, Loader(self.genesis.chain, executor, held, epochs)

    def follow(self, executor: Executor, start: int, *, by_execution: bool) -> None:
        """Go on to the tip from `start` executed heights, comparing every outcome."""
        for made, outcome in list(zip(self.blocks, self.outcomes, strict=True))[start:]:
            if by_execution:
                (again,) = executor.execute(
                    self.run_of(made, parent=executor.header), [made.batches]
                )
                assert again.encode() == outcome.encode()
            else:
                executor.apply(made.header, outcome)
        assert executor.root == self.executor.root
        assert executor.state_digest() == self.executor.state_digest()


def load(
    loader: Loader, taken: Taken, *, chunks: Sequence[bytes] | None = None, count: int | None = None
) -> None:
    given = taken.chunks if chunks is None else chunks
    loader.begin(
        taken.header,
        taken.leaf,
        taken.path,
        taken.certified,
        taken.certificate,
        taken.count if count is None else count,
    )
    for index, chunk in enumerate(given):
        loader.add(index, chunk)
    loader.end()
