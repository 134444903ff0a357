"""What this enclave wants said on the ledger now, in its own name (DESIGN §5: offers and readies;
DESIGN §6: staying in).

Owns the making of these transactions and of the next epoch's secret. It is asked again and again,
and answers from executed state alone: nothing it says is trusted before a quorum has ordered it.
Time is the host's word here, and can only make an offer early or late.

    due (state) → offer, by rank → every validator opens its wrap, checks the key, seals it, says
    `ready` → wish (state)
"""

from collections.abc import Iterator

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch, Height, PublicKey
from strongroom.enclave.governance.governance import Governance
from strongroom.enclave.governance.public import sign_public
from strongroom.enclave.governance.records import Due, Offer
from strongroom.enclave.keys.keys import EpochSecrets, ServiceSecret
from strongroom.enclave.keys.keystore import KeyStore
from strongroom.enclave.member.recovery_duties import RecoveryDuties
from strongroom.enclave.primitives import SECRET_SIZE, DoesNotOpen, Secret, hybrid_seal

RANK_MS = 2_000
"""The contributor of rank r waits this long times r, so that one that is dead or lies stalls
nothing (T2A)."""
SAY_AGAIN_MS = 5_000
"""What was said and is not executed is said again after this."""
SAID_MAX = 64


class Duties:
    """Makes transactions of one enclave."""

    def __init__(self, keystore: KeyStore) -> None:
        self._keystore = keystore
        self._said: dict[bytes, int] = {}
        """Purpose → when, on the host's wall clock."""
        self._seen = (NO_DIGEST, 0)
        """The newest due set, and when it was first seen here, on the host's wall clock."""
        self._recovery = RecoveryDuties(keystore, rank_ms=RANK_MS)
        self._offered: dict[tuple[Digest, tuple[PublicKey, ...]], bytes] = {}
        """This enclave's own offer by due set and recipients: made once, so that saying it again
        says the same."""

    def now(
        self, governance: Governance, wall_ms: int, height: Height, root: Digest
    ) -> tuple[bool, tuple[bytes, ...]]:
        """(has something to be sealed first?, envelopes to submit).

        Args:
            governance: executed state, anchored or about to be.
            wall_ms: the host's clock, Unix milliseconds.
            height: newest executed height.
            root: history root there.
        """
        keys, candidates = self._keystore.keys, len(self._keystore.keyring.candidates())
        said = tuple(self._wanted(governance, wall_ms, height, root))
        changed = keys is not self._keystore.keys or candidates != len(
            self._keystore.keyring.candidates()
        )
        return changed, said

    def say(self, action: str, fields: tuple[object, ...]) -> bytes:
        """A public transaction in this node's name."""
        node = self._keystore.keys.node
        return sign_public(node.public, node.sign, self._keystore.chain, action, fields)

    def _wanted(
        self, governance: Governance, wall_ms: int, height: Height, root: Digest
    ) -> Iterator[bytes]:
        own, due = self._keystore.node_key, governance.due
        node = governance.node(own)
        if node is None:
            return
        following = Epoch(governance.epoch + 1)
        unsynced = (
            node.status in ("joining", "synced") and governance.wrap_key(own, following) is None
        )
        if unsynced and self._is_time(b"synced" + following.to_bytes(8, "big"), wall_ms):
            self._keystore.keys = self._keystore.keys.with_keys(wrap=following)
            wrap_key = self._keystore.keys.wrap(following).public
            yield self.say("synced", (int(height), root, int(following), wrap_key))
        if (
            governance.current.index_of(own) is not None
            and governance.wrap_key(own, following) is None
        ):
            yield from self._late_ready(governance, following, wall_ms)
        for action, fields in self._recovery.wanted(governance, wall_ms, self._is_time):
            yield self.say(action, fields)
        if due is None or own not in due.members:
            return
        offers = governance.wish is None and self._may_offer(governance, due, wall_ms)
        if offers and self._is_time(b"offer" + due.digest, wall_ms):
            yield self._offer(governance, due)
        for offer in governance.offers():
            waits = own not in offer.readies and self._opened(governance, due, offer)
            if waits and self._is_time(b"ready" + offer.digest, wall_ms):
                yield self._ready(due, offer)

    def _is_time(self, purpose: bytes, wall_ms: int) -> bool:
        """Say nothing twice within a while. What a clock said before it was put back does not
        count."""
        if 0 <= wall_ms - self._said.get(purpose, -SAY_AGAIN_MS) < SAY_AGAIN_MS:
            return False
        self._said[purpose] = wall_ms
        while len(self._said) > SAID_MAX:
            self._said.pop(next(iter(self._said)))
        return True

    # --- offers ---

    def _may_offer(self, governance: Governance, due: Due, wall_ms: int) -> bool:
        own = self._keystore.node_key
        staying = [
            member for member in due.members if governance.current.index_of(member) is not None
        ]
        if own not in staying or any(offer.offerer == own for offer in governance.offers()):
            return False
        if self._seen[0] != due.digest or wall_ms < self._seen[1]:
            self._seen = (due.digest, wall_ms)
        since_ms = min(
            due.since_ms, self._seen[1]
        )  # clocks that were put back are behind the block's time for long
        return wall_ms >= since_ms + RANK_MS * staying.index(own)

    def _offer(self, governance: Governance, due: Due) -> bytes:
        """Make the secret of the next epoch, and wrap it to every validator that announced a key
        for it (T2A)."""
        key = (due.digest, tuple(member for member, _ in governance.recipients(due)))
        made = self._offered.get(key)
        if made is None:
            service = ServiceSecret.fresh()
            wraps = tuple(self._wraps(governance, due, service))
            public_key = service.split(due.epoch).public_key
            made = self.say("offer", (int(due.epoch), due.digest, public_key, wraps))
            self._offered = {key: made}
        return made

    def _wraps(
        self, governance: Governance, due: Due, service: ServiceSecret
    ) -> Iterator[tuple[PublicKey, bytes]]:
        ending = governance.epoch
        for member, wrap_key in governance.recipients(due):
            joins = governance.current.index_of(member) is None
            grace = b""
            if joins and self._keystore.keyring.opens(ending):  # also to carry on the vault's boxes
                secret = self._keystore.keyring.of(ending).input
                grace = b"" if secret is None else secret.reveal()
            plaintext = codec.encode((service.reveal(), grace))
            yield member, hybrid_seal(wrap_key, plaintext, self._wrap_info(due.epoch, member))

    # --- readies ---

    def _opened(self, governance: Governance, due: Due, offer: Offer) -> bool:
        """Open this enclave's wrap of an offer, unless that was done; it must derive the offered
        key."""
        ring, own = self._keystore.keyring, self._keystore.node_key
        if ring.has_candidate(offer.digest):
            return True
        wrap = offer.wraps.get(own)
        if wrap is None or not self._keystore.keys.has_wrap(due.epoch):
            return False
        try:
            plaintext = self._keystore.keys.wrap(due.epoch).open(
                wrap, self._wrap_info(due.epoch, own)
            )
            service, grace = codec.fields(
                codec.decode(plaintext), bytes, bytes, name="offered secret"
            )
            secrets = ServiceSecret(
                Secret(codec.sized(service, SECRET_SIZE, name="offered secret"))
            ).split(due.epoch)
        except (DoesNotOpen, NotCanonical, PeerFault):
            return False
        if secrets.public_key != offer.public_key:
            return False
        ring.add_candidate(offer.digest, secrets)
        if grace:
            self._take_grace(governance, grace)
        return True

    def _take_grace(self, governance: Governance, grace: bytes) -> None:
        """A joiner gets the ending epoch's input secret, for its grace and the vault's boxes, and
        checks it against that epoch's key."""
        ring, ending = self._keystore.keyring, governance.epoch
        if len(grace) != SECRET_SIZE or ring.opens(ending):
            return
        held = ring.of(ending)
        whole = EpochSecrets(
            epoch=ending, generation=held.generation, input_secret=Secret(grace), ledger=held.ledger
        )
        if whole.public_key_digest == governance.current.public_key_digest:
            ring.add(whole)

    def _ready(self, due: Due, offer: Offer) -> bytes:
        """Announce the keys of the next epoch; the host stores the sealed state before it submits
        this."""
        after = Epoch(due.epoch + 1)
        self._keystore.keys = self._keystore.keys.with_keys(vote=due.epoch, wrap=after)
        keys = self._keystore.keys
        return self.say(
            "ready",
            (int(due.epoch), offer.digest, keys.vote(due.epoch).public, keys.wrap(after).public),
        )

    def _late_ready(
        self, governance: Governance, following: Epoch, wall_ms: int
    ) -> Iterator[bytes]:
        """A validator that was not ready in time announces its wrap key all the same, for the next
        epoch."""
        if self._is_time(b"late" + following.to_bytes(8, "big"), wall_ms):
            self._keystore.keys = self._keystore.keys.with_keys(vote=following, wrap=following)
            keys = self._keystore.keys
            fields = (int(governance.epoch), governance.won_offer, keys.vote(following).public)
            yield self.say("ready", (*fields, keys.wrap(following).public))

    def _wrap_info(self, epoch: Epoch, member: PublicKey) -> bytes:
        """What an offered wrap is bound to: label, chain, epoch (u64), recipient's node key."""
        return labels.bound(
            labels.OFFERED_WRAP, self._keystore.chain, epoch.to_bytes(8, "big") + member
        )
