"""Files of payments: columns, delimiters, decimals."""

import gzip
from pathlib import Path

import pytest

from strongroom.node.demo.table import (
    BalanceColumns,
    TableInvalid,
    Transfer,
    TransferColumns,
    read_balances,
    read_transfers,
    to_smallest_unit,
)


def table(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "scale", "units"),
    [
        ("163.3", 2, 16330),
        ("0.005", 2, 1),
        ("0.0049", 2, 0),
        ("2.675", 2, 268),  # 267 as a float
        ("1.005", 2, 101),
        ("-0.005", 2, -1),
        ("-12.344", 2, -1234),
        ("1,234.56", 2, 123456),
        ("-1,234,567", 0, -1234567),
        (" 7 ", 2, 700),
        ("1e3", 0, 1000),
        ("1E-1", 2, 10),
        ("99999999999999999.99", 2, 9999999999999999999),
        ("0.5", 0, 1),
        ("1.5", 0, 2),
        ("2.5", 0, 3),
    ],
)
def test_decimals_become_the_smallest_unit_half_up(text: str, scale: int, units: int) -> None:
    assert to_smallest_unit(text, scale) == units


@pytest.mark.parametrize(
    "text", ["", "abc", "1,23", "1.234,56", "12,3456", "NaN", "Infinity", "1e999999999", "1 000"]
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        to_smallest_unit(text, 2)


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_seen_from_the_header(tmp_path: Path, delimiter: str) -> None:
    path = table(tmp_path, "to,amount,from,note\nb,1.5,a,x\nc,2,b,\n".replace(",", delimiter))
    assert read_transfers(path, TransferColumns(), scale=1) == [
        Transfer("a", "b", 15),
        Transfer("b", "c", 20),
    ]


def test_a_packed_table_a_byte_order_mark_and_quotes_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(
        gzip.compress('\ufefffrom,to,amount\r\na,b,"1,000.25"\r\n\r\n"c",d,3\r\n'.encode())
    )
    assert read_transfers(path, TransferColumns(), scale=2) == [
        Transfer("a", "b", 100025),
        Transfer("c", "d", 300),
    ]


def test_only_the_first_rows_are_read_when_there_is_a_limit(tmp_path: Path) -> None:
    path = table(tmp_path, "from,to,amount\na,b,1\na,b,2\na,b,not a number\n")
    assert [row.amount for row in read_transfers(path, TransferColumns(), scale=0, limit=2)] == [
        1,
        2,
    ]


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    path = table(tmp_path, "source,target,value\na,b,1\n")
    with pytest.raises(
        TableInvalid, match=r"no column 'from'; its columns are source, target, value"
    ):
        read_transfers(path, TransferColumns(), scale=0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("from,to,amount\na,b,1\na,b,x\n", "line 3: 'x' is not a number"),
        ("from,to,amount\na,b\n", "line 2: has 2 of 3 columns"),
        ("from,to,amount\n,b,1\n", "line 2: an account is empty"),
        ("", "its columns are none: the file is empty"),
    ],
)
def test_each_mistake_names_its_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(TableInvalid, match=problem):
        read_transfers(table(tmp_path, text), TransferColumns(), scale=0)


def test_a_file_that_is_missing_torn_or_binary_is_told_in_one_line(tmp_path: Path) -> None:
    torn = tmp_path / "torn.gz"
    torn.write_bytes(gzip.compress(b"from,to,amount\n" + b"a,b,1\n" * 1000)[:40])
    binary = tmp_path / "binary"
    binary.write_bytes(b"from,to,amount\n\xff\xfe\xfd,b,1\n")
    for path in (tmp_path / "none.csv", torn, binary):
        with pytest.raises(TableInvalid, match=path.name):
            read_transfers(path, TransferColumns(), scale=0)


def test_opening_balances_are_distinct_and_not_negative(tmp_path: Path) -> None:
    good = table(tmp_path, "account,balance,more\n1,184.44,x\n0,0,y\n")
    assert read_balances(good, BalanceColumns(), scale=2) == {"1": 18444, "0": 0}
    for text in ("account,balance\n1,1\n1,2\n", "account,balance\n1,-1\n"):
        with pytest.raises(TableInvalid):
            read_balances(table(tmp_path, text), BalanceColumns(), scale=2)
