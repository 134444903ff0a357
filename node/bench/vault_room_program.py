"""A room's program for the benchmark: it opens leases, takes pieces, and says when.

Runs inside a room, measured like any other program; nothing imports it. Times are of the machine's
monotonic clock, in µs, so that the benchmark beside it can compare them with its own.

    --set key=id:HEX/bench  --set leases=10  --set pieces=100  --set pause=0.05
"""

from time import monotonic

from strongroom.enclave.room.sdk import Room


async def program(room: Room) -> None:
    """Open some leases up to their first piece; hold one more, and take pieces of it as said."""
    key, asked = room.parameters["key"], room.parameters
    for _ in range(int(asked.get("leases", "0"))):
        began = monotonic()
        lease = await room.open(key, "bench")
        await lease.piece(0)
        room.tell("first", us=round((monotonic() - began) * 1e6))
        await lease.end()
    if "hold" not in asked:
        return
    lease = await room.open(key, "bench")
    for piece in range(int(asked.get("pieces", "1"))):
        await lease.piece(piece)
        room.tell("piece", piece=piece, at=round(monotonic() * 1e6))
        await room.rest(float(asked.get("pause", "0")))
    while True:
        await room.rest(1.0)
