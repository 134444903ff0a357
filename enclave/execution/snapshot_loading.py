"""Takes a snapshot in, instead of every outcome from genesis on (PROTOCOL §6; T34, T40).

Owns the proof: a later height's history leaf names the snapshot's root, and stands under an anchor
that a quorum finalised. Each chunk is opened when it comes, and nothing of it is used before the
root over all of them is the one named. What is refused leaves the enclave as it was.
"""

from collections.abc import Sequence

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochUnknown
from strongroom.consensus.errors import ClientFault, NotCanonical, PeerFault, ReceiptInvalid
from strongroom.consensus.recovery import Finality
from strongroom.consensus.types import NO_DIGEST, ChainId, Digest
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.formats import merkle
from strongroom.enclave.formats.history import HistoryLeaf
from strongroom.enclave.formats.snapshot import (
    CHUNKS_MAX,
    SnapshotBox,
    StreamReader,
    chunk_hash,
    snapshot_root,
)
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.primitives import DoesNotOpen, verify


class LoadRefused(ClientFault):
    """A snapshot is not what a quorum named, or came out of order: use an older one, or apply
    outcomes from genesis."""


def named_root(
    leaf: HistoryLeaf,
    path: Sequence[Digest],
    certified: Header,
    certificate: Finality,
    epochs: EpochChain,
) -> Digest:
    """The snapshot root that a height's leaf names, once it is shown that a quorum stands behind
    the leaf.

    Args:
        leaf: of the height that named the root.
        path: its inclusion proof under the certified header's anchor.
        certified: a header whose anchor is at the leaf's height or later.
        certificate: FINALIZE for it.
        epochs: every epoch up to the header's.

    Raises:
        EpochUnknown: the header is of an epoch that EPOCHS has not shown.
        PeerFault: the certificate is not a quorum's for this header.
        ReceiptInvalid: the leaf does not stand under its anchor.
        LoadRefused: the leaf names no snapshot.
    """
    epochs.check_final(certified, certificate, verify)
    anchor = certified.anchor
    if merkle.root_from_path(leaf.hash, leaf.height, anchor.height + 1, path) != anchor.root:
        raise ReceiptInvalid(
            f"height {leaf.height} is another one in the history that a quorum anchored"
        )
    if leaf.snapshot_root == NO_DIGEST:
        raise LoadRefused(f"height {leaf.height} names no snapshot")
    return leaf.snapshot_root


class Loader:
    """LOAD, LOAD_CHUNK one after the other, LOAD_END: once, and only while nothing was executed or
    applied."""

    def __init__(
        self, chain: ChainId, executor: Executor, keyring: Keyring, epochs: EpochChain
    ) -> None:
        self._chain, self._executor, self._keyring, self._epochs = chain, executor, keyring, epochs
        self._loading: _Loading | None = None

    def begin(
        self,
        header: Header,
        leaf: HistoryLeaf,
        path: Sequence[Digest],
        certified: Header,
        certificate: Finality,
        count: int,
    ) -> None:
        """Begin with the snapshot of `header`'s height, in `count` chunks; see `named_root` for the
        rest.

        Raises:
            LoadRefused: something was executed or applied already, or no quorum named such a
                snapshot.
            EpochUnknown: EPOCHS first.
            KeysNeeded: the ledger secret of the header's epoch is not here.
        """
        self._loading = None
        self._check_unused()
        if not 1 <= count <= CHUNKS_MAX or leaf.height <= header.height:
            raise LoadRefused(
                f"a snapshot of {count} chunks of height {header.height}, named at {leaf.height}"
            )
        try:
            root = named_root(leaf, path, certified, certificate, self._epochs)
        except EpochUnknown:
            raise
        except (PeerFault, ReceiptInvalid) as error:
            raise LoadRefused(f"snapshot of height {header.height}: {error}") from None
        box = SnapshotBox(self._chain, header, self._keyring.of(header.epoch).snapshot_box)
        self._loading = _Loading(box, leaf, root, count)

    def add(self, index: int, sealed: bytes) -> None:
        """Take the next chunk.

        Raises:
            LoadRefused: it is not the next, or not one of this snapshot; LOAD begins anew.
        """
        loading = self._need()
        self._loading = None
        loading.add(index, sealed)
        self._loading = loading

    def end(self) -> None:
        """All chunks were given: go on from there.

        Raises:
            LoadRefused: they are not those whose root a quorum named.
        """
        loading = self._need()
        self._loading = None
        try:
            loading.end(self._executor)
        except NotCanonical as error:
            raise LoadRefused(f"{loading.name}: {error}") from None

    def _need(self) -> "_Loading":
        self._check_unused()
        if self._loading is None:
            raise LoadRefused("LOAD comes first")
        return self._loading

    def _check_unused(self) -> None:
        if self._executor.height != 0:
            self._loading = None
            raise LoadRefused(
                "this process has executed, applied or loaded something: start it again to load"
            )


class _Loading:
    """One snapshot that is being taken in."""

    def __init__(self, box: SnapshotBox, leaf: HistoryLeaf, root: Digest, count: int) -> None:
        self._box, self._leaf, self._root, self._count = box, leaf, root, count
        self._hashes: list[Digest] = []
        self._reader = StreamReader()
        self.name = f"snapshot of height {box.header.height}"

    def add(self, index: int, sealed: bytes) -> None:
        if index != len(self._hashes) or index >= self._count:
            raise LoadRefused(
                f"{self.name}: chunk {index}, expected {len(self._hashes)} of {self._count}"
            )
        try:
            self._reader.feed(self._box.open(index, self._count, sealed))
        except (DoesNotOpen, NotCanonical) as error:
            raise LoadRefused(f"{self.name}: chunk {index}: {error}") from None
        self._hashes.append(chunk_hash(sealed))

    def end(self, executor: Executor) -> None:
        if len(self._hashes) != self._count or snapshot_root(self._hashes) != self._root:
            raise LoadRefused(f"{self.name}: its chunks are not those that a quorum named")
        state = self._reader.end()
        if state.header.digest != self._box.header.digest or state.due != self._leaf.height:
            raise LoadRefused(f"{self.name}: it is of another block, or named at another height")
        executor.load(state, self._reader.tables, self._root)
