"""The host's side of the door: typed calls to the enclave for founding, links, votes and blocks.

Never sees a key or a plaintext: what passes here is public or sealed. Requests are answered in
order; several may be under way. The process is process.py's; what belongs to no single block
is in epoch_calls.py.
"""

from dataclasses import dataclass

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Batch, Header
from strongroom.consensus.messages import Head, HeadBody, StatusBody
from strongroom.consensus.statements import Certificate, Statement
from strongroom.consensus.types import KEY_SIZE, Digest, Epoch, Height, PublicKey, Signature, View
from strongroom.enclave.door.requests import Op
from strongroom.enclave.execution.snapshotting import HAND_OUT_MAX
from strongroom.enclave.formats.history import HistoryLeaf
from strongroom.enclave.keys.identity import Identity
from strongroom.node.enclave_client.epoch_calls import EpochCalls
from strongroom.node.enclave_client.process import EnclaveGone

__all__ = [
    "CheckedPeer",
    "EnclaveClient",
    "EnclaveGone",
    "EnclaveStatus",
    "Freshness",
    "MadeChunks",
]

WALLS_MAX = 32
CASTS_MAX = 4096


@dataclass(frozen=True, slots=True)
class CheckedPeer:
    """A peer whose evidence my enclave verified over my nonce."""

    node_key: PublicKey
    name: str
    tls_key: bytes
    """SHA-256 of its TLS key's SubjectPublicKeyInfo."""
    words: str
    evidence_digest: str
    """SHA-256 of what was shown, hex; for people to compare."""
    judged: bool = True
    """False for a validator by certificates alone, while my enclave does not know the policy that
    admitted it."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """What q heads over the enclave's nonce say is newest."""

    height: Height
    view: View
    may_vote: bool
    """False when a peer holds a vote of mine that my log does not have (PROTOCOL §6)."""
    epoch: Epoch
    """The newest that a head was of."""


@dataclass(frozen=True, slots=True)
class EnclaveStatus:
    """Public facts of the enclave."""

    executed: Height
    root: Digest
    boot: int
    fresh: bool
    may_vote: bool
    epoch: Epoch
    """In which its state is."""
    opens: bool
    """It holds that epoch's input secret: it can execute."""


@dataclass(frozen=True, slots=True)
class MadeChunks:
    """Sealed chunks of a snapshot that the enclave hands out at once."""

    height: Height
    due: Height
    """Whose outcome names the root."""
    count: int
    """Chunks in all."""
    first: int
    """Number of the first of `chunks`."""
    chunks: tuple[bytes, ...]


