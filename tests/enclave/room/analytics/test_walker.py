"""The walk over the engine's tree: closed, and total over trees that no parser makes (T61)."""

import json
import random
from copy import deepcopy
from typing import Any

import pytest
from tests.enclave.room.analytics.world import INPUTS, checked, parser

from strongroom.enclave.room.analytics import emitting, nodes
from strongroom.enclave.room.analytics.places import Places
from strongroom.enclave.room.analytics.queries import Reader
from strongroom.enclave.room.analytics.refusals import Refused, Rule

QUERIES = [
    "SELECT bank AS b, count(*) AS n, sum(amount) AS s, avg(fee) AS a FROM pay "
    "WHERE day >= '2024-01-02' AND (fee BETWEEN 1 AND 5 OR bank IN ('A', 'B')) AND abroad IS NULL "
    "GROUP BY bank HAVING count(*) > 3 ORDER BY n DESC LIMIT 5 OFFSET 1",
    "WITH x AS (SELECT account, bank, lower(bank) AS low FROM pay UNION ALL "
    "SELECT account, bank, 'x' AS low FROM other), y AS (SELECT low, count(*) AS n FROM x "
    "GROUP BY 1) SELECT y.low, CASE WHEN n > 3 THEN 'many' ELSE 'few' END AS many FROM y",
    "SELECT c.city, stddev(c.age) AS d, count(DISTINCT p.account) AS n FROM pay AS p "
    "JOIN (SELECT account, age, city FROM cust WHERE NOT age < 18) AS c ON p.account = c.account "
    "WHERE TRY_CAST(p.bank AS BIGINT) IS NOT NULL AND coalesce(p.bank, 'z') <> 'q' GROUP BY c.city",
]
STRANGE: list[Any] = [
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "STAR",
    "COLUMN_REF",
    "SELECT_NODE",
    "пay",
    "x" * 5000,
    [],
    {},
    [[]],
    {"class": "COLUMN_REF"},
    {"type": "SELECT_NODE"},
    {"class": []},
    {"class": "FUNCTION", "type": "FUNCTION", "function_name": "sum"},
]


