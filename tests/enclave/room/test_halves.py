"""What a room makes of its custodian's answers, and of none (T55): no process, no network."""

import hmac
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.enclave.fixtures import key_named, manufacturer

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import ChainId, Digest, Height, TransactionId
from strongroom.enclave.attestation.deployment import Deployment
from strongroom.enclave.attestation.room_claims import (
    RoomClaims,
    RoomEvidence,
    sign_room_deployment,
)
from strongroom.enclave.formats.vault_claims import LeaseStatement
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.half_request import (
    WHOLE,
    HalfRequest,
    seal_half,
)
from strongroom.enclave.outside.pieces import KeyVersion
from strongroom.enclave.outside.split_key import KeyName, half_input, piece_under_half, unwrap, wrap
from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.boots import Boot, Place, bind_chip
from strongroom.enclave.room.halves import SplitKey
from strongroom.enclave.room.host import Host, HostFailed
from strongroom.enclave.room.leases import LeaseEnded, LeaseKeeper
from strongroom.enclave.room.ledger import Executed, Ledger, Refused
from strongroom.enclave.room.sdk import Room
from strongroom.enclave.room.turns import Turns, Waiting

pytestmark = pytest.mark.usefixtures("hurried")
CHAIN = ChainId(Digest(b"c" * 32))
OWNER, LEASE, ASK = b"o" * 32, b"l" * 16, TransactionId(Digest(b"t" * 32))
KEY = KeyName(chain=CHAIN, owner=OWNER, name="design", version=1)
K, L = Secret(bytes(range(32))), Secret(bytes(range(32, 64)))
CUSTOMER, PIECES = "Acme Toys", 3
ZEROS = bytes(32)


def half_of(key: KeyName, piece: int = WHOLE) -> Secret:
    """What the customer's HSM computes."""
    data = half_input(key, None if piece == WHOLE else piece)
    return Secret(hmac.digest(b"key in the token", data, "sha256"))


def make_boot() -> Boot:
    operator, chip = Identity(key_named("plant")), manufacturer().make_chip()
    bound = bind_chip(chip, bytes(48))
    stated = Deployment(
        name="hall-7",
        operator="plant",
        chip_id=chip.chip_id,
        measurement=bytes(48),
        region="eu-west",
    )
    place = Place(
        chain=CHAIN,
        room="hall-7",
        program="printer",
        region="eu-west",
        operator="plant",
        operator_key=operator.public,
        operator_signature=sign_room_deployment(stated, CHAIN, operator.key),
    )
    return Boot(place, bound, b"")


class CarryingHost:
    """Carries to a custodian in this process; `lie` changes what comes back."""

    def __init__(self, boot: Boot) -> None:
        self.boot = boot
        self.challenges: list[bytes] = []
        self.requests: list[HalfRequest] = []
        self.lie: Callable[[str, Any], Any] = lambda _method, answer: answer
        self.told: list[str] = []

    def begin(self, method: str, **params: Any) -> Waiting[Any]:
        waiting: Waiting[Any] = Waiting()
        assert params["custodian"] == b"m" * 32
        try:
            answer = self.lie(method, self.answer(method, params))
        except HostFailed as fault:
            waiting.fail(fault)
        else:
            if answer is not NOTHING:
                waiting.set(answer)
        return waiting

    def answer(self, method: str, params: dict[str, Any]) -> bytes:
        if method == "custodian_challenge":
            self.challenges.append(bytes([len(self.challenges)]) * 32)
            return self.challenges[-1]
        request = HalfRequest.decode(params["request"])
        claims = RoomClaims.decode(RoomEvidence.decode(request.evidence).claims)
        assert (claims.nonce, request.nonce) == (self.challenges[-1],) * 2
        assert request.transaction == ASK
        assert LeaseStatement.decode(request.claim).encode() == request.claim
        self.requests.append(request)
        return self.sealed(request)

    def sealed(self, request: HalfRequest, **changes: Any) -> bytes:
        made: dict[str, Any] = {
            "half": half_of(KEY, request.piece),
            "key": KEY,
            "lease": LEASE,
            "nonce": request.nonce,
            "piece": request.piece,
        }
        made |= changes
        return seal_half(self.boot.seal_key.public, made.pop("half"), **made)

    def tell(self, what: str, **_fields: Any) -> None:
        self.told.append(what)


NOTHING = object()
"""No answer at all."""


