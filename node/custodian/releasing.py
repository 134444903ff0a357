"""Whether a room gets a half, or a key: what it must show, in which order (VAULT §4; T55).

1. the request's form, and a challenge of ours that nobody has answered yet
2. the receipt of the lease, against the pin, and what its transaction claimed
3. that the lease is live, at a height that a quorum of heads vouches for over a nonce of ours
4. the room's evidence, over our challenge: this session, chip, room and boot; now the challenge
   is used up
5. the customer's own policy, and the rate
6. that the HSM is there, with the key of `init`, or that of this version
7. the journal says what is about to be given; its head goes onto the ledger as the release, and
   its receipt shows that a quorum executed it: the lease was live then
8. the half or the key, while the word of step 3 still counts; the journal again, and the answer,
   sealed to the room

Owns this order. The ledger is asked in ledger.py; what is given, and how the HSM is asked for it,
is in answers.py. A refusal has a code and a sentence, and names the customer where its device is
the reason.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection
from hashlib import sha256

from strongroom.consensus.errors import (
    AttestationError,
    ClientFault,
    NotCanonical,
    ReceiptInvalid,
)
from strongroom.consensus.types import TransactionId
from strongroom.enclave.attestation.release_policy import ReleasePolicy
from strongroom.enclave.attestation.room_evidence import VerifiedRoom
from strongroom.enclave.formats.vault_claims import LeaseStatement
from strongroom.enclave.outside.split_key import KeyName
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.custodian.answers import HSM, SPLIT, Asked, HalfAsked, KeyAsked
from strongroom.node.custodian.challenges import Challenges
from strongroom.node.custodian.errors import HalfRefused, TokenFault
from strongroom.node.custodian.journal import Journal
from strongroom.node.custodian.places import (
    PROVEN_MAX,
    PROVEN_OF_ADDRESS_MAX,
    UNPROVEN_MAX,
    UNPROVEN_OF_ADDRESS_MAX,
    Places,
)
from strongroom.node.custodian.room_shown import holder_of
from strongroom.node.custodian.sources import Halves, HandedOver, Ledger, Moment, Standing

LIVE = frozenset({"open", "late"})
GIVE_SECONDS = 30.0
"""From the quorum's word that a lease is live to the answer: a custodian that was stopped meanwhile
(SIGSTOP, a machine that slept) gives nothing on that word."""
PROVE_SECONDS = 15.0
"""For the receipt of a lease to come; a transaction that nobody knows takes no longer."""
REFUSED_A_MINUTE = 120
"""Refusals that are written into the journal; the rest are counted."""


def seconds_also_asleep() -> float:
    """A clock that only goes forward, and counts the time in which the machine slept (Linux)."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Releaser:
    """Judges requests of rooms, for one customer."""

    def __init__(
        self,
        *,
        customer: str,
        ledger: Ledger,
        halves: Halves,
        keys: HandedOver,
        journal: Journal,
        policy: ReleasePolicy | None,
        per_minute: int,
        owners: Collection[bytes] = (),
        clock: Callable[[], float] = seconds_also_asleep,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Put it together.

        Args:
            customer: whose keys; named when its device is the reason of a refusal.
            ledger: the service.
            halves: of custody `split`, in the HSM.
            keys: of custody `hsm`, in the HSM.
            journal: open, and this process's alone.
            policy: the customer's own, beside that of each key; None: none.
            per_minute: halves and keys in a minute, at most.
            owners: whose keys are served; nobody named: everybody's. Whoever makes a key may name
                this custodian in it, and share its rate and its HSM.
            clock: seconds that only go forward.
            wall_ms: for the journal.
        """
        self.customer, self._ledger = customer, ledger
        self._halves, self._keys = halves, keys
        self._journal, self._policy = journal, policy
        self._owners = frozenset(owners)
        self._per_minute, self._clock, self._wall_ms = per_minute, clock, wall_ms
        self._challenges = Challenges(clock)
        self._unproven = Places(UNPROVEN_MAX, UNPROVEN_OF_ADDRESS_MAX)
        self._proven = Places(PROVEN_MAX, PROVEN_OF_ADDRESS_MAX)
        self._given, self._refused = deque[float](), deque[float]()
        """When halves and keys were given, and refusals written, in the newest minute."""
        self._unwritten = 0
        """Refusals since the newest that was."""

    def challenge(self) -> bytes:
        """A fresh nonce; good for one request within a minute."""
        return self._challenges.fresh()

    async def answer(self, data: bytes, *, custody: str = SPLIT, address: str = "") -> bytes:
        """The sealed half, or key, for a request's bytes.

        Args:
            data: a `HalfRequest` (split) or a `TokenKeyRequest` (hsm).
            custody: which of them.
            address: who sent it.

        Raises:
            HalfRefused: with a code and a sentence; on record, once the lease is proven, as far as
                REFUSED_A_MINUTE goes.
            OperatorFault: the journal takes nothing more: end the process.
        """
        asked: Asked
        try:
            asked = KeyAsked(data, self._keys) if custody == HSM else HalfAsked(data, self._halves)
        except NotCanonical as error:
            raise HalfRefused("form", f"not a request for a half or key: {error}") from None
        with self._challenges.under_way(asked.shown.nonce):
            with self._unproven.one(address):
                statement = await self._lease(asked)
            with self._proven.one(address):
                return await self._answered(asked, statement)

    # --- the steps --------------------------------------------------------------------------------

    async def _lease(self, asked: Asked) -> LeaseStatement:
        """Step 2."""
        shown = asked.shown
        try:
            async with asyncio.timeout(PROVE_SECONDS):
                statement = await self._ledger.lease(
                    TransactionId(shown.transaction), shown.claim, shown.blinding
                )
        except TimeoutError:
            raise HalfRefused("ledger", "the ledger shows no receipt of the lease yet") from None
        except (ReceiptInvalid, NotCanonical) as error:
            raise HalfRefused(
                "receipt", f"the lease is not proven against the pin: {error}"
            ) from None
        except ClientFault as error:
            raise HalfRefused("ledger", f"the ledger does not answer: {error}") from None
        if self._owners and statement.owner not in self._owners:
            raise HalfRefused(
                "policy",
                f"{self.customer}'s custodian serves no keys of id:{statement.owner.hex()}: its "
                "`owners` name whose",
            )
        if statement.custody != asked.custody:
            raise HalfRefused(
                "lease",
                f"the key's custody is {statement.custody}, and this asks for one of "
                f"{asked.custody}",
            )
        asked.check_piece(statement.pieces)
        return statement

    async def _answered(self, asked: Asked, statement: LeaseStatement) -> bytes:
        """The steps from 3 on; what is refused in them is on record, or counted there."""
        try:
            return await self._judged(asked, statement)
        except HalfRefused as refused:
            self._write_refusal(statement, refused)
            raise

    async def _judged(self, asked: Asked, statement: LeaseStatement) -> bytes:
        key = KeyName(
            chain=self._ledger.chain,
            owner=statement.owner,
            name=statement.name,
            version=statement.version,
        )
        try:
            moment, standing, until = await self._live(statement)
            policy = await self._ledger.policy()
            room = holder_of(statement, asked.shown, moment, standing, policy, key.chain)
            asked.check_room(room, key.chain)
            self._challenges.answer(asked.shown.nonce)
            self._own_policy(room, room.operator_among(policy.operators), standing.country)
            self._rate()
            await asked.known(key)
            return await self._given_to(room, asked, key, statement, moment, standing, until)
        except HalfRefused:
            raise
        except TokenFault as fault:
            raise HalfRefused(
                "custodian-away",
                f"{fault}. Only {self.customer}'s keys pause; ask again when its HSM is back",
            ) from None
        except (ReceiptInvalid, NotCanonical, AttestationError) as error:
            raise HalfRefused("ledger", f"what the ledger shows does not verify: {error}") from None
        except ProgramFailed as error:
            raise HalfRefused("not-live", f"the ledger refuses ({error.code}): {error}") from None
        except ClientFault as error:
            raise HalfRefused("ledger", f"the ledger does not answer: {error}") from None

    async def _live(self, statement: LeaseStatement) -> tuple[Moment, Standing, float]:
        """Step 3; and until when, by our clock, something may be given on that word."""
        began = self._clock()
        moment = await self._ledger.newest()
        standing = await self._ledger.standing(statement.lease, moment)
        if standing.state not in LIVE or standing.until_ms < moment.time_ms:
            raise HalfRefused(
                "not-live",
                f"the lease is {standing.state if standing.state not in LIVE else 'lapsed'} "
                f"(until {standing.until_ms} ms, it is {moment.time_ms} ms): ask for the key anew",
            )
        if standing.session != statement.session:
            raise HalfRefused("lease", "the lease is another session's than its receipt says")
        left = (standing.until_ms - moment.time_ms) / 1000
        return moment, standing, began + min(left, GIVE_SECONDS)

    def _own_policy(self, room: VerifiedRoom, operator: str, country: str) -> None:
        """Step 5: evidence that answers our own challenge has no age."""
        if self._policy is None:
            return
        claims = room.release_claims(age_ms=0, operator=operator, country=country)
        failed = self._policy.first_failure(claims)
        if failed is not None:
            raise HalfRefused("policy", f"{self.customer}'s own policy does not hold: {failed}")

    def _rate(self) -> None:
        now = self._clock()
        if _in_minute(self._given, now) >= self._per_minute:
            wait = self._given[0] + 60.0 - now
            raise HalfRefused(
                "rate",
                f"{self._per_minute} halves and keys were given in a minute: wait {wait:.0f} s",
            )
        self._given.append(now)

    async def _given_to(
        self,
        room: VerifiedRoom,
        asked: Asked,
        key: KeyName,
        statement: LeaseStatement,
        moment: Moment,
        standing: Standing,
        until: float,
    ) -> bytes:
        """Steps 7 and 8."""
        facts: dict[str, str | int] = {
            "nonce": asked.shown.nonce.hex(),
            "custody": asked.custody,
            "piece": asked.shown.piece,
        }
        written = self._write(
            "asked",
            statement,
            **facts,
            seal_key=sha256(room.claims.seal_key).hexdigest(),
            height=int(moment.height),
        )
        released = await self._ledger.release(statement, written, standing)
        sealed = await asked.make(key, statement.lease, room)
        if self._clock() > until:
            raise HalfRefused(
                "not-live",
                "it took longer than the lease was known to be live (was the custodian stopped?): "
                "ask again",
            )
        self._write(
            "given",
            statement,
            **facts,
            release=released.id.hex(),
            height=int(released.height),
        )
        return sealed

    def _write_refusal(self, statement: LeaseStatement, refused: HalfRefused) -> None:
        """An entry, while there were not too many: who has a lease once shown may show it again as
        often as he likes, and the disk is the custodian's. The next entry says how many have none.
        """
        now = self._clock()
        if _in_minute(self._refused, now) >= REFUSED_A_MINUTE:
            self._unwritten += 1
            return
        self._refused.append(now)
        facts: dict[str, str | int] = {"code": refused.code, "why": str(refused)[:512]}
        if self._unwritten:
            facts["unwritten"], self._unwritten = self._unwritten, 0
        what = "paused" if refused.code == "custodian-away" else "refused"
        self._write(what, statement, **facts)

    def _write(self, what: str, statement: LeaseStatement, **facts: str | int) -> bytes:
        """An entry, durable when this returns; its digest."""
        entry = self._journal.append(
            what,
            time_ms=self._wall_ms(),
            owner=statement.owner.hex(),
            key=f"{statement.name}@{statement.version}",
            lease=statement.lease.hex(),
            room=statement.room,
            boot=statement.boot,
            session=statement.session.hex(),
            **facts,
        )
        return bytes(entry.digest)


def _in_minute(moments: deque[float], now: float) -> int:
    """How many of these are in the newest minute; older ones are dropped."""
    while moments and moments[0] <= now - 60.0:
        moments.popleft()
    return len(moments)
