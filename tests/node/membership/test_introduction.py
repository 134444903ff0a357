"""A newcomer's first words are spoken at a front door, and whoever stands there may answer
anything (T31)."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from tests.consensus import samples

from strongroom.consensus import codec
from strongroom.node.config import Address, NodeConfig, Peer
from strongroom.node.membership.joining import Introduction
from strongroom.node.rpc import probe

DOOR = Address("127.0.0.1", 1)
GOOD = {
    "service_info": {"executed": 5},
    "ledger_header": {"header": b64encode(samples.HEADER.encoded).decode()},
    "ledger_submit": {"id": "00"},
}
ANYTHING = (
    *("null", "[]", "{}", '"x"', "1", "1e999", "-1e999", "NaN", "-1", "true", "1" + "0" * 400),
    '{"executed": 1e999}',
    '{"executed": NaN}',
    '{"executed": "\\ud800"}',
    '{"executed": [[]]}',
    f'{{"executed": {2**64}}}',
    '{"header": "\\ud800"}',
    '{"header": "AAAA"}',
    '{"header": 7}',
    '{"header": ["AAAA"]}',
)


class StandInEnclave:
    """Attests to whatever it is told, as far as a request can be written down."""

    def __init__(self) -> None:
        self.attested: list[int] = []

    async def attest(self, height: int, digest: bytes, rpc: str, peer: str) -> bytes:
        self.attested.append(height)
        return codec.encode((height, digest, rpc, peer))


def introduction(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any]) -> Introduction:
    def ask(_door: Address, _context: object, method: str, *given: Any, **_: Any) -> Any:
        json.dumps(given)
        return answers[method]

    monkeypatch.setattr(probe, "ask", ask)
    nowhere = Path("/nowhere")
    peers = (Peer("n0", Address("127.0.0.1", 9), rpc=DOOR),)
    config = NodeConfig(
        name="n9", directory=nowhere, genesis=nowhere, rpc=DOOR, peer=DOOR, peers=peers
    )
    loose: Any = StandInEnclave()
    return Introduction(loose, config)


async def test_a_newcomer_attests_over_the_block_that_the_door_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = introduction(monkeypatch, GOOD)
    await made.introduce()
    enclave: Any = made._enclave
    assert enclave.attested == [samples.HEADER.height]


@pytest.mark.parametrize("shown", ANYTHING)
@pytest.mark.parametrize("method", list(GOOD))
async def test_T31_whatever_a_door_answers_a_newcomer_asks_the_next_one(
    monkeypatch: pytest.MonkeyPatch, method: str, shown: str
) -> None:
    """T31: JSON has numbers beyond all numbers; one of them ended the node."""
    await introduction(monkeypatch, GOOD | {method: json.loads(shown)}).introduce()