class CountingLedger:
    """Answers every beat and end; writes down what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    async def call(self, _program: str, operation: str, *arguments: Any, until: float) -> Executed:
        self.calls.append((operation, *arguments))
        answer = {"until_ms": 2**40, "heartbeat_ms": 2**30, "allotment": 2, "piece_key": b""}
        return Executed(ASK, Height(1), answer | {"returned": 0}, b"")


class Bench:
    """A room with a fresh lease of a split key."""

    def __init__(self, *, pieces: int = 0, custody: str = "split", **told: Any) -> None:
        self.boot, self.turns, self.ledger = make_boot(), Turns(), CountingLedger()
        self.host = CarryingHost(self.boot)
        wrapped = wrap(K, KEY, ledger=L, customer=half_of(KEY))
        answer = {
            "lease": LEASE,
            "version": 1,
            "until_ms": 2**40,
            "heartbeat_ms": 2**30,
            "allotment": 2,
            "half": L.reveal(),
            "pieces": pieces,
            "custody": custody,
            "wrapped": wrapped,
            "digest": b"",
            "custodian": b"m" * 32,
            "customer": CUSTOMER,
        }
        self.asked = Executed(ASK, Height(1), answer | told, b"b" * 32)
        ledger, host = cast(Ledger, self.ledger), cast(Host, self.host)
        self.keeper = LeaseKeeper(
            ledger,
            self.turns,
            lambda: b"",
            KeyVersion(owner=OWNER, name="design", version=1),
            self.asked,
            sent=time.monotonic(),
            opened_ms=0,
        )
        self.room = Room(
            "hall-7", CHAIN, {}, boot=self.boot, host=host, ledger=ledger, turns=self.turns
        )

    def open(self) -> SplitKey:
        room, keeper = self.room, self.keeper
        self.run(room._ended_unless(keeper, room._open(keeper, self.asked)))
        return self.opened

    @property
    def opened(self) -> SplitKey:
        assert isinstance(self.keeper.opened, SplitKey)
        return self.keeper.opened

    def run(self, work: Any) -> Any:
        return self.turns.run(self.turns.spawn(work), lambda: time.sleep(0.002))

    def refused(self, lie: Callable[[str, Any], Any]) -> Refused:
        """How it is refused to open while the host lies so: its lease is ended, and nothing is
        held."""
        self.host.lie = lie
        with pytest.raises(Refused) as raised:
            self.open()
        assert self.ledger.calls == [("end", LEASE, 0)], "what it reserved comes back"
        assert self.keeper.over is not None
        assert (self.opened._ledger, self.opened._whole) == (None, None)
        return raised.value


def test_both_halves_open_and_nothing_of_them_is_kept() -> None:
    bench = Bench()
    opened = bench.open()
    assert opened._ledger is not None
    assert opened._whole is not None
    whole = opened._whole._bytes
    assert bytes(opened._ledger._bytes) == ZEROS, "L is of no use any more"
    shown = bench.run(bench.keeper.piece_key(5)).reveal()
    assert shown == bench.keeper.key.piece_key(K, 5).reveal()
    assert [request.piece for request in bench.host.requests] == [WHOLE]
    bench.keeper.finish(LeaseEnded("revoked", "by its owner"))
    assert bytes(whole) == ZEROS
    with pytest.raises(LeaseEnded):
        bench.run(bench.keeper.piece_key(5))


def sealed_otherwise(**changes: Any) -> Callable[[Bench], Callable[[str, Any], Any]]:
    def make(bench: Bench) -> Callable[[str, Any], Any]:
        def lie(method: str, answer: Any) -> Any:
            if method == "custodian_challenge":
                return answer
            return bench.host.sealed(bench.host.requests[-1], **changes)

        return lie

    return make


def answers(method: str, answer: Any) -> Callable[[Bench], Callable[[str, Any], Any]]:
    return lambda _bench: lambda asked, true: answer if asked == method else true


def says(reason: str, text: str = "Acme Toys: no") -> Callable[[Bench], Callable[[str, Any], Any]]:
    def fail(_method: str, _answer: Any) -> Any:
        raise HostFailed(-32603, text, reason)

    return lambda _bench: fail


OTHER = Secret(b"x" * 32)
LIES = {
    "garbage": (answers("custodian_half", b"x" * 1200), "half"),
    "nothing": (answers("custodian_half", b""), "half"),
    "another nonce": (sealed_otherwise(nonce=b"n" * 32), "half"),
    "another lease": (sealed_otherwise(lease=b"k" * 16), "half"),
    "another key": (sealed_otherwise(key=replace(KEY, version=2)), "half"),
    "a piece's": (sealed_otherwise(piece=0), "half"),
    "another key's C": (sealed_otherwise(half=half_of(replace(KEY, name="other"))), "half"),
    "a rotated HSM's C": (sealed_otherwise(half=OTHER), "half"),
    "a short challenge": (answers("custodian_challenge", b"n"), "half"),
    "no bytes": (answers("custodian_half", 7), "custodian-away"),
    "hangs": (answers("custodian_half", NOTHING), "custodian-away"),
    "hangs at once": (answers("custodian_challenge", NOTHING), "custodian-away"),
    "is not there": (says("", "cannot connect"), "custodian-away"),
    "says what nobody knows": (says("open-sesame"), "custodian-away"),
    "its policy": (says("policy"), "policy"),
    "not live": (says("not-live"), "not-live"),
    "rate": (says("rate"), "rate"),
    "escapes": (says("policy", "\x1b[2J"), "policy"),
}


@pytest.mark.parametrize("lie", LIES)
def test_t55_what_is_no_half_is_refused_in_words_and_the_lease_ended(lie: str) -> None:
    make, code = LIES[lie]
    bench = Bench()
    refused = bench.refused(make(bench))
    assert refused.code == code
    assert CUSTOMER in refused.message
    assert "\x1b" not in refused.message


def test_what_refuses_for_good_is_asked_once_and_what_is_away_again() -> None:
    for reason, again in (("policy", False), ("custodian-away", True)):
        bench = Bench()
        tries: list[str] = []

        def lie(method: str, _answer: Any, reason: str = reason, tries: list[str] = tries) -> Any:
            tries.append(method)
            raise HostFailed(0, "no", reason)

        bench.refused(lie)
        assert (len(tries) > 1) is again


def test_one_that_comes_back_gives() -> None:
    bench = Bench()
    tries: list[str] = []

    def lie(method: str, answer: Any) -> Any:
        tries.append(method)
        if len(tries) < 3:
            raise HostFailed(0, "no token 'acme'", "custodian-away")
        return answer

    bench.host.lie = lie
    bench.open()
    assert bench.keeper.over is None


def test_a_half_that_comes_when_the_lease_is_over_opens_nothing() -> None:
    bench = Bench()

    def lie(method: str, answer: Any) -> Any:
        if method == "custodian_half":
            bench.keeper.finish(LeaseEnded("revoked", "by its owner"))
        return answer

    bench.host.lie = lie
    with pytest.raises(LeaseEnded, match="revoked"):
        bench.open()
    assert (bench.opened._ledger, bench.opened._whole) == (None, None)


def test_what_a_room_imported_is_wrapped_under_both_halves_once_they_are_seen_to_be_these() -> None:
    bench = Bench()
    keeper, room, imported = bench.keeper, bench.room, Secret(b"i" * 32)
    made = bench.run(room._ended_unless(keeper, room._rewrapped(keeper, bench.asked, imported)))
    again = unwrap(made, KEY, ledger=L, customer=half_of(KEY))
    assert again.reveal() == imported.reveal()
    assert bench.opened._whole is None, "its former key is not kept"

    bench = Bench()
    keeper, room = bench.keeper, bench.room
    bench.host.lie = sealed_otherwise(half=OTHER)(bench)
    with pytest.raises(Refused, match=CUSTOMER) as raised:
        bench.run(room._ended_unless(keeper, room._rewrapped(keeper, bench.asked, imported)))
    assert raised.value.code == "half"
    assert bench.ledger.calls == [("end", LEASE, 0)]


def test_in_pieces_each_opens_with_a_half_of_its_own_behind_a_beat() -> None:
    bench = Bench(pieces=PIECES)
    bench.open()
    for index in (1, 0, 2):
        shown = bench.run(bench.keeper.piece_key(index)).reveal()
        own = bench.keeper.key.piece_key(K, index)
        assert shown == piece_under_half(own, KEY, index, half_of(KEY, index)).reveal()
        assert shown != own.reveal(), "K alone opens none"
    assert [request.piece for request in bench.host.requests] == [WHOLE, 0, 1, 2]
    assert [call[5] for call in bench.ledger.calls if call[0] == "beat"] == [1, 2]
    with pytest.raises(ClientFault, match="gives 3 pieces"):
        bench.run(bench.keeper.piece_key(3))
    kept = [held._bytes for held in bench.opened._given]
    bench.keeper.finish(LeaseEnded("revoked", "by its owner"))
    assert [bytes(one) for one in kept] == [ZEROS] * 3


def test_a_custodian_that_is_away_in_the_middle_leaves_the_lease() -> None:
    bench = Bench(pieces=PIECES)
    bench.open()
    bench.run(bench.keeper.piece_key(0))
    bench.host.lie = says("custodian-away")(bench)
    with pytest.raises(Refused, match=CUSTOMER) as raised:
        bench.run(bench.keeper.piece_key(1))
    assert raised.value.code == "custodian-away"
    assert bench.keeper.over is None
    bench.host.lie = lambda _method, answer: answer
    bench.run(bench.keeper.piece_key(1))


@pytest.mark.parametrize("lie", ["policy", "not-live"])
def test_one_that_refuses_in_the_middle_ends_the_lease(lie: str) -> None:
    bench = Bench(pieces=PIECES)
    bench.open()
    bench.run(bench.keeper.piece_key(0))
    bench.host.lie = says(lie)(bench)
    with pytest.raises(LeaseEnded, match=lie):
        bench.run(bench.keeper.piece_key(1))
    assert bench.ledger.calls[-1] == ("end", LEASE, 2), "nobody knows how far it came"
    with pytest.raises(LeaseEnded):
        bench.run(bench.keeper.piece_key(0))


def test_a_custody_that_this_code_does_not_know_is_refused() -> None:
    bench = Bench(custody="oracle")
    with pytest.raises(Refused, match="custody"):
        bench.open()
    assert bench.ledger.calls == [("end", LEASE, 0)]
