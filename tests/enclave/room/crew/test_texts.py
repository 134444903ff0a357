"""Texts of a crew compose, or are refused: what each bucket makes must be what one room would."""

import pytest
from tests.enclave.room.analytics.world import parser

from strongroom.enclave.room.analytics.refusals import Refused
from strongroom.enclave.room.crew.texts import CrewRefused, check, is_for_crew, read

INPUTS = {"pay", "other"}


def crew(local: str, by: str, final: str, name: str = "p") -> str:
    return f"-- local {name}\n{local}\n-- exchange {name} by {by}\n-- final\n{final}"


def judged(text: str) -> dict[str, str]:
    return check(read(text), INPUTS, parser())


TAKEN = (
    crew(
        "SELECT bank, fee FROM pay WHERE fee > 3",
        "bank",
        "SELECT bank, avg(fee) FROM p GROUP BY bank",
    ),
    crew(
        "SELECT bank, day, fee FROM pay",
        "bank",
        "SELECT bank, day, max(fee) FROM p GROUP BY bank, day",
    ),
    crew("SELECT bank, fee * 2 AS f FROM pay", "bank", "SELECT bank, f FROM p WHERE f > 1"),
    crew(
        "SELECT bank, count(*) AS n, min(fee) AS f FROM pay GROUP BY bank",
        "bank",
        "SELECT bank, sum(n) AS n, min(f) AS f FROM p GROUP BY bank HAVING sum(n) > 3",
    ),
)
REFUSED = {
    "groups in several buckets": crew(
        "SELECT bank, day, fee FROM pay", "day", "SELECT bank, sum(fee) FROM p GROUP BY bank"
    ),
    "a whole in several buckets": crew(
        "SELECT bank, fee FROM pay", "bank", "SELECT sum(fee) FROM p"
    ),
    "a count of parts": crew(
        "SELECT bank, count(*) AS n FROM pay GROUP BY bank",
        "bank",
        "SELECT bank, count(n) AS n FROM p GROUP BY bank",
    ),
    "rows of parts": crew(
        "SELECT bank, count(*) AS n FROM pay GROUP BY bank",
        "bank",
        "SELECT bank, count(*) AS n FROM p GROUP BY bank",
    ),
    "a sum of least ones": crew(
        "SELECT bank, min(fee) AS f FROM pay GROUP BY bank",
        "bank",
        "SELECT bank, sum(f) AS f FROM p GROUP BY bank",
    ),
    "an average of parts": crew(
        "SELECT bank, avg(fee) AS f FROM pay GROUP BY bank",
        "bank",
        "SELECT bank, max(f) AS f FROM p GROUP BY bank",
    ),
    "a part that is not added up": crew(
        "SELECT bank, count(*) AS n FROM pay GROUP BY bank", "bank", "SELECT bank, n FROM p"
    ),
    "a part beside its sum": crew(
        "SELECT bank, sum(fee) AS s FROM pay GROUP BY bank",
        "bank",
        "SELECT bank, S + sum(s) AS t FROM p GROUP BY bank, s",
    ),
    "a condition on parts": crew(
        "SELECT bank, count(*) AS n FROM pay GROUP BY bank",
        "bank",
        "SELECT bank, sum(n) AS n FROM p WHERE n > 3 GROUP BY bank",
    ),
    "a condition on a part's groups": crew(
        "SELECT bank, count(*) AS n FROM pay GROUP BY bank HAVING count(*) > 3",
        "bank",
        "SELECT bank, sum(n) AS n FROM p GROUP BY bank",
    ),
    "distinct ones of a part": crew(
        "SELECT bank, count(DISTINCT account) AS n FROM pay GROUP BY bank",
        "bank",
        "SELECT bank, sum(n) AS n FROM p GROUP BY bank",
    ),
    "the first ones of a part": crew(
        "SELECT bank, fee FROM pay LIMIT 3", "bank", "SELECT bank, fee FROM p"
    ),
    "distinct rows of a part": crew(
        "SELECT DISTINCT bank, fee FROM pay", "bank", "SELECT bank, fee FROM p"
    ),
    "an order of a bucket": crew(
        "SELECT bank, fee FROM pay", "bank", "SELECT bank, fee FROM p ORDER BY fee LIMIT 1"
    ),
    "a window": crew(
        "SELECT bank, fee FROM pay",
        "bank",
        "SELECT bank, row_number() OVER (ORDER BY fee) AS r FROM p",
    ),
    "a subquery": crew(
        "SELECT bank, fee FROM pay", "bank", "SELECT bank, (SELECT max(fee) FROM p) AS m FROM p"
    ),
    "a set operation": crew(
        "SELECT bank FROM pay UNION ALL SELECT bank FROM other", "bank", "SELECT bank FROM p"
    ),
    "an input in final": crew("SELECT bank FROM pay", "bank", "SELECT bank FROM pay"),
    "a table of the engine": crew(
        "SELECT a AS bank FROM duckdb_tables", "bank", "SELECT bank FROM p"
    ),
    "a table function": crew("SELECT range AS bank FROM range(9)", "bank", "SELECT bank FROM p"),
    "a column that is not there": crew("SELECT bank FROM pay", "day", "SELECT bank FROM p"),
    "by an aggregate": crew(
        "SELECT bank, sum(fee) AS s FROM pay GROUP BY bank",
        "s",
        "SELECT s, sum(s) AS t FROM p GROUP BY s",
    ),
    "a name that is an input's": crew(
        "SELECT bank FROM pay", "bank", "SELECT bank FROM other", "other"
    ),
    "a group by place": crew(
        "SELECT bank, fee FROM pay", "bank", "SELECT bank, sum(fee) FROM p GROUP BY 1"
    ),
    "all groups": crew(
        "SELECT bank, fee FROM pay", "bank", "SELECT bank, sum(fee) FROM p GROUP BY ALL"
    ),
    "a join over another column": (
        "-- local p\nSELECT account, bank FROM pay\n-- exchange p by account\n"
        "-- local q\nSELECT account, bank FROM other\n-- exchange q by account\n"
        "-- final\nSELECT p.account AS a FROM p JOIN q ON p.bank = q.bank"
    ),
    "an outer join": (
        "-- local p\nSELECT account FROM pay\n-- exchange p by account\n"
        "-- local q\nSELECT account FROM other\n-- exchange q by account\n"
        "-- final\nSELECT p.account AS a FROM p LEFT JOIN q ON p.account = q.account"
    ),
    "a join that leaves one out": (
        "-- local p\nSELECT account FROM pay\n-- exchange p by account\n"
        "-- local q\nSELECT account FROM other\n-- exchange q by account\n"
        "-- final\nSELECT account FROM p"
    ),
    "a join of parts": (
        "-- local p\nSELECT account, count(*) AS n FROM pay GROUP BY account\n"
        "-- exchange p by account\n"
        "-- local q\nSELECT account FROM other\n-- exchange q by account\n"
        "-- final\nSELECT p.account AS a, sum(n) AS n FROM p JOIN q ON p.account = q.account "
        "GROUP BY p.account"
    ),
}


