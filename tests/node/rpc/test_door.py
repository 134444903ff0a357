"""The door policy: who shows no known credential reads and submits nothing; who shows one pays from
its own quota."""

import json
from base64 import b64encode
from typing import Any

import pytest
from tests.node.rpc.fake import OPEN, opened

from strongroom.enclave.formats.outcome import Code
from strongroom.node.credentials import Credential
from strongroom.node.faults import Overloaded, Refused
from strongroom.node.organisations import DoorPolicy, Organisation, Quota
from strongroom.node.rpc.door import GUARDED, Door
from strongroom.node.rpc.quota import REFUSALS_BURST_SECONDS, Account, Bucket

BANK, MILL = Credential.fresh(), Credential.fresh()
POLICY = DoorPolicy(
    organisations=(
        Organisation(name="mill", digest=MILL.digest),
        Organisation(name="bank", digest=BANK.digest, quota=Quota(envelopes_per_second=2)),
    )
)
TEXT = b64encode(b"an envelope").decode()
CALLS: dict[str, list[Any]] = {
    "ledger_submit": [TEXT],
    "ledger_submit_many": [[TEXT]],
    "governance_submit": [TEXT],
    "ledger_query": [TEXT],
}


async def ask(
    url: str, http: Any, method: str, params: list[Any], headers: dict[str, str]
) -> tuple[int, Any, Any]:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with http.post(f"{url}/rpc", json=body, headers=headers) as response:
        return response.status, await response.json(), response.headers


def test_every_method_that_writes_or_makes_the_enclave_work_is_guarded() -> None:
    assert set(CALLS) == GUARDED


@pytest.mark.parametrize("method", sorted(CALLS))
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer x"}, Credential.fresh().header, {"Authorization": "Basic eDp5"}],
    ids=["none", "garbage", "unknown", "another scheme"],
)
async def test_a_stranger_is_refused_with_the_reason_and_nothing_reaches_the_node(
    method: str, headers: dict[str, str]
) -> None:
    async with opened(policy=POLICY) as door:
        status, reply, shown = await ask(door.url, door.http, method, CALLS[method], headers)
        assert status == 401
        assert shown["WWW-Authenticate"].startswith("Bearer")
        assert reply["error"]["code"] == -32002
        assert reply["error"]["data"] == {"reason": "credential"}
        assert door.backend.submitted == []


async def test_a_stranger_in_a_batch_or_on_a_websocket_is_refused_likewise_and_may_read() -> None:
    async with opened(policy=POLICY) as door:
        request = {"jsonrpc": "2.0", "id": 1, "method": "ledger_submit", "params": [TEXT]}
        (reply,) = await door.post([request])
        assert reply["error"]["data"] == {"reason": "credential"}
        async with door.websocket() as socket:
            await socket.send_str(json.dumps(request))
            assert (await socket.receive_json())["error"]["data"] == {"reason": "credential"}
        assert (await door.call("service_info"))["result"]["height"] == 0
        assert door.backend.submitted == []


async def test_who_shows_its_credential_submits_as_its_organisation_over_both_ways() -> None:
    async with opened(policy=POLICY) as door:
        status, reply, _ = await ask(door.url, door.http, "ledger_submit", [TEXT], MILL.header)
        assert status == 200
        assert "result" in reply
        async with door.http.ws_connect(f"{door.url}/ws", headers=BANK.header) as socket:
            await socket.send_str(
                json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ledger_submit", "params": [TEXT]})
            )
            assert "result" in await socket.receive_json()
        assert door.backend.organisations == ["mill", "bank"]


async def test_reading_needs_a_credential_only_where_the_policy_says_so() -> None:
    closed = DoorPolicy(organisations=POLICY.organisations, reading=True)
    async with opened(policy=closed) as door:
        status, reply, _ = await ask(door.url, door.http, "service_info", [], {})
        assert (status, reply["error"]["data"]) == (401, {"reason": "credential"})
        assert (await ask(door.url, door.http, "service_info", [], MILL.header))[0] == 200
        assert (await ask(door.url, door.http, "rpc.discover", [], {}))[0] == 200


