"""Whether a room gets a half: what it must show, in which order (VAULT §4; T55).

1. the request's form, and a challenge of ours that nobody has answered yet
2. the receipt of the lease, against the pin, and what its transaction claimed
3. that the lease is live, at a height that a quorum of heads vouches for over a nonce of ours
4. the room's evidence, over our challenge: this session, chip, room and boot
5. the customer's own policy, and the rate
6. that the HSM is there, with the key of `init`
7. the journal says what is about to be given; its head goes onto the ledger as the release, and
   its receipt shows that a quorum executed it: the lease was live then
8. the half, the journal again, and the answer, sealed to the room

Owns this order. The ledger is asked in ledger.py; the HSM in halves.py. A refusal has a code and a
sentence, and names the customer where its device is the reason.
"""

import time
from collections import deque
from collections.abc import Callable
from hashlib import sha256

from strongroom.consensus.errors import (
    AttestationError,
    ClientFault,
    NotCanonical,
    ReceiptInvalid,
)
from strongroom.consensus.types import TransactionId
from strongroom.enclave.attestation.release_policy import ReleasePolicy
from strongroom.enclave.attestation.room_evidence import VerifiedRoom, judge_room
from strongroom.enclave.outside.half_request import (
    WHOLE,
    HalfRequest,
    LeaseStatement,
    seal_half,
)
from strongroom.enclave.outside.split_key import KeyName
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.custodian.challenges import Challenges
from strongroom.node.custodian.errors import HalfRefused, TokenFault
from strongroom.node.custodian.journal import Journal
from strongroom.node.custodian.sources import Halves, Ledger, Moment, Standing

SPLIT = "split"
LIVE = frozenset({"open", "late"})


class Releaser:
    """Judges requests of rooms, for one customer."""

    def __init__(
        self,
        *,
        customer: str,
        ledger: Ledger,
        halves: Halves,
        journal: Journal,
        policy: ReleasePolicy | None,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Put it together.

        Args:
            customer: whose keys; named when its device is the reason of a refusal.
            ledger: the service.
            halves: the HSM.
            journal: open, and this process's alone.
            policy: the customer's own, beside that of each key; None: none.
            per_minute: halves in a minute, at most.
            clock: seconds that only go forward.
            wall_ms: for the journal.
        """
        self.customer, self._ledger, self._halves = customer, ledger, halves
        self._journal, self._policy = journal, policy
        self._per_minute, self._clock, self._wall_ms = per_minute, clock, wall_ms
        self._challenges = Challenges(clock)
        self._given: deque[float] = deque()

    def challenge(self) -> bytes:
        """A fresh nonce; good for one request within a minute."""
        return self._challenges.fresh()

    async def answer(self, data: bytes) -> bytes:
        """The sealed half for a request's bytes.

        Raises:
            HalfRefused: with a code and a sentence; on record, once the lease is proven.
            OperatorFault: the journal takes nothing more: end the process.
        """
        request = self._request(data)
        statement = await self._lease(request)
        try:
            return await self._judged(request, statement)
        except HalfRefused as refused:
            what = "paused" if refused.code == "custodian-away" else "refused"
            self._write(what, statement, code=refused.code, why=str(refused)[:512])
            raise

    # --- the steps --------------------------------------------------------------------------------

    def _request(self, data: bytes) -> HalfRequest:
        """Step 1. A challenge is used up whatever becomes of the request."""
        try:
            request = HalfRequest.decode(data)
        except NotCanonical as error:
            raise HalfRefused("form", f"not a request for a half: {error}") from None
        self._challenges.use(request.nonce)
        return request

    async def _lease(self, request: HalfRequest) -> LeaseStatement:
        """Step 2."""
        try:
            statement = await self._ledger.lease(
                TransactionId(request.transaction), request.claim, request.blinding
            )
        except (ReceiptInvalid, NotCanonical) as error:
            raise HalfRefused(
                "receipt", f"the lease is not proven against the pin: {error}"
            ) from None
        except ClientFault as error:
            raise HalfRefused("ledger", f"the ledger does not answer: {error}") from None
        if statement.custody != SPLIT:
            raise HalfRefused("lease", f"the key's custody is {statement.custody}: it has no half")
        if request.piece != WHOLE and request.piece >= statement.pieces:
            raise HalfRefused("lease", f"the key has {statement.pieces} pieces")
        return statement

    async def _judged(self, request: HalfRequest, statement: LeaseStatement) -> bytes:
        try:
            moment, standing = await self._live(statement)
            room = await self._room(request, statement, moment, standing)
            self._rate()
            await self._halves.known()
            return await self._given_to(room, request, statement, moment, standing)
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

    async def _live(self, statement: LeaseStatement) -> tuple[Moment, Standing]:
        """Step 3."""
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
        return moment, standing

    async def _room(
        self, request: HalfRequest, statement: LeaseStatement, moment: Moment, standing: Standing
    ) -> VerifiedRoom:
        """Step 4, and the customer's own policy."""
        policy = await self._ledger.policy()
        nonce = request.nonce
        try:
            room = judge_room(
                request.evidence,
                chain=self._ledger.chain,
                roots=policy.roots,
                revoked=policy.revoked,
                time_ms=moment.time_ms,
                digest_of=lambda _height: nonce,  # type: ignore[arg-type,return-value]
            )
        except NotCanonical as error:
            raise HalfRefused("evidence", f"not a room's evidence: {error}") from None
        except AttestationError as error:
            raise HalfRefused("evidence", f"the room's evidence does not hold: {error}") from None
        claims = room.claims
        shown = (sha256(claims.session_key).digest(), sha256(room.chip_id).digest())
        if shown != (statement.session, statement.chip):
            raise HalfRefused(
                "evidence", "another session or chip than the one that holds the lease"
            )
        if (claims.room, claims.boot) != (statement.room, statement.boot):
            raise HalfRefused("evidence", "another room or boot than the one that holds the lease")
        if claims.region != standing.region:
            raise HalfRefused("evidence", "another region than that of the evidence on the ledger")
        if room.simulated and not policy.allow_simulated:
            raise HalfRefused("evidence", "the room's chip is simulated, this service takes none")
        self._own_policy(room, room.operator_among(policy.operators), standing.country)
        return room

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
        while self._given and self._given[0] <= now - 60.0:
            self._given.popleft()
        if len(self._given) >= self._per_minute:
            wait = self._given[0] + 60.0 - now
            raise HalfRefused(
                "rate", f"{self._per_minute} halves were given in a minute: wait {wait:.0f} s"
            )
        self._given.append(now)

    async def _given_to(
        self,
        room: VerifiedRoom,
        request: HalfRequest,
        statement: LeaseStatement,
        moment: Moment,
        standing: Standing,
    ) -> bytes:
        """Steps 7 and 8."""
        asked = self._write(
            "asked",
            statement,
            nonce=request.nonce.hex(),
            seal_key=sha256(room.claims.seal_key).hexdigest(),
            height=int(moment.height),
            piece=request.piece,
        )
        released = await self._ledger.release(statement, asked, standing)
        key = KeyName(
            chain=self._ledger.chain,
            owner=statement.owner,
            name=statement.name,
            version=statement.version,
        )
        half = await self._halves.half(key, None if request.piece == WHOLE else request.piece)
        sealed = seal_half(
            room.claims.seal_key,
            half,
            key=key,
            lease=statement.lease,
            nonce=request.nonce,
            piece=request.piece,
        )
        self._write(
            "given",
            statement,
            nonce=request.nonce.hex(),
            release=released.id.hex(),
            height=int(released.height),
            piece=request.piece,
        )
        return sealed

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
