"""Every query that would tell too much is refused by the rule that is there for it (T61)."""

import re
from collections import Counter

import pytest
from tests.enclave.room.analytics.escapes import ESCAPES
from tests.enclave.room.analytics.world import checked

from strongroom.enclave.room.analytics.refusals import Refused, Rule


@pytest.mark.parametrize(("rule", "sql"), ESCAPES)
def test_it_is_refused_by_its_rule(rule: str, sql: str) -> None:
    with pytest.raises(Refused) as refused:
        checked(sql)
    assert refused.value.rule.name == rule, str(refused.value)
    assert re.fullmatch(r"[0-9]+:[0-9]+|[A-Za-z ]+[a-z0-9_ ]*", refused.value.place)
    assert refused.value.remedy


def test_each_rule_that_reads_queries_has_its_escapes() -> None:
    counted = Counter(rule for rule, _ in ESCAPES)
    assert set(counted) == {rule.name for rule in Rule} - {"S12"}
    assert len({sql for _, sql in ESCAPES}) == len(ESCAPES) >= 200


def test_what_is_refused_is_refused_within_a_query_too() -> None:
    tried = 0
    for rule, sql in ESCAPES:
        counts_rows = rule == "S5" and not any(one in sql for one in ("GROUP", "WHERE", "("))
        counts_rows |= sql.endswith("GROUP BY account")
        if not sql.startswith("SELECT") or counts_rows or ";" in sql or "/*" in sql:
            continue
        with pytest.raises(Refused):
            checked(f"SELECT count(*) AS n FROM ({sql}) AS inner_query")
        tried += 1
    assert tried > 200
