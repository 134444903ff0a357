"""A program that judges tokens, as small as one can be, and a chain that runs it: for what the
roster makes of tokens, whatever they look like.

A token is `good SUBJECT UNTIL SERIAL`. Serials of a subject ascend, as times of issue do.
"""

from typing import Any

from tests.enclave.chain import Chain, person, resolve
from tests.enclave.fixtures import make_cluster_genesis

from strongroom.consensus import labels
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.formats.envelope import Call
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.programs import PROGRAM_NAMES, PROGRAMS
from strongroom.enclave.programs.framework import (
    Bearer,
    Bearing,
    Context,
    Program,
    ProgramError,
    RecordedRefusal,
)
from strongroom.enclave.programs.roster_tables import ADMITTING

ISSUER = "https://issuer.test"
LIMITS = {"open_admission": 0, "activation_delay_ms": 0}

badges = Program("badges")
STANDINGS = badges.map("standings", key=bytes, value=(str, bytes, int))
SERIALS = badges.map("serials", key=(str, bytes), value=int)
REMOVED = badges.map("removed", key=str, value=bool)


@badges.transaction
def present(context: Context, *, issuer: str, token: str) -> dict[str, int]:
    word, subject, until, serial = token.split(" ")
    context.map(STANDINGS).put(context.identity, (issuer, b"noise", 2**40))
    if word == "recorded":
        raise RecordedRefusal("bad token", "and what it wrote would stand")
    if word != "good":
        raise ProgramError("bad token", "no good")
    who = labels.labelled_digest(b"subject", subject.encode())
    if int(serial) <= (context.map(SERIALS).get((issuer, who)) or 0):
        raise ProgramError("old token", "no good")
    context.map(SERIALS).put((issuer, who), int(serial))
    context.map(STANDINGS).put(context.identity, (issuer, who, int(until)))
    return {"until_ms": int(until)}


@badges.transaction
def elsewhere(context: Context, *, issuer: str) -> str:
    """Another operation with an issuer first."""
    return issuer


def standing(context: Context, identity: bytes) -> Bearer | None:
    found = context.map(STANDINGS).get(identity)
    if found is None or context.map(REMOVED).get(found[0]):
        return None
    return Bearer(*found)


badges.bearing = Bearing(presents="present", standing=standing)


class TokenChain(Chain):
    """A service that runs it beside all others; its roster is empty."""

    serial = 0

    def __init__(self, **limits: int) -> None:
        programs = (*PROGRAM_NAMES, badges.name)
        super().__init__(make_cluster_genesis(4, programs=programs, limits=LIMITS | limits))

    def new_executor(self, index: int = 0) -> Executor:
        keyring = Keyring([self.cluster.secrets[index]])
        return Executor(self.genesis, keyring, self.epochs, {**PROGRAMS, badges.name: badges})

    def call(self, name: str, /, **arguments: Any) -> Call:
        program, _, operation = name.partition(".")
        if program != badges.name:
            return super().call(name, **arguments)
        bound = badges.operation(operation).from_python(arguments, resolve)
        return Call(program, self.measurement, operation, bound)

    def mark(self, issuer: str = ISSUER) -> None:
        """As the members' vote does."""
        state = self.executor._runner.state
        state.meter.left = 1
        state.maps[ADMITTING].put(issuer, True)
        state.commit()

    def token(self, subject: str, until: int = 2**41, word: str = "good") -> str:
        self.serial += 1
        return f"{word} {subject} {until} {self.serial}"

    def presenting(
        self, who: str, token: str | None = None, *, issuer: str = ISSUER, close: bool = True
    ) -> bytes:
        """An opening that presents."""
        token = self.token(who) if token is None else token
        call = self.call("badges.present", issuer=issuer, token=token)
        return self.open(who, call, close=close)[1]


def id_of(who: str) -> str:
    return "id:" + person(who).id.hex()
