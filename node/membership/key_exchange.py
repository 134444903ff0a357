"""Carrying secrets from one enclave to another (DESIGN §5, KEYS; T29): four messages, none of which
a host can open.

    asker                      giver
    KeysRequest             →
                            ←  KeysChallenge(nonce of its enclave)
    KeysProof(evidence)     →
                            ←  Keys(wrapped to the one-time key in the evidence)

Carries out what key_asking.py and key_giving.py decide. Who may have what is the enclaves' to
judge.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, assert_never

import structlog

from strongroom.consensus.host_messages import Keys, KeysChallenge, KeysProof, KeysRequest
from strongroom.consensus.messages import encode_message
from strongroom.consensus.types import PublicKey
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.refusals import Refusal
from strongroom.node.faults import Overloaded
from strongroom.node.membership import key_asking as asking
from strongroom.node.membership import key_giving as giving
from strongroom.node.network.links import Links

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
        introduce: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._enclave, self._links, self._spawn = enclave, links, spawn
        self._store_sealed, self._introduce = store_sealed, introduce
        self._asking, self._giving = asking.KeyAsking(), giving.KeyGiving()

    def look(self, linked: tuple[PublicKey, ...], *, needed: bool) -> None:
        """Once a second: ask the next validator, if the enclave lacks what one may have."""
        self._ask_on(asking.Look(linked, needed))

    def receive(self, sender: PublicKey, message: KeysMessage) -> None:
        """A message of either side.

        Raises:
            PeerFault: a proof that answers no challenge.
        """
        match message:
            case KeysRequest():
                self._give_on(giving.RequestCame(sender))
            case KeysProof(evidence):
                self._give_on(giving.ProofCame(sender, evidence))
            case KeysChallenge(nonce):
                self._ask_on(asking.ChallengeCame(sender, nonce))
            case Keys(wrapped):
                self._ask_on(asking.KeysCame(sender, wrapped))

    # --- giving ---

    def _give_on(self, event: giving.GivingEvent) -> None:
        for effect in self._giving.step(event, time.monotonic()):
            match effect:
                case giving.SendChallenge(peer, nonce):
                    self._links.send_to(peer, encode_message(KeysChallenge(nonce)))
                case giving.SendKeys(peer, wrapped):
                    log.info("keys.given", peer=peer.hex()[:16])
                    self._links.send_to(peer, encode_message(Keys(wrapped)))
                case giving.MakeChallenge() | giving.MakeKeys():
                    self._spawn(self._work_for(effect))
                case _:
                    assert_never(effect)

    async def _work_for(self, effect: giving.MakeChallenge | giving.MakeKeys) -> None:
        done: giving.GivingEvent
        try:
            if isinstance(effect, giving.MakeChallenge):
                done = giving.ChallengeMade(effect.peer, await self._enclave.keys_challenge())
            else:
                now_ms = time.time_ns() // 1_000_000
                wrapped = await self._enclave.keys_give(effect.evidence, effect.nonce, now_ms)
                done = giving.KeysMade(effect.peer, wrapped)
        except (Refusal, Overloaded) as refusal:
            log.warning("keys.refused", peer=effect.peer.hex()[:16], reason=str(refusal))
            done = giving.NothingMade(effect.peer)
        self._give_on(done)

    # --- asking ---

    def _ask_on(self, event: asking.AskingEvent) -> None:
        for effect in self._asking.step(event, time.monotonic()):
            match effect:
                case asking.AskForKeys(peer):
                    self._links.send_to(peer, encode_message(KeysRequest()))
                case asking.SendProof(peer, evidence):
                    self._links.send_to(peer, encode_message(KeysProof(evidence)))
                case asking.BeIntroduced():
                    self._spawn(self._introduce())
                case asking.MakeProof() | asking.TakeKeys() | asking.StoreSealed():
                    self._spawn(self._work_on(effect))
                case _:
                    assert_never(effect)

    async def _work_on(
        self, effect: asking.MakeProof | asking.TakeKeys | asking.StoreSealed
    ) -> None:
        done: asking.AskingEvent
        try:
            match effect:
                case asking.MakeProof(nonce):
                    done = asking.ProofMade(await self._enclave.keys_proof(nonce))
                case asking.TakeKeys(wrapped):
                    done = asking.KeysTaken(await self._enclave.keys_take(wrapped))
                case asking.StoreSealed(sealed):
                    await self._store_sealed(sealed)
                    log.info("keys.taken")
                    done = asking.SealedStored()
        except (Refusal, Overloaded) as refusal:
            log.warning("keys.not_taken", reason=str(refusal))
            done = asking.Refused()
        self._ask_on(done)
