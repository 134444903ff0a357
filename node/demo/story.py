"""The main job, step by step: attested nodes, sealed payments, a block, a receipt, and no plaintext
anywhere.

Owns the order and the words. Every figure and every verdict is read from the running cluster.
"""

import asyncio
import base64
import json
import secrets
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from strongroom.enclave.outside.receipts import Receipt, verify_receipt
from strongroom.node.client import Client
from strongroom.node.client.calls.calls import Done
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.plan import USERS
from strongroom.node.cluster.temporary_cluster import Stage, running_cluster, tell_how_it_goes_on
from strongroom.node.demo.search import search_everything
from strongroom.node.terminal.teller import StoryFails, Teller

_HEX_SHOWN = 24
LINKS_SECONDS_MAX = 60.0
"""From a quorum that votes to links between all."""
LINKS_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment of the story."""

    payer: str
    payee: str
    amount: int
    memo: str
    done: Done

    @property
    def summary(self) -> str:
        """For people."""
        return f"{self.payer} pays {self.payee} {self.amount}"


async def tell(stage: Stage, teller: Teller) -> dict[str, Any]:
    """Play the whole story; returns its facts.

    Raises:
        StoryFails: a promise does not hold.
        StrongroomError: a step failed.
    """
    teller.step(
        f"Found a service and start {stage.nodes} nodes, each a host and an enclave process"
    )
    async with running_cluster(stage, teller, fund=True) as cluster:
        await _show_nodes(cluster, teller)
        teller.step("Every enclave's evidence is checked by each peer")
        attestation = await _show_attestation(cluster, teller)
        teller.step("Seal three payments, have them ordered, executed on every node, and answered")
        canary = f"rent of vault {secrets.token_hex(8)}"
        async with _Purses(cluster) as purses:
            payments = await _pay(purses, canary, teller)
            teller.step("The block they landed in, and one envelope, as every host sees them")
            await _show_block(cluster, payments[0], teller)
            await _show_envelope(cluster, payments[0], teller)
            teller.step(
                "The receipt of the first payment, verified offline with nothing but the pin"
            )
            receipt = await _show_receipt(cluster, payments[0], teller)
            teller.step("Look for the plaintext: bob sees it, the hosts never do")
            await _show_statement(purses, canary, teller)
            control = str((await _ask(cluster, "service_info"))["name"])
            searched = await asyncio.to_thread(search_everything, cluster, canary, control, teller)
        facts = {
            "service": cluster.service().pin,
            "nodes": cluster.names,
            "attestation": attestation,
            "payments": [
                {"id": payment.done.id.hex(), "height": payment.done.height} for payment in payments
            ],
            "receipt": receipt,
            "plaintext_found": False,
            "bytes_searched": searched,
        }
    teller.step("Done")
    tell_how_it_goes_on(cluster, stage, teller)
    return {**facts, "seconds": round(teller.seconds, 3)}


async def _show_nodes(cluster: Cluster, teller: Teller) -> None:
    status = await cluster.status()
    columns = ["node", "host pid", "enclave pid", "state", "endpoint"]
    keys = ["name", "pid", "enclave_pid", "state", "endpoint"]
    teller.table(columns, [[str(node[key]) for key in keys] for node in status["nodes"]])
    teller.line(f"pin  {status['service']}   (SHA-256 of genesis: all that a client trusts)")


async def _verdicts(cluster: Cluster) -> dict[str, dict[str, str]]:
    """By node: what it found in each other one's evidence."""
    tables = await asyncio.gather(
        *(asyncio.to_thread(node.ask, "service_nodes") for node in cluster.nodes)
    )
    verdicts: dict[str, dict[str, str]] = {}
    for node, table in zip(cluster.nodes, tables, strict=True):
        verdicts[node.name] = {
            row["name"]: row["verdict"] for row in _rows(table) if row["name"] != node.name
        }
    return verdicts


def _unchecked(verdicts: dict[str, dict[str, str]]) -> bool:
    return any(
        verdict.startswith("not checked")
        for found in verdicts.values()
        for verdict in found.values()
    )


async def _show_attestation(cluster: Cluster, teller: Teller) -> dict[str, dict[str, str]]:
    """Who found what in whose evidence, once every pair of nodes has met: a quorum votes before
    that."""
    deadline = time.monotonic() + LINKS_SECONDS_MAX
    verdicts = await _verdicts(cluster)
    while _unchecked(verdicts) and time.monotonic() < deadline:
        await asyncio.sleep(LINKS_POLL_SECONDS)
        verdicts = await _verdicts(cluster)
    rows = [
        [name, *(found.get(other, "itself") for other in cluster.names)]
        for name, found in verdicts.items()
    ]
    teller.table(["checked by", *(f"evidence of {name}" for name in cluster.names)], rows)
    bad = [
        f"{name} of {other}: {verdict}"
        for name, found in verdicts.items()
        for other, verdict in found.items()
    ]
    bad = [text for text in bad if ": good" not in text]
    if bad:
        raise StoryFails(f"evidence is not good: {'; '.join(bad)}")
    return verdicts


