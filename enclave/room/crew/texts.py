"""The texts of a crew's contract: what each part gives, by which columns it is exchanged, what each
bucket makes of it (ROOMS §8).

Owns their form, and the rules under which they compose: computed apart, they give what one room
would. A refusal names place and remedy, and holds no row. What owners allow in them is decided
elsewhere: by their approval of exactly these texts, or, for `free`, of both texts as one
(`composed`).

    -- local pay
    SELECT account, bank, amount FROM payments
    -- exchange pay by bank
    -- final
    SELECT bank, sum(amount) AS total FROM pay GROUP BY bank
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.room.analytics.parser import Parser
from strongroom.enclave.room.analytics.policy import NAME

LOCALS_MAX = 4
EXCHANGED_BY_MAX = 4
_LINE = re.compile(
    r"--\s*(?:local\s+(?P<local>\w+)|exchange\s+(?P<from>\w+)\s+by\s+(?P<by>[\w\s,]+?)|"
    r"(?P<final>final))\s*"
)
_AGAIN: Final[Mapping[str, str]] = {
    "count": "sum",
    "count_star": "sum",
    "max": "max",
    "min": "min",
    "sum": "sum",
}
"""What was aggregated in parts, and what adds the parts up."""
Node = Mapping[str, Any]


class CrewRefused(ClientFault):
    """Texts that do not compose."""

    def __init__(self, place: str, what: str, remedy: str) -> None:
        super().__init__(f"{place}: {what}; {remedy}")


@dataclass(frozen=True, slots=True)
class LocalText:
    """What is made of each part of one input."""

    name: str
    """By which `final` reads it."""
    text: str
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CrewTexts:
    """All of a contract's stage."""

    locals: tuple[LocalText, ...]
    final: str

    @property
    def composed(self) -> str:
        """Both as one text: what it may say, the rules of a free contract say."""
        parts = ", ".join(f"{one.name} AS ({one.text})" for one in self.locals)
        return f"WITH {parts} {self.final}"


def is_for_crew(text: str) -> bool:
    """Is a stage's text one of several? One that is not is computed by one room."""
    return _LINE.fullmatch(text.lstrip().partition("\n")[0]) is not None


def read(text: str) -> CrewTexts:
    """Read a stage's text.

    Raises:
        CrewRefused: it has not the form above.
    """
    sections: list[tuple[re.Match[str], list[str]]] = []
    for line in text.strip().splitlines():
        head = _LINE.fullmatch(line.strip())
        if head is not None:
            sections.append((head, []))
        elif sections:
            sections[-1][1].append(line)
        else:
            raise _form("the first line")
    bodies = [(head, "\n".join(lines).strip()) for head, lines in sections]
    if not bodies or not bodies[-1][0]["final"] or len(bodies) % 2 == 0:
        raise _form("the last section")
    made: list[LocalText] = []
    for (head, body), (exchange, nothing) in zip(bodies[:-1:2], bodies[1:-1:2], strict=True):
        name, by = head["local"], exchange["by"]
        if not name or exchange["from"] != name or not by or nothing or not body:
            raise _form(f"local {name or len(made) + 1}")
        columns = tuple(one.strip() for one in by.split(","))
        if any(NAME.fullmatch(one) is None for one in (name, *columns)):
            raise _form(f"local {name}")
        if len(set(columns)) != len(columns) or len(columns) > EXCHANGED_BY_MAX:
            raise _form(f"exchange {name}")
        made.append(LocalText(name, body, columns))
    names = {one.name for one in made}
    if not made or len(made) > LOCALS_MAX or len(names) != len(made) or not bodies[-1][1]:
        raise _form("the sections")
    return CrewTexts(tuple(made), bodies[-1][1])