async def test_a_used_up_quota_says_when_to_come_back_and_the_other_organisation_goes_on() -> None:
    async with opened(policy=POLICY) as door:
        codes = []
        for _ in range(30):
            _, reply, _ = await ask(door.url, door.http, "ledger_submit", [TEXT], BANK.header)
            codes.append(reply.get("error", {}).get("code"))
        assert None in codes
        assert -32005 in codes
        refused = (await ask(door.url, door.http, "ledger_query", [TEXT], BANK.header))[1]["error"]
        assert refused["code"] == -32005
        assert refused["data"]["retry_after_ms"] > 0
        assert "result" in (await ask(door.url, door.http, "ledger_submit", [TEXT], MILL.header))[1]


async def test_what_execution_refuses_costs_its_organisation_and_no_other() -> None:
    door = Door(POLICY)
    bank, mill = (
        door.account_of(BANK.header["Authorization"]),
        door.account_of(MILL.header["Authorization"]),
    )
    assert bank is not None
    assert mill is not None
    bank.charge(1, 1)
    door.penalise("bank", int(REFUSALS_BURST_SECONDS * Quota().refusals_per_second))
    with pytest.raises(Overloaded) as refused:
        bank.charge(1, 1)
    assert refused.value.data["retry_after_ms"]
    mill.charge(1, 1)


async def test_what_no_honest_client_makes_costs_its_organisation_at_the_door_already() -> None:
    """T11: a frame of a thousand false signatures takes the node's loop as long as a second of good
    ones, and was free: nothing of it reached a quota."""
    forged, late = b"forged", b"late"
    text = b64encode(forged).decode()
    policy = DoorPolicy(
        organisations=(
            Organisation(name="mill", digest=MILL.digest, quota=Quota(refusals_per_second=1)),
            Organisation(name="bank", digest=BANK.digest),
        )
    )
    async with opened(policy=policy) as door:
        door.backend.faults = {
            forged: Refused("no", reason=Code.DOES_NOT_OPEN.text),
            late: Refused("no", reason=Code.UNKNOWN_SESSION.text),
        }

        async def many(text: str, headers: dict[str, str]) -> Any:
            method, given = "ledger_submit_many", [[text] * 64]
            return (await ask(door.url, door.http, method, given, headers))[1]

        for _ in range(10):
            assert "result" in await many(b64encode(late).decode(), MILL.header)
        replies = [await many(text, MILL.header) for _ in range(10)]
        assert "result" in replies[0]
        assert replies[-1]["error"]["code"] == -32005
        seen = door.backend.screened
        assert seen <= 64 * (10 + 1 + REFUSALS_BURST_SECONDS // 64 + 1)
        assert (await many(text, MILL.header))["error"]["data"]["retry_after_ms"] > 0
        assert door.backend.screened == seen, "nothing is looked at any more"
        assert "result" in await many(text, BANK.header)


def test_a_bucket_fills_at_its_rate_up_to_its_capacity_and_lends_what_is_larger_once() -> None:
    now = [0.0]
    bucket = Bucket(10.0, 20.0, lambda: now[0])
    assert bucket.wait_seconds(20) == 0
    bucket.take(20)
    assert bucket.wait_seconds(5) == 0.5
    now[0] = 100.0
    assert bucket.wait_seconds(50) == 0, "larger than it can ever hold: let in when it is full"
    bucket.take(50)
    assert bucket.wait_seconds(1) == pytest.approx(3.1)


async def test_an_open_door_has_no_quota_and_an_empty_policy_lets_nobody_in() -> None:
    anyone = Door(OPEN).account_of(None)
    assert anyone is not None
    anyone.charge(10**9, 10**12)
    assert Door(DoorPolicy()).account_of(MILL.header["Authorization"]) is None
    assert isinstance(Door(OPEN).account_of("Bearer x"), Account)
