"""A crew's benches behind their walls compute what one room computes (ROOMS §8; T62, T65)."""

import io
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import duckdb
import nanoarrow
import pytest
from nanoarrow import ipc
from tests.enclave.room.analytics.world import PAY, VISITS
from tests.enclave.room.crew.crews import OWNER, contract, crew

from strongroom.enclave.formats.clean_rooms.contract import Contract, Input
from strongroom.enclave.room.analytics import warming
from strongroom.enclave.room.analytics.streams import Stream
from strongroom.enclave.room.crew import texts
from strongroom.enclave.room.worker.stages import Bench, Given

pytestmark = pytest.mark.processes

MEMORY = 1 << 30
ROWS, BATCH = 20_000, 3_000
PAYMENTS = """
SELECT CASE WHEN random() > 0.02 THEN (random() * 400)::BIGINT END AS account,
       CASE WHEN random() > 0.1 THEN 'bank' || (random() * random() * 30)::INT END AS bank,
       (random() * 20000 - 100)::DECIMAL(12, 2) AS amount,
       CASE WHEN random() > 0.1 THEN (random() * 40 - 20)::BIGINT END AS fee,
       CASE WHEN random() > 0.1 THEN random() * 3 - 1.5 END AS rate,
       DATE '2024-01-01' + (random() * 5)::INT AS "day",
       TIMESTAMP '2024-01-01 08:00:00' + INTERVAL 1 HOUR * (random() * 3)::INT AS "at",
       CASE WHEN random() > 0.1 THEN random() > 0.5 END AS abroad,
       'CANARY-' || (random() * 1e6)::INT AS note
FROM range({rows})
"""
SEEN = """
SELECT 'p' || (random() * 300)::INT AS person, 'w' || (random() * 6)::INT AS ward,
       (random() * 9)::DECIMAL(12, 2) AS cost, random() * 90 AS weight
FROM range({rows})
"""
FREE = (
    "SELECT bank, count(*) AS n, sum(amount) AS s, avg(amount) AS m, count(DISTINCT account) AS u "
    "FROM pay GROUP BY bank ORDER BY bank",
    "SELECT bank, day, abroad, count(fee) AS n, sum(fee) AS s FROM pay WHERE fee > 0 "
    "GROUP BY bank, day, abroad",
    "SELECT count(*) AS n, sum(fee) AS s, count(DISTINCT account) AS u FROM pay",
    "SELECT day, stddev(rate) AS d, sum(rate) AS s, count(DISTINCT fee) AS f FROM pay GROUP BY day",
    "-- local p\nSELECT account, bank, fee FROM pay WHERE abroad\n-- exchange p by bank\n"
    "-- final\nSELECT bank, sum(fee) AS s, count(*) AS n FROM p GROUP BY bank",
)
REVIEWED = (
    "-- local p\nSELECT account, bank, count(*) AS n, sum(amount) AS s FROM pay "
    "GROUP BY account, bank\n-- exchange p by account\n"
    "-- final\nSELECT account, sum(n) AS n, sum(s) AS s FROM p GROUP BY account",
    "-- local p\nSELECT account, bank, fee FROM pay WHERE fee > 15\n-- exchange p by account\n"
    '-- local q\nSELECT account, "day" FROM other WHERE abroad\n-- exchange q by account\n'
    "-- final\nSELECT p.account AS account, count(*) AS n, sum(fee) AS s "
    "FROM p JOIN q ON p.account = q.account GROUP BY p.account",
)
LATE = 12
"""Words of a member that has rows."""
Inputs = list[tuple[str, bytes, Sequence[bytes]]]


@cache
def stream(sql: str, seed: float, rows: int = ROWS) -> bytes:
    """Rows as an owner's data set: an Arrow IPC stream of several batches."""
    engine, file = duckdb.connect(), io.BytesIO()
    engine.execute("SET threads = 1")
    engine.execute("SELECT setseed(?)", [seed])
    engine.execute(f"CREATE TABLE made AS {sql.format(rows=rows)}")
    with ipc.StreamWriter.from_writable(file) as writer:
        for at in range(0, max(rows, 1), BATCH):
            found = engine.sql(f"FROM made LIMIT {BATCH} OFFSET {at}")
            writer.write_stream(nanoarrow.c_array_stream(found))
    return file.getvalue()


