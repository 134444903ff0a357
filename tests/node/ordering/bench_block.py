"""What ordering one block costs a host, counted: four participants in one process, frames encoded
and decoded as on links, records framed as in a log, cheap signatures. A block of four batches of
50 payments, one of each lane, as at 5,000 payments a second; messages come one by one.

$ .venv/bin/python -m tests.node.ordering.bench_block [--blocks N] [--calls]

`--calls` says which functions are called how often, a block and host. Instructions do not depend on
what else the machine does: run it under `valgrind --tool=cachegrind --cache-sim=no` with two
numbers of blocks, and divide the difference by theirs and by four. The bench's own part (signing,
carrying messages) is the same before and after a change.
"""

import argparse
import cProfile
import gc
import pstats
import sys
import time
from collections import deque
from dataclasses import replace
from hashlib import sha256
from typing import Any

from tests.consensus.bench import START_MS, Cluster

from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.messages import certified_statement, decode_message, encode_message
from strongroom.consensus.replica.events import Commit, Executed, FinalRecord, Now
from strongroom.consensus.types import Digest, Epoch, Height, Milliseconds, PublicKey
from strongroom.node.host.wiring import SETTINGS
from strongroom.node.ledger.frames import encode_frame
from strongroom.node.mempool.batch_pool import BatchPool
from strongroom.node.ordering.effects import Append, Effect, Sign, SignAgain, StoreBlocks, Tell
from strongroom.node.ordering.events import (
    Fresh,
    Heard,
    LinkUp,
    OwnBatch,
    ParticipantEvent,
    Recorded,
)
from strongroom.node.ordering.participant import Participant
from strongroom.node.ordering.start import start_at

ENVELOPES = 50
ENVELOPE_BYTES = 236
WARM_BLOCKS = 20
WAY_SECONDS = 0.0003
GAP_SECONDS = 0.002
"""For each batch of the block below, so that all four share a block."""


class NothingPast:
    """A block store that begins."""

    newest_block = newest_outcome = Height(0)

    def has_transaction(self, _: bytes) -> bool:
        return False

    def wish_at(self, _: int) -> None:
        return None


class Host:
    """One participant; its effects are carried out at once."""

    def __init__(self, world: "World", index: int) -> None:
        cluster = world.cluster
        self.world, self.index = world, index
        self.key = cluster.members.validators[index].node_key
        self.pool = BatchPool()
        past: Any = NothingPast()
        self.participant = Participant(
            node_key=self.key,
            past=past,
            epochs=EpochChain(
                cluster.chain, cluster.members, cluster.genesis, cluster.keyring.verify
            ),
            start=start_at(past, cluster.members, cluster.genesis, cluster.genesis, None),
            pool=self.pool,
            verify=cluster.keyring.verify,
            settings=replace(SETTINGS, min_gap=GAP_SECONDS),
            log_bytes_max=1 << 40,
        )
        self.events: deque[ParticipantEvent] = deque()
        self.inbox: deque[tuple[PublicKey, bytes]] = deque()
        self.unexecuted: list[Commit] = []
        self.carry(self.participant.restore())

    @property
    def now(self) -> Now:
        at = self.world.at
        return Now(at, Milliseconds(START_MS + int(at * 1000)))

    def carry(self, effects: list[Effect]) -> None:
        world = self.world
        for effect in effects:
            match effect:
                case Append(kind, payload):
                    encode_frame(b"mark", kind, (payload,), durable_before=False)
                case Sign(casts):
                    key, chain = world.cluster.keys[self.index], world.cluster.chain
                    made = [key.sign(cast.statement.signed_bytes(chain)) for cast in casts]
                    self.carry(self.participant.signed(casts, made))
                case SignAgain():
                    self.carry(self.participant.restated([], self.now))
                case Tell(to, message):
                    data = encode_message(message)
                    for host in world.hosts:
                        if host is not self and to in (None, host.key):
                            host.inbox.append((self.key, data))
                case StoreBlocks(commits):
                    self.store(commits)

    def store(self, commits: tuple[Commit, ...]) -> None:
        for commit in commits:
            if commit.certificate is not None:
                self.events.append(Recorded(FinalRecord(commit.header, commit.certificate)))
        self.unexecuted += commits

    def receive(self) -> None:
        """One frame, as `Inbox` takes it."""
        sender, data = self.inbox.popleft()
        statement = certified_statement(data)
        if statement is None or not self.participant.has_certified(*statement):
            self.events.append(Heard(sender, decode_message(data)))  # type: ignore[arg-type]

    def turn(self) -> None:
        events = list(self.events)
        self.events.clear()
        self.carry(self.participant.step(events, self.now))

    def execute(self) -> None:
        for commit in self.unexecuted:
            header = commit.header
            root = Digest(sha256(header.digest).digest())
            self.events.append(Executed(header.height, root, self.world.cluster.members.digest))
            for digest in commit.batches:
                self.pool.drop(digest)
        self.unexecuted.clear()

    def batch(self, body: bytes) -> None:
        run = self.participant.run
        assert run.lane is not None
        assert run.own is not None
        cut = run.replica.state.final_cut[run.own]
        header = run.lane.begin([body] * ENVELOPES, cut)
        signed = self.world.node_keys[self.key].sign(header.signed_bytes(self.world.cluster.chain))
        self.events.append(OwnBatch(run.lane.complete(signed)))


