"""A final chain of several epochs without consensus, execution or governance: headers, outcomes and
certificates only.

Vote keys of an epoch depend on its number and the node; members may come and go. What is proven
about such a chain (receipts, the succession of epochs, files of a ledger) rests on nothing else.
"""

from collections.abc import Sequence
from hashlib import sha256

from tests.enclave.chain import founded
from tests.enclave.fixtures import FoundedCluster, key_named

from strongroom.consensus.batches import Batch, BatchHeader, encode_payload
from strongroom.consensus.blocks import Anchor, Header, LaneTip, initial_cut
from strongroom.consensus.codec import encode
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import (
    Digest,
    Epoch,
    Height,
    Lane,
    Milliseconds,
    PublicKey,
    Signature,
    SignerIndex,
    View,
)
from strongroom.consensus.types import Sequence as LaneSequence
from strongroom.consensus.validators import EpochDescription, Validator
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.outside.receipts import Receipt, build_receipt
from strongroom.enclave.primitives import HybridKey, Secret, SigningKey
from strongroom.enclave.proofs.genesis import epoch_chain
from strongroom.node.ledger.block_record import StoredBlock


def vote_key(cluster: FoundedCluster, epoch: Epoch, node_key: PublicKey) -> SigningKey:
    """The vote key of one member in one epoch."""
    if epoch == 0:
        return next(keys.vote(epoch) for keys in cluster.keys if keys.node.public == node_key)
    return key_named(f"vote key of {node_key.hex()} in epoch {epoch}")


class Succession:
    """Blocks one after the other; `end_epoch` makes the next one the last of its epoch."""

    def __init__(self, cluster: FoundedCluster | None = None) -> None:
        self.cluster = cluster or founded()
        self.genesis = self.cluster.verified
        self.epochs = epoch_chain(self.genesis)
        self.tip = self.genesis.header
        self.blocks: list[StoredBlock] = []
        self.outcomes: list[Outcome] = []
        self.history = HistoryTree(self.genesis.header)
        self._wish = b""

    @property
    def description(self) -> EpochDescription:
        return self.epochs.newest

    @property
    def epoch(self) -> Epoch:
        return self.description.epoch

    def commit(self, *envelopes: bytes, following: Digest | None = None) -> Header:
        """The next block, certified by its own epoch's members, and an outcome that executed every
        envelope."""
        parent = self.tip
        fresh = parent.digest == self.epochs.anchor.digest
        cut = list(
            initial_cut(parent.digest, len(self.description.validators)) if fresh else parent.cut
        )
        batches = [self._batch(cut, envelopes)] if envelopes else []
        header = Header(
            chain=self.genesis.chain,
            epoch=self.epoch,
            view=View(1 if fresh else parent.view + 1),
            height=Height(parent.height + 1),
            parent=parent.digest,
            proposer=SignerIndex(0),
            time_ms=Milliseconds(parent.time_ms + 10),
            cut=tuple(cut),
            batch_count=len(batches),
            batch_bytes=sum(batch.header.size for batch in batches),
            anchor=Anchor(Height(len(self.outcomes)), self.history.root()),
            next_epoch=following or self.description.digest,
        )
        self.tip = header
        self.blocks.append(StoredBlock(header, self.certificate(header), tuple(batches)))
        self._execute(header, envelopes)
        return header

    def end_epoch(
        self, *envelopes: bytes, without: Sequence[int] = (), joining: Sequence[str] = ()
    ) -> EpochEntry:
        """End this epoch: the next one's members are this one's, less and more of them."""
        members = [
            one.node_key
            for index, one in enumerate(self.description.validators)
            if index not in without
        ]
        members += [key_named(name).public for name in joining]
        description, public_key = self.described(Epoch(self.epoch + 1), members)
        self.wish(description, public_key)
        header = self.commit(*envelopes, following=description.digest)
        entry = EpochEntry(header, self.certificate(header), description, public_key)
        self.epochs.extend(entry)
        return entry

    def described(
        self, epoch: Epoch, members: Sequence[PublicKey]
    ) -> tuple[EpochDescription, bytes]:
        """An epoch of these members, with a key of its own, and that key."""
        public_key = HybridKey(Secret(sha256(b"epoch %d" % epoch).digest())).public
        validators = tuple(
            Validator(node_key=key, vote_key=vote_key(self.cluster, epoch, key).public)
            for key in sorted(members)
        )
        digest = Digest(sha256(public_key).digest())
        return EpochDescription(
            epoch=epoch, validators=validators, public_key_digest=digest
        ), public_key

    def wish(self, description: EpochDescription, public_key: bytes) -> None:
        """A block after whose execution the state wishes this epoch."""
        self._wish = encode((description.encode(), public_key))
        self.commit()
        self._wish = b""

    def certificate(
        self,
        header: Header,
        kind: Kind = Kind.FINALIZE,
        signers: Sequence[int] | None = None,
        *,
        by: EpochDescription | None = None,
        view: View | None = None,
    ) -> Certificate:
        """For a header, by a quorum of this epoch's members, or of another's."""
        members = by or self.description
        signers = range(members.quorum.size) if signers is None else signers
        statement = Statement(kind, members.epoch, view or header.view, header.digest)
        message = statement.signed_bytes(self.genesis.chain)
        signatures = tuple(
            vote_key(self.cluster, members.epoch, members.validators[index].node_key).sign(message)
            for index in signers
        )
        return Certificate(statement, tuple(SignerIndex(index) for index in signers), signatures)

    def receipt(self, height: int, position: int = 0) -> Receipt:
        """Of an envelope, under the first header that anchors it."""
        block = next(block for block in self.blocks if block.header.anchor.height >= height)
        assert isinstance(block.certificate, Certificate)
        return build_receipt(
            genesis=self.genesis.data,
            outcome=self.outcomes[height - 1],
            position=position,
            history=self.history,
            anchor=block.header,
            certificate=block.certificate,
            epochs=self.epochs,
        )

    def _batch(self, cut: list[LaneTip], envelopes: Sequence[bytes]) -> Batch:
        payload = encode_payload(list(envelopes))
        header = BatchHeader(
            epoch=self.epoch,
            lane=Lane(0),
            sequence=cut[0].length,
            previous=cut[0].digest,
            count=len(envelopes),
            size=len(payload),
            payload_digest=Digest(sha256(payload).digest()),
        )
        cut[0] = LaneTip(LaneSequence(cut[0].length + 1), header.digest)
        return Batch(header, payload, Signature(bytes(64)))

    def _execute(self, header: Header, envelopes: Sequence[bytes]) -> None:
        outcome = Outcome(
            height=header.height,
            block=header.digest,
            ids=b"".join(sha256(envelope).digest() for envelope in envelopes),
            codes=bytes(len(envelopes)),
            results=tuple(b"result of " + envelope for envelope in envelopes),
            claims=(),
            write_set=b"write set %d" % header.height,
            wish=self._wish,
        )
        self.outcomes.append(outcome)
        self.history.append(outcome.history_leaf)


def after_epochs(count: int) -> Succession:
    """A chain in its epoch `count`; each epoch has a block of two envelopes, one of none, and its
    last block."""
    chain = Succession()
    for number in range(count + 1):
        chain.commit(b"first of epoch %d" % number, b"second of epoch %d" % number)
        chain.commit()
        if number < count:
            chain.end_epoch()
    return chain
