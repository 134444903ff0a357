"""Four organisations that found a service by files, with the product's own steps; their enclaves
run in this process instead of one of their own."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.fixtures import key_named, manufacturer

from strongroom.consensus.errors import StrongroomError
from strongroom.consensus.types import Digest, Milliseconds
from strongroom.enclave.door.serve import kind_of
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.member.lifecycle import Lifecycle
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measuring import Measurement
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.node.config import Address, NodeConfig
from strongroom.node.enclave_client.refusals import refusal_of
from strongroom.node.layout import ClusterLayout, NodeLayout
from strongroom.node.membership import ceremony_party
from strongroom.node.membership import ceremony_steps as steps
from strongroom.node.membership.ceremony_answers import Acceptance
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.membership.ceremony_refusals import CeremonyRefused, Ground
from strongroom.node.membership.ceremony_terms import Proposal
from strongroom.node.membership.node_folder import make_folder

NOW_MS = 1_800_000_000_000
CODE = Measurement(files=(), python="one", programs=())
OTHER_CODE = Measurement(files=(), python="other", programs=())
NAMES = ("bank1", "bank2", "bank3", "bank4")


class InProcess:
    """An enclave that is asked as EnclaveClient is, in this process."""

    def __init__(self, core: Lifecycle) -> None:
        self._core = core

    async def measurement_and_chip(self) -> tuple[bytes, bytes]:
        return self._core.describe()

    def __getattr__(self, name: str) -> Any:
        async def ask(*arguments: Any) -> Any:
            try:
                core = self._core
                asked = core if hasattr(core, name) else core.active
                return getattr(asked, name)(*arguments)
            except StrongroomError as error:
                raise refusal_of(kind_of(error), str(error), getattr(error, "reason", "")) from None

        return ask


@dataclass(slots=True)
class Organisation:
    """One of them: its folder and its keys."""

    name: str
    layout: NodeLayout

    @property
    def party(self) -> ceremony_party.Party:
        return ceremony_party.Party(
            layout=self.layout,
            operator=key_named(f"operator of {self.name}"),
            member=key_named(f"member of {self.name}"),
        )

    @property
    def card(self) -> Card:
        return Card.decode(self.layout.ceremony.card.read_bytes())

    def signed(self, one: Any) -> bytes:
        """A file as this organisation would sign it, whatever stands in it."""
        signed: bytes = one.sign(self.party.operator, self.party.member).encode()
        return signed

    def evidence(
        self, proposal: Proposal, *, chip: SimulatedChip | None = None, code: Measurement = CODE
    ) -> bytes:
        """Genesis evidence of an enclave of its own, on its chip or another."""
        from strongroom.node.membership.ceremony_proposal import judge_proposal

        own = self.card
        used = chip or SimulatedChip.load(self.layout.chip)
        statement = replace(own.statement, chip_id=used.chip_id, measurement=code.digest)
        identity = Identity(
            name=own.node,
            operator=own.operator,
            region=own.region,
            tls_key=own.tls_key,
            deployment=statement.sign(self.party.operator),
        )
        constitution = judge_proposal(proposal.encode()).constitution.encode()
        return Lifecycle(used, code).prepare(constitution, identity)

    def acceptance(self, proposal: Proposal, evidence: bytes) -> bytes:
        """What it would sign with this evidence."""
        return self.signed(
            Acceptance(operator=self.name, proposal=proposal.digest, evidence=evidence)
        )


@dataclass(slots=True)
class World:
    """All four, and the files that went round so far."""

    organisations: list[Organisation]
    proposal: bytes = b""
    acceptances: list[bytes] = None  # type: ignore[assignment]
    founding: bytes = b""
    confirmations: list[bytes] = None  # type: ignore[assignment]

    def __getitem__(self, name: str) -> Organisation:
        return next(one for one in self.organisations if one.name == name)

    @property
    def cards(self) -> list[bytes]:
        return [one.layout.ceremony.card.read_bytes() for one in self.organisations]

    @property
    def terms(self) -> Proposal:
        return Proposal.decode(self.proposal)

    async def accept(self) -> "World":
        self.acceptances = [
            await steps.accept(one.party, self.proposal, self.cards, now_ms=NOW_MS)
            for one in self.organisations
        ]
        return self

    @property
    def founder(self) -> Organisation:
        from strongroom.node.membership.ceremony_judging import founder_of, judge_acceptances
        from strongroom.node.membership.ceremony_proposal import judge_proposal

        agreed = judge_proposal(self.proposal)
        return self[founder_of(agreed, judge_acceptances(agreed, self.acceptances))]

    @property
    def others(self) -> list[Organisation]:
        founder = self.founder.name
        return [one for one in self.organisations if one.name != founder]

    async def make(self) -> "World":
        party = self.founder.party
        self.founding = await steps.make_founding(
            party, self.proposal, self.acceptances, now_ms=NOW_MS
        )
        return self

    async def confirm_one(self, one: Organisation, founding: bytes | None = None) -> bytes:
        given = self.founding if founding is None else founding
        return await steps.confirm(one.party, self.proposal, self.acceptances, given, now_ms=NOW_MS)

    async def confirm(self) -> "World":
        self.confirmations = [await self.confirm_one(one) for one in self.organisations]
        return self


def proposal_of(cards: Sequence[bytes], **terms: Any) -> Proposal:
    """A proposal of these cards."""
    by_operator = sorted(cards, key=lambda data: Card.decode(data).operator)
    given: dict[str, Any] = {
        "name": "clearing",
        "salt": bytes(32),
        "created_ms": Milliseconds(NOW_MS),
        "cards": tuple(by_operator),
        "members": (),
        "roles": (),
        "programs": PROGRAM_NAMES,
        "limits": (),
        "max_age_ms": Milliseconds(24 * 3_600_000),
    }
    return Proposal(**(given | terms))


def run_in_process(monkeypatch: pytest.MonkeyPatch, code: Callable[[str], Measurement]) -> None:
    """Have the steps ask enclaves in this process; `code` says what a node's runs."""

    @asynccontextmanager
    async def enclave(layout: NodeLayout) -> AsyncIterator[InProcess]:
        chip = SimulatedChip.load(layout.chip)
        yield InProcess(Lifecycle(chip, code(layout.cluster.directory.name)))

    for module in (steps, ceremony_party):
        monkeypatch.setattr(module, "enclave_of", enclave)


