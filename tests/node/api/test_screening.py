"""What cannot be executed is not batched; what can be, is, also at a node that lags."""

import os
from dataclasses import dataclass, field
from hashlib import sha256

import pytest
from tests.enclave.chain import person

from strongroom.consensus import codec
from strongroom.consensus.types import ChainId
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.formats.size_classes import CALL_BOXES, OPENING_MESSAGES
from strongroom.enclave.governance.public import LEAVE, sign_public
from strongroom.node.api.screening import (
    BEHIND_BLOCKS,
    SESSIONS_KEPT_MAX,
    SOUGHT_MAX,
    Ledger,
    Screen,
)
from strongroom.node.faults import Overloaded, Refused, RpcFault

CHAIN = ChainId(bytes(range(32)))
EPOCH = 5


@dataclass
class Node:
    """What a screen asks, as a test sets it."""

    epoch: int = EPOCH
    grace_over: bool = False
    codes: dict[bytes, int] = field(default_factory=dict)
    pending: set[bytes] = field(default_factory=set)
    lag: int = 0
    looked: int = 0

    def screen(self) -> Screen:
        def may_be_executed(id: bytes) -> bool:
            self.looked += 1
            return self.codes.get(id) == Code.EXECUTED

        return Screen(
            CHAIN,
            Ledger(
                epoch=lambda: self.epoch,
                grace_over=lambda: self.grace_over,
                may_be_executed=may_be_executed,
                pending=lambda id: id in self.pending,
                lag=lambda: self.lag,
            ),
        )


def call(session: bytes, epoch: int = EPOCH, kind: int = 1, size: int = min(CALL_BOXES)) -> bytes:
    return codec.encode((1, kind, epoch, session, 1, os.urandom(size)))


def opening(epoch: int = EPOCH, kind: int = 2) -> bytes:
    return codec.encode((1, kind, epoch, os.urandom(min(OPENING_MESSAGES))))


def only(screen: Screen, envelope: bytes) -> RpcFault | None:
    return screen.faults([envelope]).get(0)


def code_and_reason(fault: RpcFault | None) -> tuple[int, object] | None:
    return None if fault is None else (fault.code, fault.data.get("reason"))


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        os.urandom(1_000),
        call(bytes(32), size=min(CALL_BOXES) + 1),
        call(bytes(31)),
        call(bytes(32), kind=4),
        opening(kind=3),
        call(bytes(32)) + b"\x00",
        codec.encode((2, 1, EPOCH, bytes(32), 1, bytes(min(CALL_BOXES)))),
        codec.encode((1, 5, b"", b"", b"")),
    ],
)
def test_what_has_no_envelopes_form_or_is_a_query_is_malformed(envelope: bytes) -> None:
    assert code_and_reason(only(Node().screen(), envelope)) == (-32602, "malformed")


def test_a_public_transaction_is_checked_for_its_signature_and_its_chain() -> None:
    key = person("alice").key
    good = sign_public(key.public, key.sign, CHAIN, LEAVE, ())
    other = sign_public(key.public, key.sign, ChainId(bytes(32)), LEAVE, ())
    assert only(Node().screen(), good) is None
    assert code_and_reason(only(Node().screen(), other)) == (-32002, "does not open")


def test_openings_are_taken_in_the_current_epoch_only() -> None:
    screen = Node().screen()
    assert only(screen, opening()) is None
    for epoch in (EPOCH - 1, EPOCH + 1):
        fault = only(screen, opening(epoch))
        assert fault is not None
        assert (fault.code, fault.data["epoch"]) == (-32006, EPOCH)


@pytest.mark.parametrize(
    ("epoch", "over", "taken"),
    [(EPOCH - 1, False, True), (EPOCH - 1, True, False), (EPOCH - 2, False, False)],
)
def test_calls_of_the_epoch_before_are_taken_until_its_grace_is_known_to_be_over(
    epoch: int, over: bool, taken: bool
) -> None:
    session = os.urandom(32)
    screen = Node(grace_over=over, codes={session: Code.EXECUTED}).screen()
    fault = only(screen, call(session, epoch))
    assert (fault is None) is taken
    assert fault is None or (fault.code, fault.data["epoch"]) == (-32006, EPOCH)


def test_a_call_needs_a_session_that_was_opened() -> None:
    session, refused = os.urandom(32), os.urandom(32)
    node = Node(codes={session: Code.EXECUTED, refused: Code.DOES_NOT_OPEN})
    screen = node.screen()
    assert only(screen, call(session)) is None
    assert code_and_reason(only(screen, call(refused))) == (-32002, "unknown session")
    assert code_and_reason(only(screen, call(os.urandom(32)))) == (-32002, "unknown session")


def test_an_opening_under_way_is_good_for_the_calls_behind_it() -> None:
    first, waits = opening(), os.urandom(32)
    screen = Node(pending={waits}).screen()
    here = sha256(first).digest()
    assert screen.faults([first, call(here), call(here), call(waits)]) == {}
    assert list(screen.faults([call(here), first])) == [0], "and for none before it"


def test_a_node_that_is_behind_says_so_instead_of_judging() -> None:
    node = Node(lag=BEHIND_BLOCKS + 1)
    assert isinstance(only(node.screen(), call(os.urandom(32))), Overloaded)
    node.lag = BEHIND_BLOCKS
    assert code_and_reason(only(node.screen(), call(os.urandom(32)))) == (-32002, "unknown session")


@pytest.mark.parametrize("found", [False, True])
def test_T70_of_one_submission_only_so_many_sessions_are_looked_for(found: bool) -> None:
    """Also of those that are found: every id of the ledger may be named as one."""
    known, named = os.urandom(32), [os.urandom(32) for _ in range(1_000)]
    node = Node(codes=dict.fromkeys([known, *named] if found else [known], Code.EXECUTED))
    screen = node.screen()
    assert only(screen, call(known)) is None
    faults = screen.faults([call(known), *map(call, named), call(known), call(known)])
    assert node.looked == 1 + SOUGHT_MAX
    first = 1 + SOUGHT_MAX if found else 1
    assert sorted(faults) == list(range(first, 1_001)), "those that are known are taken"
    kinds = [type(faults[at]) for at in range(1, 1_001) if at in faults]
    refused = 0 if found else SOUGHT_MAX
    assert kinds == [Refused] * refused + [Overloaded] * (1_000 - SOUGHT_MAX)
    assert faults[1_000].data["retry_after_ms"]


def test_sessions_that_were_found_are_known_when_the_submission_comes_again() -> None:
    calls = [call(os.urandom(32)) for _ in range(3 * SOUGHT_MAX)]
    node = Node(codes=dict.fromkeys((read_envelope(one)[3] for one in calls), Code.EXECUTED))
    screen = node.screen()
    left = [len(screen.faults(calls)) for _ in range(3)]
    assert left == [2 * SOUGHT_MAX, SOUGHT_MAX, 0]


def test_known_sessions_cost_one_look_up_and_only_so_many_are_kept() -> None:
    sessions = [number.to_bytes(32, "big") for number in range(SESSIONS_KEPT_MAX + 10)]
    node = Node(codes=dict.fromkeys(sessions, Code.EXECUTED))
    screen = node.screen()
    assert not any(only(screen, call(one)) for one in sessions)
    assert node.looked == len(sessions)
    assert len(screen._sessions) == SESSIONS_KEPT_MAX
    assert only(screen, call(sessions[-1])) is None
    assert node.looked == len(sessions)
    assert only(screen, call(sessions[0])) is None
    assert node.looked == len(sessions) + 1
