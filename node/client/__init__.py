"""A client of a Strongroom service: sealed calls, opened results, receipts that anyone can verify.

From nothing to a verified receipt. The wheel brings the command line too; start a service of four
nodes on this machine (its folder is ./strongroom-data, `strongroom cluster down` stops it):

    $ strongroom cluster up --detach

Then, in Python:

    import asyncio, json, pathlib
    from strongroom.node.client import Client

    async def main():
        async with Client.connect("strongroom-data", identity="alice") as client:
            done = await client.call("payments.transfer", to="bob", amount=5, memo="rent")
            print("height", done.height, "balance", done.result["balance"])
            receipt = await done.receipt()    # verified against the pin
            pathlib.Path("receipt.json").write_text(json.dumps(receipt.to_json()))

    asyncio.run(main())

Anyone checks it where there is no network, with nothing but the file and the pin (`service` in
strongroom-data/service.json):

    $ strongroom verify receipt receipt.json --service PIN

Without asyncio, the same methods without `await`, for one or several threads:

    from strongroom.node.client import SyncClient

    with SyncClient.connect("strongroom-data", identity="alice") as client:
        print(client.query("payments.balance").value)

What else there is:

    client.query(name, …)           a sealed question; answers never go back in time
    client.submit(name, …)          a transaction's id, without waiting for its place
    client.receipt(id)              of any final transaction, verified
    client.call_many(name, many)    pipelined; answers in order, errors as values
    client.blocks(after=height)     every block once, in order, across nodes that die
    client.request(method, …)       any method of the front door

Programs and their arguments: `strongroom call --help`. Before anything is sealed, the service's
evidence is checked against the pin in service.json, so whoever gave you that file decides whom you
trust. A call is sent again safely: always the same envelope, so that nothing is paid twice.

Errors are StrongroomError. `what_next(error)` says in a sentence what to do. `Unreachable` with an
`id` means that the call may still take effect: ask `client.receipt(id)` before you call again.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strongroom.consensus.errors import (
        AttestationError,
        ClientFault,
        OperatorFault,
        ReceiptInvalid,
        StrongroomError,
    )
    from strongroom.enclave.outside.client_sessions import Identity
    from strongroom.enclave.outside.receipt import Receipt
    from strongroom.enclave.outside.receipts import verify_receipt
    from strongroom.node.client.advice import what_next
    from strongroom.node.client.calls.calls import Done
    from strongroom.node.client.calls.many import Progress
    from strongroom.node.client.calls.requests import QueryResult
    from strongroom.node.client.client import Client
    from strongroom.node.client.errors import (
        Behind,
        Busy,
        CannotCheck,
        NoCredential,
        NoQuorum,
        NotTrusted,
        ProgramFailed,
        TransactionRefused,
        Unreachable,
    )
    from strongroom.node.client.sync import SyncClient, SyncDone
    from strongroom.node.faults import (
        NotFound,
        NotReady,
        NotYet,
        Overloaded,
        Refused,
        RpcFault,
        TooLarge,
        WrongChainOrEpoch,
    )

_HERE = {
    "advice": ("what_next",),
    "calls.calls": ("Done",),
    "calls.many": ("Progress",),
    "calls.requests": ("QueryResult",),
    "client": ("Client",),
    "errors": (
        "Behind",
        "Busy",
        "CannotCheck",
        "NoCredential",
        "NoQuorum",
        "NotTrusted",
        "ProgramFailed",
        "TransactionRefused",
        "Unreachable",
    ),
    "sync": ("SyncClient", "SyncDone"),
}
_ELSEWHERE = {
    "consensus.errors": (
        "AttestationError",
        "ClientFault",
        "OperatorFault",
        "ReceiptInvalid",
        "StrongroomError",
    ),
    "enclave.outside.client_sessions": ("Identity",),
    "enclave.outside.receipt": ("Receipt",),
    "enclave.outside.receipts": ("verify_receipt",),
    "node.faults": (
        "NotFound",
        "NotReady",
        "NotYet",
        "Overloaded",
        "Refused",
        "RpcFault",
        "TooLarge",
        "WrongChainOrEpoch",
    ),
}
_HOMES = {
    **{name: f"{__name__}.{home}" for home, names in _HERE.items() for name in names},
    **{name: f"strongroom.{home}" for home, names in _ELSEWHERE.items() for name in names},
}
__all__ = [
    "AttestationError",
    "Behind",
    "Busy",
    "CannotCheck",
    "Client",
    "ClientFault",
    "Done",
    "Identity",
    "NoCredential",
    "NoQuorum",
    "NotFound",
    "NotReady",
    "NotTrusted",
    "NotYet",
    "OperatorFault",
    "Overloaded",
    "ProgramFailed",
    "Progress",
    "QueryResult",
    "Receipt",
    "ReceiptInvalid",
    "Refused",
    "RpcFault",
    "StrongroomError",
    "SyncClient",
    "SyncDone",
    "TooLarge",
    "TransactionRefused",
    "Unreachable",
    "WrongChainOrEpoch",
    "verify_receipt",
    "what_next",
]


def __getattr__(name: str) -> Any:
    """Loaded when first asked for, to start fast."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """What `help` shows."""
    return __all__
