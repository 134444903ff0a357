"""Carrying secrets from one enclave to another (DESIGN §5, KEYS; T29): four messages, none of which
a host can open.

    asker                      giver
    KeysRequest             →
                            ←  KeysChallenge(nonce of its enclave)
    KeysProof(evidence)     →
                            ←  Keys(wrapped to the one-time key in the evidence)

Owns who is asked, one after the other, and how often anybody is answered. Who may have what is the
enclaves' to judge.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.host_messages import Keys, KeysChallenge, KeysProof, KeysRequest
from strongroom.consensus.messages import encode_message
from strongroom.consensus.types import PublicKey
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.refusals import Refusal
from strongroom.node.faults import Overloaded
from strongroom.node.network.links import LINKS_MAX, Links
from strongroom.node.network.pace import Pace

ANSWER_SECONDS = 2.0
"""So long a giver has for each step; then the next one is asked."""
GIVE_SECONDS = 0.5
"""Between two exchanges that one node may begin."""

KeysMessage = KeysRequest | KeysChallenge | KeysProof | Keys

log = structlog.get_logger()


class KeysExchange:
    """Both sides of KEYS in one host."""

    def __init__(
        self,
        *,
        enclave: EnclaveClient,
        links: Links,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        store_sealed: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self._enclave, self._links, self._spawn, self._store_sealed = (
            enclave,
            links,
            spawn,
            store_sealed,
        )
        self._pace = Pace()
        self._nonces: dict[PublicKey, bytes] = {}
        """What the next proof of each asker must answer."""
        self._asked: PublicKey | None = None
        self._answer: asyncio.Queue[KeysChallenge | Keys] = asyncio.Queue(maxsize=1)

    def take(self, sender: PublicKey, message: KeysMessage) -> None:
        """A message of either side.

        Raises:
            PeerFault: a proof that answers no challenge.
        """
        match message:
            case KeysRequest():
                now = asyncio.get_running_loop().time()
                if self._pace.allows(sender, now):
                    self._pace.wait(sender, now + GIVE_SECONDS)
                    self._spawn(self._challenge(sender))
            case KeysProof(evidence):
                nonce = self._nonces.pop(sender, None)
                if nonce is None:
                    raise PeerFault("keys: a proof that answers no challenge")
                self._spawn(self._give(sender, evidence, nonce))
            case KeysChallenge() | Keys():
                if sender == self._asked and not self._answer.full():
                    self._answer.put_nowait(message)

    # --- giving ---

    async def _challenge(self, asker: PublicKey) -> None:
        try:
            nonce = await self._enclave.keys_challenge()
        except (Refusal, Overloaded):
            return
        if len(self._nonces) >= LINKS_MAX:
            self._nonces.clear()
        self._nonces[asker] = nonce
        self._links.send_to(asker, encode_message(KeysChallenge(nonce)))

    async def _give(self, asker: PublicKey, evidence: bytes, nonce: bytes) -> None:
        try:
            wrapped = await self._enclave.keys_give(evidence, nonce, time.time_ns() // 1_000_000)
        except (Refusal, Overloaded) as refusal:
            log.warning("keys.refused", peer=asker.hex()[:16], reason=str(refusal))
            return
        log.info("keys.given", peer=asker.hex()[:16])
        self._links.send_to(asker, encode_message(Keys(wrapped)))

    # --- asking ---

    async def ask(self, giver: PublicKey) -> bool:
        """Ask one linked node for secrets and keep what it gives; whether it gave any."""
        self._asked = giver
        while not self._answer.empty():
            self._answer.get_nowait()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                self._links.send_to(giver, encode_message(KeysRequest()))
                challenge = await self._answer.get()
                if not isinstance(challenge, KeysChallenge):
                    return False
                proof = await self._enclave.keys_proof(challenge.nonce)
                self._links.send_to(giver, encode_message(KeysProof(proof)))
                given = await self._answer.get()
            if not isinstance(given, Keys):
                return False
            await self._store_sealed(await self._enclave.keys_take(given.wrapped))
        except TimeoutError:
            return False
        except Refusal as refusal:
            log.warning("keys.not_taken", peer=giver.hex()[:16], reason=str(refusal))
            return False
        finally:
            self._asked = None
        log.info("keys.taken", peer=giver.hex()[:16])
        return True
