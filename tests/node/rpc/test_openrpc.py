"""The OpenRPC document: valid, whole, true of every answer; fuzzed from itself and with junk."""

import asyncio
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import jsonschema
import pjrpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pjrpc.client.backend import aiohttp as pjrpc_aiohttp
from tests.node.rpc import fuzzing
from tests.node.rpc.fake import opened
from tests.node.rpc.results import VALIDATORS, closed, least, problems

from strongroom.node.rpc.backend import Document
from strongroom.node.rpc.methods import METHODS
from strongroom.node.rpc.openrpc import openrpc
from strongroom.node.rpc.results import EXAMPLES, RESULTS
from strongroom.node.rpc.schemas import COMPONENTS

META = json.loads((Path(__file__).parent / "openrpc-1.3-schema.json").read_text())
CALLS = 400
"""In the suite; `scripts/fuzz_rpc` makes 5,000."""
FILLED = {
    "$NONCE": "ab" * 32,
    "$ENVELOPE": b64encode(b"sealed").decode(),
    "$TRANSACTION": "ab" * 32,
    "$QUERY": b64encode(b"query").decode(),
    "$PUBLIC": b64encode(b"public").decode(),
    "$PROPOSAL": "ab" * 16,
    "$GRANT": "ab" * 16,
    "$RECIPIENT": b64encode(bytes(1216)).decode(),
}


def document() -> Document:
    made: Document = json.loads(json.dumps(openrpc(METHODS.values())))
    return made


def filled(value: Any) -> Any:
    if isinstance(value, list):
        return [filled(one) for one in value]
    return FILLED.get(value, value) if isinstance(value, str) else value


def test_the_document_is_one_by_the_meta_schema() -> None:
    jsonschema.Draft7Validator.check_schema(META)
    jsonschema.Draft7Validator(META).validate(document())
    broken = document()
    broken["methods"][0]["parms"] = []
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(META).validate(broken)


def test_every_schema_is_one_and_every_method_has_a_result_and_an_example() -> None:
    assert set(RESULTS) == set(METHODS)
    for schema in (*RESULTS.values(), *COMPONENTS.values()):
        jsonschema.Draft7Validator.check_schema(schema)
    for name, method in METHODS.items():
        example = EXAMPLES.get(name, {})
        kinds = {one.name: one.kind for one in method.parameters}
        assert {one.name for one in method.parameters if one.required} <= set(example) <= set(kinds)
        for key, value in example.items():
            jsonschema.validate(filled(value), kinds[key].schema)
    shown = json.dumps(document())
    for name in set(COMPONENTS) - {"BlockHead"}:  # an event has its members among its own
        assert f"#/components/schemas/{name}" in shown


def test_a_schema_says_what_is_missing_and_what_is_more() -> None:
    for name in RESULTS:
        assert problems(name, least(RESULTS[name])) == [], name
    status = least(RESULTS["node_status"])
    assert problems("node_status", {**status, "more": 1})
    assert problems("node_status", {name: status[name] for name in list(status)[1:]})
    assert problems("ledger_receipt", {**least(RESULTS["ledger_receipt"]), "id": "AB" * 32})
    assert set(VALIDATORS) == set(METHODS)


async def test_every_example_is_answered() -> None:
    async with opened() as door, door.websocket() as socket:
        door.backend.grow(3)
        for id, name in enumerate(METHODS):
            params = {key: filled(value) for key, value in EXAMPLES.get(name, {}).items()}
            await socket.send_json({"jsonrpc": "2.0", "id": id, "method": name, "params": params})
            reply = await socket.receive_json()
            while reply.get("id") != id:
                reply = await socket.receive_json()
            if name in ("governance_submit", "admin_diagnostics", "blob_missing"):
                assert reply["error"]["code"] in (-32602, -32002, -32007), reply  # made up here
            else:
                assert "result" in reply, reply


async def test_latest_stands_for_the_newest_height_and_a_text_is_found() -> None:
    async with opened() as door:
        door.backend.grow(7)
        assert (await door.call("ledger_block", ["latest"]))["result"]["height"] == 7
        assert (await door.call("ledger_transactions", ["latest"]))["result"]["height"] == 7
        assert "result" in await door.call("ledger_header", ["latest"])
        for wrong in ("newest", "LATEST", ""):
            assert (await door.call("ledger_block", [wrong]))["error"]["code"] == -32602
        hits = (await door.call("ledger_search", ["5"]))["result"]
        assert [(hit["kind"], hit["height"]) for hit in hits] == [("block", 5)]
        assert (await door.call("ledger_search", ["8"]))["result"] == []
        assert (await door.call("ledger_search", ["aba"]))["result"] == [], "too few digits"
        hits = (await door.call("ledger_search", ["abab"]))["result"]
        assert [hit["kind"] for hit in hits] == ["proposal"]
        for text in ("", "x" * 257, 5):
            assert (await door.call("ledger_search", [text]))["error"]["code"] == -32602


async def test_a_strangers_client_calls_by_name_and_gets_typed_errors() -> None:
    async with opened() as door:
        door.backend.grow(2)
        async with pjrpc_aiohttp.Client(f"{door.url}/rpc") as client:
            block: Any = await client("ledger_block", height=2, transactions=False)
            assert block["height"] == 2
            status: Any = await client.proxy.node_status()
            assert status["state"] == "voting"
            with pytest.raises(pjrpc.exceptions.JsonRpcError) as refused:
                await client("ledger_block", height=9)
            assert refused.value.code == -32001
            with pytest.raises(pjrpc.exceptions.JsonRpcError) as refused:
                await client("no_such_method")
            assert refused.value.code == -32601


def test_no_call_from_the_schema_or_of_junk_is_a_bug() -> None:
    """One reply each, with a known code or a result as the schema says, over HTTP and frames of
    both forms; `scripts/fuzz_rpc` asks a real node."""

    async def ask(calls: list[fuzzing.Call]) -> None:
        async with opened() as door, fuzzing.fuzzed(door.http, door.url) as fuzz:
            door.backend.grow(3)
            await fuzz.ask_all(calls)
            assert fuzz.asked == len(calls)

    @settings(max_examples=CALLS // 20, database=None)
    @given(st.lists(fuzzing.CALLS, min_size=20, max_size=20))
    def fuzz(calls: list[fuzzing.Call]) -> None:
        asyncio.run(ask(calls))

    fuzz()


async def test_no_message_of_junk_is_a_bug() -> None:
    """Changed requests over each carrier: each gets an error or its connection's end, none ends the
    door."""
    async with opened() as door, fuzzing.fuzzed(door.http, door.url) as fuzz:
        door.backend.grow()
        await fuzz.junk(13, CALLS)
        assert fuzz.came["-32700"] > 0
        assert set(fuzz.came) - {"closed", "result"} <= {str(code) for code in fuzzing.KNOWN}


async def test_the_fuzz_finds_a_bug_and_a_result_of_another_shape() -> None:
    async with opened() as door:
        fuzz = fuzzing.Fuzz(door.http, door.url)
        door.backend.bug = ValueError("a bug")
        for carrier in fuzzing.CARRIERS:
            await fuzz.ask(carrier, "service_info", [])
        assert len(fuzz.wrong) == 3
        assert all("-32603" in one for one in fuzz.wrong)
        await fuzz.close()


def test_the_closed_schemas_are_those_of_the_document_but_for_being_closed() -> None:
    assert closed(RESULTS["node_status"]) == RESULTS["node_status"]
    assert closed(COMPONENTS["Member"])["additionalProperties"] is False
