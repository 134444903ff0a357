"""What a custodian takes for proven of a service: receipts against the pin, heads over its own
nonce, and no word of one node that would widen anything (T55)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.enclave.chain import person
from tests.enclave.fixtures import make_cluster_genesis
from tests.enclave.programs.vault.world import OWNER, Room, VaultChain

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical, ReceiptInvalid
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.types import Epoch, PublicKey, TransactionId
from strongroom.enclave.formats.envelope import transaction_id
from strongroom.enclave.outside.receipts import Receipt, build_receipt
from strongroom.enclave.proofs.genesis import pin_of
from strongroom.node.client.client import Client
from strongroom.node.client.errors import NoQuorum, NotTrusted, ProgramFailed
from strongroom.node.custodian.ledger import ServiceLedger
from strongroom.node.custodian.sources import Moment, Standing

CUSTODIAN = "acme"
STANDING = Standing(state="open", until_ms=0, session=b"", region="eu-west", country="")
"""What is told of the lease; the release claims its place."""


@dataclass
class Told:
    """One transaction, as its sender knows it."""

    id: TransactionId
    height: int
    result: Any
    blinding: bytes | None
    claim: bytes
    receipt_: Receipt

    async def receipt(self) -> Receipt:
        return self.receipt_


class FakeClient:
    """A client whose service is a ledger in this process; what it shows can be changed."""

    def __init__(self, chain: VaultChain) -> None:
        self.chain = chain
        self.service = SimpleNamespace(pin=pin_of(chain.genesis.chain), chain=chain.genesis.chain)
        self.epoch = SimpleNamespace(genesis=chain.genesis)
        self.told: dict[bytes, Told] = {}
        self.shown: dict[str, Callable[[Any], Any]] = {}
        """Method → what becomes of its answer."""

    def tell(self, who: str, operation: str, /, **arguments: Any) -> Told:
        """One transaction in a block of its own, and one above that anchors it."""
        session = self.chain.of(who)
        sequence, envelope = session.seal_call(self.chain.call(f"vault.{operation}", **arguments))
        outcome = self.chain.commit(envelope)
        id = transaction_id(envelope)
        result = session.open_result(sequence, id, outcome.result_at(0))
        if not result.ok:
            raise ProgramFailed(result.code, result.message, height=int(outcome.height))
        claimed = self.chain.commit()
        assert claimed.height == outcome.height + 1
        header = self.chain.blocks[-1].header
        receipt = build_receipt(
            genesis=self.chain.cluster.genesis,
            outcome=outcome,
            position=0,
            history=self.chain.history,
            anchor=header,
            certificate=self.chain.certificate(header),
        )
        told = Told(id, int(outcome.height), result.value, result.blinding, b"", receipt)
        self.told[id] = told
        return told

    async def receipt(self, id: bytes) -> Receipt:
        return self.told[id].receipt_

    async def call(self, name: str, /, **arguments: Any) -> Told:
        told = self.tell(CUSTODIAN, name.partition(".")[2], **arguments)
        return cast(Told, self.shown.get(name, lambda same: same)(told))

    async def query(self, name: str, /, *, at_least: int = 0, **arguments: Any) -> Any:
        value = self.chain.look(CUSTODIAN, name.partition(".")[2], **arguments)
        return SimpleNamespace(value=self.shown.get(name, lambda same: same)(value))

    async def request(self, method: str, **params: Any) -> Any:
        answer = getattr(self, f"_{method}")(**params)
        return self.shown.get(method, lambda same: same)(answer)

    def _service_heads(self, nonce: bytes) -> list[dict[str, bytes]]:
        return [_shown(self.chain, index, nonce) for index in range(3)]

    def _service_policy(self) -> dict[str, bytes]:
        return {"encoded": self.chain.genesis.constitution.policy.encode()}

    def _ledger_block(self, height: int) -> dict[str, bytes]:
        return {"header": self.chain.blocks[height - 1].header.encoded}


def _shown(chain: VaultChain, index: int, nonce: bytes) -> dict[str, bytes]:
    header = chain.tip
    body = HeadBody(nonce, Epoch(0), header, chain.certificate(header), None, ())
    key = chain.cluster.keys[index].node
    head = Head(body, PublicKey(key.public), key.sign(body.signed_bytes(chain.genesis.chain)))
    return {"head": codec.encode(head.to_wire())}


class Service:
    """A ledger with a key of custody split, leased to a room."""

    def __init__(self) -> None:
        self.chain = VaultChain()
        self.client = FakeClient(self.chain)
        self.ledger = ServiceLedger(cast(Client, self.client))
        self.room = Room()
        self.chain.key("toy", custody="split", custodian=f"id:{person(CUSTODIAN).id.hex()}")
        self.ask = self._ask()

    def _ask(self) -> Told:
        self.chain.of(self.room.who)
        return self.client.tell(
            self.room.who,
            "ask",
            key=f"id:{person(OWNER).id.hex()}/toy",
            purpose="print",
            evidence=self.chain.shown(self.room),
        )

    def claim(self, **changes: Any) -> bytes:
        """As the room knows it."""
        from strongroom.consensus import labels

        lease = self.ask.result
        fields: dict[str, Any] = {
            "label": labels.VAULT_LEASE,
            "owner": bytes(person(OWNER).id),
            "name": "toy",
            "version": 1,
            "lease": lease["lease"],
            "session": bytes(person(self.room.who).id),
            "chip": sha256(self.room.chip.chip_id).digest(),
            "room": self.room.name,
            "boot": 1,
            "until_ms": lease["until_ms"],
            "pieces": 0,
            "custody": "split",
        }
        return codec.encode(tuple((fields | changes).values()))

    @property
    def blinding(self) -> bytes:
        assert self.ask.blinding is not None
        return self.ask.blinding


@pytest.fixture
def service() -> Service:
    return Service()


async def test_a_lease_is_what_the_receipt_of_its_ask_shows(service: Service) -> None:
    shown = await service.ledger.lease(service.ask.id, service.claim(), service.blinding)
    assert shown.lease == service.ask.result["lease"]
    assert shown.session == person(service.room.who).id
    assert shown.custody == "split"


@pytest.mark.parametrize(
    "changes",
    [{"lease": b"x" * 16}, {"name": "other"}, {"version": 2}, {"session": bytes(32)}, {"boot": 2}],
)
async def test_t55_another_claim_than_the_transactions_is_refused(
    service: Service, changes: dict[str, Any]
) -> None:
    with pytest.raises(ReceiptInvalid, match="did not make this claim"):
        await service.ledger.lease(service.ask.id, service.claim(**changes), service.blinding)


async def test_t55_a_lease_of_another_chain_is_refused(service: Service) -> None:
    """The same operations on another service: its receipt is whole, and proves nothing here."""
    other = VaultChain(make_cluster_genesis(4, programs=("payments", "records", "system", "vault")))
    service.client.service = SimpleNamespace(
        pin=pin_of(other.genesis.chain), chain=other.genesis.chain
    )
    with pytest.raises(ReceiptInvalid, match="another service"):
        await service.ledger.lease(service.ask.id, service.claim(), service.blinding)


async def test_t55_a_receipt_of_another_transaction_is_refused(service: Service) -> None:
    other = service.client.tell(CUSTODIAN, "announce", endpoint="http://127.0.0.1:1")
    service.client.told[service.ask.id] = other
    with pytest.raises(ReceiptInvalid, match="is another"):
        await service.ledger.lease(service.ask.id, service.claim(), service.blinding)


async def test_t55_what_is_newest_is_shown_by_a_quorum_over_our_nonce(service: Service) -> None:
    moment = await service.ledger.newest()
    assert (moment.height, moment.time_ms) == (
        service.chain.tip.height,
        service.chain.tip.time_ms,
    )


async def test_t55_old_heads_are_refused(service: Service) -> None:
    """Heads that were genuine once, over a nonce of an hour ago, as a relay keeps them."""
    kept = await service.client.request("service_heads", nonce=b"o" * 32)
    service.client.shown["service_heads"] = lambda _answer: kept
    with pytest.raises(NoQuorum):
        await service.ledger.newest()


async def test_t55_two_heads_are_no_quorum(service: Service) -> None:
    service.client.shown["service_heads"] = lambda heads: heads[:2]
    with pytest.raises(NoQuorum):
        await service.ledger.newest()
    service.client.shown["service_heads"] = lambda heads: [*heads[:2], heads[0]]
    with pytest.raises(NoQuorum):
        await service.ledger.newest()


async def test_a_lease_stands_as_the_vault_says(service: Service) -> None:
    moment = await service.ledger.newest()
    lease = service.ask.result["lease"]
    standing = await service.ledger.standing(lease, moment)
    assert standing.state == "open"
    assert standing.session == person(service.room.who).id
    assert (standing.region, standing.country) == ("eu-west", "")
    service.chain.must(OWNER, "revoke", key="/toy")
    assert (await service.ledger.standing(lease, moment)).state == "revoked"


@pytest.mark.parametrize("value", [None, {}, {"state": 1, "until_ms": 2, "session": "id:00"}, 7])
async def test_what_is_no_lease_is_refused(service: Service, value: object) -> None:
    moment = Moment(height=service.chain.tip.height, time_ms=service.chain.tip.time_ms)
    service.client.shown["vault.lease"] = lambda _answer: value
    with pytest.raises(NotCanonical):
        await service.ledger.standing(service.ask.result["lease"], moment)


async def test_t55_a_nodes_word_can_revoke_and_not_allow(service: Service) -> None:
    """A lying node adds a root, an operator and a revocation: only the last one counts."""
    genesis = service.chain.genesis.constitution.policy
    lie = replace(
        genesis,
        roots=tuple(sorted((*genesis.roots, b"r" * 32))),  # type: ignore[arg-type]
        operators=tuple(sorted((*genesis.operators, ("aplant", person("x").public)))),
        revoked=tuple(sorted((*genesis.revoked, b"v" * 32))),  # type: ignore[arg-type]
    )
    service.client.shown["service_policy"] = lambda _answer: {"encoded": lie.encode()}
    policy = await service.ledger.policy()
    assert policy.roots == genesis.roots
    assert policy.operators == genesis.operators
    assert b"v" * 32 in policy.revoked


async def test_a_release_is_on_the_ledger_by_its_receipt(service: Service) -> None:
    statement = await service.ledger.lease(service.ask.id, service.claim(), service.blinding)
    digest = sha256(b"an entry of the journal").digest()
    released = await service.ledger.release(statement, digest, STANDING)
    records = service.chain.look(OWNER, "records", key="/toy")["records"]
    assert records[-1]["what"] == "release"
    assert records[-1]["detail"] == digest.hex()
    assert released.height == records[-1]["height"]


async def test_t55_an_older_release_does_not_stand_for_this_one(service: Service) -> None:
    """A client whose node answers with the release before: another digest, so another claim."""
    statement = await service.ledger.lease(service.ask.id, service.claim(), service.blinding)
    old = await service.client.call(
        "vault.release", lease=statement.lease, digest=sha256(b"old").digest()
    )
    service.client.shown["vault.release"] = lambda _told: old
    with pytest.raises(ReceiptInvalid, match="did not make this claim"):
        await service.ledger.release(statement, sha256(b"new").digest(), STANDING)


async def test_t55_a_release_of_a_revoked_or_suspended_key_is_refused(service: Service) -> None:
    statement = await service.ledger.lease(service.ask.id, service.claim(), service.blinding)
    service.chain.must(OWNER, "suspend", key="/toy")
    with pytest.raises(ProgramFailed, match="suspended"):
        await service.ledger.release(statement, bytes(32), STANDING)
    service.chain.must(OWNER, "resume", key="/toy")
    service.chain.must(OWNER, "revoke", key="/toy")
    with pytest.raises(ProgramFailed, match="revoked"):
        await service.ledger.release(statement, bytes(32), STANDING)


@pytest.mark.parametrize("told", [{"country": "NO"}, {"region": "oslo"}])
async def test_t55_a_place_that_one_enclave_alone_tells_gives_no_release(
    service: Service, told: dict[str, Any]
) -> None:
    statement = await service.ledger.lease(service.ask.id, service.claim(), service.blinding)
    with pytest.raises(ReceiptInvalid, match="did not make this claim"):
        await service.ledger.release(statement, bytes(32), replace(STANDING, **told))


async def test_a_false_header_gives_no_release(service: Service) -> None:
    """A node says another block time: the claim does not verify."""
    statement = await service.ledger.lease(service.ask.id, service.claim(), service.blinding)
    early = service.chain.blocks[0].header.encoded
    service.client.shown["ledger_block"] = lambda _answer: {"header": early}
    with pytest.raises(ReceiptInvalid):
        await service.ledger.release(statement, bytes(32), STANDING)
    service.client.shown["ledger_block"] = lambda _answer: []
    with pytest.raises((NotCanonical, NotTrusted)):
        await service.ledger.release(statement, bytes(32), STANDING)


# --- announcements --------------------------------------------------------------------------------


def test_a_custodian_says_where_it_is_asked(service: Service) -> None:
    chain, who = service.chain, f"id:{person(CUSTODIAN).id.hex()}"
    with pytest.raises(AssertionError, match="has not announced itself"):
        chain.look("anybody", "custodian", identity=who)
    chain.must(CUSTODIAN, "announce", endpoint="http://127.0.0.1:7443")
    assert chain.look("anybody", "custodian", identity=who)["endpoint"].endswith(":7443")
    chain.must(CUSTODIAN, "announce", endpoint="")
    (only,) = chain.look("anybody", "custodians")
    assert (only["custodian"], only["endpoint"]) == (who, "")


@pytest.mark.parametrize(
    "endpoint", ["ftp://x", "javascript:1", "http://" + "x" * 300, "http://\x1b"]
)
def test_an_endpoint_that_is_none_is_refused(service: Service, endpoint: str) -> None:
    assert service.chain.refused(CUSTODIAN, "announce", endpoint=endpoint) == "endpoint"
