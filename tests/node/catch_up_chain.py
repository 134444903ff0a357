"""A final chain made from a seed, as a catching-up node sees it: lagging anchors, rare
certificates, epochs."""

from dataclasses import dataclass
from hashlib import sha256
from random import Random

from strongroom.consensus.blocks import Anchor
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch, Height
from strongroom.enclave.formats import merkle
from strongroom.enclave.formats.outcome import Outcome


def digest_of(*words: object) -> Digest:
    return Digest(sha256(repr(words).encode()).digest())


@dataclass(frozen=True)
class Shape:
    """What kind of chain."""

    blocks: int
    lag: int
    """An anchor lags at most so far behind its header, now and then."""
    stride: int
    """At most so many blocks from one certificate to the next."""
    epoch_blocks: int
    snapshot_blocks: int
    steady: bool = False
    """Anchors always lag that far, as when execution is slower than order."""
    recovered: int = 0
    """At this height members ended an epoch whose enclaves were lost: no state wished it."""


@dataclass(frozen=True)
class Block:
    """What is true of one height."""

    height: Height
    epoch: Epoch
    anchor: Anchor
    next_epoch: Digest
    certified: bool
    outcome: Outcome
    wished: Digest
    """What the state wishes after it."""
    recovers: bool = False

    @property
    def leaf(self) -> Digest:
        return self.outcome.history_leaf.hash


class TrueChain:
    """Every block that there will ever be, and the history over all of them."""

    def __init__(self, random: Random, shape: Shape) -> None:
        self.shape = shape
        self.tree = merkle.Tree([digest_of("genesis")])
        self.blocks: list[Block] = []
        self.anchored: set[int] = set()
        """Heights that some header anchors."""
        self._random, self._epoch, self._wishes = random, 0, False
        self._began, self._certified = 0, 0
        while len(self.blocks) < shape.blocks:
            self._extend()

    def at(self, height: int) -> Block:
        return self.blocks[height - 1]

    def named_at(self, height: int) -> int:
        """The height whose outcome names the snapshot of `height`."""
        return height + self.shape.snapshot_blocks

    def _extend(self) -> None:
        height, random = Height(len(self.blocks) + 1), self._random
        anchor, next_epoch = self._anchor(height)
        recovers = height == self.shape.recovered
        if recovers:
            next_epoch = digest_of("epoch", self._epoch + 1)
        ends = next_epoch != digest_of("epoch", self._epoch)
        certified = (
            ends
            or height - self._certified >= self.shape.stride
            or random.random() < 1 / self.shape.stride
        )
        if height - self._began > self.shape.epoch_blocks and random.random() < 0.2:
            self._wishes = True
        snapshot = NO_DIGEST
        if height % self.shape.snapshot_blocks == 0 and height > self.shape.snapshot_blocks:
            snapshot = digest_of("snapshot", height - self.shape.snapshot_blocks)
        outcome = Outcome(
            height,
            digest_of("block", height),
            b"",
            b"",
            (),
            (),
            repr(random.random()).encode(),
            b"",
            snapshot,
        )
        wished = digest_of("epoch", self._epoch + (1 if self._wishes or ends else 0))
        block = Block(
            height, Epoch(self._epoch), anchor, next_epoch, certified, outcome, wished, recovers
        )
        self.blocks.append(block)
        self.anchored.add(anchor.height)
        self.tree.append(block.leaf)
        self._certified = height if certified else self._certified
        if ends:
            self._epoch, self._wishes, self._began = self._epoch + 1, False, height

    def _anchor(self, height: Height) -> tuple[Anchor, Digest]:
        """Of the next header; the first one with an anchor carries what the state wished there."""
        before = self.blocks[-1].anchor.height if self.blocks else Height(0)
        lag = 1 if self._random.random() < 0.7 else self._random.randint(1, self.shape.lag)
        if self.shape.steady:
            lag = self.shape.lag - self._random.randint(0, self.shape.lag // 8)
        at = Height(max(before, height - lag))
        moved = at > before
        next_epoch = self.at(at).wished if moved else digest_of("epoch", self._epoch)
        if self._began and at < self._began:  # of the epoch before: what it wished has come
            next_epoch = digest_of("epoch", self._epoch)
        return Anchor(
            at, self.tree.root(at + 1) if at else digest_of("genesis anchors nothing")
        ), next_epoch
