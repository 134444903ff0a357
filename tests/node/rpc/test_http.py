"""HTTPS routes: methods by name and position, health, metrics, and every bound of the door."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest
import structlog
from aiohttp import ClientError
from tests.node.rpc.fake import opened

from strongroom.consensus.codec import encode
from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.formats.envelope import OPENING
from strongroom.enclave.formats.size_classes import OPENING_MESSAGES
from strongroom.enclave.governance.public import evidence_envelope
from strongroom.node.api.screening import wrong_epoch
from strongroom.node.faults import NotReady, Overloaded
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.methods import METHODS

ENVELOPE = b"an envelope"
ID = sha256(ENVELOPE).hexdigest()
TEXT = b64encode(ENVELOPE).decode()
JSON = {"Content-Type": "application/json"}


async def test_a_submitted_envelope_is_answered_with_its_place_and_sealed_result() -> None:
    async with opened() as door:
        reply = await door.call("ledger_submit", {"envelope": TEXT})
        assert reply["result"] == {
            "id": ID,
            "height": 7,
            "index": 0,
            "status": "included",
            "result": b64encode(b"sealed").decode(),
        }
        assert door.backend.submitted == [[ENVELOPE]]


async def test_params_go_by_name_or_by_position() -> None:
    async with opened() as door:
        assert (await door.call("ledger_submit", [TEXT, "none"]))["result"] == {"id": ID}
        assert (await door.call("ledger_submit", {"wait": "none", "envelope": TEXT}))["result"] == {
            "id": ID
        }


async def test_the_service_is_told_with_its_genesis_unless_that_is_left_out() -> None:
    async with opened() as door:
        whole = (await door.call("service_info"))["result"]
        assert type(whole["genesis"]) is str
        assert (await door.call("service_info", [True]))["result"] == whole
        assert (await door.call("service_info", {"genesis": True}))["result"] == whole
        for left_out in ([False], {"genesis": False}):
            less = (await door.call("service_info", left_out))["result"]
            assert less == {**whole, "genesis": None}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("service_info", {"surprise": 1}),
        ("service_info", [1]),
        ("service_heads", {}),
        ("service_heads", ["00"]),
        ("service_heads", ["AB" * 32]),
        ("service_heads", [" " + "ab" * 31 + "b"]),
        ("ledger_submit", ["not base64!"]),
        ("ledger_submit", [TEXT, "maybe"]),
        ("ledger_submit", [TEXT, True]),
        ("ledger_block", [True]),
        ("ledger_block", [-1]),
        ("ledger_block", [1.0]),
        ("ledger_header", [2**63]),
        ("ledger_blocks", [5, 4]),
        ("ledger_consistency", {"from": 5, "to": 4}),
        ("ledger_submit_many", [TEXT]),
        ("ledger_submit_many", [[1]]),
        ("ledger_submit_many", {"envelopes": [TEXT], "after": ID}),
        ("ledger_subscribe", ["blocks"]),
    ],
)
async def test_wrong_or_unknown_params_are_an_error_and_reach_no_backend(
    method: str, params: object
) -> None:
    async with opened() as door:
        assert (await door.call(method, params))["error"]["code"] == -32602
        assert door.backend.submitted == []


async def test_a_public_transaction_is_answered_with_what_it_came_to() -> None:
    envelope = b64encode(evidence_envelope(b"evidence")).decode()
    async with opened() as door:
        door.backend.result = encode((True, ("ab" * 16, "open")))
        reply = (await door.call("governance_submit", [envelope]))["result"]
        assert (reply["ok"], reply["value"], reply["height"]) == (True, ["ab" * 16, "open"], 7)
        door.backend.result = encode((False, ("not-a-member", "who are you")))
        reply = (await door.call("governance_submit", [envelope]))["result"]
        assert (reply["ok"], reply["error"]["code"]) == (False, "not-a-member")
        for wrong in (TEXT, b64encode(opening(0)).decode()):
            assert (await door.call("governance_submit", [wrong]))["error"]["code"] == -32602
        assert len(door.backend.submitted) == 2


async def test_proposals_and_the_state_of_governance_are_told() -> None:
    async with opened() as door:
        assert [one["id"] for one in (await door.call("governance_proposals"))["result"]] == [
            "ab" * 16
        ]
        assert (await door.call("governance_proposal", ["ab" * 16]))["result"]["id"] == "ab" * 16
        assert (await door.call("governance_proposal", ["cd" * 16]))["error"]["code"] == -32001
        assert (await door.call("governance_proposal", ["nonsense"]))["error"]["code"] == -32602
        assert (await door.call("governance_state"))["result"] == {
            "state": b64encode(b"state").decode()
        }


def opening(epoch: int) -> bytes:
    """An envelope that opens a session in an epoch; sealed to nobody."""
    return encode((1, OPENING, epoch, bytes(min(OPENING_MESSAGES))))


async def test_what_is_not_worth_ordering_is_refused_at_the_door_and_its_neighbours_are_not() -> (
    None
):
    async with opened() as door:
        door.backend.faults[opening(2)] = wrong_epoch(opening(2), "opens a session in", 2, 3)
        old, new = (b64encode(opening(epoch)).decode() for epoch in (2, 3))
        reply = await door.call("ledger_submit", [old])
        assert (reply["error"]["code"], reply["error"]["data"]["epoch"]) == (-32006, 3)
        first, second, third = (
            await door.call("ledger_submit_many", [[TEXT, old, new], "commit"])
        )["result"]
        assert (first["id"], third["id"]) == (ID, sha256(opening(3)).hexdigest())
        assert (second["error"]["code"], second["error"]["data"]["epoch"]) == (-32006, 3)
        assert door.backend.submitted == [[ENVELOPE, opening(3)]]


async def test_a_public_refusal_is_an_error_with_its_reason_and_place() -> None:
    async with opened() as door:
        door.backend.codes[ENVELOPE] = 1
        error = (await door.call("ledger_submit", [TEXT]))["error"]
        assert error["code"] == -32002
        assert error["data"] == {"reason": "duplicate", "id": ID, "height": 7, "index": 0}


async def test_with_wait_receipt_the_answer_comes_when_the_receipt_exists() -> None:
    async with opened() as door:
        door.backend.height, door.backend.receipt_from = 7, 9
        asking = asyncio.create_task(door.call("ledger_submit", [TEXT, "receipt"]))
        while not door.backend.submitted:
            await asyncio.sleep(0)
        door.backend.grow()
        door.backend.grow()
        assert (await asking)["result"]["receipt"]["id"] == ID


async def test_many_envelopes_are_one_call_of_the_backend_and_a_list_in_order() -> None:
    async with opened(RpcLimits(envelope_bytes_max=20)) as door:
        envelopes = [b"one", b"x" * 21, b"two", b"three"]
        door.backend.codes[b"two"] = 3
        texts = [b64encode(envelope).decode() for envelope in envelopes]
        items = (await door.call("ledger_submit_many", [texts, "commit"]))["result"]
        assert door.backend.submitted == [[b"one", b"two", b"three"]]
        assert [item.get("id") for item in items] == [
            sha256(b"one").hexdigest(),
            None,
            None,
            sha256(b"three").hexdigest(),
        ]
        assert items[1]["error"]["code"] == -32003
        assert items[2]["error"]["data"]["reason"] == "unknown session"
        ids = (await door.call("ledger_submit_many", [texts[:1]]))["result"]
        assert ids == [sha256(b"one").hexdigest()]


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Overloaded("full", retry_after_ms=70), -32005), (NotReady("syncing"), -32007)],
)
async def test_what_the_mempool_refuses_is_told_with_its_code(fault: Exception, code: int) -> None:
    async with opened() as door:
        door.backend.refuse_submit = fault
        error = (await door.call("ledger_submit_many", [[TEXT]]))["error"]
        assert error["code"] == code
        if code == -32005:
            assert error["data"]["retry_after_ms"] == 70


async def test_a_bug_behind_the_door_is_an_internal_error_that_tells_nothing() -> None:
    """T10."""
    async with opened() as door:
        door.backend.bug = ValueError("secret 4711")
        with structlog.testing.capture_logs() as lines:
            error = (await door.call("service_info"))["error"]
        request = error["data"].pop("request")
        assert error == {"code": -32603, "message": "Internal error", "data": {}}
        (told,) = [line for line in lines if line["event"] == "rpc.bug"]
        assert told["request"] == request, "so its operator finds it"


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (ValueError("secret"), "rpc.bug"),
        (OperatorFault("blocks-1.log, byte 7: damaged"), "rpc.operator_fault"),
    ],
)
async def test_the_log_says_whether_it_was_a_bug_or_this_machine(
    error: Exception, event: str
) -> None:
    async with opened() as door:
        door.backend.bug = error
        with structlog.testing.capture_logs() as lines:
            assert (await door.call("service_info"))["error"]["code"] == -32603
    told = [(line["event"], line["method"]) for line in lines if line["event"] != "rpc.call"]
    assert told == [(event, "service_info")]


async def test_a_caller_that_goes_away_cancels_what_it_waits_for() -> None:
    async with opened() as door:
        door.backend.hold = True
        asking = asyncio.create_task(door.call("ledger_submit", [TEXT]))
        while not door.backend.held:
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([door.backend.held[0]])
        assert door.backend.held[0].cancelled()


async def test_a_batch_is_answered_side_by_side() -> None:
    async with opened() as door:
        door.backend.hold = True
        submit = {"jsonrpc": "2.0", "id": 1, "method": "ledger_submit", "params": [TEXT]}
        asking = asyncio.create_task(door.post([submit, {**submit, "id": 2}]))
        while len(door.backend.held) < 2:
            await asyncio.sleep(0)
        for future in door.backend.held:
            future.set_exception(NotReady("stopping"))
        assert [reply["error"]["code"] for reply in await asking] == [-32007, -32007]


async def test_health_says_what_the_backend_says() -> None:
    async with opened() as door:
        for path in ("live", "ready"):
            for good, status in ((True, 200), (False, 503)):
                setattr(door.backend, path, good)
                more = door.backend.replicas if path == "ready" else {}
                async with door.http.get(f"{door.url}/health/{path}") as response:
                    assert (response.status, await response.json()) == (
                        status,
                        {path: good, **more},
                    )


async def test_metrics_are_prometheus_text_with_the_doors_own_counters() -> None:
    async with opened() as door:
        await door.call("node_status")
        await door.call("nonsense")
        async with door.http.get(f"{door.url}/metrics") as response:
            text = await response.text()
            assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "strongroom_height 7" in text
        assert 'strongroom_rpc_requests_total{code="ok",method="node_status"} 1.0' in text
        assert 'strongroom_rpc_requests_total{code="-32601",method="unknown"} 1.0' in text
        assert "nonsense" not in text
        named = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        assert [line.split()[2] for line in text.splitlines() if line.startswith("# HELP")] == named


async def test_openrpc_lists_every_method_of_the_table() -> None:
    async with opened() as door:
        async with door.http.get(f"{door.url}/openrpc.json") as response:
            document = await response.json()
        assert document == (await door.call("rpc.discover"))["result"]
        assert {method["name"] for method in document["methods"]} == set(METHODS)
        assert all(method["summary"] for method in document["methods"])


async def test_a_body_over_the_limit_gets_413() -> None:
    """T31."""
    async with opened(RpcLimits(body_bytes_max=1000)) as door:
        async with door.http.post(f"{door.url}/rpc", data=b"x" * 1001, headers=JSON) as response:
            assert response.status == 413

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x" * 100

        async with door.http.post(f"{door.url}/rpc", data=endless(), headers=JSON) as response:
            assert response.status == 413


async def test_a_body_that_dribbles_gets_408() -> None:
    """T31."""
    async with opened(RpcLimits(body_seconds_max=0.05)) as door:
        reader, writer = await asyncio.open_connection(*door.address)
        writer.write(
            b"POST /rpc HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{"
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_headers_that_dribble_end_the_connection() -> None:
    """T31."""
    async with opened(RpcLimits(idle_seconds_max=0.05)) as door:
        reader, writer = await asyncio.open_connection(*door.address)
        writer.write(b"POST /rpc HTTP/1.1\r\nHost:")
        assert await reader.read() == b""
        writer.close()


async def test_a_peer_that_does_not_take_its_answer_is_cut_off() -> None:
    """T31."""
    async with opened(RpcLimits(write_seconds_max=0.1, body_bytes_max=64 * 1024 * 1024)) as door:
        door.backend.result = b"x" * 30_000_000
        _reader, writer = await asyncio.open_connection(*door.address, limit=1)
        body = b'{"jsonrpc":"2.0","id":1,"method":"ledger_submit","params":[""]}'
        writer.write(
            b"POST /rpc HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        while door.open_connections:
            await asyncio.sleep(0.01)
        writer.close()


async def test_a_connection_over_the_limit_gets_503_and_the_next_one_after_a_close_is_served() -> (
    None
):
    """T31."""
    async with opened(RpcLimits(connections_max=2)) as door:
        held = [await asyncio.open_connection(*door.address) for _ in range(2)]
        while door.open_connections < 2:
            await asyncio.sleep(0)
        async with door.http.get(f"{door.url}/health/live") as response:
            assert response.status == 503
        held[0][1].close()
        while door.open_connections > 1:
            await asyncio.sleep(0)
        async with door.http.get(f"{door.url}/health/live") as response:
            assert response.status == 200
        held[1][1].close()


async def test_a_stopped_server_answers_what_runs_and_takes_no_more() -> None:
    async with opened() as door:
        door.backend.hold = True
        asking = asyncio.create_task(door.call("ledger_submit", [TEXT]))
        while not door.backend.held:
            await asyncio.sleep(0)
        stopping = asyncio.create_task(door.runner.cleanup())
        await asyncio.sleep(0)
        door.backend.release()
        assert (await asking)["result"]["height"] == 7
        await stopping
        with pytest.raises(ClientError):
            await door.call("service_info")
