"""The real parts tell their observer: each where the thing happens, as often as it happens."""

import asyncio
import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.consensus import samples
from tests.node.execution.test_pipeline import Told, commits, executing
from tests.node.ledger.ledgers import UnreadForm
from tests.node.mempool.test_mempool import _envelopes
from tests.node.metrics.told import names_of, samples_of
from tests.node.network.test_links import PEER, links
from tests.node.ordering.test_driver import bench
from tests.node.rpc.fake import opened

from strongroom.consensus.replica.events import Cast, CertificateRecord, Equivocation
from strongroom.consensus.replica.records import encode_record
from strongroom.enclave.attestation.reasons import Reason
from strongroom.enclave.formats.outcome import Code
from strongroom.node.config import Limits
from strongroom.node.enclave_client.refusals import RefusalKind, refusal_of
from strongroom.node.faults import Overloaded, TooLarge
from strongroom.node.framing import FrameProtocol
from strongroom.node.ledger.store import BlockStore
from strongroom.node.mempool.mempool import Mempool
from strongroom.node.mempool.waiters import Waiters
from strongroom.node.metrics.catalogue import METRICS, PREFIX
from strongroom.node.metrics.observer import Observer
from strongroom.node.network.handshake import Handshake, Wire
from strongroom.node.ordering.effects import Accuse, Append, Sign, Sync, ViewChanged
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.methods import METHODS, OK, UNKNOWN


async def test_the_driver_tells_of_records_syncs_votes_views_and_proofs(tmp_path: Path) -> None:
    made = bench(tmp_path)
    hands: Any = made.driver._hands
    looks: list[int] = []
    object.__setattr__(hands, "mempool", SimpleNamespace(look=lambda: looks.append(1)))
    object.__setattr__(hands, "on_evidence", lambda *_: None)
    record = encode_record(CertificateRecord(samples.certificate("nullify")))
    statement = samples.STATEMENTS["finalize"]
    proof: Any = Equivocation
    await made.turn(
        Append(*record),
        Sync(),
        Sign((Cast(statement),)),
        ViewChanged(),
        ViewChanged(),
        Accuse(samples.EPOCH, proof),
    )
    told: Observer = hands.observer
    assert (told.nullified, told.fsyncs.count, dict(told.votes)) == (1, 1, {"finalize": 1})
    assert (told.views.count, told.equivocations, len(looks)) == (1, 1, 2)


async def test_the_pipeline_tells_of_every_stage_of_a_block_and_of_its_codes(
    tmp_path: Path,
) -> None:
    with contextlib.closing(BlockStore.open(tmp_path, UnreadForm())) as store:
        told = Told(store)
        made = executing(store, told)
        made.put(commits(1, 2))
        await told.until(made, "executed 2")
        seen = made._observer
        assert seen.blocks == 2
        assert {stage: one.count for stage, one in seen.stages.items()} == {
            "order": 2,
            "record": 2,
            "execute": 2,
            "answer": 2,
        }
        assert seen.codes == {0: 0, int(Code.DUPLICATE): 2}


async def test_an_outcome_that_was_recorded_before_counts_once(tmp_path: Path) -> None:
    """A start executes again what no anchor covers: its transactions took effect once."""
    with contextlib.closing(BlockStore.open(tmp_path, UnreadForm())) as store:
        told = Told(store)
        made = executing(store, told)
        made.put(commits(1, 1))
        await told.until(made, "executed 1")
        (only,) = commits(1, 1)
        assert only.certificate is not None
        await made.execute([(only.header, [])], only.certificate)
        assert sum(made._observer.codes.values()) == 1


async def test_the_mempool_tells_of_what_it_refuses_and_how_long_envelopes_waited() -> None:
    observer = Observer()
    waiters = Waiters(lambda refused: None)
    limits = Limits(mempool_envelopes_max=2)
    pool = Mempool(waiters, limits, envelope_bytes_max=1000, observer=observer)
    with pytest.raises(TooLarge):
        pool.submit([bytes(1001)], wait=False)
    pool.submit(_envelopes(2), wait=False)
    with pytest.raises(Overloaded):
        pool.submit([b"one more"], wait=False)
    lane: Any = SimpleNamespace(batch_due=0.0, throttled=False)
    await pool.next_batch(lane)
    assert dict(observer.refused) == {"too_large": 1, "full": 1}
    assert observer.stages["batch"].count == 1


@pytest.mark.parametrize(
    ("reason", "label"), [(str(Reason.VMPL), "vmpl"), ("a text that a peer chose", "other")]
)
async def test_refused_evidence_is_counted_by_a_reason_of_the_enumeration(
    reason: str, label: str
) -> None:
    class Refuses:
        async def check_link(self, *_: object) -> None:
            raise refusal_of(RefusalKind.ATTESTATION_ERROR, "no", reason)

    loose: Any = {"chain": bytes(32), "tls_key": bytes(32), "enclave": Refuses()}
    handshake = Handshake(node_key=PEER, wall_ms=lambda: 0, **loose)
    with pytest.raises(Exception, match="no"):
        await handshake._judge(b"evidence", bytes(32))
    assert dict(handshake.refusals) == {label: 1}


