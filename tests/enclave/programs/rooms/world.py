"""A ledger with clean rooms: parties, data sets, contracts, and workers that are evidence and a
session."""

from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import Any

from tests.enclave.chain import person
from tests.enclave.fixtures import FoundedCluster, make_cluster_genesis, manufacturer
from tests.enclave.programs.vault.world import Room, VaultChain, policy_of

from strongroom.consensus import codec
from strongroom.enclave.formats.clean_rooms.contract import Contract, Input, Output, Stage
from strongroom.enclave.formats.clean_rooms.data_terms import DataTerms
from strongroom.enclave.formats.clean_rooms.terms import RoomTerms
from strongroom.enclave.outside.client_sessions import Result

WORKER = bytes(range(50, 98))
WORKERS_ONLY = policy_of({"claim": "measurement", "equals": WORKER.hex()})
BANKS = ("bank a", "bank b")
ANALYST, REGULATOR, STRANGER = "analyst", "regulator", "stranger"
FAR = 2**50
NO_PARAMETERS = codec.encode(())
SQL = "select count(*) from transfers"
ROOT = sha256(b"chunks").digest()
NO_ENTRIES: list[Any] = []


def who(name: str) -> bytes:
    return person(name).id


def secret_of(name: str) -> bytes:
    """A data key that is no part of anything else here."""
    return sha256(b"data key of " + name.encode()).digest()


def terms(**changes: Any) -> RoomTerms:
    """Two banks that own, an analyst, a regulator who is given results."""
    parties = {
        who(BANKS[0]): ("owner", "recipient"),
        who(BANKS[1]): ("owner", "recipient"),
        who(ANALYST): ("analyst",),
        who(REGULATOR): ("auditor", "recipient"),
    }
    made: dict[str, Any] = {
        "name": "rings",
        "purpose": "laundering rings that no bank sees alone",
        "parties": tuple(sorted(parties.items())),
        "votes": 0,
        "regulator": b"",
        "regions": ("eu-west",),
        "executors": 2,
        "agreement": 2,
    }
    return RoomTerms(**(made | changes))


def data_terms(**changes: Any) -> DataTerms:
    made: dict[str, Any] = {
        "columns": b"",
        "epsilon_job": 100,
        "epsilon_life": 250,
        "runs": 3,
        "recipients": tuple(sorted(map(who, (*BANKS, REGULATOR)))),
        "programs": ("aml.round_trips", "free", "reviewed"),
        "purposes": ("aml",),
        "until_ms": FAR,
        "keep": False,
    }
    return DataTerms(**(made | changes))


def contract(room: bytes, **changes: Any) -> Contract:
    made: dict[str, Any] = {
        "room": room,
        "name": "round trips",
        "purpose": "aml",
        "profile": "reviewed",
        "inputs": tuple(
            Input(alias, who(bank), "transfers", 0, 0)
            for alias, bank in zip(("a", "b"), BANKS, strict=True)
        ),
        "stages": (Stage("library", "aml.round_trips", ""),),
        "outputs": (Output("case", "table", (who(REGULATOR),), 1 << 20, "", 0),),
        "parameters": (),
        "runs": 10,
        "memory_mb": 512,
        "duration_ms": 60_000,
        "digits": 6,
        "executors": 2,
        "agreement": 2,
        "until_ms": FAR,
    }
    return Contract(**(made | changes))


@cache
def founded() -> FoundedCluster:
    """One cluster for all tests of a process."""
    return make_cluster_genesis(4, programs=("payments", "rooms", "system", "vault"))


@cache
def worker(operator: str, place: int = 0) -> Room:
    """A worker of an operator, on a chip of its own."""
    return Room(
        name=f"worker-{operator}",
        chip=manufacturer().make_chip(),
        who=f"worker of {operator} {place}",
        operator=operator,
        measurement=WORKER,
    )


class RoomsChain(VaultChain):
    """Operations of clean rooms by their names."""

    def __init__(self, cluster: FoundedCluster | None = None) -> None:
        super().__init__(cluster or founded())

    # --- one operation --------------------------------------------------------------------------

    def act(self, name: str, operation: str, /, **arguments: Any) -> Result:
        return self.do(self.of(name), f"rooms.{operation}", **arguments)

    def ok(self, name: str, operation: str, /, **arguments: Any) -> Any:
        result = self.act(name, operation, **arguments)
        assert result.ok, (operation, result.code, result.message)
        return result.value

    def no(self, name: str, operation: str, /, **arguments: Any) -> str:
        result = self.act(name, operation, **arguments)
        assert not result.ok, result.value
        return str(result.code)

    def see(self, name: str, operation: str, /, **arguments: Any) -> Any:
        return self.ask(name, f"rooms.{operation}", **arguments)

    # --- what a story begins with ---------------------------------------------------------------

    def open_room(self, **changes: Any) -> bytes:
        """A room that everybody has joined."""
        made = terms(**changes)
        room: bytes = self.ok(BANKS[0], "create", terms=made.encode())["room"]
        for name in (BANKS[1], ANALYST, REGULATOR):
            if who(name) in made.identities:
                self.ok(name, "join", room=room)
        return room

    def bring(self, owner: str, name: str = "transfers", **changes: Any) -> None:
        """A data set with one version, under a key that workers alone open."""
        self.must(owner, "new", name=name, policy=WORKERS_ONLY)
        self.must(owner, "put", key=f"/{name}", secret=secret_of(owner + name))
        given = data_terms(**changes).encode()
        self.ok(owner, "publish", name=name, terms=given, key=f"/{name}")
        self.ok(owner, "add", name=name, root=ROOT, chunks=3, size_class=22)

    def story(self, **changes: Any) -> bytes:
        """An open room with data of both banks, and an approved contract; its id."""
        room = self.open_room()
        for bank in BANKS:
            self.bring(bank)
        return self.agree(contract(room, **changes))

    def agree(self, made: Contract) -> bytes:
        """A contract that both banks approve."""
        id: bytes = self.ok(ANALYST, "propose", contract=made.encode())["contract"]
        if made.profile != "free":
            for bank in BANKS:
                self.ok(bank, "vote", contract=id, approve=True)
        return id

    def staff(self, *operators: str) -> None:
        """Workers that wait."""
        for operator in operators:
            one = worker(operator)
            self.of(one.who)
            self.ok(one.who, "wait", evidence=self.shown(one))

    def start(self, id: bytes, name: str = ANALYST, parameters: bytes = NO_PARAMETERS) -> bytes:
        """A job that is scheduled."""
        job: bytes = self.ok(name, "run", contract=id, parameters=parameters)["job"]
        return job

    def ranks(self, job: bytes) -> list[Room]:
        """Who runs it, by rank."""
        shown = self.see(ANALYST, "job", job=job)["executors"]
        return [worker(one["operator"]) for one in shown]

    def take(self, one: Room, job: bytes) -> Result:
        return self.act(one.who, "take", job=job, evidence=self.shown(one))

    def report(self, one: Room, job: bytes, root: bytes = ROOT, **changes: Any) -> Result:
        entries = changes.pop("entries", [["case", b"", root, 1, 20]])
        return self.act(one.who, "report", job=job, entries=entries, **changes)

    def finish(self, job: bytes, root: bytes = ROOT, **changes: Any) -> None:
        """Both executors take a job and report the same."""
        for one in self.ranks(job)[:2]:
            assert self.take(one, job).ok
            result = self.report(one, job, root, **changes)
            assert result.ok, (result.code, result.message)


def again(one: Room, **changes: Any) -> Room:
    """Another worker of its kind."""
    return replace(one, **changes)
