"""The service as a custodian asks it: through a client, everything checked against the pin.

Owns what makes each answer worth something. A lease and a release are believed by receipts, which a
quorum certified; what is newest by heads over a nonce of ours; roots are those of genesis. Only how
a lease stands comes from one enclave, sealed to us, at a height that we demand; the receipt of the
release, which is refused unless the lease is live, says the same by a quorum before anything is
given.
"""

from collections.abc import Callable
from dataclasses import replace

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochUnknown
from strongroom.consensus.errors import NotCanonical, ReceiptInvalid
from strongroom.consensus.types import NONCE_SIZE, ChainId, Milliseconds, TransactionId
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.formats.vault_claims import LeaseStatement, release_claim
from strongroom.enclave.outside.epochs_shown import follow_epochs
from strongroom.enclave.outside.receipts import (
    Receipt,
    VerifiedReceipt,
    verify_claim,
    verify_receipt,
)
from strongroom.enclave.outside.trust import check_fresh, widened
from strongroom.enclave.primitives import random_bytes
from strongroom.enclave.proofs.genesis import epoch_chain
from strongroom.node.client.client import Client
from strongroom.node.client.errors import NotTrusted
from strongroom.node.custodian.sources import Moment, Released, Standing

EPOCH_TURNS_MAX = 3
"""Times that an epoch may end while heads are gathered."""
ID_PREFIX = "id:"


class ServiceLedger:
    """One service, asked as the custodian's identity."""

    def __init__(
        self, client: Client, *, fresh_nonce: Callable[[int], bytes] = random_bytes
    ) -> None:
        """Ask through a client that was entered.

        Args:
            client: of the custodian's identity.
            fresh_nonce: makes so many random bytes.
        """
        self._client, self._fresh_nonce = client, fresh_nonce
        self._epochs: EpochChain = epoch_chain(client.epoch.genesis)

    @property
    def chain(self) -> ChainId:
        """SHA-256 of genesis: the pin's."""
        return self._client.service.chain

    async def lease(self, id: TransactionId, claim: bytes, blinding: bytes) -> LeaseStatement:
        """What an executed `vault.ask` claimed.

        Raises:
            ReceiptInvalid: its receipt is another chain's, was not executed, or claimed otherwise.
            NotFound, Unreachable: there is none.
        """
        verified = self._verified(await self._client.receipt(id), id)
        verify_claim(verified, claim, blinding)
        return LeaseStatement.decode(claim)

    async def newest(self) -> Moment:
        """What a quorum vouches for, over a fresh nonce.

        Raises:
            NoQuorum: too few heads are good.
            NotTrusted: what is shown are no heads, or epochs that do not follow.
        """
        for _ in range(EPOCH_TURNS_MAX):
            nonce = self._fresh_nonce(NONCE_SIZE)
            shown = await self._client.request("service_heads", nonce=nonce)
            try:
                fresh = check_fresh(shown, self._epochs, nonce=nonce)
            except EpochUnknown:
                await follow_epochs(self._client.request, self._epochs)
                continue
            return Moment(height=fresh.height, time_ms=Milliseconds(fresh.header.time_ms))
        raise NotTrusted("heads", "epochs end faster than heads are gathered: ask again")

    async def standing(self, lease: bytes, moment: Moment) -> Standing:
        """How a lease stands, at this height or above.

        Raises:
            ProgramFailed: there is no such lease, or not for this custodian.
        """
        shown = await self._client.query("vault.lease", lease=lease, at_least=moment.height)
        try:
            value = shown.value
            state, until_ms, session = value["state"], value["until_ms"], value["session"]
            region, country = value["region"], value["country"]
            if {str} != {*map(type, (state, region, country))} or type(until_ms) is not int:
                raise TypeError
            identity = bytes.fromhex(session.removeprefix(ID_PREFIX))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise NotCanonical("vault.lease: not the form of a lease") from None
        return Standing(
            state=state, until_ms=until_ms, session=identity, region=region, country=country
        )

    async def policy(self) -> Policy:
        """That of genesis, and what was revoked since by the word of a node, which can only narrow.

        An operator who was allowed later counts as ungoverned here: the node that names him could
        name anybody.
        """
        genesis = self._client.epoch.genesis.constitution.policy
        now = widened(genesis, await self._client.request("service_policy"))
        return replace(genesis, revoked=now.revoked)

    async def release(
        self, statement: LeaseStatement, digest: bytes, standing: Standing
    ) -> Released:
        """Have it recorded that a half goes to this lease, and verify that it is.

        The digest is that of a journal's entry which holds a random challenge, so that no earlier
        receipt can stand for this one. The country by which the customer's own policy was judged
        stands in the claim too: one enclave told it, a quorum says the same.

        Raises:
            ProgramFailed: the lease is not live, or the key is not in this custody.
            ReceiptInvalid: the receipt does not show this very release.
            Unreachable: no answer in time; it may stand on the ledger, and nothing was given.
        """
        done = await self._client.call("vault.release", lease=statement.lease, digest=digest)
        verified = self._verified(await done.receipt(), done.id)
        claim = release_claim(
            *(statement.owner, statement.name, statement.version, statement.lease),
            digest=digest,
            time_ms=await self._time_of(done.height),
            region=standing.region,
            country=standing.country,
        )
        verify_claim(verified, claim, done.blinding or b"")
        return Released(id=done.id, height=verified.height)

    async def _time_of(self, height: int) -> int:
        """Block time, by a node's word: a claim that was made at another time does not verify."""
        shown = await self._client.request("ledger_block", height=height)
        header = shown.get("header") if type(shown) is dict else None
        if type(header) is not bytes:
            raise NotCanonical("ledger_block: no header in the answer")
        return int(Header.decode(header).time_ms)

    def _verified(self, receipt: Receipt, id: TransactionId) -> VerifiedReceipt:
        verified = verify_receipt(receipt, self._client.service.pin)
        if verified.id != id or verified.code is not Code.EXECUTED:
            raise ReceiptInvalid("the transaction was not executed, or is another")
        return verified
