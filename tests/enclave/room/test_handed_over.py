"""What a room makes of keys that a token hands over (T52, T55): no process, no network, no HSM."""

from functools import partial
from typing import Any

import pytest
from tests.enclave.room.test_halves import (
    CHAIN,
    CUSTOMER,
    KEY,
    LEASE,
    Bench,
    CarryingHost,
)

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.attestation.room_claims import RoomClaims, RoomEvidence
from strongroom.enclave.outside.half_request import WHOLE, HalfRequest
from strongroom.enclave.outside.token_key import TokenKeyRequest, handover_context, seal_token_key
from strongroom.enclave.room import halves
from strongroom.enclave.room.handed_over import HandedKey
from strongroom.enclave.room.host import HostFailed
from strongroom.enclave.room.leases import LeaseEnded
from strongroom.enclave.room.ledger import Refused

pytestmark = pytest.mark.usefixtures("hurried")
PIECES = 3


class TokenHost(CarryingHost):
    """Carries to a custodian whose token hands keys over."""

    def __init__(self, boot: Any, token: Any) -> None:
        super().__init__(boot)
        self.token = token
        self.points: list[bytes] = []

    def answer(self, method: str, params: dict[str, Any]) -> bytes:
        if method == "custodian_challenge":
            return super().answer(method, params)
        assert method == "custodian_key"
        asked = TokenKeyRequest.decode(params["request"])
        claims = RoomClaims.decode(RoomEvidence.decode(asked.shown.evidence).claims)
        assert claims.nonce == asked.shown.nonce == self.challenges[-1]
        assert asked.is_by(claims.session_key, CHAIN)
        self.requests.append(asked.shown)
        self.points.append(asked.point)
        return self.handed(asked)

    def handed(self, asked: TokenKeyRequest, **changes: Any) -> bytes:
        shown: HalfRequest = asked.shown
        place: dict[str, Any] = {
            "lease": LEASE,
            "nonce": shown.nonce,
            "piece": shown.piece,
            "point": asked.point,
        }
        context = handover_context(KEY, **({"lease": LEASE} | place | changes))
        own, wrapped = self.token.wrapped(KEY, shown.piece, asked.point, context)
        return seal_token_key(self.boot.seal_key.public, own, wrapped, context, CHAIN)


class KeyBench(Bench):
    """A room with a fresh lease of a key of custody hsm."""

    def __init__(self, *, pieces: int = 0) -> None:
        from tests.node.custodian.release_world import SoftToken

        super().__init__(pieces=pieces, custody="hsm", half=b"", wrapped=b"")
        self.token = SoftToken()
        self.host = TokenHost(self.boot, self.token)
        self.room.host = self.host  # type: ignore[assignment]

    @property
    def held(self) -> HandedKey:
        assert isinstance(self.keeper.opened, HandedKey)
        return self.keeper.opened

    def begin(self) -> HandedKey:
        self.run(self.room._ended_unless(self.keeper, self.room._open(self.keeper, self.asked)))
        return self.held


def test_the_key_is_opened_and_wiped_with_the_lease() -> None:
    bench = KeyBench()
    held = bench.begin()
    assert held.whole().reveal() == bench.token.data_key(KEY, WHOLE)
    piece = bench.run(bench.keeper.piece_key(1))
    assert piece.reveal() == bench.keeper.key.piece_key(held.whole(), 1).reveal()
    assert held._whole is not None
    kept = held._whole._bytes
    bench.keeper.finish(LeaseEnded("revoked", "by its owner"))
    assert not any(kept)
    with pytest.raises(LeaseEnded):
        held.whole()
    assert "HandedKey(…)" in repr(held)


def test_t52_pieces_come_in_order_each_counted_first_and_never_the_whole() -> None:
    bench = KeyBench(pieces=PIECES)
    held = bench.begin()
    given = bench.run(bench.keeper.piece_key(PIECES - 1))
    assert given.reveal() == bench.token.data_key(KEY, PIECES - 1)
    assert [request.piece for request in bench.host.requests] == [*range(PIECES)]
    assert [call[0] for call in bench.ledger.calls] == ["beat"] * (PIECES - 1)
    assert isinstance(bench.host, TokenHost)
    assert len(set(bench.host.points)) == PIECES, "each request has a point of its own"
    with pytest.raises(LeaseEnded):
        held.whole()
    with pytest.raises(ClientFault, match="no piece 3"):
        bench.run(bench.keeper.piece_key(PIECES))
    kept = [one._bytes for one in held._given]
    bench.keeper.finish(LeaseEnded("revoked", "by its owner"))
    assert not any(any(one) for one in kept)


@pytest.mark.parametrize(
    "changes",
    [{"lease": b"x" * 16}, {"nonce": b"x" * 32}, {"piece": 1}, {"point": b"\x04" * 65}],
    ids=["lease", "nonce", "piece", "point"],
)
def test_t55_what_was_handed_over_for_another_request_opens_nothing(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = KeyBench()
    host = bench.host
    assert isinstance(host, TokenHost)
    monkeypatch.setattr(host, "handed", partial(host.handed, **changes))
    with pytest.raises(Refused, match=CUSTOMER) as raised:
        bench.begin()
    assert raised.value.code == halves.NOT_A_HALF
    assert bench.held._whole is None
    assert bench.ledger.calls == [("end", LEASE, 0)]


def test_t55_a_replayed_answer_opens_nothing() -> None:
    bench = KeyBench(pieces=PIECES)
    answers: list[bytes] = []

    def first(method: str, answer: Any) -> Any:
        if method == "custodian_key":
            answers.append(answer)
            return answers[0]
        return answer

    bench.host.lie = first
    bench.begin()
    with pytest.raises(LeaseEnded) as raised:
        bench.run(bench.keeper.piece_key(1))
    assert raised.value.code == halves.NOT_A_HALF


def test_t56_a_custodian_that_is_away_leaves_the_lease_in_the_middle_of_a_job() -> None:
    bench = KeyBench(pieces=PIECES)
    bench.begin()

    def away(_method: str, _answer: Any) -> Any:
        raise HostFailed(0, "no answer", reason="custodian-away")

    bench.host.lie = away
    with pytest.raises(Refused) as raised:
        bench.run(bench.keeper.piece_key(1))
    assert (raised.value.code, CUSTOMER in raised.value.message) == ("custodian-away", True)
    bench.host.lie = lambda _method, answer: answer
    given = bench.run(bench.keeper.piece_key(1))
    assert given.reveal() == bench.token.data_key(KEY, 1)
