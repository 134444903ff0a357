"""Rows of files: what comes out is what a worker's engine reads, whatever form they came in."""

from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import nanoarrow
import pytest
from nanoarrow import ipc

from strongroom.enclave.outside.chunks import CONTENT_BYTES_MAX
from strongroom.enclave.room.analytics import types
from strongroom.enclave.room.analytics.policy import ColumnPolicy, DataPolicy, Use
from strongroom.enclave.room.analytics.settings import connect
from strongroom.enclave.room.analytics.streams import Stream
from strongroom.enclave.room.analytics.tables import load
from strongroom.enclave.room.analytics.types import Kind, Type
from strongroom.node.clean_rooms.arrays import defined
from strongroom.node.clean_rooms.cells import canonical_names
from strongroom.node.clean_rooms.rows import RowsFile
from strongroom.node.clean_rooms.sealed_rows import OtherRows, Rows

KINDS = {
    "unit": types.INTEGER,
    "amount": Type(Kind.DECIMAL, 2),
    "rate": types.REAL,
    "note": types.TEXT,
    "ok": types.TRUTH,
    "day": types.DATE,
    "at": types.TIMESTAMP,
}
HEADER = ",".join(KINDS)
GOOD = (
    f"{HEADER}\n"
    '1,2.5,1e-3,"a, ""b""",true,2026-11-30,2026-11-30T10:00:00.000001\n'
    "-2,.25,7,,0,,2026-11-30 10:00\n"
)


def policy(*names: str) -> DataPolicy:
    columns = tuple(
        ColumnPolicy(
            name=name,
            type=KINDS[name],
            uses=frozenset({Use.IDENTITY} if name == "unit" else ()),
        )
        for name in names or KINDS
    )
    return DataPolicy(columns=columns, unit="unit", k=1, rounding=1, noise=None)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def loaded(stream: bytes | Stream, of: DataPolicy) -> list[Any]:
    """As the worker's engine has it."""
    engine = connect(256 << 20)
    load(engine, "t", stream, of, "c0")
    return engine.execute("SELECT * FROM t").fetchall()


def stream_of(path: Path, of: DataPolicy) -> bytes:
    return b"".join(RowsFile(path, of).stream())


def test_every_kind_reaches_the_workers_engine(tmp_path: Path) -> None:
    rows = loaded(stream_of(written(tmp_path / "a.csv", GOOD), policy()), policy())
    assert [str(one) for one in rows[0]] == [
        "1", "250", "0.001", 'a, "b"', "True", "2026-11-30", "2026-11-30 10:00:00.000001",
    ]  # fmt: skip
    assert [str(one) for one in rows[1][:6]] == ["-2", "25", "7.0", "None", "False", "None"]


def test_one_table_is_one_stream_in_every_form(tmp_path: Path) -> None:
    from_csv = stream_of(written(tmp_path / "a.csv", GOOD), policy())
    tabs = GOOD.replace('"a, ""b"""', "a; b").replace(",", "\t").replace("a; b", '"a, ""b"""')
    assert stream_of(written(tmp_path / "a.tsv", tabs), policy()) == from_csv
    (tmp_path / "a.arrow").write_bytes(from_csv)
    assert stream_of(tmp_path / "a.arrow", policy()) == from_csv
    (tmp_path / "b.arrow").write_bytes(b"ARROW1\0\0" + from_csv + b"footer")
    assert stream_of(tmp_path / "b.arrow", policy()) == from_csv
    target = str(tmp_path / "a.parquet")
    casts = ", ".join(
        f'CAST("{name}" AS {type_}) AS "{name}"'
        for name, type_ in zip(
            KINDS,
            ("BIGINT", "DECIMAL(18,2)", "DOUBLE", "VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP"),
            strict=True,
        )
    )
    source = f"read_csv('{tmp_path / 'a.csv'}', all_varchar = true)"
    duckdb.sql(f"COPY (SELECT {casts} FROM {source}) TO '{target}' (FORMAT parquet)")
    assert stream_of(tmp_path / "a.parquet", policy()) == from_csv


def batch(filling: int) -> Any:
    """Three rows, the second without values; what lies under the gaps is `filling`."""
    known, under = bytes([0b101 | filling & 0xF8]), bytes([filling])
    made = {}
    for name, type_, width in (
        ("whole", nanoarrow.int64(), 8),
        ("amount", nanoarrow.decimal128(18, 2), 16),
        ("day", nanoarrow.date32(), 4),
    ):
        values = bytes([1]).ljust(width, b"\0") + under * width + bytes([2]).ljust(width, b"\0")
        made[name] = nanoarrow.c_array_from_buffers(type_, 3, [known, values], 1)
    truths = bytes([0b001 | filling & 0b11111010])
    made["ok"] = nanoarrow.c_array_from_buffers(nanoarrow.bool_(), 3, [known, truths], 1)
    schema = nanoarrow.struct({name: one.schema for name, one in made.items()})
    return nanoarrow.c_array_from_buffers(schema, 3, [None], children=list(made.values()))


