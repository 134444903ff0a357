"""What a token costs its sender, good or bad: nobody stalls replicas with bad signatures (T11)."""

import json

import pytest
from tests.enclave.chain import person
from tests.enclave.programs.people.world import PeopleChain
from tests.openid.provider import ALGORITHMS

from strongroom.enclave.programs.people import checking
from strongroom.enclave.programs.people.checking import SIGNATURE_STEPS
from strongroom.enclave.tokens.jose import Token, encode_base64url


def spent(chain: PeopleChain, token: str) -> int:
    """Steps that a block's call took, however it ended."""
    runner = chain.executor._runner
    chain.present("alice", token)
    return 20_000 - runner.state.meter.left


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_T57_a_bad_signature_costs_as_much_as_a_good_one(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = PeopleChain()
    chain.provider.rotate(algorithm, drop=True)
    chain.choose()
    good = chain.token()
    bad = good[:-8] + ("AAAAAAAA" if not good.endswith("AAAAAAAA") else "BBBBBBBB")
    looked: list[int] = []
    real = Token.verify

    def watched(self: Token, *arguments: object) -> None:
        looked.append(chain.executor._runner.state.meter.left)
        real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Token, "verify", watched)
    taken = spent(chain, bad)
    assert len(looked) == 1
    assert 20_000 - looked[0] >= SIGNATURE_STEPS[algorithm], "charged before it is looked at"
    assert taken >= SIGNATURE_STEPS[algorithm] + len(bad) // checking.STEP_CHARACTERS


def test_T57_a_token_that_is_none_is_charged_by_its_length(chain: PeopleChain) -> None:
    claims = json.dumps({f"{number:x}": number for number in range(400)}).encode()
    text = ".".join(map(encode_base64url, (b"{}", claims, b"")))
    assert spent(chain, text) >= len(text) // checking.STEP_CHARACTERS


@pytest.fixture
def chain() -> PeopleChain:
    chain = PeopleChain()
    chain.choose()
    return chain


def test_T57_a_block_has_room_for_so_many_bad_tokens_and_no_more(chain: PeopleChain) -> None:
    """The steps that all calls of a block share run out: then no signature is looked at."""
    runner, good = chain.executor._runner, chain.token()
    call = chain.call("people.present", issuer=chain.provider.url, token=good[:-8] + "AAAAAAAA")
    runner._steps = 1_000
    answers = [
        runner.run(call.encode(), person("alice").id, bytes(32), lambda _: bytes(32), 200)[0]
        for _ in range(8)
    ]
    assert b"signature" in answers[0]
    assert b"no room" in answers[-1]