def check(texts: CrewTexts, inputs: Collection[str], parser: Parser) -> dict[str, str]:
    """Check that the texts compose; the input that each local text reads, by its name.

    Raises:
        CrewRefused: they do not; says where, and what would.
        Refused: a text is not one SELECT.
    """
    aggregates = parser.aggregates()
    made: dict[str, str] = {}
    parted: dict[str, dict[str, str]] = {}
    for one in texts.locals:
        place = f"local {one.name}"
        node = _select(parser.tree(one.text), place)
        made[one.name] = _table(node["from_table"], inputs, place)
        parted[one.name] = _parted(node, one, aggregates, place)
    if {one.name for one in texts.locals} & set(inputs):
        raise CrewRefused("local", "a name that is an input's", "choose another")
    node = _select(parser.tree(texts.final), "final")
    _check_final(node, texts, parted, aggregates)
    return made


def _select(node: Node, place: str) -> Node:
    """The one SELECT, without what looks at more rows than one, or at an order of them."""
    if node["type"] != "SELECT_NODE" or node["cte_map"]["map"]:
        raise CrewRefused(place, "WITH or a set operation", "write one SELECT")
    if node["modifiers"] or node["qualify"] or node["sample"]:
        raise CrewRefused(
            place, "ORDER BY, LIMIT, DISTINCT or a sample", "rows come in one order: leave it out"
        )
    if node["aggregate_handling"] != "STANDARD_HANDLING" or len(node["group_sets"]) > 1:
        raise CrewRefused(place, "GROUP BY ALL or several groupings", "name the columns")
    inner = [one for name, value in node.items() if name != "type" for one in nodes(value)]
    if any(one.get("class") in ("SUBQUERY", "WINDOW", "STAR") for one in inner):
        raise CrewRefused(place, "a subquery, a window or a star", "name columns of the rows alone")
    return node


def _table(node: Node, known: Collection[str], place: str) -> str:
    name = node.get("table_name", "")
    plain = node["type"] == "BASE_TABLE" and node["qualified_name"] == {"path": [name]}
    if not plain or name not in known or node["sample"] or node["at_clause"]:
        raise CrewRefused(place, "reads another table", f"name one of {', '.join(sorted(known))}")
    return str(name)


def _parted(node: Node, one: LocalText, aggregates: Collection[str], place: str) -> dict[str, str]:
    """What adds up each column that a local text aggregates; nothing if it aggregates none."""
    calls = [item for item in nodes(node["select_list"]) if _is_aggregate(item, aggregates)]
    groups = _names(node["group_expressions"], place)
    names = [item["alias"].lower() or (_name(item) or "") for item in node["select_list"]]
    if not all(names) or len(set(names)) != len(names):
        raise CrewRefused(place, "columns without a name of their own", "name them with AS")
    missing = [by for by in one.by if by not in names]
    if missing:
        raise CrewRefused(place, f"no column {missing[0]}", "exchange by a column that it gives")
    if not calls and not groups and node["having"] is None:
        return {}
    found = {}
    for item, name in zip(node["select_list"], names, strict=True):
        if _name(item) in groups:
            continue
        if not _is_aggregate(item, aggregates) or item["function_name"].lower() not in _AGAIN:
            raise CrewRefused(place, f"{name}: does not add up", "count, sum, min or max, or group")
        if item["distinct"] or item["filter"] is not None:
            raise CrewRefused(place, f"{name}: DISTINCT or FILTER", "leave it to final")
        found[name] = _AGAIN[item["function_name"].lower()]
    if node["having"] is not None or not found or len(calls) != len(found):
        raise CrewRefused(place, "groups that no other part knows", "leave HAVING to final")
    if any(by in found for by in one.by):
        raise CrewRefused(place, "exchanged by an aggregate", "exchange by a column of GROUP BY")
    return found


