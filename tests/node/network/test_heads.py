"""Heads at the host: a liar's answer neither counts nor stands in the way, and nobody is kept busy
(T05, T31)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.enclave.chain import EPOCH, Chain

from strongroom.consensus.errors import PeerFault
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.messages import HeadRequest
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import PublicKey, Signature
from strongroom.node.enclave_client.process import OTHERS_REQUESTS_MAX
from strongroom.node.network.heads import ANSWERS_MAX, ANSWERS_OF_ALL_MAX, COLLECTIONS_MAX, Heads

NONCE = bytes(range(32))
OWN = 0


@dataclass
class StandInEnclave:
    """Signs heads when it is let."""

    chain: Chain
    may_sign: asyncio.Event = field(default_factory=asyncio.Event)
    signing: int = 0

    async def sign_head(self, body: HeadBody) -> Signature:
        self.signing += 1
        await self.may_sign.wait()
        return self.chain.cluster.keys[OWN].node.sign(body.signed_bytes(self.chain.genesis.chain))


@dataclass
class StandInLinks:
    """Counts what is sent."""

    links: dict[PublicKey, object] = field(default_factory=dict)
    sent: int = 0

    def send_to(self, _to: PublicKey, _message: bytes) -> None:
        self.sent += 1


@dataclass
class Asker:
    """One host's heads among stand-ins."""

    chain: Chain
    enclave: StandInEnclave
    links: StandInLinks
    heads: Heads


@pytest.fixture
def asker() -> Asker:
    chain = Chain()
    for _ in range(3):
        chain.commit()
    enclave, links = StandInEnclave(chain), StandInLinks()
    enclave.may_sign.set()
    loose: dict[str, Any] = {"enclave": enclave, "links": links}
    body: Callable[[bytes, PublicKey], HeadBody] = lambda nonce, _: body_at(chain, 2, nonce)  # noqa: E731
    return Asker(
        chain,
        enclave,
        links,
        Heads(epochs=chain.epochs, own=key_of(chain, OWN), body=body, **loose),
    )


def key_of(chain: Chain, index: int) -> PublicKey:
    return chain.cluster.keys[index].node.public


def body_at(chain: Chain, height: int, nonce: bytes = NONCE) -> HeadBody:
    made = chain.blocks[height - 1].header
    return HeadBody(nonce, EPOCH, made, chain.certificate(made), None, ())


def head_by(chain: Chain, index: int, body: HeadBody) -> Head:
    key = chain.cluster.keys[index].node
    return Head(body, key.public, key.sign(body.signed_bytes(chain.genesis.chain)))


def lies(chain: Chain) -> dict[str, HeadBody]:
    """Properly signed heads that no enclave takes."""
    good = body_at(chain, 3)
    return {
        "no certificate": replace(good, certificate=None),
        "too few signers": replace(
            good, certificate=chain.certificate(good.header, signers=(0, 1))
        ),
        "only notarized": replace(good, certificate=chain.certificate(good.header, Kind.NOTARIZE)),
        "another block's certificate": replace(
            good, certificate=chain.certificate(chain.blocks[0].header)
        ),
        "a FINALIZE as notarized": replace(good, notarized=chain.certificate(good.header)),
        "a forged notarized": replace(
            good, notarized=chain.certificate(good.header, Kind.NOTARIZE, signers=(1, 2))
        ),
    }


async def test_T05_a_liar_among_the_first_to_answer_cannot_keep_a_node_from_starting(
    asker: Asker,
) -> None:
    """T05: its head would be refused by the enclave, so it must not be one of the q that are shown
    to it."""
    collecting = asyncio.create_task(asker.heads.collect(NONCE, seconds=None))
    await asyncio.sleep(0)
    for reason, body in lies(asker.chain).items():
        with pytest.raises(PeerFault):
            asker.heads.receive(key_of(asker.chain, 1), head_by(asker.chain, 1, body))
        assert reason
    asker.heads.receive(key_of(asker.chain, 2), head_by(asker.chain, 2, body_at(asker.chain, 3)))
    await asyncio.sleep(0)
    assert not collecting.done()
    asker.heads.receive(key_of(asker.chain, 3), head_by(asker.chain, 3, body_at(asker.chain, 2)))
    collected = await collecting
    assert [head.body.header.height for head in collected] == [2, 3, 2]


