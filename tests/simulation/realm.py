"""Who may become a member, and what a simulated state wishes: the governance that real enclaves
execute.

Owns the seats (nodes that exist, members or not), the public description of any set of them, and a
deterministic state that turns ordered transactions into the wish for the next epoch. Knows nothing
of networks or replicas.
"""

from collections.abc import Iterable
from hashlib import sha256

from tests.simulation.keys import Keyring, SigningKey

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import PUBLIC_KEY_SIZE
from strongroom.consensus.types import Digest, Epoch, PublicKey, SignerIndex
from strongroom.consensus.validators import EpochDescription, Validator

GOVERN = b"govern:"
"""First bytes of a transaction that changes the set: `join S`, `leave S`, `replace S T`, `rotate`
or `refresh S`."""


class Realm:
    """Every seat, and the description of every epoch that its seats may form."""

    def __init__(
        self,
        keyring: Keyring,
        seed: int,
        seats: int,
        *,
        members: int,
        keeping: frozenset[int] = frozenset(),
    ) -> None:
        """Make `seats` nodes; the first `members` of them, whose seat is their signer index, are
        epoch 0.

        Those in `keeping` are never ready in time for the next epoch, and so keep their vote key
        for ever.
        """
        self._keeping = keeping
        made = [
            (keyring.make(b"node %d %d" % (seed, i)), b"vote %d %d" % (seed, i))
            for i in range(seats)
        ]
        made.sort(key=lambda pair: pair[0].public)
        self.node_keys = [node for node, _ in made]
        self._vote_seeds = [seed_bytes for _, seed_bytes in made]
        self._make = keyring.make
        self._known: dict[Digest, tuple[EpochDescription, frozenset[int]]] = {}
        self._seats: dict[PublicKey, int] = {
            key.public: seat for seat, key in enumerate(self.node_keys)
        }
        self.first = self.describe(Epoch(0), frozenset(range(members)))

    def vote_key(self, seat: int, epoch: int) -> SigningKey:
        """A seat's vote key of one epoch; each epoch has another, unless the seat keeps its
        first."""
        first = epoch == 0 or seat in self._keeping
        return self._make(
            self._vote_seeds[seat] if first else b"%s %d" % (self._vote_seeds[seat], epoch)
        )

    def describe(self, epoch: Epoch, seats: frozenset[int]) -> EpochDescription:
        """The description of this epoch, formed by these seats."""
        validators = tuple(
            Validator(
                node_key=self.node_keys[seat].public, vote_key=self.vote_key(seat, epoch).public
            )
            for seat in sorted(seats, key=lambda seat: self.node_keys[seat].public)
        )
        digest = Digest(sha256(self.public_key(epoch)).digest())
        description = EpochDescription(epoch=epoch, validators=validators, public_key_digest=digest)
        self._known.setdefault(description.digest, (description, seats))
        return description

    @staticmethod
    def public_key(epoch: int) -> bytes:
        """Stands for the hybrid public key of an epoch."""
        return (b"%032d" % epoch) * (PUBLIC_KEY_SIZE // 32)

    def named(self, digest: Digest) -> EpochDescription | None:
        """The description with this digest, if there is one."""
        known = self._known.get(digest)
        return None if known is None else known[0]

    def seats_of(self, description: EpochDescription) -> frozenset[int]:
        """The seats that form a description."""
        return self._known[description.digest][1]

    def seat(self, description: EpochDescription, index: int) -> SignerIndex:
        """The seat of a signer."""
        return self.seat_of(description.validators[index].node_key)

    def seat_of(self, key: PublicKey) -> SignerIndex:
        """The seat with a node key."""
        return SignerIndex(self._seats[key])


class State:
    """What execution knows of epochs: the current set, the changes asked for, and the wish for the
    next."""

    def __init__(self, realm: Realm, *, members_min: int, rotate_every: int | None) -> None:
        self._realm, self._members_min, self._rotate_every = realm, members_min, rotate_every
        self.current = realm.first
        self._wish: EpochDescription | None = None
        self._asked: list[bytes] = []
        self._done: set[bytes] = set()
        self._loaded = 0

    def execute(self, header: Header, transactions: Iterable[bytes]) -> Digest:
        """One final block; returns the digest of the epoch that the state wishes after it.

        A wish stands until the terminal block that fulfils it was executed; what is asked for
        meanwhile waits.
        """
        if self._wish is not None and header.next_epoch == self._wish.digest:
            self.current, self._wish, self._loaded = self._wish, None, 0
        self._loaded += header.batch_count > 0
        for transaction in transactions:
            if transaction.startswith(GOVERN) and transaction not in self._done:
                self._done.add(transaction)
                self._asked.append(transaction)
        due = self._rotate_every is not None and self._loaded >= self._rotate_every
        if self._wish is None and (self._asked or due):
            following = Epoch(self.current.epoch + 1)
            self._wish = self._realm.describe(
                following, self._changed(self._realm.seats_of(self.current))
            )
        return (self._wish or self.current).digest

    def _changed(self, seats: frozenset[int]) -> frozenset[int]:
        """As many of the changes as one epoch may make; those that make no sense by then are
        dropped."""
        changes_max, changed, changes = max(1, len(seats) // 3), set(seats), 0
        while self._asked and changes < changes_max:
            words = self._asked.pop(0).split()
            numbers = [int(word) for word in words[2:4] if word.isdigit()]
            match words[1], numbers:
                case b"join", [seat, *_] if seat not in changed:
                    changed.add(seat)
                    changes += 1
                case b"leave", [seat, *_] if seat in changed and len(changed) > self._members_min:
                    changed.remove(seat)
                    changes += 1
                case b"replace", [old, new] if old in changed and new not in changed:
                    changed.remove(old)
                    changed.add(new)
                    changes += 1
                case _:
                    pass  # rotate and refresh change keys alone, which every epoch does
        return frozenset(changed)