@pytest.mark.parametrize("text", TAKEN)
def test_texts_that_compose_are_taken(text: str) -> None:
    assert judged(text) == {"p": "pay"}


def test_a_join_over_what_rows_are_exchanged_by_is_taken() -> None:
    text = (
        "-- local p\nSELECT account, bank, fee FROM pay\n-- exchange p by account, bank\n"
        "-- local q\nSELECT who, place FROM other\n-- exchange q by who, place\n"
        "-- final\nSELECT p.account AS a, sum(fee) AS s FROM p "
        "JOIN q ON q.place = p.bank AND p.account = q.who GROUP BY p.account, p.bank"
    )
    assert judged(text) == {"p": "pay", "q": "other"}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_T62_texts_that_compose_wrongly_are_refused(text: str) -> None:
    with pytest.raises((CrewRefused, Refused)) as told:
        judged(text)
    assert ";" in str(told.value), "a refusal says what would be taken"


@pytest.mark.parametrize(
    "text",
    [
        "-- local p\nSELECT bank FROM pay\n-- final\nSELECT bank FROM p",
        "-- local p\nSELECT bank FROM pay\n-- exchange q by bank\n-- final\nSELECT bank FROM p",
        "-- local p\n-- exchange p by bank\n-- final\nSELECT bank FROM p",
        "-- local p\nSELECT bank FROM pay\n-- exchange p by bank\n-- final\n",
        "-- local p\nSELECT bank FROM pay\n-- exchange p by bank, bank\n-- final\nSELECT 1",
        "-- local p\nSELECT bank FROM pay\n-- exchange p by a, b, c, d, e\n-- final\nSELECT 1",
    ],
)
def test_what_has_not_the_form_is_refused(text: str) -> None:
    assert is_for_crew(text)
    with pytest.raises(CrewRefused):
        read(text)


def test_a_text_alone_is_for_one_room() -> None:
    assert not is_for_crew("SELECT bank FROM pay -- local p")
    assert not is_for_crew("-- local to this bank\nSELECT bank FROM pay")
