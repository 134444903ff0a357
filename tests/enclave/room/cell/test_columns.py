"""Tables and models as typed bytes: what a program gives and reads, and what hostile bytes are
refused for (T63, T64)."""

import struct
from typing import Any

import numpy as np
import pytest

pytest.importorskip("nanoarrow")

from hypothesis import given
from hypothesis import strategies as st
from tests.enclave.room.cell.cells import ROWS, TABLE, cell

from strongroom.enclave.room.cell.columns import NotTyped, pack_table, read_table
from strongroom.enclave.room.cell.link import CodeFailed
from strongroom.enclave.room.cell.models import read_model, write_model
from strongroom.enclave.room.library.shapes import Kind

KINDS = {"k": Kind.TEXT, "n": Kind.INTEGER, "x": Kind.REAL, "t": Kind.TRUTH}
COLUMNS: dict[str, Any] = {
    "k": ["ä", None, ""],
    "n": [-(2**63), None, 2**63 - 1],
    "x": [0.5, None, -1e308],
    "t": [True, None, False],
}


def packed(columns: dict[str, Any], kinds: dict[str, Kind] | None = None) -> bytearray:
    told = kinds or {name: KINDS[name] for name in columns}
    return bytearray(b"".join(pack_table("out", columns, told)))


def test_a_table_comes_back_as_it_was() -> None:
    name, table, kinds = read_table(packed(COLUMNS))
    assert (name, kinds) == ("out", KINDS)
    assert {name: list(values) for name, values in table.columns.items()} == COLUMNS


@given(
    st.lists(
        st.tuples(
            st.text(max_size=9) | st.none(),
            st.integers(-(2**63), 2**63 - 1) | st.none(),
            st.floats(allow_nan=False, allow_infinity=False) | st.none(),
            st.booleans() | st.none(),
        ),
        max_size=20,
    ).filter(
        lambda rows: all(one < "\ud800" or one > "\udfff" for row in rows for one in row[0] or "")
    )
)
def test_any_rows_come_back_as_they_were(rows: list[tuple[Any, ...]]) -> None:
    columns = {name: [row[at] for row in rows] for at, name in enumerate(KINDS)}
    table = read_table(packed(columns))[1]
    assert {name: list(values) for name, values in table.columns.items()} == columns


@given(st.integers(0, 200), st.binary(max_size=4))
def test_T63_bytes_that_were_changed_are_a_table_or_refused(at: int, change: bytes) -> None:
    data = packed(COLUMNS)
    at %= len(data)
    data[at : at + len(change)] = change
    try:
        _, table, kinds = read_table(data)
    except NotTyped:
        return
    for name, values in table.columns.items():
        assert len(values) == table.rows
        types = {Kind.TEXT: str, Kind.INTEGER: int, Kind.REAL: float, Kind.TRUTH: bool}
        listed = values.tolist() if isinstance(values, np.ndarray) else values
        assert {type(one) for one in listed} <= {types[kinds[name]], type(None)}


HEAD = b"\x03out"
HOSTILE = {
    "nothing": b"",
    "a name alone": HEAD,
    "no columns": HEAD + struct.pack("<IH", 0, 0),
    "many columns": HEAD + struct.pack("<IH", 0, 257) + b"\x01a\x00\x00" * 257,
    "more rows than bytes": HEAD + struct.pack("<IH", 2**32 - 1, 1) + b"\x01a\x00\x00",
    "rows beyond the bound": HEAD
    + struct.pack("<IH", 50_000_001, 1)
    + b"\x01a\x02\x00"
    + bytes(6_250_001),
    "a kind that is none": HEAD + struct.pack("<IH", 0, 1) + b"\x01a\x04\x00",
    "gaps that are none": HEAD + struct.pack("<IH", 0, 1) + b"\x01a\x00\x02",
    "a column without a name": HEAD + struct.pack("<IH", 0, 1) + b"\x00\x00\x00",
    "two of one name": HEAD + struct.pack("<IH", 0, 2) + b"\x01a\x00\x00" * 2,
    "bytes behind the end": HEAD + struct.pack("<IH", 0, 1) + b"\x01a\x00\x00" + b"row",
    "NaN": HEAD + struct.pack("<IH", 1, 1) + b"\x01a\x01\x00" + struct.pack("<d", float("nan")),
    "without end": HEAD
    + struct.pack("<IH", 1, 1)
    + b"\x01a\x01\x00"
    + struct.pack("<d", float("inf")),
    "no text": HEAD + struct.pack("<IH", 1, 1) + b"\x01a\x03\x00" + struct.pack("<I", 1) + b"\xff",
    "half a surrogate": HEAD
    + struct.pack("<IH", 1, 1)
    + b"\x01a\x03\x00"
    + struct.pack("<I", 3)
    + b"\xed\xa0\x80",
    "text longer than all": HEAD
    + struct.pack("<IH", 1, 1)
    + b"\x01a\x03\x00"
    + struct.pack("<I", 2**32 - 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_T63_hostile_bytes_are_no_table(name: str) -> None:
    with pytest.raises(NotTyped):
        read_table(bytearray(HOSTILE[name]))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("n", [1.0]),
        ("n", [True]),
        ("n", [2**63]),
        ("n", ["1"]),
        ("n", np.array([2**64 - 1], dtype=np.uint64)),
        ("x", ["0.5"]),
        ("x", [True]),
        ("x", [float("inf")]),
        ("x", np.ones((2, 2))),
        ("k", [b"bytes"]),
        ("k", [["a"]]),
        ("k", ["\ud800"]),
        ("t", [1]),
        ("t", [object()]),
    ],
)
def test_a_value_of_another_kind_is_refused_by_its_column(name: str, values: Any) -> None:
    if name == "x" and isinstance(values, list) and values == [float("inf")]:
        with pytest.raises(NotTyped):
            read_table(packed({name: values}))
    else:
        with pytest.raises(NotTyped, match=f"out.{name}"):
            packed({name: values})


