"""What is said to etcd: its protocol's bytes (google/protobuf, Encoding)."""

import pytest

pytest.importorskip("grpc", reason="the extra `peers` is not installed")

from strongroom.node.bench.peer_load import put_request


def test_a_put_has_key_and_value_as_fields_one_and_two() -> None:
    assert put_request(b"k", b"vv") == b"\x0a\x01k\x12\x02vv"


def test_a_length_above_127_takes_two_bytes_the_smaller_first() -> None:
    assert put_request(b"", bytes(256)) == b"\x0a\x00\x12\x80\x02" + bytes(256)
