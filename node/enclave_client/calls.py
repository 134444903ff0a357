"""The host's side of the door: a typed call for each row of its table (enclave/door/requests.py).

Never sees a key or a plaintext: what passes here is public, sealed or wrapped. Requests are
answered in order; several may be under way. The process behind is process.py's, what its answers
are made into replies.py's.
"""

import asyncio
from pathlib import Path

from strongroom.consensus import labels
from strongroom.consensus.batches import Batch
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.messages import StatusBody
from strongroom.consensus.recovery import Finality
from strongroom.consensus.statements import Statement
from strongroom.consensus.types import Digest, Epoch, Height, Signature, View
from strongroom.enclave.door.requests import Op
from strongroom.enclave.formats.history import HistoryLeaf
from strongroom.enclave.keys.identity import Identity
from strongroom.node.enclave_client.launch import Launched
from strongroom.node.enclave_client.process import EnclaveConnection
from strongroom.node.enclave_client.replies import (
    CheckedPeer,
    Duties,
    EnclaveStatus,
    Freshness,
    MadeChunks,
)
from strongroom.node.metrics.tallies import Histograms


class EnclaveClient:
    """One enclave, alive from `start` until `stop` or its death; has the connection to its
    process, which may be replaced."""

    def __init__(self, connection: EnclaveConnection) -> None:
        self._connection = connection
        self._ask = connection.ask

    # --- its process ---

    @classmethod
    async def start(cls, chip: Path, log: Path | None = None) -> "EnclaveClient":
        """Start its process (see EnclaveConnection.start)."""
        return cls(await EnclaveConnection.start(chip, log))

    @classmethod
    async def over(cls, launched: Launched) -> "EnclaveClient":
        """Speak to a process that was launched already."""
        return cls(await EnclaveConnection.over(launched))

    @property
    def pid(self) -> int:
        """Process id of the enclave."""
        return self._connection.pid

    @property
    def waits(self) -> Histograms:
        """How long requests waited for their answers, by operation."""
        return self._connection.waits

    @property
    def closed(self) -> asyncio.Event:
        """Set when the process has ended."""
        return self._connection.closed

    async def stop(self) -> None:
        """Close the door, which ends the enclave. Safe to call twice."""
        await self._connection.stop()

    async def until_closed(self) -> None:
        """Wait for the end of the enclave; that of a process which handed over is not one."""
        await self._connection.until_closed()

    async def ending(self) -> str:
        """How its process ended, in words; waits for its end."""
        return await self._connection.ending()

    def pause(self) -> None:
        """Let no further request in, but HAND_OVER: the process is about to be replaced."""
        self._connection.pause()

    def resume(self) -> None:
        """Let requests in again: the process stays."""
        self._connection.resume()

    async def become(self, successor: "EnclaveClient") -> None:
        """Go on with the process of another client, and end the one before; requests go in
        again."""
        await self._connection.become(successor._connection)

    # --- founding and starting ---

    async def prepare(self, constitution: bytes, identity: Identity) -> bytes:
        """Make this node's keys; returns the genesis evidence."""
        return bytes(await self._ask(Op.PREPARE, constitution, identity))

    async def measurement_and_chip(self) -> tuple[bytes, bytes]:
        """(measurement 48 bytes, chip id 64 bytes) of this enclave, for an operator's deployment
        statement."""
        measurement, chip = await self._ask(Op.DESCRIBE)
        return measurement, chip

    async def walls(self) -> list[tuple[str, bool, str]]:
        """(name, stands, words) of every wall around this enclave."""
        return list(await self._ask(Op.WALLS))

    async def found(self, constitution: bytes, evidences: tuple[bytes, ...]) -> tuple[bytes, bytes]:
        """Make the service secret and with it the genesis: (genesis, wraps)."""
        genesis, wraps = await self._ask(Op.FOUND, constitution, evidences)
        return genesis, wraps

    async def accept(self, genesis: bytes, wraps: bytes) -> bytes:
        """Check everybody's evidence, open the own wrap; returns the sealed state."""
        return bytes(await self._ask(Op.ACCEPT, genesis, wraps))

    async def seal_founding(self) -> bytes:
        """The keys of `prepare`, sealed, so that a ceremony may outlast this process."""
        return bytes(await self._ask(Op.SEAL_FOUNDING))

    async def resume_founding(self, sealed: bytes) -> None:
        """Go on as the enclave that sealed its keys after `prepare`."""
        await self._ask(Op.RESUME_FOUNDING, sealed)

    async def unseal(self, sealed: bytes, genesis: bytes) -> bytes:
        """Take up the sealed state; returns the one of this boot."""
        return bytes(await self._ask(Op.UNSEAL, sealed, genesis))

    # --- links and signatures ---

    async def link_evidence(self, nonce: bytes) -> bytes:
        """Fresh evidence over a peer's or client's nonce."""
        return bytes(await self._ask(Op.LINK_EVIDENCE, nonce))

    async def check_link(self, evidence: bytes, nonce: bytes, time_ms: int) -> CheckedPeer:
        """Have the enclave judge a peer's evidence.

        Raises:
            Refusal: it does not meet the policy; `reason` says why.
        """
        answer = await self._ask(Op.CHECK_LINK, evidence, nonce, time_ms)
        key, name, tls_key, words, judged = answer
        shown = labels.labelled_digest(labels.CLAIMS, evidence).hex()
        return CheckedPeer(key, name, tls_key, words, shown, judged)

    async def sign_link(self, nonce: bytes, tls_key: bytes) -> Signature:
        """Prove to a listener that this node dialled exactly it."""
        return Signature(await self._ask(Op.SIGN_LINK, nonce, tls_key))

    async def sign_batch(self, digest: Digest) -> Signature:
        """The node key's signature on a batch."""
        return Signature(await self._ask(Op.SIGN_BATCH, digest))

    async def sign_status(self, body: StatusBody) -> Signature:
        """The node key's signature on a STATUS."""
        return Signature(await self._ask(Op.SIGN_STATUS, body))

    async def sign_head(self, body: HeadBody) -> Signature:
        """The node key's signature on a HEAD."""
        return Signature(await self._ask(Op.SIGN_HEAD, body))

    # --- voting ---

    async def recall(self, statements: list[Statement]) -> None:
        """Fill the guard from the log."""
        await self._ask(Op.RECALL, statements)

    async def cast(self, statements: list[Statement]) -> list[Signature]:
        """Sign statements that are durable in the log."""
        return list(await self._ask(Op.CAST, statements))

    async def forget(self, epoch: Epoch, view: View) -> None:
        """Let the guard of an epoch drop what it remembers up to a final view."""
        await self._ask(Op.FORGET, epoch, view)

    async def challenge(self) -> bytes:
        """The enclave's nonce for heads."""
        return bytes(await self._ask(Op.CHALLENGE))

    async def freshen(self, heads: list[Head]) -> Freshness:
        """Show q heads over the challenge."""
        return Freshness(*await self._ask(Op.FRESHEN, heads))

    # --- execution ---

    async def apply(self, headers: list[Header], outcomes: list[bytes]) -> None:
        """Replay own outcomes, provisional until `confirm`."""
        await self._ask(Op.APPLY, headers, outcomes)

    async def confirm(self, headers: list[Header], certificate: Finality) -> None:
        """Show the certified header whose anchor covers what was applied."""
        await self._ask(Op.CONFIRM, headers, certificate)

    async def execute(
        self, blocks: list[tuple[Header, list[Batch]]], certificate: Finality
    ) -> list[tuple[bytes, Digest]]:
        """Execute a run of final blocks; an outcome and its root each."""
        return list(await self._ask(Op.EXECUTE, blocks, certificate))

    async def query(
        self, envelope: bytes, outcome: bytes | None = None
    ) -> tuple[bytes, int] | bytes:
        """A sealed answer with its height, or the id of the transaction whose outcome the enclave
        needs to see."""
        answer: tuple[bytes, int] | bytes = await self._ask(Op.QUERY, envelope, outcome)
        return answer

    async def snapshot(self, height: Height, first: int) -> MadeChunks | None:
        """Chunks of snapshots that were sealed since; the host has stored those of `height` below
        `first`."""
        made = MadeChunks(*await self._ask(Op.SNAPSHOT, height, first))
        return made if made.chunks else None

    async def load(
        self,
        header: Header,
        leaf: HistoryLeaf,
        path: tuple[Digest, ...],
        certified: Header,
        certificate: Finality,
        count: int,
    ) -> None:
        """Begin to take a snapshot in, instead of anything applied.

        Raises:
            Refusal: no quorum named it, or something was executed or applied already.
        """
        await self._ask(Op.LOAD, header, leaf, path, certified, certificate, count)

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
        return bytes(await self._ask(Op.SEAL))

    async def status(self) -> EnclaveStatus:
        """Public facts."""
        return EnclaveStatus(*await self._ask(Op.STATUS))

    # --- epochs ---

    async def epochs(self, entries: tuple[EpochEntry, ...]) -> Epoch:
        """Show what opened epochs; the newest one that it knows."""
        return Epoch(await self._ask(Op.EPOCHS, entries))

    async def attest(self, height: Height, block: Digest, rpc: str, peer: str) -> bytes:
        """The envelope that admits this node, or renews its admission, over a recent block's digest
        (T20)."""
        return bytes(await self._ask(Op.ATTEST, height, block, rpc, peer))

    async def duties(self, wall_ms: int) -> Duties:
        """What it wants said on the ledger now."""
        return Duties(*await self._ask(Op.DUTIES, wall_ms))

    async def governance(self) -> tuple[object, ...]:
        """The public state of governance, as `Governance.document` describes it."""
        document: tuple[object, ...] = await self._ask(Op.GOVERNANCE)
        return document

    async def diagnostics(self, grant: str, recipient: bytes) -> tuple[bytes, bytes]:
        """(the `act` to be submitted, or nothing; sealed diagnostics, or nothing).

        Raises:
            Refusal: nothing that was begun says so.
        """
        act, sealed = await self._ask(Op.DIAGNOSTICS, grant, recipient)
        return bytes(act), bytes(sealed)

    async def refresh(self) -> bytes:
        """The envelope by which an observer asks for a new vote key (PROTOCOL §6)."""
        return bytes(await self._ask(Op.REFRESH))

    async def leave(self) -> bytes:
        """The envelope by which this node leaves the service."""
        return bytes(await self._ask(Op.LEAVE))

    async def observe(self, issuer: str, keys: tuple[tuple[str, str, str], ...]) -> bytes:
        """The envelope that says which keys (kid, algorithm, JWK) were seen at an issuer."""
        return bytes(await self._ask(Op.OBSERVE, issuer, keys))

    # --- joining, and secrets from peers ---

    async def prepare_join(self, genesis: bytes, identity: Identity) -> bytes:
        """Make the keys of a node that genesis does not know; its sealed state."""
        return bytes(await self._ask(Op.PREPARE_JOIN, genesis, identity))

    async def keys_challenge(self) -> bytes:
        """A nonce for a peer that asks for secrets."""
        return bytes(await self._ask(Op.KEYS_CHALLENGE))

    async def keys_proof(self, nonce: bytes) -> bytes:
        """Evidence over a peer's nonce that names a one-time wrap key."""
        return bytes(await self._ask(Op.KEYS_PROOF, nonce))

    async def keys_give(self, evidence: bytes, nonce: bytes, time_ms: int) -> bytes:
        """Secrets for whoever shows this evidence over my nonce. Raises Refusal when it may have
        none (T29)."""
        return bytes(await self._ask(Op.KEYS_GIVE, evidence, nonce, time_ms))

    async def keys_take(self, wrapped: bytes) -> bytes:
        """Take what a peer gave; the sealed state with it."""
        return bytes(await self._ask(Op.KEYS_TAKE, wrapped))

    # --- from one process to the next ---

    async def unseal_successor(self, sealed: bytes, genesis: bytes) -> bytes:
        """Be the next process of the same boot, which only learns until TAKE_OVER; a nonce for its
        predecessor."""
        return bytes(await self._ask(Op.UNSEAL_SUCCESSOR, sealed, genesis))

    async def hand_over(self, nonce: bytes) -> bytes:
        """Say nothing more: what the successor with this nonce goes on from, sealed to it. Asked
        while paused."""
        return bytes(await self._connection.ask_paused(Op.HAND_OVER, nonce))

    async def take_over(self, handed: bytes) -> bytes:
        """Be the member from now on; the sealed state."""
        return bytes(await self._ask(Op.TAKE_OVER, handed))