async def test_bytes_of_a_peer_count_over_all_its_connections() -> None:
    made = links()
    made.on_link, made.on_message = lambda _: None, lambda *_: None
    peer: Any = SimpleNamespace(
        node_key=PEER, name="n1", summary="good", evidence_digest="", tls_key=b"", judged=True
    )
    for _ in range(2):
        wire = Wire()
        wire.frames.connection_made(asyncio.Transport())
        wire.frames.data_received((4).to_bytes(4, "big") + b"four")
        made._establish(peer, wire)
        wire.frames.data_received((2).to_bytes(4, "big") + b"go")
        wire.frames.connection_lost(None)
    assert (made.traffic[PEER].received, made.traffic[PEER].sent) == (2 * 14, 0)


async def test_what_is_sent_counts_when_it_leaves() -> None:
    class Out(asyncio.Transport):
        def write(self, data: Any) -> None:
            pass

        def get_write_buffer_size(self) -> int:
            return 0

    frames = FrameProtocol(lambda _: None, lambda _: None, frame_bytes_max=100)
    frames.connection_made(Out())
    frames.send(b"12345")
    await asyncio.sleep(0)
    assert frames.traffic.sent == 9


async def test_the_front_door_tells_of_calls_refusals_subscriptions_and_missed_heights() -> None:
    limits = RpcLimits(subscription_behind_max=3)
    async with opened(limits) as door:
        await door.call("node_status")
        await door.call("nothing")
        foreign = {"Host": "rebound.example", "Content-Type": "application/json"}
        async with door.http.post(f"{door.url}/rpc", data="{}", headers=foreign) as response:
            assert response.status == 403
        async with door.http.post(f"{door.url}/rpc", data="{}") as response:
            assert response.status == 415
        door.backend.grow(10)
        async with door.http.ws_connect(f"{door.url}/ws") as socket:
            words = {"jsonrpc": "2.0", "id": 1, "method": "ledger_subscribe"}
            await socket.send_json({**words, "params": {"topic": "blocks", "from": 1}})
            for _ in range(5):  # the answer, what it missed, three blocks
                await socket.receive_json()
            async with door.http.get(f"{door.url}/metrics") as response:
                text = await response.text()
    told = samples_of(text)

    def value(name: str, **labels: str) -> float:
        return told[PREFIX + name, tuple(sorted(labels.items()))]

    assert value("rpc_requests_total", method="node_status", code="ok") == 1
    assert value("rpc_requests_total", method="unknown", code="-32601") == 1
    assert value("rpc_request_seconds_count", method="node_status") == 1
    assert value("rpc_rejected_total", reason="foreign") == 1
    assert value("rpc_rejected_total", reason="content_type") == 1
    assert value("rpc_websockets") == 1
    assert value("rpc_connections") >= 1
    assert value("rpc_subscriptions", topic="blocks") == 1
    assert value("rpc_missed_blocks_total") == 7
    door_names = {name for name in METRICS if name.startswith(f"{PREFIX}rpc_")}
    assert {name for name in names_of(text) if "rpc_" in name} == door_names


async def test_calls_that_went_well_or_found_no_room_are_there_at_0_for_every_method() -> None:
    """StrongroomOverloaded takes a rate of the second: of a series that begins at 1 the first is
    not seen."""
    async with opened() as door, door.http.get(f"{door.url}/metrics") as response:
        told = samples_of(await response.text())
    counted = {labels: n for (name, labels), n in told.items() if name.endswith("requests_total")}
    assert counted == {
        (("code", code), ("method", method)): 0
        for method in (*METHODS, UNKNOWN)
        for code in (OK, str(Overloaded.code))
        if method != UNKNOWN or code != OK
    }


async def test_a_subscription_that_has_ended_counts_no_more() -> None:
    async with opened() as door, door.http.ws_connect(f"{door.url}/ws") as socket:
        words = {"jsonrpc": "2.0", "id": 1, "method": "ledger_subscribe"}
        await socket.send_json({**words, "params": {"topic": "heads"}})
        await socket.receive_json()
        words = {"jsonrpc": "2.0", "id": 2, "method": "ledger_unsubscribe"}
        await socket.send_json({**words, "params": {"id": 1}})
        await socket.receive_json()
        await socket.send_json({"jsonrpc": "2.0", "id": 3, "method": "node_status"})
        await socket.receive_json()
        async with door.http.get(f"{door.url}/metrics") as response:
            told = samples_of(await response.text())
    assert told[f"{PREFIX}rpc_subscriptions", (("topic", "heads"),)] == 0


async def test_T70_metrics_are_made_anew_now_and_then_also_at_a_socket_of_their_own() -> None:
    """That socket may be opened to others; and then whoever asks in a loop has the event loop."""
    from strongroom.node.rpc.monitoring import Told as LastText

    made: list[int] = []
    now = 7.0

    def make() -> str:
        made.append(1)
        return str(len(made))

    last = LastText(lambda: now)
    for own in (False, True, False, True):
        assert [last.get(own, make) for _ in range(50)] == ["1"] * 50
    now += 0.2
    assert [last.get(False, make), last.get(True, make)] == ["1", "2"]
    now += 0.4
    assert last.get(False, make) == "2"
    now += 0.2
    assert last.get(False, make) == "3"
