"""What a host asks of its enclave so that epochs can follow each other (DESIGN §5; PROTOCOL R16).

Typed calls alone: proofs of epochs, what is to be said on the ledger, secrets from peers, and the
change from one process to the next. Everything that passes is public, sealed or wrapped.
"""

from dataclasses import dataclass
from enum import StrEnum

from strongroom.consensus import codec
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.types import Digest, Epoch, Height
from strongroom.enclave.door.requests import Op
from strongroom.enclave.keys.identity import Identity
from strongroom.node.enclave_client.process import EnclaveConnection, EnclaveGone

ENVELOPES_MAX = 64
"""Envelopes of one answer to DUTIES."""


class Need(StrEnum):
    """What an enclave cannot do without its host."""

    NOTHING = ""
    KEYS = "keys"
    """Secrets that a peer has."""
    ATTEST = "attest"
    """Evidence of this boot on the ledger."""
    SUCCESSOR = "successor"
    """Something is due to be erased from its process' memory."""
    SUPERSEDED = "superseded"
    """A newer boot of this node is registered: this one must stop (T25)."""


@dataclass(frozen=True, slots=True)
class Duties:
    """What an enclave wants said and done now."""

    sealed: bytes
    """To be stored before anything is submitted; empty: nothing new."""
    envelopes: tuple[bytes, ...]
    deadline_ms: int
    """Block time at which the state would do something by itself; 0: none."""
    need: Need


class EpochCalls(EnclaveConnection):
    """The calls that belong to no single block."""

    # --- epochs ---

    async def epochs(self, entries: tuple[EpochEntry, ...]) -> Epoch:
        """Show what opened epochs; the newest one that it knows."""
        answer = await self._ask(Op.EPOCHS, tuple(entry.to_wire() for entry in entries))
        return Epoch(codec.unsigned(answer, name="epoch"))

    async def attest(self, height: Height, block: Digest, rpc: str, peer: str) -> bytes:
        """The envelope that admits this node, or renews its admission, over a recent block's digest
        (T20)."""
        return await self._ask_bytes(Op.ATTEST, height, block, rpc, peer)

    async def duties(self, wall_ms: int) -> Duties:
        """What it wants said on the ledger now."""
        sealed, listed, deadline_ms, need = codec.fields(
            await self._ask(Op.DUTIES, wall_ms), bytes, tuple, int, str, name="duties"
        )
        envelopes = codec.listed(listed, name="envelopes", count_max=ENVELOPES_MAX)
        if any(type(envelope) is not bytes for envelope in envelopes) or need not in set(Need):
            raise EnclaveGone("DUTIES: the enclave's answer cannot be read")
        return Duties(sealed, tuple(envelopes), deadline_ms, Need(need))

    async def governance(self) -> tuple[object, ...]:
        """The public state of governance, as `Governance.document` describes it."""
        answer = await self._ask(Op.GOVERNANCE)
        if type(answer) is not tuple:
            raise EnclaveGone("GOVERNANCE: the enclave's answer is no document")
        return answer

    async def refresh(self) -> bytes:
        """The envelope by which an observer asks for a new vote key (PROTOCOL §6)."""
        return await self._ask_bytes(Op.REFRESH)

    async def leave(self) -> bytes:
        """The envelope by which this node leaves the service."""
        return await self._ask_bytes(Op.LEAVE)

    # --- joining, and secrets from peers ---

    async def prepare_join(self, genesis: bytes, identity: Identity) -> bytes:
        """Make the keys of a node that genesis does not know; its sealed state."""
        return await self._ask_bytes(Op.PREPARE_JOIN, genesis, identity.to_wire())

    async def keys_challenge(self) -> bytes:
        """A nonce for a peer that asks for secrets."""
        return await self._ask_bytes(Op.KEYS_CHALLENGE)

    async def keys_proof(self, nonce: bytes) -> bytes:
        """Evidence over a peer's nonce that names a one-time wrap key."""
        return await self._ask_bytes(Op.KEYS_PROOF, nonce)

    async def keys_give(self, evidence: bytes, nonce: bytes, time_ms: int) -> bytes:
        """Secrets for whoever shows this evidence over my nonce. Raises Refusal when it may have
        none (T29)."""
        return await self._ask_bytes(Op.KEYS_GIVE, evidence, nonce, time_ms)

    async def keys_take(self, wrapped: bytes) -> bytes:
        """Take what a peer gave; the sealed state with it."""
        return await self._ask_bytes(Op.KEYS_TAKE, wrapped)

    # --- from one process to the next ---

    async def unseal_successor(self, sealed: bytes, genesis: bytes) -> bytes:
        """Be the next process of the same boot, which only learns until TAKE_OVER; a nonce for its
        predecessor."""
        return await self._ask_bytes(Op.UNSEAL_SUCCESSOR, sealed, genesis)

    async def hand_over(self, nonce: bytes) -> bytes:
        """Say nothing more: what the successor with this nonce goes on from, sealed to it. Asked
        while paused."""
        answer = await self._ask_paused(Op.HAND_OVER, nonce)
        if type(answer) is not bytes:
            raise EnclaveGone("HAND_OVER: the enclave's answer is no byte string")
        return answer

    async def take_over(self, handed: bytes) -> bytes:
        """Be the member from now on; the sealed state."""
        return await self._ask_bytes(Op.TAKE_OVER, handed)