class _Purses:
    """One client of each user, open together."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._stack = AsyncExitStack()
        self.clients: dict[str, Client] = {}

    async def __aenter__(self) -> "_Purses":
        folder = self._cluster.layout.directory
        try:
            for name in USERS:
                self.clients[name] = await self._stack.enter_async_context(
                    Client.connect(folder, identity=name)
                )
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()


async def _pay(purses: _Purses, canary: str, teller: Teller) -> list[Payment]:
    planned = [
        ("alice", "bob", 250, canary),
        ("bob", "carol", 120, "groceries"),
        ("carol", "alice", 30, "cinema"),
    ]

    async def pay(payer: str, payee: str, amount: int, memo: str) -> Payment:
        done = await purses.clients[payer].call(
            "payments.transfer", to=payee, amount=amount, memo=memo
        )
        return Payment(payer, payee, amount, memo, done)

    payments = await asyncio.gather(*(pay(*one) for one in planned))
    rows = [
        [
            one.summary,
            one.done.id.hex()[:16] + "…",
            str(one.done.height),
            str(one.done.index),
            str(one.done.result),
        ]
        for one in payments
    ]
    teller.table(
        ["payment", "transaction", "block", "index", "result, opened by its sender only"], rows
    )
    return list(payments)


async def _show_block(cluster: Cluster, payment: Payment, teller: Teller) -> None:
    block = await _ask(cluster, "ledger_block", payment.done.height)
    certificate = block["certificate"]
    teller.facts(
        {
            "block": (
                f"height {block['height']}, view {block['view']}, proposed by {block['proposer']}"
            ),
            "hash": block["hash"],
            "batches": ", ".join(
                f"lane {b['lane']} #{b['sequence']} ({b['size']} bytes)" for b in block["batches"]
            ),
            "transactions": ", ".join(
                f"{t['id'][:12]}… {t['size']} B {t['status']}" for t in block["transactions"]
            ),
            "final by": ", ".join(certificate["signers"])
            if certificate
            else "the certificate of a later block",
        }
    )


async def _show_envelope(cluster: Cluster, payment: Payment, teller: Teller) -> None:
    """What the host has of one payment, and where."""
    envelope = (await _ask(cluster, "ledger_transaction", payment.done.id.hex()))["envelope"]
    shown = {key: value for key, value in envelope.items() if key != "sealed"}
    sealed = _bytes_of(envelope["sealed"])
    folder = cluster.layout.directory
    place = next(
        f"{path.relative_to(folder)} at byte {offset}"
        for path in sorted(cluster.nodes[0].layout.ledger.iterdir())
        if (offset := path.read_bytes().find(sealed)) >= 0
    )
    teller.facts(
        {
            **shown,
            "lies in": place,
            "bytes": f"{sealed[-_HEX_SHOWN:].hex(' ')}  (the last {_HEX_SHOWN})",
        }
    )


async def _show_receipt(cluster: Cluster, payment: Payment, teller: Teller) -> dict[str, Any]:
    """Fetch a receipt, then verify its JSON text as a stranger would: with the pin and no
    connection."""
    text = json.dumps((await payment.done.receipt()).to_json())
    pin = cluster.service().pin
    verified = verify_receipt(Receipt.from_json(text), pin)
    if verified.id != payment.done.id:
        raise StoryFails("the receipt is another transaction's")
    place = f"block {verified.height} at index {verified.index}"
    facts = {
        "verdict": "valid (attestation SIMULATED)" if verified.simulated else "valid",
        "proves": f"transaction {verified.id.hex()[:16]}… executed in {place}",
        "anchored": f"in a header whose certificate commits to height {verified.anchor_height}",
        "size": f"{len(text)} bytes of JSON",
    }
    teller.facts(facts)
    return {
        "verdict": "valid",
        "id": verified.id.hex(),
        "height": verified.height,
        "bytes": len(text),
    }


async def _show_statement(purses: _Purses, canary: str, teller: Teller) -> None:
    entries = (await purses.clients["bob"].query("payments.statement", limit=1000)).value
    mine = [entry for entry in entries if entry["memo"] == canary]
    if not mine:
        raise StoryFails("bob's statement does not show the payment that he got")
    teller.line(
        f"bob's statement:  +{mine[-1]['amount']}  memo {canary!r}  balance {mine[-1]['balance']}"
    )


def _rows(table: object) -> list[dict[str, Any]]:
    return table if isinstance(table, list) else []


def _bytes_of(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


async def _ask(cluster: Cluster, method: str, *parameters: object) -> Any:
    return await asyncio.to_thread(cluster.nodes[0].ask, method, *parameters)
