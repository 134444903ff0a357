"""A node that lacks a secret among peers that are slow, silent, ignorant or lie, in a world made
from a seed.

Owns the model and its checks: both sides of KEYS run here, against enclaves as strict as the real
ones. Time is a number. The asker may end at every boundary of an effect.
"""

import heapq
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.types import PublicKey
from strongroom.node.membership import key_asking, key_giving

ASKER = PublicKey(b"asker".ljust(32, b"."))
KINDS = ("honest", "slow", "silent", "ignorant", "garbage", "eager", "halfway", "flooding")


class Broken(AssertionError):
    """A check of the world failed."""


def check(holds: bool, words: str) -> None:
    if not holds:
        raise Broken(words)


@dataclass
class Shape:
    """What a world is made of."""

    kinds: tuple[str, ...] = ("honest",) * 3
    slow: float = 6.0
    """Seconds to each answer of who is slow."""
    ends_at: frozenset[int] = frozenset()
    """Boundaries at which the asker ends and begins again."""
    work: float = 0.05
    """Seconds that an enclave needs."""
    linked_at: float = 0.0
    lost: tuple[float, ...] = ()
    """When the secret is needed anew: an epoch began."""


class AskerEnclave:
    """Has at most one one-time key."""

    def __init__(self, numbers: Any) -> None:
        self.one_time: tuple[bytes, int] | None = None
        self.has: set[int] = set()
        self._numbers = numbers

    def prove(self, nonce: bytes) -> bytes:
        self.one_time = (nonce, next(self._numbers))
        return b"%s|%d" % self.one_time

    def take(self, wrapped: bytes) -> bool:
        one_time, self.one_time = self.one_time, None
        if one_time is None or not wrapped.startswith(b"for %d|" % one_time[1]):
            return False
        self.has.add(int(wrapped.split(b"|")[1]))
        return True


@dataclass
class Giver:
    """One peer: its host's machine, and its enclave's challenges."""

    key: PublicKey
    kind: str
    machine: Any
    nonces: set[bytes] = field(default_factory=set)
    secret: int = 0


