"""Privileged access on the world of governance: four members, each acting for an operator of its
own; operators ask by their own keys."""

from dataclasses import dataclass
from typing import Any

from tests.enclave.fixtures import key_named
from tests.enclave.governance.world import World

from strongroom.consensus.types import Digest
from strongroom.enclave.governance import public
from strongroom.enclave.governance.grant_document import GrantEntry
from strongroom.enclave.governance.grant_records import parameters_digest
from strongroom.enclave.primitives import SigningKey

HOUR_MS = 3_600_000
REASON = "the node swaps since yesterday's load"
DONE = Digest(bytes(range(32)))


@dataclass(frozen=True)
class Ask:
    """An ask as a test says it; times count from now."""

    operations: tuple[str, ...] = ("diagnostics",)
    nodes: tuple[str, ...] = ("n1",)
    reason: str = REASON
    claim_ms: int = 2 * HOUR_MS
    duration_ms: int = HOUR_MS
    kind: str = "planned"


class GrantWorld(World):
    """Member i acts for operator i."""

    def __init__(self, n: int = 4) -> None:
        super().__init__(n)
        self.ok(
            *[
                self.proposal("set_affiliation", key=key.public, operator=f"operator{index}")
                for index, key in enumerate(self.members.values())
            ],
            self.proposal("set_limit", name="activation_delay_ms", value=0),
        )
        ids = [one.id for one in self.governance.document().proposals]
        for name in ("member1", "member2"):
            self.ok(*[self.ballot(id, name) for id in ids])
        self.pass_time(HOUR_MS)
        self.keep_attested()
        assert len(self.governance.document().access.affiliations) == 4

    # --- words ---

    def word(self, key: SigningKey, action: str, fields: tuple[Any, ...]) -> bytes:
        return public.sign_public(key.public, key.sign, self.genesis.chain, action, fields)

    def ask(self, ask: Ask = Ask(), by: str = "operator0", *, nonce: int | None = None) -> bytes:
        self._nonce += 1
        fields = (
            (self._nonce if nonce is None else nonce).to_bytes(16, "big"),
            ask.operations,
            ask.nodes,
            ask.reason,
            int(self.tip.time_ms) + ask.claim_ms,
            ask.duration_ms,
            ask.kind,
        )
        return self.word(key_named(by), public.ASK, fields)

    def asked(self, ask: Ask = Ask(), by: str = "operator0") -> str:
        id, status = self.ok(self.ask(ask, by))
        assert status == "asked"
        return str(id)

    def grant(self, id: str) -> GrantEntry:
        return next(one for one in self.governance.document().access.grants if one.id == id)

    def about(self, action: str, id: str, by: str, digest: bytes | None = None) -> bytes:
        named = self.grant(id).digest if digest is None else digest
        return self.word(key_named(by), action, (id, named))

    def approve(self, id: str, by: str) -> bytes:
        return self.about(public.APPROVE, id, by)

    def approved(self, ask: Ask = Ask(), by: str = "operator0") -> str:
        """Asked, and approved by members of other operators."""
        id = self.asked(ask, by)
        self.ok(self.approve(id, "member1"))
        if ask.kind == "planned":
            self.ok(self.approve(id, "member2"))
        assert self.grant(id).status == "approved"
        return id

    def begin(
        self,
        id: str,
        operation: str = "diagnostics",
        node: str = "n1",
        parameters: tuple[Any, ...] = (b"key",),
        by: str = "operator0",
    ) -> bytes:
        digest = parameters_digest(operation, node, parameters)
        return self.word(key_named(by), public.BEGIN, (id, operation, node, digest))

    def act(
        self,
        id: str,
        node: int = 1,
        *,
        operation: str = "diagnostics",
        named: str | None = None,
        parameters: tuple[Any, ...] = (b"key",),
    ) -> bytes:
        actor = self.nodes[node]
        digest = parameters_digest(operation, named or actor.name, parameters)
        return self.say(actor, public.ACT, (id, operation, digest, DONE))

    def finish(
        self,
        id: str,
        operation: str = "diagnostics",
        node: str = "n1",
        by: str = "operator0",
        outcome: str = "done",
    ) -> bytes:
        fields = (id, operation, node, outcome, DONE)
        return self.word(key_named(by), public.FINISH, fields)

    def revoke(self, id: str, by: str) -> bytes:
        return self.word(key_named(by), public.REVOKE_GRANT, (id,))

    def events(self) -> list[tuple[str, str]]:
        return [(one.kind, one.subject) for one in self.governance.document().access.events]