async def organisation(folder: Path, name: str, number: int) -> Organisation:
    """One of them, with its folder and its card."""
    layout = ClusterLayout(folder / name).node(f"n{number}")
    config = NodeConfig(
        name=layout.name,
        directory=layout.directory,
        genesis=layout.cluster.genesis,
        rpc=Address(f"127.0.0.{number + 1}", 7400),
        peer=Address(f"127.0.0.{number + 1}", 7410),
    )
    await make_folder(config)
    manufacturer().make_chip().save(layout.chip)
    one = Organisation(name, layout)
    await ceremony_party.make_card(
        one.party,
        operator=name,
        member=name,
        region="zurich",
        country="CH",
        credential=Digest(bytes([number]) * 32),
    )
    return one


async def world(folder: Path) -> World:
    """Four organisations and a proposal."""
    made = World([await organisation(folder, name, at + 1) for at, name in enumerate(NAMES)])
    made.proposal = proposal_of(made.cards).encode()
    return made


class Refused:
    """What a refusal was about."""

    def __init__(self, party: str, ground: Ground) -> None:
        self.party, self.ground = party, ground
        self._raised = pytest.raises(CeremonyRefused)

    def __enter__(self) -> None:
        self._caught = self._raised.__enter__()

    def __exit__(self, *exc: object) -> bool:
        taken = self._raised.__exit__(*exc)  # type: ignore[arg-type]
        error = self._caught.value
        assert (error.party, error.ground) == (self.party, self.ground), str(error)
        assert str(error).startswith(f"{self.party}: {self.ground}: ")
        return bool(taken)


def silent(one: Organisation) -> set[str]:
    """Which files of the ceremony it has: what was refused leaves none."""
    return {path.name for path in one.layout.ceremony.directory.iterdir()}


KILLS_MAX = 64
_WRITES = ("write_atomic", "write_new", "write_service")


class Killed(BaseException):
    """SIGKILL, as far as files can tell: nothing after it happens."""


def kill_at(monkeypatch: pytest.MonkeyPatch, modules: Sequence[Any], at: int) -> None:
    """Have the process end before (even `at`) or after (odd) one of the writes of these modules."""
    done = iter(range(2 * KILLS_MAX))

    def point() -> None:
        if next(done) == at:
            raise Killed

    def killing(real: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any, **named: Any) -> Any:
            point()
            result = real(*arguments, **named)
            point()
            return result

        return act

    for module in modules:
        for name in _WRITES:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, killing(getattr(module, name)))
    monkeypatch.setattr(Path, "unlink", killing(Path.unlink))