async def test_a_member_is_asked_as_soon_as_its_link_is_up(asker: Asker) -> None:
    """A restart does not wait for the next round of questions."""
    collecting = asyncio.create_task(asker.heads.collect(NONCE, seconds=None))
    await asyncio.sleep(0)
    assert asker.links.sent == 0
    for index in (1, 2):
        asker.heads.ask_linked(key_of(asker.chain, index))
        assert asker.links.sent == index
        asker.heads.receive(
            key_of(asker.chain, index), head_by(asker.chain, index, body_at(asker.chain, 3))
        )
    assert len(await collecting) == 3
    asker.heads.ask_linked(key_of(asker.chain, 3))
    assert asker.links.sent == 2


async def test_T31_a_member_that_asks_without_end_gets_a_bounded_number_of_answers_at_once(
    asker: Asker,
) -> None:
    """T31: every answer is a signature of the enclave, which has votes to sign."""
    asker.enclave.may_sign.clear()
    request = HeadRequest(NONCE)
    answers = [
        asyncio.create_task(asker.heads.answer_peer(request, key_of(asker.chain, 1)))
        for _ in range(10 * ANSWERS_MAX)
    ]
    other = asyncio.create_task(asker.heads.answer_peer(request, key_of(asker.chain, 2)))
    await asyncio.sleep(0)
    assert asker.enclave.signing == ANSWERS_MAX + 1
    asker.enclave.may_sign.set()
    await asyncio.gather(*answers, other)
    assert asker.links.sent == ANSWERS_MAX + 1
    await asker.heads.answer_peer(request, key_of(asker.chain, 1))
    assert asker.links.sent == ANSWERS_MAX + 2


async def test_T31_many_members_that_ask_without_end_leave_answers_to_others(asker: Asker) -> None:
    """T31: nine times 64 requests were more than an enclave takes from its host: the node ended."""
    asker.enclave.may_sign.clear()
    request, keys = HeadRequest(NONCE), [PublicKey(bytes([n]) * 32) for n in range(43)]
    answers = [
        asyncio.create_task(asker.heads.answer_peer(request, key))
        for _ in range(ANSWERS_MAX)
        for key in keys[:42]
    ]
    await asyncio.sleep(0)
    assert asker.enclave.signing <= ANSWERS_OF_ALL_MAX < OTHERS_REQUESTS_MAX
    before = asker.enclave.signing
    answers.append(asyncio.create_task(asker.heads.answer_peer(request, keys[42])))
    await asyncio.sleep(0)
    assert asker.enclave.signing == before + 1
    asker.enclave.may_sign.set()
    await asyncio.gather(*answers)


async def test_T31_clients_that_collect_heads_without_end_keep_no_node_from_starting(
    asker: Asker,
) -> None:
    nonces = [number.to_bytes(32, "big") for number in range(COLLECTIONS_MAX)]
    collecting = [asyncio.create_task(asker.heads.collect(nonce, seconds=60.0)) for nonce in nonces]
    await asyncio.sleep(0)
    with pytest.raises(PeerFault, match="ask again"):
        await asker.heads.collect(NONCE, seconds=60.0)
    own = asyncio.create_task(asker.heads.collect(NONCE, seconds=None))
    await asyncio.sleep(0)
    for index in (1, 2):
        asker.heads.receive(
            key_of(asker.chain, index), head_by(asker.chain, index, body_at(asker.chain, 3))
        )
    assert len(await own) == 3
    for task in collecting:
        task.cancel()
    await asyncio.gather(*collecting, return_exceptions=True)


async def test_two_collections_over_one_nonce_do_not_disturb_each_other(asker: Asker) -> None:
    first = asyncio.create_task(asker.heads.collect(NONCE, seconds=60.0))
    await asyncio.sleep(0)
    with pytest.raises(PeerFault, match="ask again"):
        await asker.heads.collect(NONCE, seconds=60.0)
    for index in (1, 2):
        asker.heads.receive(
            key_of(asker.chain, index), head_by(asker.chain, index, body_at(asker.chain, 3))
        )
    assert len(await first) == 3
