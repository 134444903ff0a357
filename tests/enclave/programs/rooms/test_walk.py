"""Parties, workers and time at random: what holds after every transaction (T60, T62, T65, T66)."""

from random import Random
from typing import Any

from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    REGULATOR,
    STRANGER,
    RoomsChain,
    contract,
    data_terms,
    who,
    worker,
)

from strongroom.consensus import codec
from strongroom.enclave.formats.clean_rooms.contract import Input
from strongroom.enclave.programs.rooms.tables import DATA, JOBS, VERSIONS, Data, Job, Version

STEPS = 250
RUNS, LIFE, EACH = 4, 250, 60
CODES = {
    *("no-job", "rank", "late", "withdrawn", "reported", "not-taken", "lapsed", "agreed"),
    *("failed", "budget", "no-executors", "not-approved", "approved", "recipients", "role"),
    *("not-agreed", "output", "terms", "machine-busy", "clone", "revoked", "evidence"),
    *("taken", "no-room", "entries", "not-waiting", "key", "release", "exists", "suspended"),
    *("no-data", "chunks", "differencing"),
}
"""All that anything may be refused with here; `internal` is none of them."""


class Walk:
    """One clean room at random."""

    def __init__(self, seed: int) -> None:
        self.random, self.chain = Random(seed), RoomsChain()
        self.room = self.chain.open_room()
        for bank in BANKS:
            self.chain.bring(bank, epsilon_job=EACH, epsilon_life=LIFE, runs=RUNS)
        inputs = tuple(
            Input(alias, who(bank), "transfers", 0, EACH)
            for alias, bank in zip("ab", BANKS, strict=True)
        )
        self.contracts = [
            self.chain.agree(contract(self.room, name=name, inputs=inputs)) for name in "xyz"
        ]
        self.workers = [worker(f"operator{at}") for at in range(3)]
        self.chain.staff(*(f"operator{at}" for at in range(3)))
        self.jobs: list[bytes] = []
        self.opened: set[bytes] = set()

    def step(self) -> None:
        moves = (self.run, *[self.take] * 6, *[self.report] * 6, *[self.open] * 3, self.advance)
        move = self.random.choice((*moves, self.wait, self.own, self.withdraw))
        result = move()
        if result is not None and not result.ok:
            assert result.code in CODES, (move.__name__, result.code, result.message)

    def run(self) -> Any:
        if self.random.random() < 0.7:
            self.chain.staff(*(one.operator for one in self.workers))
        name = self.random.choice((ANALYST, ANALYST, REGULATOR, STRANGER, BANKS[0]))
        id = self.random.choice(self.contracts)
        result = self.chain.act(name, "run", contract=id, parameters=codec.encode(()))
        if result.ok:
            assert name != STRANGER
            self.jobs.append(result.value["job"])
        return result

    def take(self) -> Any:
        one = self.random.choice(self.workers)
        return self.chain.take(one, self.job()) if self.jobs else None

    def report(self) -> Any:
        if not self.jobs:
            return None
        one, root = self.random.choice(self.workers), bytes([self.random.randrange(8) // 7]) * 32
        failed = self.random.random() < 0.05
        entries: list[Any] = [] if failed else [["case", b"", root, 1, 20]]
        return self.chain.report(one, self.job(), entries=entries, failed=failed)

    def open(self) -> Any:
        if not self.jobs:
            return None
        name = self.random.choice((REGULATOR, REGULATOR, *BANKS, STRANGER))
        job = self.job()
        result = self.chain.act(name, "open", job=job, output="case")
        if result.ok:
            self.opened.add(job)
            assert name == REGULATOR
            assert self.found(job).state == "agreed"
            assert all(one.state == "active" for one in self.data())
        return result

    def wait(self) -> Any:
        self.chain.wait(self.random.choice((1_000, 1_000, 1_000, 1_000, 12_000, 31_000, 95_000)))
        one = self.random.choice(self.workers)
        return self.chain.act(one.who, "wait", evidence=self.shown(one))

    def shown(self, one: Any) -> bytes:
        self.chain.commit()
        return self.chain.shown(one)

    def advance(self) -> Any:
        name = self.random.choice((ANALYST, STRANGER, self.workers[0].who))
        return self.chain.act(name, "advance", job=self.job()) if self.jobs else None

    def own(self) -> Any:
        if self.random.random() < 0.5:
            return self.chain.act(
                self.random.choice(BANKS),
                "extend",
                name="transfers",
                root=bytes(32),
                chunks=self.random.randrange(10),
                size_class=2,
            )
        terms = data_terms(epsilon_job=EACH, epsilon_life=LIFE, runs=RUNS).encode()
        name = self.random.choice(BANKS)
        return self.chain.act(name, "set_terms", name="transfers", terms=terms)

    def withdraw(self) -> Any:
        name, chance = self.random.choice((*BANKS, STRANGER)), self.random.random()
        if chance < 0.01:
            return self.chain.act(name, "withdraw_data", data="/transfers")
        if chance < 0.03:
            return self.chain.act(name, "withdraw", contract=self.random.choice(self.contracts))
        return None

    def job(self) -> bytes:
        return self.random.choice((self.jobs[-1], self.jobs[-1], *self.jobs))

    # --- what holds -------------------------------------------------------------------------------

    def rows(self, schema: Any) -> dict[Any, Any]:
        return dict(self.chain.executor._runner.state.maps[schema].copy())

    def data(self) -> list[Data]:
        return [Data(*row) for row in self.rows(DATA).values()]

    def found(self, job: bytes) -> Job:
        return Job(*self.rows(JOBS)[job])

    def check(self) -> None:
        jobs = [Job(*row) for row in self.rows(JOBS).values()]
        for one in self.data():
            assert one.epsilon == EACH * len(jobs) <= LIFE
        versions = [Version(*row) for row in self.rows(VERSIONS).values()]
        assert sum(one.runs for one in versions) == 2 * len(jobs)
        assert all(one.runs <= RUNS for one in versions)
        for job in jobs:
            assert (job.state == "agreed") == bool(job.result)
            assert job.asked <= job.ranks


def test_whatever_happens_charges_stand_and_results_follow_agreement() -> None:
    opened = 0
    for seed in range(5):
        walk = Walk(seed)
        for _ in range(STEPS):
            walk.step()
            walk.check()
        opened += len(walk.opened)
    assert opened, "stories that get nowhere show nothing"