class World:
    """Until the asker's enclave holds, and its disk keeps, what it needs."""

    def __init__(
        self, random: Random, shape: Shape, asking: Any = key_asking, giving: Any = key_giving
    ) -> None:
        self.random, self.shape, self.asking, self.giving = random, shape, asking, giving
        self.now, self.boundaries, self.order, self.numbers = 0.0, 0, count(), count(1)
        self.events: list[tuple[float, int, Any, tuple[Any, ...]]] = []
        self.givers = {
            _key(index): Giver(_key(index), kind, giving.KeyGiving())
            for index, kind in enumerate(shape.kinds)
        }
        self.disk: set[int] = set()
        self.wanted, self.boot = 0, 0
        self.asked: list[tuple[float, PublicKey]] = []
        self.introduced = self.exchanges = 0
        self.answered: Counter[PublicKey] = Counter()
        """Challenges that each giver's enclave made."""
        self.challenged_at: dict[tuple[PublicKey, PublicKey], float] = {}
        self._begin()

    def _begin(self) -> None:
        self.boot += 1
        self.machine = self.asking.KeyAsking()
        self.enclave = AskerEnclave(self.numbers)
        self.enclave.has = set(self.disk)
        self.working: set[str] = set()

    @property
    def done(self) -> bool:
        return self.wanted in self.disk

    # --- time ---

    def run(self, seconds: float) -> None:
        """So long, or until everything is there that will be needed."""
        self._at(0.0, self._look)
        for key, giver in self.givers.items():
            if giver.kind == "flooding":
                self._at(0.1, self._flood, key)
            if giver.kind in ("eager", "flooding"):
                self._at(0.3, self._push, key)
        for index, moment in enumerate(self.shape.lost, 1):
            self._at(moment, self._need, index)
        while self.events and self.events[0][0] <= seconds:
            self.now, _, act, arguments = heapq.heappop(self.events)
            act(*arguments)
            if self.done and self.wanted == len(self.shape.lost):
                return
        raise Broken("the secret never comes")

    def _at(self, delay: float, act: Any, *arguments: Any) -> None:
        heapq.heappush(self.events, (self.now + delay, next(self.order), act, arguments))

    def _need(self, secret: int) -> None:
        self.wanted = secret
        for giver in self.givers.values():
            giver.secret = secret

    def _look(self) -> None:
        linked = tuple(sorted(self.givers)) if self.now >= self.shape.linked_at else ()
        self._ask_on(self.asking.Look(linked, self.wanted not in self.enclave.has))
        self._at(1.0, self._look)

    # --- the asker ---

    def _ask_on(self, event: Any) -> None:
        boot = self.boot
        for effect in self.machine.step(event, self.now):
            self.boundaries += 1
            if self.boundaries in self.shape.ends_at:
                self._begin()
            if self.boot != boot:
                return
            self._ask_do(type(effect).__name__, effect)

    def _ask_do(self, name: str, effect: Any) -> None:
        match name:
            case "BeIntroduced":
                self.introduced += 1
                check(self.now < self.shape.linked_at, "introduced though linked")
            case "AskForKeys":
                self._check_ask(effect.peer)
                self._to(effect.peer, self.giving.RequestCame(ASKER))
            case "SendProof":
                self._to(effect.peer, self.giving.ProofCame(ASKER, effect.evidence))
            case "MakeProof" | "TakeKeys" | "StoreSealed":
                check(name not in self.working, f"{name} beside another")
                self.working.add(name)
                self._at(self.shape.work, self._worked, self.boot, name, effect)
            case _:
                raise Broken(f"no such effect: {name}")

    def _check_ask(self, peer: PublicKey) -> None:
        check(not self.working, "another is asked while the enclave works")
        recent = [at for at, _ in self.asked if at > self.now - 60.0]
        check(len(recent) <= 4 + self._asks_max(), "peers are asked in a storm")
        check(self.wanted not in self.enclave.has, "asked for what is here")
        self.asked.append((self.now, peer))
        self.exchanges += 1

    def _asks_max(self) -> float:
        """In a minute: one a second, and a rest after each round in which nobody gave."""
        size, rest = len(self.shape.kinds), key_asking.REST_SECONDS
        gives = bool({"honest", "slow"} & set(self.shape.kinds)) and self.shape.lost
        return 60.0 if gives else 60.0 * size / (size + rest - 1)

    def _worked(self, boot: int, name: str, effect: Any) -> None:
        if boot != self.boot:
            return
        self.working.discard(name)
        match name:
            case "MakeProof":
                event = self.asking.ProofMade(self.enclave.prove(effect.nonce))
            case "TakeKeys":
                taken = self.enclave.take(effect.wrapped)
                event = self.asking.KeysTaken(b"sealed") if taken else self.asking.Refused()
            case _:
                self.disk = set(self.enclave.has)
                event = self.asking.SealedStored()
        self._ask_on(event)

    # --- the givers ---

    def _to(self, peer: PublicKey, event: Any) -> None:
        giver = self.givers[peer]
        delay = self.shape.slow if giver.kind == "slow" else 0.05
        if giver.kind not in ("silent", "garbage", "eager"):
            self._at(delay / 2, self._hear, giver, event)
        elif giver.kind == "garbage":
            self._at(delay, self._send, giver, "challenge", b"nonsense")
            self._at(2 * delay + 0.2, self._send, giver, "keys", b"nonsense")

    def _hear(self, giver: Giver, event: Any) -> None:
        try:
            effects = giver.machine.step(event, self.now)
        except PeerFault:
            accused = event.peer == ASKER and giver.kind in ("honest", "ignorant", "halfway")
            check(not accused or self.boot > 1, "an honest asker is at fault")
            return
        for effect in effects:
            self._give_do(giver, type(effect).__name__, effect)

    def _give_do(self, giver: Giver, name: str, effect: Any) -> None:
        delay = self.shape.slow if giver.kind == "slow" else 0.05
        match name:
            case "MakeChallenge":
                before = self.challenged_at.get((giver.key, effect.peer), -1.0)
                check(self.now - before >= 0.4, "a giver's enclave is kept busy")
                self.challenged_at[giver.key, effect.peer] = self.now
                nonce = b"nonce %d" % next(self.numbers)
                giver.nonces.add(nonce)
                made = self.giving.ChallengeMade(effect.peer, nonce)
                self._at(self.shape.work, self._hear, giver, made)
            case "MakeKeys":
                self._at(self.shape.work, self._hear, giver, self._made(giver, effect))
            case "SendChallenge":
                if effect.peer == ASKER:
                    self._at(delay / 2, self._send, giver, "challenge", effect.nonce)
            case "SendKeys" if giver.kind != "halfway" and effect.peer == ASKER:
                self._at(delay / 2, self._send, giver, "keys", effect.wrapped)

    def _made(self, giver: Giver, effect: Any) -> Any:
        nonce, _, one_time = effect.evidence.partition(b"|")
        known = nonce in giver.nonces
        giver.nonces.discard(nonce)
        if not known or nonce != effect.nonce or giver.kind == "ignorant":
            return self.giving.NothingMade(effect.peer)
        return self.giving.KeysMade(effect.peer, b"for %s|%d" % (one_time, giver.secret))

    def _send(self, giver: Giver, what: str, data: bytes) -> None:
        asking = self.asking
        challenge = asking.ChallengeCame(giver.key, data)
        self._ask_on(challenge if what == "challenge" else asking.KeysCame(giver.key, data))

    def _push(self, key: PublicKey) -> None:
        """A liar says what nobody asked it, all the time."""
        self._send(self.givers[key], "challenge", b"nonsense")
        self._send(self.givers[key], "keys", b"nonsense")
        self._at(0.35, self._push, key)

    def _flood(self, key: PublicKey) -> None:
        """A liar asks every other node, all the time."""
        for giver in self.givers.values():
            if giver.key != key:
                self._hear(giver, self.giving.RequestCame(key))
                self._hear(giver, self.giving.ProofCame(key, b"nonsense|0"))
        self._at(0.1, self._flood, key)


def _key(index: int) -> PublicKey:
    return PublicKey(b"%03d" % index + bytes(29))


def draw(random: Random) -> Shape:
    """A world of a seed: at least one peer can give."""
    kinds = [random.choice(KINDS) for _ in range(random.randint(0, 6))]
    kinds.insert(random.randint(0, len(kinds)), random.choice(("honest", "slow")))
    ends = frozenset(random.randint(1, 30) for _ in range(random.choice((0, 0, 1, 3))))
    lost, moment = [], 0.0
    while random.random() < 0.4:
        moment += random.choice((0.5, 3.0, 60.0))
        lost.append(moment)
    return Shape(
        kinds=tuple(kinds),
        slow=random.choice((0.5, 3.0, 6.0)),
        ends_at=ends,
        work=random.choice((0.001, 0.05, 1.5)),
        linked_at=random.choice((0.0, 0.0, 10.0)),
        lost=tuple(lost),
    )


def run_seed(seed: int, asking: Any = key_asking, giving: Any = key_giving) -> World:
    """A seed's world, until the secret is there."""
    random = Random(seed)
    world = World(random, draw(random), asking, giving)
    world.run(1_500.0)
    return world