class World:
    """Four hosts and their time."""

    def __init__(self) -> None:
        self.cluster, self.at = Cluster(4), 1000.0
        made = [self.cluster.keyring.make(b"node %d" % index) for index in range(4)]
        self.node_keys = {key.public: key for key in made}
        self.hosts: list[Host] = []
        self.hosts += [Host(self, index) for index in range(4)]
        for host in self.hosts:
            host.events += [LinkUp(other.key) for other in self.hosts if other is not host]
            host.events.append(Fresh(Epoch(0), True))
        self.settle()

    def settle(self) -> None:
        """Until nothing is on its way and all is executed."""
        moved = True
        while moved:
            moved = False
            for host in self.hosts:
                if host.inbox:
                    host.receive()
                if host.events or host.participant.is_hungry:
                    host.turn()
                    moved = True
                moved |= bool(host.inbox)
            self.at += WAY_SECONDS
            if not moved and any(host.unexecuted for host in self.hosts):
                moved = True
                for host in self.hosts:
                    host.execute()

    def block(self, number: int) -> None:
        """A batch in each lane, while a leader still waits for company, and the block of all
        four."""
        for index, host in enumerate(self.hosts):
            host.batch((b"%d %d" % (number, index)).ljust(ENVELOPE_BYTES, b"e"))
        height = self.height
        self.settle()
        while self.height == height:
            self.at = max(self.at, self.deadline())
            for host in self.hosts:
                deadline = host.participant.deadline()
                if deadline is not None and deadline <= self.at:
                    host.turn()
            self.settle()

    def deadline(self) -> float:
        found = (host.participant.deadline() for host in self.hosts)
        return min((at for at in found if at is not None), default=float("inf"))

    @property
    def height(self) -> int:
        return self.hosts[0].participant.replica.state.final.height


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--blocks", type=int, default=100)
    options.add_argument("--calls", action="store_true")
    given = options.parse_args()
    world = World()
    for number in range(WARM_BLOCKS):
        world.block(number)
    gc.collect()
    gc.freeze()
    profile = cProfile.Profile()
    before, began = world.height, time.process_time()
    if given.calls:
        profile.enable()
    for number in range(given.blocks):
        world.block(WARM_BLOCKS + number)
    profile.disable()
    blocks = world.height - before
    hosts_blocks = blocks * len(world.hosts)
    spent = (time.process_time() - began) / hosts_blocks
    say(f"{blocks / given.blocks:.2f} blocks for four batches; {spent * 1e6:.0f} us a host")
    if given.calls:
        show_calls(pstats.Stats(profile), hosts_blocks)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def show_calls(stats: pstats.Stats, blocks: int) -> None:
    """Calls a block and host, and those of the functions that take most."""
    rows: dict[tuple[str, int, str], Any] = stats.stats  # type: ignore[attr-defined]
    own = {at: row for at, row in rows.items() if at[0] != __file__}
    say(f"{sum(row[1] for row in own.values()) / blocks:.0f} calls, the bench's left out")
    for at, row in sorted(own.items(), key=lambda item: -item[1][2])[:60]:
        where = f"{'/'.join(at[0].split('/')[-2:])} {at[2]}"
        own_us, all_us = row[2] / blocks * 1e6, row[3] / blocks * 1e6
        say(f"{row[1] / blocks:7.2f} calls {own_us:6.1f} us {all_us:7.1f} with callees  {where}")


if __name__ == "__main__":
    main()