def alone(made: Contract, inputs: Inputs) -> list[bytes]:
    """What one room computes of it: several texts are one there."""
    several, stage = texts.is_for_crew(made.stages[0].text), made.stages[0]
    if several:
        text = texts.read(stage.text).composed
        if made.profile == "reviewed":
            text = f"SELECT * FROM ({text}) AS whole ORDER BY ALL"
        made = replace(made, stages=(replace(stage, text=text),))
    parser, engine = warming.warm_up(memory_bytes=MEMORY)
    given = [Given(alias, OWNER, alias, told, Stream.of(*data)) for alias, told, data in inputs]
    return [data for _, _, data in Bench(parser, engine, MEMORY).run(made, (), given, bytes(32))]


@pytest.mark.parametrize(
    ("members", "text"),
    [
        (2, FREE[0]),
        *(pytest.param(3, text, marks=pytest.mark.long) for text in FREE[1:]),
    ],
)
def test_a_free_query_gives_what_one_room_gives(members: int, text: str) -> None:
    rows: Inputs = [("pay", PAY.encode(), [stream(PAYMENTS, 0.1), stream(PAYMENTS, 0.2, 3_000)])]
    made = contract(text, "free", ["pay"])
    with crew(members) as one:
        assert one.run(made, rows) == alone(made, rows)


@pytest.mark.long
def test_noise_is_the_jobs_and_not_the_crews() -> None:
    rows: Inputs = [("visits", VISITS.encode(), [stream(SEEN, 0.3)])]
    text = "SELECT ward, count(*) AS n, sum(cost) AS s FROM visits GROUP BY ward"
    made = contract(text, "free", ["visits"], inputs=(Input("visits", OWNER, "v", 0, 10**6),))
    with crew(2) as one:
        assert one.run(made, rows) == alone(made, rows)


@pytest.mark.parametrize("text", [pytest.param(REVIEWED[0], marks=pytest.mark.long), REVIEWED[1]])
def test_reviewed_texts_give_what_they_give_as_one(text: str) -> None:
    rows: Inputs = [
        ("other", b"", [stream(PAYMENTS, 0.4)]),
        ("pay", b"", [stream(PAYMENTS, 0.1), stream(PAYMENTS, 0.2, 3_000)]),
    ]
    made = contract(text, "reviewed", ["other", "pay"])
    with crew(2) as one:
        assert one.run(made, rows) == alone(made, rows)


@pytest.mark.parametrize(
    ("after", "attempts"), [pytest.param(1, 0, marks=pytest.mark.long), (LATE, 1)]
)
def test_T65_a_crew_goes_on_without_a_member_that_is_killed(after: int, attempts: int) -> None:
    """Before it has joined, and when it holds rows."""
    segments = [stream(PAYMENTS, seed, 3_000) for seed in (0.1, 0.2, 0.3, 0.4)]
    rows: Inputs = [("pay", PAY.encode(), segments)]
    made = contract(FREE[0], "free", ["pay"])
    with crew(2) as one:
        assert one.run(made, rows, kill=2, after=after) == alone(made, rows)
        assert one.attempts == attempts, one.said


@pytest.mark.long
def test_T65_a_crew_without_members_fails() -> None:
    rows: Inputs = [("pay", PAY.encode(), [stream(PAYMENTS, 0.1)])]
    with crew(1) as one:
        assert one.run(contract(FREE[0], "free", ["pay"]), rows, kill=1) is None


@pytest.mark.long
@pytest.mark.parametrize(
    "text",
    [
        "SELECT note, count(*) AS n FROM pay GROUP BY note",
        "SELECT a.bank, count(*) AS n FROM pay a JOIN pay b ON a.account = b.account "
        "GROUP BY a.bank",
        "-- local p\nSELECT account, bank FROM pay\n-- exchange p by account\n"
        "-- final\nSELECT bank, count(*) AS n FROM p GROUP BY bank",
    ],
)
def test_T63_what_is_not_for_crews_fails_without_a_word(text: str) -> None:
    rows: Inputs = [("pay", PAY.encode(), [stream(PAYMENTS, 0.1)])]
    with crew(1) as one:
        assert one.run(contract(text, "free", ["pay"]), rows) is None


@pytest.mark.long
def test_T63_what_fails_at_a_member_fails_without_a_word() -> None:
    text = (
        "-- local p\nSELECT account, note::BIGINT AS n FROM pay\n-- exchange p by account\n"
        "-- final\nSELECT account, n FROM p"
    )
    with crew(2) as one:
        rows: Inputs = [("pay", b"", [stream(PAYMENTS, 0.1)] * 2)]
        assert one.run(contract(text, "reviewed", ["pay"]), rows) is None