def _check_final(
    node: Node,
    texts: CrewTexts,
    parted: Mapping[str, Mapping[str, str]],
    aggregates: Collection[str],
) -> None:
    by = {one.name: one.by for one in texts.locals}
    read_ = _sources(node["from_table"], by)
    if set(read_) != set(by):
        raise CrewRefused("final", "a local text that it does not read", "leave that out")
    parts = [*node["select_list"], *nodes(node["having"])]
    calls = [item for item in nodes(parts) if _is_aggregate(item, aggregates)]
    groups = _names(node["group_expressions"], "final")
    if calls or groups or node["having"] is not None:
        whole = any(set(columns) <= set(groups) for columns in by.values())
        if not whole:
            raise CrewRefused(
                "final",
                "groups that lie in several buckets",
                "group by all columns that rows are exchanged by, or exchange by fewer",
            )
    sums = {name: call for one in parted.values() for name, call in one.items()}
    if not sums:
        return
    if len(by) > 1 or not groups:
        raise CrewRefused("final", "parts that are not added up", "group them, without a join")
    for call in calls:
        argument = call["arguments"][0]["expression"] if len(call["arguments"]) == 1 else {}
        if sums.get(_name(argument) or "") != call["function_name"].lower() or call["distinct"]:
            raise CrewRefused(
                "final",
                f"{call['function_name']}: not what adds its parts up",
                "sum of count and sum, min of min, max of max",
            )
    if node["where_clause"] is not None or any(_name(one) in sums for one in nodes(groups)):
        raise CrewRefused("final", "a condition on parts", "put it in local, or in HAVING")
    held = [one for item in node["select_list"] for one in _outside(item, aggregates)]
    if any(_name(one) in sums for one in held):
        raise CrewRefused("final", "a part that is not added up", "aggregate it")


def _sources(node: Node, by: Mapping[str, Sequence[str]]) -> list[str]:
    """Local texts that are read, joined over what they are exchanged by."""
    if node["type"] != "JOIN":
        return [_table(node, by, "final")]
    left, right = (_sources(node[side], by) for side in ("left", "right"))
    if node["join_type"] != "INNER" or node["ref_type"] != "REGULAR" or len(right) != 1:
        raise CrewRefused("final", "a join of another kind", "write JOIN … ON, one after another")
    theirs = tuple(by[right[0]])
    if not any(_equal(node, name, by[name], right[0], theirs) for name in left):
        raise CrewRefused(
            "final",
            "a join over other columns than rows are exchanged by",
            f"write ON with all of {', '.join(theirs)}",
        )
    return [*left, *right]


def _equal(node: Node, left: str, ours: Sequence[str], right: str, theirs: Sequence[str]) -> bool:
    """Does a join say that rows of one bucket alone meet?"""
    pairs = set(zip(ours, theirs, strict=False))
    if len(ours) != len(theirs):
        return False
    said = {(name, name) for name in node["using_columns"]}
    condition = node["condition"] or {}
    several = condition.get("type") == "CONJUNCTION_AND"
    for one in condition["children"] if several else [condition]:
        if one.get("type") == "COMPARE_EQUAL":
            sides = [tuple(one[side].get("column_names", ())) for side in ("left", "right")]
            for here, there in (sides, sides[::-1]):
                if here[:-1] == (left,) and there[:-1] == (right,):
                    said.add((here[-1], there[-1]))
    return pairs <= said


def nodes(value: Any) -> Iterator[Node]:
    """Every node of a tree, itself first."""
    if isinstance(value, Mapping):
        yield value
        for one in value.values():
            yield from nodes(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from nodes(one)


def _outside(node: Node, aggregates: Collection[str]) -> Iterator[Node]:
    """Nodes that are in no aggregate."""
    if not _is_aggregate(node, aggregates):
        yield node
        for value in node.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, Mapping):
                    yield from _outside(one, aggregates)


def _is_aggregate(node: Node, aggregates: Collection[str]) -> bool:
    return node.get("class") == "FUNCTION" and node["function_name"].lower() in aggregates


def _name(node: Node) -> str | None:
    """Of a plain column."""
    return str(node["column_names"][-1]).lower() if node.get("class") == "COLUMN_REF" else None


def _names(expressions: Sequence[Node], place: str) -> list[str]:
    named = [_name(one) for one in expressions]
    if not all(named):
        raise CrewRefused(place, "GROUP BY of an expression", "name columns; compute them in local")
    return [name for name in named if name is not None]


def _form(place: str) -> CrewRefused:
    return CrewRefused(
        place,
        "not the texts of a crew",
        f"write 1 to {LOCALS_MAX} times -- local NAME and -- exchange NAME by COLUMNS, then "
        "-- final, each followed by its text",
    )
