"""A recipient opens a result: its chunks, its key, and what the receipt of the opening claims.

Owns the order: the list of chunks is fetched before the opening goes on record. What is claimed is
put together here from what the ledger tells parties, and believed only as far as the receipt's own
digest says so (openings.py).
"""

from dataclasses import dataclass, field
from typing import Any

from strongroom.enclave.formats.clean_rooms.contract import Contract
from strongroom.enclave.formats.clean_rooms.result_keys import result_name
from strongroom.enclave.outside.chunks import DataPlace, check_names
from strongroom.enclave.primitives import Secret
from strongroom.node.clean_rooms.bringing import node_doors
from strongroom.node.clean_rooms.openings import OpeningClaim, OpeningReceipt
from strongroom.node.client.calls.calls import Done
from strongroom.node.client.client import Client


@dataclass(frozen=True, slots=True)
class Opening:
    """An output that was opened."""

    done: Done
    data: bytes = field(repr=False)
    claim: OpeningClaim

    async def receipt(self) -> OpeningReceipt:
        """The receipt with its claim revealed, checked: whoever has it and the pin needs nothing
        else.

        Raises:
            ReceiptInvalid: a node gave one that does not verify, or that claims something else.
            Unreachable: no receipt in time.
        """
        receipt = await self.done.receipt()
        return OpeningReceipt(receipt, self.claim.encode(), self.done.blinding or b"")


async def opened(client: Client, job: bytes, output: str) -> Opening:
    """Open an output. Its list of chunks is fetched before: what no node has is not opened on
    record.

    Raises:
        ProgramFailed: the program refuses.
        NotStored: no node gives what lies there.
        ChunkChanged: it is not what the job made.
    """
    found = (await client.query("rooms.job", job=job)).value
    told = (await client.query("rooms.contract", contract=found["contract"])).value
    contract = Contract.decode(told["text"])
    filtered = any(one.filter_alias for one in contract.outputs if one.name == output)
    recipient = client.identity.id if filtered else b""
    entries = [
        one for one in found["outputs"] if (one["output"], one["recipient"]) == (output, recipient)
    ]
    async with node_doors(client.service) as doors:
        names: list[bytes] = []
        for one in entries[:1]:
            names = await doors.names(one["root"], one["chunks"])
        done = await client.call("rooms.open", job=job, output=output)
        check_names(names, done.result["root"], done.result["chunks"])
        place = DataPlace(
            client.service.chain, contract.room, result_name(job, output, recipient), 1
        )
        parts = doors.read(names, Secret(done.result["key"]), place)
        data = b"".join([part async for part in parts])
    return Opening(done, data, _claimed(found, contract.room, client.identity.id, done.result))


def _claimed(
    job: dict[str, Any], room: bytes, recipient: bytes, given: dict[str, Any]
) -> OpeningClaim:
    """What the program claims of this opening, from what it tells parties of the job."""
    asked = [one for one in job["executors"] if one["asked"]]
    return OpeningClaim(
        room=room,
        contract=job["contract"],
        job=job["job"],
        recipient=recipient,
        output=given["output"],
        whose=given["recipient"],
        root=given["root"],
        chunks=given["chunks"],
        size_class=given["size_class"],
        data=tuple(
            (
                one["alias"],
                bytes.fromhex(one["owner"].removeprefix("id:")),
                one["data"],
                one["version"],
                one["root"],
            )
            for one in job["inputs"]
        ),
        operators=tuple(one["operator"] for one in asked if one["report"] == job["result"]),
    )