def paths(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(tree, dict):
        for key, value in tree.items():
            found += paths(value, (*path, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            found += paths(value, (*path, index))
    return found


def mutate(tree: Any, dice: random.Random, donors: list[Any]) -> Any:
    """A tree with one to three places changed, dropped, added or exchanged."""
    tree = json.loads(json.dumps(tree))
    for _ in range(dice.randrange(1, 4)):
        where = dice.choice(paths(tree))
        if not where:
            continue
        parent = tree
        for step in where[:-1]:
            parent = parent[step]
        action = dice.randrange(4)
        if action == 0:
            parent[where[-1]] = deepcopy(dice.choice(STRANGE))
        elif action == 1:
            del parent[where[-1]]
        elif action == 2 and isinstance(parent, dict):
            parent[f"new_{dice.randrange(9)}"] = deepcopy(dice.choice(STRANGE))
        else:
            donor = dice.choice(donors)
            taken = donor
            for step in dice.choice(paths(donor)):
                taken = taken[step]
            parent[where[-1]] = json.loads(json.dumps(taken))
    return tree


def judged(tree: Any) -> bool:
    """Whether a tree is taken; anything but the typed refusal goes up."""
    try:
        whole = Reader(inputs=INPUTS, places=Places(b"SELECT")).whole(tree)
        for release in whole.releases:
            parser().text(release.query())
        parser().text(whole.final)
    except Refused:
        return False
    return True


def fuzz(seed: int, count: int) -> int:
    dice = random.Random(seed)
    donors = [parser().tree(sql) for sql in QUERIES]
    return sum(judged(mutate(dice.choice(donors), dice, donors)) for _ in range(count))


def test_changed_trees_raise_nothing_but_refusals() -> None:
    taken = fuzz(seed=1, count=1500)
    assert 0 < taken < 1000  # places, aliases, literals may change


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 30))
def test_many_changed_trees_raise_nothing_but_refusals(seed: int) -> None:
    fuzz(seed, 10_000)


def test_a_field_that_no_form_has_is_refused_everywhere() -> None:
    tree = parser().tree(QUERIES[0])
    tried = 0
    for path in paths(tree):
        changed = json.loads(json.dumps(tree))
        node = changed
        for step in path:
            node = node[step]
        if not isinstance(node, dict):
            continue
        node["added_by_a_new_version"] = False
        with pytest.raises(Refused):
            Reader(inputs=INPUTS, places=Places(b"")).whole(changed)
        tried += 1
    assert tried > 50


def test_a_field_that_may_hold_one_value_is_refused_with_another() -> None:
    for name, form in nodes.FORMS.items():
        for field, rule in form.items():
            if not isinstance(rule, nodes.Only):
                continue
            node = {
                key: one.value if isinstance(one, nodes.Only) else _some(one)
                for key, one in form.items()
            }
            nodes.read(node, name, Places(b""), "the query")
            for other in (not rule.value, "x", [1]):
                if nodes.same(other, rule.value):
                    continue
                with pytest.raises(Refused) as refused:
                    nodes.read({**node, field: other}, name, Places(b""), "the query")
                assert refused.value.rule is rule.rule


def _some(field: Any) -> Any:
    return field.type() if isinstance(field, nodes.Read) else None


def test_true_is_not_one() -> None:
    assert not nodes.same(True, 1)
    assert not nodes.same({"a": [1]}, {"a": [True]})
    assert nodes.same({"a": 1, "query_location": 3}, {"a": 1, "query_location": 4})


def test_deep_queries_are_refused_and_not_more() -> None:
    for sql in (
        f"SELECT count(*) AS n FROM pay WHERE {'NOT ' * 200} abroad",
        f"SELECT count(*) AS n FROM pay WHERE {'(' * 900}abroad{')' * 900}",
        f"SELECT count(*) AS n FROM pay WHERE fee = {'1 + ' * 2000} 1",
        f"SELECT count(*) AS n FROM {'(SELECT bank FROM ' * 60} pay {') AS x' * 60}",
        f"SELECT count(*) AS n FROM pay WHERE fee IN ({', '.join(map(str, range(3000)))})",
        f"SELECT count(*) AS n FROM pay -- {'x' * 20000}",
        "SELECT count(*) AS n FROM pay WHERE bank = '\ud800'",
        "SELECT count(*) AS n FROM pay WHERE bank = '\0'",
    ):
        try:
            one = checked(sql)
        except Refused:
            continue
        assert "((((" not in one.final


def test_brackets_are_counted_before_the_parser_sees_them() -> None:
    for opened, closed in (("(", ")"), ("[", "]"), ("{", "}")):
        with pytest.raises(Refused, match="200 open brackets"):
            checked(f"SELECT count(*) AS n FROM {opened * 201}pay{closed * 201}")
    checked("SELECT count(*) AS n FROM pay WHERE " + " AND ".join(["(fee > 3)"] * 300))
    with pytest.raises(Refused, match="200 open brackets"):
        checked(f"SELECT count(*) AS n FROM {')' * 300}{'(' * 201}")


def test_with_queries_read_over_and_over_are_bounded() -> None:
    steps = ["w0 AS (SELECT account, bank FROM pay)"]
    for index in range(1, 12):
        steps.append(
            f"w{index} AS (SELECT account, bank FROM w{index - 1} UNION ALL "
            f"SELECT account, bank FROM w{index - 1})"
        )
    with pytest.raises(Refused, match="S2"):
        checked(f"WITH {', '.join(steps)} SELECT bank, count(*) AS n FROM w11 GROUP BY bank")


def test_a_text_that_reads_as_another_tree_is_refused() -> None:
    for query in (
        emitting.select([emitting.column("a b", "c")], emitting.table("d", "")) | {"having": {}},
        emitting.select([emitting.literal("INTEGER", "1; SELECT 2")], emitting.table("d", "t")),
        emitting.select([emitting.literal("NUMERIC", "5")], emitting.table("d", "t")),
        emitting.select(
            [{**emitting.conjunction("", [emitting.column("a")] * 2), "type": "CONJUNCTION_AND"}],
            emitting.table("d", "t"),
        )
        | {"aggregate_handling": "NEW"},
        emitting.select([emitting.column("c") | {"extra": 1}], emitting.table("d", "t")),
        emitting.select([emitting.column("c0")], emitting.table("d", "t")) | {"sample": 5},
        emitting.select([], emitting.table("d", "t")),
    ):
        with pytest.raises(Refused) as refused:
            parser().text(query)
        assert refused.value.rule is Rule.S12


def test_what_runs_holds_no_name_of_the_analysts() -> None:
    one = checked(
        'SELECT "BANK" AS canary_alias, count(*) AS canary_count FROM pay AS canary_table '
        "WHERE canary_table.fee > 3 GROUP BY 1 -- canary_comment"
    )
    assert not any("canary" in text.lower() for text in one.texts)
    assert one.names == ("canary_alias", "canary_count")


def test_places_are_lines_and_columns_of_the_query() -> None:
    with pytest.raises(Refused) as refused:
        checked("SELECT 'é' AS x,\n  sum(note) AS s\nFROM pay GROUP BY 'é'")
    assert refused.value.place in ("2:3", "3:19")
    with pytest.raises(Refused) as refused:
        checked("SELECT bank,\n  'éé', max(note)\nFROM pay GROUP BY bank")
    assert refused.value.place == "2:9"
