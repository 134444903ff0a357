"""What must hold after every fault: nothing acknowledged is lost or changed, nothing happens twice,
all replicas agree.

Owns the invariants. Each check says in words what does not hold, and says nothing else. Answers of
nodes are compared with each other and with what payers opened themselves.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.fault_matrix.load import OPENING_AMOUNT, Acknowledged, Load
from scripts.fault_matrix.node_logs import NodeLogs
from scripts.fault_matrix.registrars import Registrars
from scripts.fault_matrix.statements import Statements
from scripts.fault_matrix.watch import Door, Watch

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical, PeerFault, StrongroomError
from strongroom.consensus.heads import Head
from strongroom.consensus.statements import Certificate
from strongroom.enclave.formats.merkle import check_consistency
from strongroom.enclave.primitives import random_bytes
from strongroom.node.client import Client
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.cluster.plan import ISSUER
from strongroom.node.faults import RpcFault

DRAIN_SECONDS_MAX = 180.0
"""For every payment under way to be answered, once a quorum is there."""
AGREE_SECONDS_MAX = 180.0
"""For every node to have executed the same height, once nothing new is ordered."""
BLOCKS_STEP = 100
OLD_SAMPLE = 50
"""Payments acknowledged before earlier faults that are looked at again."""
_POLL_SECONDS = 0.1


@dataclass(slots=True)
class Checks:
    """The invariants of one cluster over its life; what was checked once is not read again, but for
    samples."""

    cluster: Cluster
    watch: Watch
    load: Load
    statements: Statements
    registrars: Registrars
    logs: NodeLogs = field(default_factory=NodeLogs)
    supply: int = 0
    _height: int = 0
    """Up to which blocks were read."""
    _roots: dict[int, bytes] = field(default_factory=dict)
    _executed: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    """Place of every executed transaction."""
    _acknowledged: int = 0
    """How many of the load's acknowledged payments were compared."""

    async def begin(self) -> None:
        """Take the money supply as it is, before anything goes wrong."""
        self.supply = await self._supply()

    async def all(self) -> list[str]:
        """Pause the load, check everything, go on; the invariants that do not hold, in words."""
        self.load.paused = True
        try:
            wrong = [*await self._drained(), *await self.registrars.check()]
            if not wrong:
                wrong = await self._agreed() or [
                    *await self._histories(),
                    *await self._blocks(),
                    *await self._payments(),
                    *await self._balances(),
                ]
            said = [line for node in self.cluster.nodes for line in self.logs.news(node.layout.log)]
            return [*wrong, *await self._contradictions(), *said]
        except StrongroomError as fault:
            return [f"cannot be checked: {type(fault).__name__}: {fault}", *self._ended()]
        finally:
            self.load.paused = False

    def _ended(self) -> list[str]:
        return [
            f"{node.name} does not run: {' | '.join(node.last_log_lines()[-2:])}"
            for node in self.cluster.nodes
            if node.host() is None
        ]

    # --- liveness ---------------------------------------------------------------------------------

    async def _drained(self) -> list[str]:
        await self.load.drained(DRAIN_SECONDS_MAX)
        wrong = [f"payment failed: {text}" for text in self.load.failed]
        self.load.failed.clear()
        if self.load.unanswered:
            wrong.append(
                f"{self.load.unanswered} payments have no answer after {DRAIN_SECONDS_MAX:g} s"
            )
        return wrong

    async def _agreed(self) -> list[str]:
        """Wait until all nodes stand at one height, and stay there."""
        deadline = asyncio.get_running_loop().time() + AGREE_SECONDS_MAX
        heights: dict[str, Any] = {}
        while asyncio.get_running_loop().time() < deadline:
            before, heights = (
                heights,
                {door.name: await self._standing(door) for door in self._doors},
            )
            if (
                before == heights
                and len(set(heights.values())) == 1
                and None not in heights.values()
            ):
                return []
            await asyncio.sleep(_POLL_SECONDS)
        shown = ", ".join(f"{name} at {where}" for name, where in heights.items())
        return [f"nodes do not come together in {AGREE_SECONDS_MAX:g} s: (final, executed) {shown}"]

    async def _standing(self, door: Door) -> tuple[int, int] | None:
        try:
            status = await door.ask("node_status")
        except StrongroomError:
            return None
        return status["height"], status["executed"]

    # --- one history ------------------------------------------------------------------------------

    async def _histories(self) -> list[str]:
        """All nodes have one root at the newest height, which extends the one of the check
        before."""
        wrong = []
        height = (await self._doors[0].ask("node_status"))["executed"]
        start = max(self._roots, default=0)
        shown = {
            door.name: await door.ask("ledger_consistency", **{"from": start, "to": height})
            for door in self._doors
        }
        roots = {name: document["to_root"] for name, document in shown.items()}
        if len(set(roots.values())) != 1:
            shown_roots = ", ".join(f"{name} {root.hex()[:16]}" for name, root in roots.items())
            wrong.append(f"history roots at height {height} differ: {shown_roots}")
        for name, document in shown.items():
            known = self._roots.get(start)
            if known is not None and document["from_root"] != known:
                wrong.append(f"{name}: another history root at height {start} than before")
            try:
                check_consistency(
                    start + 1,
                    document["from_root"],
                    height + 1,
                    document["to_root"],
                    document["proof"],
                )
            except StrongroomError as fault:
                wrong.append(
                    f"{name}: history at {height} does not extend the one at {start}: {fault}"
                )
        self._roots[height] = next(iter(roots.values()))
        return wrong

    async def _blocks(self) -> list[str]:
        """Read the new blocks: no transaction is executed twice."""
        wrong = []
        door = random.choice(self._doors)
        end = max(self._roots)
        while self._height < end:
            span = {"from": self._height + 1, "to": min(end, self._height + BLOCKS_STEP)}
            for block in await door.ask("ledger_blocks", **span):
                self._height = block["height"]
                for one in block["transactions"]:
                    if one["code"] != 0:
                        continue
                    here = self._height, one["index"]
                    if self._executed.setdefault(one["id"], here) != here:
                        wrong.append(
                            f"{one['id'].hex()[:16]} was executed at "
                            f"{self._executed[one['id']]} and {here}"
                        )
        return wrong

    # --- what payers know -------------------------------------------------------------------------

    async def _payments(self) -> list[str]:
        """Every acknowledged payment stands where its payer was told, with the same sealed result,
        at every node."""
        done = self.load.acknowledged
        fresh = done[self._acknowledged :]
        old = random.sample(done[: self._acknowledged], min(OLD_SAMPLE, self._acknowledged))
        self._acknowledged = len(done)
        wrong = [
            f"payment {one.id.hex()[:16]}, acknowledged at {(one.height, one.index)}, is executed "
            f"at {self._executed.get(one.id)}"
            for one in fresh
            if self._executed.get(one.id) != (one.height, one.index)
        ]
        for number, door in enumerate(self._doors):
            share = fresh[number :: len(self._doors)]
            wrong += await self._results(door, [*share, *old])
        return wrong

    async def _results(self, door: Door, payments: Sequence[Acknowledged]) -> list[str]:
        wrong = []
        for one in payments:
            try:
                found = await door.ask("ledger_transaction", id=one.id)
            except RpcFault as fault:
                wrong.append(f"{door.name} does not show payment {one.id.hex()[:16]}: {fault}")
                continue
            place = found.get("height"), found.get("index"), found.get("code"), found.get("result")
            if place != (one.height, one.index, 0, one.sealed):
                wrong.append(
                    f"{door.name} shows another end of payment {one.id.hex()[:16]}: {place[:3]}"
                )
        return wrong

    async def _balances(self) -> list[str]:
        """Each payer has what its acknowledged payments leave it; money is neither made nor
        lost."""
        wrong = []
        for payer in self.load.payers:
            answer = await payer.client.query("payments.balance", linearizable=True)
            expected = OPENING_AMOUNT - payer.paid + payer.received
            if answer.value != expected:
                wrong.append(
                    f"{payer.name} has {answer.value}, acknowledged payments leave {expected}"
                )
        supply = await self._supply()
        if supply != self.supply:
            wrong.append(f"the supply is {supply}, {self.supply} was issued")
        return wrong

    async def _supply(self) -> int:
        async with Client.connect(self.cluster.layout.directory, ISSUER) as client:
            return int((await client.query("payments.supply", linearizable=True)).value)

    # --- what members said ------------------------------------------------------------------------

    async def _contradictions(self) -> list[str]:
        for node in self.cluster.nodes:
            await asyncio.to_thread(self.read_log, node.name)
        for door in self._doors:
            try:
                shown = await door.ask("service_heads", nonce=random_bytes(32))
                bodies = [Head.from_wire(codec.decode(one["head"])).body for one in shown]
            except (RpcFault, NotCanonical, PeerFault):
                continue
            for body in bodies:
                self.statements.add_votes(body.votes)
                for one in (body.certificate, body.notarized):
                    if isinstance(one, Certificate):
                        self.statements.add_certificate(one)
        return self.statements.contradictions()

    def read_log(self, name: str) -> None:
        """Take note of what a node has said, as its log stands now."""
        self.statements.add_log(self.cluster.node(name).layout.wal, self._index[name])

    @property
    def _index(self) -> dict[str, int]:
        genesis = self.load.payers[0].client.epoch.genesis
        return {enclave.claims.node: index for index, enclave in enumerate(genesis.validators)}

    @property
    def _doors(self) -> list[Door]:
        return list(self.watch.doors.values())
