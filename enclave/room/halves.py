"""Keys that the ledger alone does not open: a room asks their custodian too (VAULT §2, §4; T55).

Owns what a room shows a custodian and makes of its answer. Its host carries the bytes, and finds
out from the ledger where they go; what comes back opens for this lease, key and challenge or not at
all. Custody `hsm` is in handed_over.py; opening.py says what holds a key of which custody.

    split   K = AES-KWP under HKDF(L ‖ C). L comes with the lease, C from the customer's HSM. Of a
            key in pieces, piece i opens with C_i too, which the custodian gives while the lease is
            live: who kept K, L and C opens no further piece after a revocation.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import DIGEST_SIZE, Digest, Height
from strongroom.enclave.formats.vault_claims import LeaseStatement
from strongroom.enclave.outside.half_request import (
    WHOLE,
    HalfRequest,
    open_half,
)
from strongroom.enclave.outside.split_key import KeyName, piece_under_half, unwrap, wrap
from strongroom.enclave.primitives import DoesNotOpen, Secret
from strongroom.enclave.room.boots import Boot
from strongroom.enclave.room.host import Host, HostFailed
from strongroom.enclave.room.leases import HeldKey, LeaseEnded, LeaseKeeper
from strongroom.enclave.room.ledger import Executed, Refused
from strongroom.enclave.room.turns import Lock, Turns
from strongroom.enclave.text import is_line

AWAY = "custodian-away"
NOT_A_HALF = "half"
"""What came is no half of this key, or not for this lease and challenge."""
ANSWER_SECONDS = 25.0
"""For one question to a custodian; its own device may take 5 s twice, its host 20 in all."""
AGAIN_SECONDS: Final[Mapping[str, float]] = {AWAY: 10.0, "busy": 10.0, "ledger": 10.0, "rate": 90.0}
"""For so long a half is asked for again that is refused for now."""
FOR_GOOD = frozenset(
    {"form", "chain", "receipt", "lease", "not-live", "evidence", "policy", "not-ours"}
)
PAUSE_SECONDS = 0.5


class Custodian:
    """One lease's way to the custodian of its key."""

    def __init__(
        self, keeper: LeaseKeeper, asked: Executed, *, boot: Boot, host: Host, turns: Turns
    ) -> None:
        told = asked.value
        self.keeper, self.asked = keeper, asked
        self.boot, self._host, self._turns = boot, host, turns
        self._identity: bytes = told["custodian"]
        self.customer = str(told["customer"]) or f"id:{self._identity.hex()}"
        """Whose custodian it is, as it says on the ledger."""
        key = keeper.key
        self.key = KeyName(
            chain=boot.place.chain, owner=key.owner, name=key.name, version=key.version
        )
        self.lease = LeaseStatement(
            owner=key.owner,
            name=key.name,
            version=key.version,
            lease=keeper.id,
            session=bytes(boot.identity.id),
            chip=bytes(boot.chip_digest),
            room=boot.place.room,
            boot=boot.number,
            until_ms=told["until_ms"],
            pieces=keeper.pieces,
            custody=keeper.custody,
        )

    def shown(self, nonce: bytes, piece: int) -> HalfRequest:
        """What the room shows over a challenge."""
        return HalfRequest(
            nonce=nonce,
            transaction=self.asked.id,
            claim=self.lease.encode(),
            blinding=self.asked.blinding,
            evidence=self.boot.evidence(Height(0), Digest(nonce)),
            piece=piece,
        )

    async def half(self, piece: int = WHOLE) -> Secret:
        """C, of the whole key or of one piece.

        Raises:
            Refused: ``custodian-away`` and others of its codes, with the customer's name; ``half``:
                what came does not open.
            LeaseEnded: the lease is over, whatever comes now.
        """

        def request(nonce: bytes) -> bytes:
            return self.shown(nonce, piece).encode()

        def opened(sealed: bytes, nonce: bytes) -> Secret:
            return open_half(
                self.boot.seal_key,
                sealed,
                key=self.key,
                lease=self.lease.lease,
                nonce=nonce,
                piece=piece,
            )

        return await self.ask("custodian_half", request, opened)

    async def ask(
        self,
        method: str,
        request: Callable[[bytes], bytes],
        opened: Callable[[bytes, bytes], Secret],
    ) -> Secret:
        """Ask until it gives, refuses for good, or was away for too long.

        Args:
            method: what the host carries.
            request: its bytes, for a challenge.
            opened: the secret in an answer to that challenge; raises DoesNotOpen, ValueError.

        Raises:
            Refused, LeaseEnded: as `half`.
        """
        began = self._turns.now()
        while True:
            try:
                return await self._once(method, request, opened)
            except Refused as refused:
                if self._turns.now() - began >= AGAIN_SECONDS.get(refused.code, 0.0):
                    raise
            await self._turns.pause(PAUSE_SECONDS)

    async def for_piece(self, index: int, get: Callable[[int], Awaitable[Secret]]) -> Secret:
        """What opens one piece, once the ledger has counted it.

        Args:
            index: of the next one.
            get: asks the custodian for it.

        Raises:
            Refused: ``custodian-away``, ``busy``, ``ledger`` or ``rate``: the lease goes on.
            LeaseEnded: it is over.
        """
        if index:  # the ask gave the first one
            await self.keeper.beat(piece=index)
        try:
            return await get(index)
        except Refused as refused:
            if refused.code in AGAIN_SECONDS:
                raise
            with suppress(ClientFault):  # nobody answers: it lapses by itself
                await self.keeper.end(give_back=False)
            raise LeaseEnded(refused.code, refused.message) from None

    async def _once(
        self,
        method: str,
        request: Callable[[bytes], bytes],
        opened: Callable[[bytes, bytes], Secret],
    ) -> Secret:
        nonce = await self._carried("custodian_challenge")
        if len(nonce) != DIGEST_SIZE:
            raise self.refused(NOT_A_HALF, "what came is no challenge")
        sealed = await self._carried(method, request=request(nonce))
        try:
            secret = opened(sealed, nonce)
        except (DoesNotOpen, ValueError):
            raise self.refused(
                NOT_A_HALF, "what came opens not for this key, lease and challenge"
            ) from None
        self.keeper.check()  # what comes late is of no use any more
        return secret

    async def _carried(self, method: str, **params: bytes) -> bytes:
        """What the host brings back."""
        self.keeper.check()
        try:
            waiting = self._host.begin(method, custodian=self._identity, **params)
            self._turns.expire(waiting, self._turns.now() + ANSWER_SECONDS)
            answer = await waiting
        except HostFailed as fault:
            code = fault.reason if fault.reason in FOR_GOOD | AGAIN_SECONDS.keys() else AWAY
            raise self.refused(code, str(fault)) from None
        if answer is None:
            raise self.refused(AWAY, f"no answer in {ANSWER_SECONDS:g} s")
        if type(answer) is not bytes:
            raise self.refused(AWAY, "what came back is no answer")
        return answer

    def refused(self, code: str, why: str) -> Refused:
        """In words that name the customer."""
        said = why if is_line(why) else "it said what nobody can read"
        whose = "" if self.customer in said else f"the custodian of {self.customer}: "
        next_step = "; ask again when it is back" if code == AWAY else ""
        return Refused(code, f"{whose}{said}{next_step}")