def test_arrays_are_what_their_values_are() -> None:
    columns = {
        "n": np.array([1, 2], dtype=np.int32),
        "x": np.array([1, np.nan], dtype=np.float32),
        "t": np.array([True, False]),
        "k": np.array(["a", "bc"]),
    }
    table = read_table(packed(columns))[1]
    found = {name: list(values) for name, values in table.columns.items()}
    assert found == {"n": [1, 2], "x": [1.0, None], "t": [True, False], "k": ["a", "bc"]}


def test_a_program_reads_columns_and_gives_a_table_of_the_contracts_columns() -> None:
    source = """
        import numpy as np

        def run(room):
            rows = room.table("rows")
            assert (rows.names, rows.rows, len(rows)) == (("who", "share", "count"), 3, 3)
            assert room.tables == ("rows",)
            assert list(rows) == ["who", "share", "count"]
            assert rows["count"] == (1, 2, None)
            assert np.isnan(rows["share"][2])
            room.give_table("out", {"k": rows["who"], "n": rows["count"], "x": rows["share"]})
    """
    with cell() as one:
        table, _ = one.run(source, TABLE, words=True).tables["out"]
    found = {name: list(values) for name, values in table.columns.items()}
    assert found == {"k": ROWS["who"], "n": ROWS["count"], "x": ROWS["share"]}


@pytest.mark.parametrize(
    "columns",
    [
        "{'k': ['a'], 'n': [1]}",
        "{'k': ['a'], 'x': [1.0], 'n': [1]}",
        "{'k': ['a'], 'n': [1], 'x': [1.0], 'y': [1]}",
        "{'k': ['a'], 'n': [1.5], 'x': [1.0]}",
        "{'k': ['a'], 'n': [1, 2], 'x': [1.0]}",
        "{'k': [1], 'n': [1], 'x': [1.0]}",
    ],
)
def test_T63_another_table_than_the_contracts_is_none(columns: str) -> None:
    with cell() as one, pytest.raises(CodeFailed):
        one.run(f"def run(room):\n    room.give_table('out', {columns})", TABLE)


def test_T63_another_table_that_is_forged_is_none_either() -> None:
    """What the program's own side checks, the bench checks again."""
    source = """
        def run(room):
            room._task.asked["out"].__class__.columns = ()
            for one in ({"k": [1]},):
                room._given["out"] = kind, pack("out", one, {"k": Kind.INTEGER})
        import enum
        modules = enum.sys.modules
        pack = modules["strongroom.enclave.room.cell.columns"].pack_table
        Kind = modules["strongroom.enclave.room.library.shapes"].Kind
        kind = modules["strongroom.enclave.room.cell.frames"].ToBench.TABLE
    """.replace('            room._task.asked["out"].__class__.columns = ()\n', "")
    with cell() as one, pytest.raises(CodeFailed, match="other columns than the contract's"):
        one.run(source, TABLE, words=True)


def test_a_model_is_numbers_written_in_one_way() -> None:
    model = {"b": [1, 0.1234567, -0.0, True, None], "a": {"ä": 2}}
    data = write_model(model, 3)
    assert data == b'{"a":{"\\u00e4":2},"b":[1,0.123,0.0,true,null]}'
    assert (
        read_model(
            b' {"b": [1,0.1234567,-0.0,true,null],"a":{"\xc3\xa4":2}} '.replace(
                b"\xc3\xa4", b"\\u00e4"
            ),
            3,
        )
        == data
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[1]",
        b"7",
        b'{"a":"row"}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":9007199254740993}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' * 100_000,
        b'{"a":' * 9 + b"1" + b"}" * 9,
        b'{"' + b"k" * 65 + b'":1}',
        b'{"a":1} {"b":2}',
        b"\x80\x04\x95",
        b'{"a":"\xff"}',
    ],
)
def test_T63_what_is_no_model_of_numbers_is_refused(data: bytes) -> None:
    with pytest.raises(NotTyped):
        read_model(data, 6)