class EnclaveClient(EpochCalls):
    """One enclave, alive from `start` until `stop` or its death."""

    # --- founding and starting ---

    async def prepare(self, constitution: bytes, identity: Identity) -> bytes:
        """Make this node's keys; returns the genesis evidence."""
        return await self._ask_bytes(Op.PREPARE, constitution, identity.to_wire())

    async def measurement_and_chip(self) -> tuple[bytes, bytes]:
        """(measurement 48 bytes, chip id 64 bytes) of this enclave, for an operator's deployment
        statement."""
        measurement, chip = codec.fields(
            await self._ask(Op.DESCRIBE), bytes, bytes, name="description"
        )
        return measurement, chip

    async def walls(self) -> list[tuple[str, bool, str]]:
        """(name, stands, words) of every wall around this enclave."""
        listed = codec.listed(await self._ask(Op.WALLS), name="walls", count_max=WALLS_MAX)
        walls = [codec.fields(wall, str, bool, str, name="wall") for wall in listed]
        return [(name, stands, words) for name, stands, words in walls]

    async def found(self, constitution: bytes, evidences: tuple[bytes, ...]) -> tuple[bytes, bytes]:
        """Make the service secret and with it the genesis: (genesis, wraps)."""
        genesis, wraps = codec.fields(
            await self._ask(Op.FOUND, constitution, evidences), bytes, bytes, name="founding"
        )
        return genesis, wraps

    async def accept(self, genesis: bytes, wraps: bytes) -> bytes:
        """Check everybody's evidence, open the own wrap; returns the sealed state."""
        return await self._ask_bytes(Op.ACCEPT, genesis, wraps)

    async def unseal(self, sealed: bytes, genesis: bytes) -> bytes:
        """Take up the sealed state; returns the one of this boot."""
        return await self._ask_bytes(Op.UNSEAL, sealed, genesis)

    # --- links and signatures ---

    async def link_evidence(self, nonce: bytes) -> bytes:
        """Fresh evidence over a peer's or client's nonce."""
        return await self._ask_bytes(Op.LINK_EVIDENCE, nonce)

    async def check_link(self, evidence: bytes, nonce: bytes, time_ms: int) -> CheckedPeer:
        """Have the enclave judge a peer's evidence.

        Raises:
            Refusal: it does not meet the policy; `reason` says why.
        """
        answer = await self._ask(Op.CHECK_LINK, evidence, nonce, time_ms)
        key, name, tls_key, words, judged = codec.fields(
            answer, bytes, str, bytes, str, bool, name="checked peer"
        )
        shown = labels.labelled_digest(labels.CLAIMS, evidence).hex()
        return CheckedPeer(
            PublicKey(codec.sized(key, KEY_SIZE, name="node key")),
            name,
            tls_key,
            words,
            shown,
            judged,
        )

    async def sign_link(self, nonce: bytes, tls_key: bytes) -> Signature:
        """Prove to a listener that this node dialled exactly it."""
        return Signature(await self._ask_bytes(Op.SIGN_LINK, nonce, tls_key))

    async def sign_batch(self, digest: Digest) -> Signature:
        """The node key's signature on a batch."""
        return Signature(await self._ask_bytes(Op.SIGN_BATCH, digest))

    async def sign_status(self, body: StatusBody) -> Signature:
        """The node key's signature on a STATUS."""
        return Signature(await self._ask_bytes(Op.SIGN_STATUS, body.to_wire()))

    async def sign_head(self, body: HeadBody) -> Signature:
        """The node key's signature on a HEAD."""
        return Signature(await self._ask_bytes(Op.SIGN_HEAD, body.to_wire()))

    # --- voting ---

    async def recall(self, statements: list[Statement]) -> None:
        """Fill the guard from the log."""
        await self._ask(Op.RECALL, tuple(statement.to_wire() for statement in statements))

    async def cast(self, statements: list[Statement]) -> list[Signature]:
        """Sign statements that are durable in the log."""
        answer = await self._ask(Op.CAST, tuple(statement.to_wire() for statement in statements))
        return [
            Signature(signature)
            for signature in codec.listed(answer, name="signatures", count_max=CASTS_MAX)
        ]

    async def forget(self, epoch: Epoch, view: View) -> None:
        """Let the guard of an epoch drop what it remembers up to a final view."""
        await self._ask(Op.FORGET, epoch, view)

    async def challenge(self) -> bytes:
        """The enclave's nonce for heads."""
        return await self._ask_bytes(Op.CHALLENGE)

    async def freshen(self, heads: list[Head]) -> Freshness:
        """Show q heads over the challenge."""
        answer = await self._ask(Op.FRESHEN, tuple(head.to_wire() for head in heads))
        height, view, may_vote, epoch = codec.fields(answer, int, int, bool, int, name="freshness")
        return Freshness(Height(height), View(view), may_vote, Epoch(epoch))

    # --- execution ---

    async def apply(self, headers: list[Header], outcomes: list[bytes]) -> None:
        """Replay own outcomes, provisional until `confirm`."""
        await self._ask(Op.APPLY, tuple(header.encoded for header in headers), tuple(outcomes))

    async def confirm(self, headers: list[Header], certificate: Certificate) -> None:
        """Show the certified header whose anchor covers what was applied."""
        await self._ask(
            Op.CONFIRM, tuple(header.encoded for header in headers), certificate.to_wire()
        )

    async def execute(
        self, blocks: list[tuple[Header, list[Batch]]], certificate: Certificate
    ) -> list[tuple[bytes, Digest]]:
        """Execute a run of final blocks; an outcome and its root each."""
        wire = tuple(
            (header.encoded, tuple(batch.to_wire() for batch in batches))
            for header, batches in blocks
        )
        answer = await self._ask(Op.EXECUTE, wire, certificate.to_wire())
        listed = codec.listed(answer, name="outcomes", count_max=len(blocks))
        pairs = [codec.fields(pair, bytes, bytes, name="outcome and root") for pair in listed]
        return [(outcome, Digest(root)) for outcome, root in pairs]

    async def query(
        self, envelope: bytes, outcome: bytes | None = None
    ) -> tuple[bytes, int] | bytes:
        """A sealed answer with its height, or the id of the transaction whose outcome the enclave
        needs to see."""
        answer = await self._ask(Op.QUERY, envelope, outcome)
        if type(answer) is bytes:
            return answer
        sealed, height = codec.fields(answer, bytes, int, name="answer")
        return sealed, height

    async def snapshot(self, height: Height, first: int) -> MadeChunks | None:
        """Chunks of snapshots that were sealed since; the host has stored those of `height` below
        `first`."""
        answer = await self._ask(Op.SNAPSHOT, height, first)
        of, due, count, begins, listed = codec.fields(
            answer, int, int, int, int, tuple, name="made chunks"
        )
        chunks = tuple(codec.listed(listed, name="chunks", count_max=HAND_OUT_MAX))
        return MadeChunks(Height(of), Height(due), count, begins, chunks) if chunks else None

    async def load(
        self,
        header: Header,
        leaf: HistoryLeaf,
        path: tuple[Digest, ...],
        certified: Header,
        certificate: Certificate,
        count: int,
    ) -> None:
        """Begin to take a snapshot in, instead of anything applied.

        Raises:
            Refusal: no quorum named it, or something was executed or applied already.
        """
        await self._ask(
            Op.LOAD,
            header.encoded,
            leaf.encode(),
            path,
            certified.encoded,
            certificate.to_wire(),
            count,
        )

    async def load_chunk(self, index: int, chunk: bytes) -> None:
        """The next chunk.

        Raises:
            Refusal: it is not the one of this place in this snapshot.
        """
        await self._ask(Op.LOAD_CHUNK, index, chunk)

    async def end_load(self) -> None:
        """Go on from the snapshot.

        Raises:
            Refusal: its chunks are not those that a quorum named.
        """
        await self._ask(Op.LOAD_END)

    async def seal(self) -> bytes:
        """The sealed state with the newest mark."""
        return await self._ask_bytes(Op.SEAL)

    async def status(self) -> EnclaveStatus:
        """Public facts."""
        answer = await self._ask(Op.STATUS)
        executed, root, boot, fresh, may_vote, epoch, opens = codec.fields(
            answer, int, bytes, int, bool, bool, int, bool, name="status"
        )
        return EnclaveStatus(
            Height(executed), Digest(root), boot, fresh, may_vote, Epoch(epoch), opens
        )