def as_bytes(one: Any) -> bytes:
    file = BytesIO()
    with ipc.StreamWriter.from_writable(file) as writer:
        writer.write_stream(one)
    return file.getvalue()


def test_what_lies_under_a_gap_is_zero_and_leaves_with_no_chunk() -> None:
    """Equal rows are equal bytes, or a chunk sealed again would be another one (T64)."""
    one, other = batch(0x00), batch(0xA6)
    assert as_bytes(one) != as_bytes(other)
    assert as_bytes(defined(one)) == as_bytes(defined(other))
    rows = nanoarrow.Array(defined(other)).to_pylist()
    assert rows == nanoarrow.Array(one).to_pylist()
    assert set(rows[1].values()) == {None}


def test_segments_join_in_the_worker(tmp_path: Path) -> None:
    one = stream_of(written(tmp_path / "a.csv", GOOD), policy())
    assert len(loaded(Stream.of(one, one), policy())) == 4


CELLS = [
    ("unit", "1.0", False),
    ("unit", "0x10", False),
    ("unit", " 1", False),
    ("unit", "9223372036854775807", True),
    ("unit", "9223372036854775808", False),
    ("amount", "1.005", False),
    ("amount", "1e2", False),
    ("amount", "-1.", True),
    ("amount", "99999999999999999", False),
    ("rate", "nan", False),
    ("rate", "1e999", False),
    ("ok", "yes", False),
    ("day", "30.11.2026", False),
    ("day", "2026-02-30", False),
    ("at", "2026-11-30T10:00:00Z", False),
    ("at", "2026-11-30", True),
]


@pytest.mark.parametrize(("column", "text", "taken"), CELLS)
def test_a_cell_is_what_its_type_says_or_is_refused(
    tmp_path: Path, column: str, text: str, taken: bool
) -> None:
    """Nothing is rounded or guessed, and no value is told (T63)."""
    names = (column,) if column == "unit" else ("unit", column)
    lines = [",".join(names), text if column == "unit" else f"1,{text}"]
    path = written(tmp_path / "a.csv", "\n".join(lines) + "\n")
    if taken:
        assert len(loaded(stream_of(path, policy(*names)), policy(*names))) == 1
        return
    with pytest.raises(Exception, match=f"line 2, column {column}: no ") as refused:
        stream_of(path, policy(*names))
    assert text not in str(refused.value).replace(str(path), "")
    assert refused.value.__suppress_context__


def test_typed_columns_of_another_type_are_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "a.parquet")
    duckdb.sql(f"COPY (SELECT 1.5 AS unit) TO '{path}' (FORMAT parquet)")
    with pytest.raises(Exception, match="holds DECIMAL"):
        RowsFile(Path(path), policy("unit"))
    duckdb.sql(f"COPY (SELECT 18446744073709551615::UBIGINT AS unit) TO '{path}' (FORMAT parquet)")
    with pytest.raises(Exception, match="row 1, column unit"):
        stream_of(Path(path), policy("unit"))
    Path(path).write_bytes(b"PAR1 no parquet")
    with pytest.raises(Exception, match="cannot be read as parquet"):
        RowsFile(Path(path), policy("unit"))


def test_names_of_headers_become_names_of_columns() -> None:
    written = ["Timestamp", "From Bank", "Account", "Account", "Amount (EUR)", "  ", "é"]
    assert canonical_names(written) == [
        "timestamp", "from_bank", "account", "account_2", "amount_eur", "column", "column_2",
    ]  # fmt: skip


def test_a_stream_that_changed_is_stopped_before_its_chunk_leaves() -> None:
    """No index is sealed with other rows (T64)."""
    first, other = [b"a" * 3_000_000], [b"a" * 1_500_000 + b"b" * 1_500_000]
    rows = Rows.of(first)
    assert b"".join(rows.again(first)) == first[0]
    through: list[bytes] = []
    with pytest.raises(OtherRows):
        through.extend(rows.again(other))
    assert all(b"b" not in part for part in through)
    with pytest.raises(OtherRows):
        list(rows.again([first[0][:-1]]))
    with pytest.raises(OtherRows, match="cut short"):
        list(rows.again([first[0][: 2 * CONTENT_BYTES_MAX]]))
    with pytest.raises(OtherRows):
        list(rows.again([first[0], b"more" * 600_000]))
