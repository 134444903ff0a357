"""Load on etcd, a process of its own: connections that put one value after the other (gRPC,
etcd-io/etcd api/etcdserverpb/rpc.proto).

Reads its orders from standard input and writes what it measured to standard output, as load.py
does. Latency counts from the call to its answer.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

import grpc.aio

BUCKETS_PER_MS = 20
"""As in report.py."""
PUT = "/etcdserverpb.KV/Put"
_KEY, _VALUE = 1, 2
_LENGTH_DELIMITED = 2


def put_request(key: bytes, value: bytes) -> bytes:
    """A PutRequest in protocol buffers: `bytes key = 1; bytes value = 2`."""
    return _field(_KEY, key) + _field(_VALUE, value)


def _field(number: int, data: bytes) -> bytes:
    return bytes((number << 3 | _LENGTH_DELIMITED,)) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Base 128, the least significant group first."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


async def load(orders: dict[str, Any]) -> dict[str, Any]:
    """Carry the orders out."""
    begin = time.monotonic() + orders["warmup"]
    end = begin + orders["seconds"]
    latencies: Counter[int] = Counter()
    endpoints = orders["endpoints"]
    async with asyncio.TaskGroup() as tasks:
        for number in range(orders["connections"]):
            endpoint = endpoints[number % len(endpoints)]
            value = bytes(orders["value_bytes"])
            tasks.create_task(_put(endpoint, number, value, begin, end, latencies))
    return {"committed": sum(latencies.values()), "latencies": sorted(latencies.items())}


async def _put(
    endpoint: str, number: int, value: bytes, begin: float, end: float, latencies: Counter[int]
) -> None:
    own = (("grpc.use_local_subchannel_pool", 1),)  # else all channels share one connection
    async with grpc.aio.insecure_channel(endpoint, options=own) as channel:
        put, count = channel.unary_unary(PUT), 0
        while (asked := time.monotonic()) < end:
            await put(put_request(b"%d/%d" % (number, count), value))
            answered = time.monotonic()
            count += 1
            if begin <= answered < end:
                latencies[int((answered - asked) * 1000 * BUCKETS_PER_MS)] += 1


if __name__ == "__main__":
    json.dump(asyncio.run(load(json.load(sys.stdin))), sys.stdout)
