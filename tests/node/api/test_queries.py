"""A sealed query at a node whose enclave ends meanwhile, in whichever of its steps."""

import threading
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from strongroom.node.api import queries
from strongroom.node.api.queries import QueryDesk
from strongroom.node.api.service import Service
from strongroom.node.enclave_client.process import EnclaveGone
from strongroom.node.enclave_client.refusals import RefusalKind, refusal_of
from strongroom.node.faults import NotReady, NotYet, RpcFault

STEPS = ("query", "challenge", "sign_head", "freshen")


class Enclave:
    """Answers a linearizable query once it was freshened, unless it ends first."""

    def __init__(self, ends_at: str = "", stale: int = 0) -> None:
        self._ends_at, self.fresh, self.stale = ends_at, False, stale

    def step(self, name: str) -> None:
        if name == self._ends_at:
            raise EnclaveGone("the enclave ended")

    async def query(self, _envelope: bytes, _outcome: bytes | None) -> tuple[bytes, int]:
        self.step("query")
        if not self.fresh:
            raise refusal_of(RefusalKind.HEADS_NEEDED, "over its nonce")
        return b"sealed", 7

    async def challenge(self) -> bytes:
        self.step("challenge")
        return b"nonce"

    async def freshen(self, _heads: list[object]) -> None:
        self.step("freshen")
        if self.stale:
            self.stale -= 1
            raise refusal_of(RefusalKind.STALE_HEADS, "3 heads end below my own mark")
        self.fresh = True

    async def link_evidence(self, _nonce: bytes) -> bytes:
        self.step("link_evidence")
        return b"evidence"

    async def collect(self, _nonce: bytes, *, seconds: float) -> list[object]:
        """A node signs a head of its own first."""
        self.step("sign_head")
        return []


def sources_of(enclave: Enclave) -> Any:
    return SimpleNamespace(enclave=enclave, heads=enclave)


def desk_of(enclave: Enclave) -> QueryDesk:
    return QueryDesk(sources_of(enclave), on_heads=lambda _: None)


async def test_a_linearizable_query_is_answered_after_fresh_heads() -> None:
    assert (await desk_of(Enclave()).answer(b"envelope"))["height"] == 7


async def test_heads_that_slow_links_made_old_are_asked_for_anew_while_there_is_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under lost chunks a look at a register was told "not linearizable now"."""
    assert (await desk_of(Enclave(stale=3)).answer(b"envelope"))["height"] == 7
    monkeypatch.setattr(queries, "BEHIND_SECONDS", 0.1)
    with pytest.raises(NotYet):
        await desk_of(Enclave(stale=1_000_000)).answer(b"envelope")


Ask = Callable[[Enclave], Awaitable[object]]
ASKED: list[tuple[str, Ask]] = [
    *((step, lambda enclave: desk_of(enclave).answer(b"envelope")) for step in STEPS),
    ("sign_head", lambda enclave: desk_of(enclave).collect(b"nonce")),
    (
        "link_evidence",
        lambda enclave: Service.node_evidence(
            SimpleNamespace(_sources=sources_of(enclave)),  # type: ignore[arg-type]
            b"nonce",
        ),
    ),
]


@pytest.mark.parametrize(("ends_at", "ask"), ASKED)
async def test_whoever_asks_an_enclave_that_has_ended_is_sent_to_another_node(
    ends_at: str, ask: Ask
) -> None:
    """Not told of an internal error: a client would believe it and give up (P8)."""
    with pytest.raises(RpcFault, match="ask another node") as fault:
        await ask(Enclave(ends_at))
    assert isinstance(fault.value, NotReady)


async def test_T31_the_outcome_that_a_query_is_about_is_read_beside_the_event_loop() -> None:
    threads: list[threading.Thread] = []

    def read() -> bytes:
        threads.append(threading.current_thread())
        return b"an outcome"

    class Asks(Enclave):
        async def query(self, _envelope: bytes, outcome: bytes | None) -> Any:
            return bytes(32) if outcome is None else (outcome, 7)

    def look() -> Any:
        threads.append(threading.current_thread())
        return SimpleNamespace(height=3)

    class Store:
        def finding(self, _id: bytes) -> Any:
            threads.append(threading.current_thread())
            return look

        def reading(self, _kind: object, height: int, _decode: object) -> Any:
            return read if height == 3 else None

    enclave = Asks()
    sources: Any = SimpleNamespace(enclave=enclave, heads=enclave, store=Store())
    answer = await QueryDesk(sources, on_heads=lambda _: None).answer(b"envelope")
    assert answer == {"answer": b"an outcome", "height": 7}
    asked, looked, outcome = threads
    assert asked is threading.main_thread()
    assert looked is outcome is not asked
