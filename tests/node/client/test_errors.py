"""Errors of the client: one tree, every code of the front door, what to do next, no secrets."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.node.client.calls.test_pipeline import BOB, funded

from strongroom.consensus.errors import StrongroomError
from strongroom.node import faults
from strongroom.node.client import advice, errors
from strongroom.node.client.advice import ADVICE, what_next
from strongroom.node.client.calls.replies import fault_of
from strongroom.node.faults import RpcFault
from strongroom.node.rpc import jsonrpc
from strongroom.node.rpc.methods import METHODS
from strongroom.node.rpc.openrpc import openrpc

MEMO = "the memo that nobody is shown"


def _kinds(of: Any, base: type) -> Iterator[type[Any]]:
    return (one for _, one in inspect.getmembers(of, inspect.isclass) if issubclass(one, base))


FAULTS = sorted({*_kinds(faults, RpcFault), *_kinds(jsonrpc, RpcFault)}, key=lambda one: one.code)
OURS = sorted(_kinds(errors, StrongroomError), key=lambda one: one.__name__)


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_every_code_of_the_front_door_is_an_error_of_its_own_again(kind: type[RpcFault]) -> None:
    fault = fault_of({"code": kind.code, "message": "so", "data": {"reason": "why"}})
    assert type(fault) is kind or kind is RpcFault
    assert (fault.code, str(fault), fault.data) == (kind.code, "so", {"reason": "why"})


def test_codes_of_the_open_rpc_document_are_among_them() -> None:
    document = openrpc(METHODS.values())
    told = {error["code"] for error in document["components"]["errors"].values()}
    assert told <= {kind.code for kind in FAULTS}
    assert told


def test_a_code_of_another_version_is_a_fault_all_the_same() -> None:
    assert type(fault_of({"code": -32099, "message": "new"})) is RpcFault


@pytest.mark.parametrize("kind", [*FAULTS, *OURS], ids=lambda kind: kind.__name__)
def test_every_error_has_its_own_sentence_or_that_of_its_base(kind: type[StrongroomError]) -> None:
    bases = [base for base in kind.__mro__ if base in ADVICE]
    assert bases
    assert ADVICE[bases[0]].endswith(".")
    assert what_next(kind.__new__(kind)) == ADVICE[bases[0]]
    assert issubclass(kind, Exception)


def test_a_bug_of_ours_is_to_be_reported() -> None:
    assert "Report it" in what_next(StrongroomError("?"))
    assert len(set(advice.ADVICE.values())) >= len(ADVICE) - 1


async def test_what_the_client_hands_out_shows_no_result_argument_or_key(tmp_path: Path) -> None:
    async with funded(tmp_path) as (_, client):
        done = await client.call("payments.transfer", to=BOB.id, amount=5, memo=MEMO)
        balance = await client.query("payments.balance")
        statement = await client.query("payments.statement")
        assert MEMO in str(statement.value)
        call = client._names.transaction(
            "payments.transfer", {"to": BOB.id, "amount": 1, "memo": MEMO}
        )
        entry = client._runtime.pipeline.submit(*call)
        await entry.future
        shown = [done, balance, statement, entry, entry.opened, client, client.service]
        shown += [client.identity, client._runtime, client._runtime.trust.epoch]
        for one in shown:
            for text in (repr(one), str(one)):
                assert MEMO not in text
                assert str(balance.value) not in text