class KeptKeys(ABC):
    """What opens one lease's key where the ledger alone does not: the only copies that the room
    keeps."""

    def __init__(self, custodian: Custodian) -> None:
        self._custodian, self._keeper = custodian, custodian.keeper
        self._whole: HeldKey | None = None
        self._given: list[HeldKey] = []
        """Of pieces, in their order."""
        self._one = Lock()

    @abstractmethod
    async def open(self) -> None:
        """Get what opens it.

        Raises:
            Refused: the custodian does not give it, or it is another's.
            LeaseEnded: the lease is over meanwhile.
        """

    async def piece_key(self, index: int) -> Secret:
        """Key of one piece; the ledger counts it before the custodian gives what opens it.

        Raises:
            Refused: ``custodian-away``, ``busy``, ``ledger`` or ``rate``: the lease goes on.
            LeaseEnded: it is over.
        """
        pieces = self._keeper.pieces
        if not pieces:
            return self._keeper.key.piece_key(self.whole(), index)
        if not 0 <= index < pieces:
            raise ClientFault(f"this lease gives {pieces} pieces, and no piece {index}")
        async with self._one:
            while index >= len(self._given):
                following = len(self._given)
                given = await self._custodian.for_piece(following, self._piece)
                self._given.append(HeldKey(given.reveal()))
        self._keeper.check()
        return self._given[index].secret()

    def whole(self) -> Secret:
        """K, a view that goes blank with the lease.

        Raises:
            LeaseEnded: it is not open.
        """
        if self._whole is None:
            raise LeaseEnded("lapsed", "the key is not open")
        return self._whole.secret()

    def wipe(self) -> None:
        """Zeros, in place."""
        for held in (self._whole, *self._given):
            if held is not None:
                held.wipe()
        self._whole = None
        self._given.clear()

    @abstractmethod
    async def _piece(self, index: int) -> Secret:
        """Key of one piece that the ledger has counted, by what the custodian gives for it."""


class SplitKey(KeptKeys):
    """A split key in one lease: L, K and pieces."""

    def __init__(self, custodian: Custodian) -> None:
        super().__init__(custodian)
        told = custodian.asked.value
        self._wrapped: bytes = told["wrapped"]
        self._ledger: HeldKey | None = HeldKey(told["half"])

    async def open(self) -> None:
        """Both halves, and K from them."""
        customer = await self._custodian.half()
        self._whole = HeldKey(self._unwrapped(customer).reveal())
        self._half_of_ledger().wipe()

    async def rewrap(self, data_key: Secret) -> bytes:
        """Another key wrapped under both halves, once they are seen to be this key's: whoever gives
        it to the ledger learns neither.

        Raises:
            Refused, LeaseEnded: as `open`.
        """
        customer = await self._custodian.half()
        self._unwrapped(customer)
        ledger = self._half_of_ledger().secret()
        return wrap(data_key, self._custodian.key, ledger=ledger, customer=customer)

    def wipe(self) -> None:
        """Zeros, in place."""
        super().wipe()
        if self._ledger is not None:
            self._ledger.wipe()
        self._ledger = None

    def _half_of_ledger(self) -> HeldKey:
        if self._ledger is None:
            raise LeaseEnded("lapsed", "the lease was over before its key was open")
        return self._ledger

    def _unwrapped(self, customer: Secret) -> Secret:
        """K."""
        ledger = self._half_of_ledger().secret()
        try:
            return unwrap(self._wrapped, self._custodian.key, ledger=ledger, customer=customer)
        except DoesNotOpen as fault:
            raise self._custodian.refused(NOT_A_HALF, str(fault)) from None

    async def _piece(self, index: int) -> Secret:
        customer = await self._custodian.half(index)
        own = self._keeper.key.piece_key(self.whole(), index)
        return piece_under_half(own, self._custodian.key, index, customer)

    def __repr__(self) -> str:
        return "SplitKey(…)"
