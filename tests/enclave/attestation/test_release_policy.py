"""What a release policy may say, what is refused when it is made, and what its conditions come to.

A policy is judged inside replicas: nothing here may hang on stack, hash seed or interpreter.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.enclave.attestation import policies
from tests.enclave.test_execution_calls import Reader
from tests.enclave.test_interpreters import usable

from strongroom.enclave.attestation import (
    release_condition,
    release_policy,
    strict_json,
    vocabulary,
)
from strongroom.enclave.attestation.release_condition import OPERATORS, ORDER, Verdict
from strongroom.enclave.attestation.release_policy import (
    POLICY_BYTES_MAX,
    POLICY_CONDITIONS_MAX,
    POLICY_DEPTH_MAX,
    PolicyRefused,
    ReleasePolicy,
)
from strongroom.enclave.attestation.strict_json import BRACKETS_MAX, NotStrictJson, read_json
from strongroom.enclave.attestation.vocabulary import VOCABULARY, Claim
from strongroom.enclave.text import is_line

ROOT = Path(__file__).parents[3]
HERE: dict[str, Claim] = {"region": "eu-north", "bootcount": 7, "simulated": False}
HOLDS = {"claim": "region", "equals": "eu-north"}


def whole(*conditions: Any, kind: str = "allOf") -> str:
    """A policy of one authority that lists these."""
    authority = {"authority": "strongroom", kind: list(conditions)}
    return json.dumps({"version": "1.0.0", "anyOf": [authority]})


def parsed(*conditions: Any, kind: str = "allOf") -> ReleasePolicy:
    return ReleasePolicy.parse(whole(*conditions, kind=kind))


def refused(text: Any) -> PolicyRefused:
    with pytest.raises(PolicyRefused) as caught:
        ReleasePolicy.parse(text)
    assert len(str(caught.value)) < 400
    return caught.value


def of(kind: type) -> tuple[str, Any, Any]:
    """A claim of a type, a value of it and another one."""
    name = next(name for name, own in VOCABULARY.items() if own is kind)
    values: dict[type, tuple[Any, Any]] = {bool: (True, False), int: (5, 6), str: ("a", "b")}
    return (name, *values[kind])


def literal_for(operator: str, value: Any) -> Any:
    return {"in": [value], "exists": True}.get(operator, value)


# What holds


@pytest.mark.parametrize(
    ("operator", "literal", "holds"),
    [
        ("equals", 7, True),
        ("equals", 8, False),
        ("notEquals", 7, False),
        ("notEquals", 8, True),
        ("in", [1, 7], True),
        ("in", [1, 2], False),
        ("exists", True, True),
        ("less", 8, True),
        ("less", 7, False),
        ("lessOrEquals", 7, True),
        ("lessOrEquals", 6, False),
        ("greater", 6, True),
        ("greater", 7, False),
        ("greaterOrEquals", 7, True),
        ("greaterOrEquals", 8, False),
    ],
)
def test_an_operator_holds_of_what_it_says(operator: str, literal: Any, holds: bool) -> None:
    policy = parsed({"claim": "bootcount", operator: literal})
    assert (policy.first_failure(HERE) is None) is holds


def test_text_is_compared_by_its_characters_and_nothing_else() -> None:
    policy = parsed({"claim": "region", "equals": "é"})
    assert policy.first_failure({"region": "é"}) is None
    for other in ("e\u0301", "É", "e", " é", "é\x00"):
        assert policy.first_failure({"region": other}) is not None


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_missing_claim_is_false_under_every_operator(operator: str) -> None:
    for kind in [int] if operator in ORDER else [bool, int, str]:
        name, *values = of(kind)
        for literal in values:
            policy = parsed({"claim": name, operator: literal_for(operator, literal)})
            failure = policy.first_failure({})
            assert failure is not None
            assert failure.endswith(": is missing")
            assert policy.explain({})[0].verdict is Verdict.MISSING


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_claim_of_another_type_is_as_if_it_were_missing(operator: str) -> None:
    class Number(int):
        pass

    kinds = [int] if operator in ORDER else [bool, int, str]
    wrong: dict[type, list[Any]] = {
        bool: [0, 1, "true", None, 1.0],
        int: [True, False, "5", 5.0, Number(5), None, [5], b"5"],
        str: [b"a", ["a"], 1, True, None],
    }
    for kind in kinds:
        name, value, other = of(kind)
        for literal in (value, other):
            policy = parsed({"claim": name, operator: literal_for(operator, literal)})
            for claim in wrong[kind]:
                assert policy.first_failure({name: claim}) is not None, (name, operator, claim)


def test_all_of_a_list_or_any_of_it() -> None:
    fails, also = {"claim": "bootcount", "less": 3}, {"claim": "region", "in": ["us", "eu-south"]}
    assert parsed(HOLDS, HOLDS).first_failure(HERE) is None
    assert parsed(HOLDS, fails, also).first_failure(HERE) == "bootcount less 3: is 7"
    assert parsed(fails, HOLDS, kind="anyOf").first_failure(HERE) is None
    failure = parsed(also, fails, kind="anyOf").first_failure(HERE)
    assert failure == "region in [us, eu-south]: is eu-north"


def test_what_another_alternative_made_good_is_not_blamed() -> None:
    fails, also = {"claim": "bootcount", "less": 3}, {"claim": "region", "equals": "us"}
    assert parsed({"anyOf": [fails, HOLDS]}, also).first_failure(HERE) == (
        "region equals us: is eu-north"
    )


def test_one_authority_is_enough() -> None:
    first, second = json.loads(whole({"claim": "room", "equals": "x"})), json.loads(whole(HOLDS))
    first["anyOf"] += second["anyOf"]
    assert ReleasePolicy.parse(json.dumps(first)).first_failure(HERE) is None


def test_an_explanation_has_a_line_for_each_condition() -> None:
    policy = parsed(
        HOLDS,
        {"anyOf": [{"claim": "simulated", "equals": True}, {"claim": "room", "exists": True}]},
    )
    lines = policy.explain(HERE)
    assert [(line.path, str(line), line.verdict) for line in lines] == [
        ("anyOf[0].allOf[0]", "region equals eu-north: is eu-north", "holds"),
        ("anyOf[0].allOf[1].anyOf[0]", "simulated equals true: is false", "does not hold"),
        ("anyOf[0].allOf[1].anyOf[1]", "room exists true: is missing", "missing"),
    ]


def test_a_line_stays_short_and_shows_no_character_that_moves_a_cursor() -> None:
    policy = parsed({"claim": "room", "in": ["x" * 60] * 60})
    assert len(str(policy.first_failure({"room": "y" * 9000}))) < 400
    for odd in ("\x1b[2J", "\ud800", "a\nb", "\u202e"):
        line = str(policy.first_failure({"room": odd}))
        assert is_line(line)
        assert "(unreadable)" in line
    number = parsed({"claim": "bootcount", "equals": 1})
    assert "64 bits" in str(number.first_failure({"bootcount": 10**5000}))


# What is refused


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ({"claim": "region", "equals": 1}, "a text"),
        ({"claim": "region", "equals": True}, "a text"),
        ({"claim": "bootcount", "equals": True}, "a whole number"),
        ({"claim": "bootcount", "equals": "1"}, "a whole number"),
        ({"claim": "bootcount", "in": [1, True]}, "a whole number"),
        ({"claim": "simulated", "equals": 0}, "true or false"),
        ({"claim": "simulated", "equals": "false"}, "true or false"),
        ({"claim": "region", "in": "eu"}, "a list"),
        ({"claim": "region", "in": []}, "not empty"),
        ({"claim": "region", "in": [["eu"]]}, "a text"),
        ({"claim": "region", "equals": ["eu"]}, "a text"),
        ({"claim": "region", "equals": {"a": "b"}}, "a text"),
        ({"claim": "region", "less": "eu"}, "only whole numbers have an order"),
        ({"claim": "simulated", "greater": False}, "only whole numbers have an order"),
        ({"claim": "region", "exists": False}, "expected true"),
        ({"claim": "region", "exists": 1}, "expected true"),
        ({"claim": "region"}, "one of equals"),
        ({"claim": "region", "like": "eu*"}, "one of equals"),
        ({"claim": "region", "Equals": "eu"}, "one of equals"),
        ({"claim": "region", "equals": "eu", "notEquals": "us"}, "one of equals"),
        ({"claim": "region", "equals": "eu", "allOf": [HOLDS]}, "one of equals"),
        ({"claim": "Region", "equals": "eu"}, "Region is no claim"),
        ({"claim": "x-ms-ver", "equals": "1.0"}, "x-ms-ver is no claim"),
        ({"claim": 1, "equals": "eu"}, "no claim"),
        ({"equals": "eu"}, "allOf or anyOf"),
        ({}, "allOf or anyOf"),
        ({"allOf": []}, "not empty"),
        ({"allOf": HOLDS}, "a list"),
        ({"allOf": [HOLDS], "anyOf": [HOLDS]}, "one allOf or anyOf"),
        ({"allof": [HOLDS]}, "allof is none"),
        ({"not": HOLDS}, "not is none"),
        ({"allOf": [HOLDS], "authority": "strongroom"}, "authority is none"),
        ("eu", "allOf or anyOf"),
        (1, "allOf or anyOf"),
        ([HOLDS], "allOf or anyOf"),
    ],
)
def test_what_is_no_condition_is_refused_by_its_place(condition: Any, says: str) -> None:
    error = refused(whole(HOLDS, condition))
    assert says in error.why
    assert error.where.startswith("anyOf[0].allOf[1]")


@pytest.mark.parametrize(
    "text",
    [
        whole(HOLDS).replace("1.0.0", "1.0"),
        whole(HOLDS).replace('"1.0.0"', "1"),
        whole(HOLDS).replace('"version": "1.0.0", ', ""),
        whole(HOLDS).replace("anyOf", "allOf", 1),
        whole(HOLDS).replace("strongroom", "https://sharedweu.weu.attest.azure.net"),
        whole(HOLDS).replace('"authority": "strongroom", ', ""),
        whole(HOLDS)[:-1] + ', "x": 1}',
        '{"version": "1.0.0", "anyOf": []}',
        '{"version": "1.0.0", "anyOf": [1]}',
        '{"version": "1.0.0", "anyOf": {"authority": "strongroom"}}',
        "{}",
        "[]",
        "1",
        '"1.0.0"',
        "",
        " ",
        "true",
    ],
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    refused(text)


@pytest.mark.parametrize(
    "text",
    [
        whole(HOLDS).replace('"equals"', '"equals": "us", "equals"'),
        whole(HOLDS).replace('"equals"', '"equ\\u0061ls": "us", "equals"'),
        whole(HOLDS).replace('"allOf"', '"allOf": [1], "allOf"'),
        whole(HOLDS).replace('"version"', '"version": "1.0.0", "version"'),
    ],
)
def test_a_name_twice_in_one_object_is_refused_however_it_is_written(text: str) -> None:
    assert "twice" in refused(text).why


@pytest.mark.parametrize("number", ["1.0", "1.5", "1e3", "1E3", "-0.0", "NaN", "Infinity", "null"])
def test_a_fraction_an_exponent_and_null_are_refused(number: str) -> None:
    text = whole({"claim": "bootcount", "equals": 77}).replace("77", number)
    assert "whole number" in refused(text).why


@pytest.mark.parametrize(
    "number", ["9223372036854775808", "-9223372036854775809", "9" * 100, "-" + "1" * 5000]
)
def test_a_number_beyond_64_bits_is_refused(number: str) -> None:
    text = whole({"claim": "bootcount", "less": 77}).replace("77", number)
    assert "64 bits" in refused(text).why


def test_the_last_numbers_of_64_bits_are_taken() -> None:
    for number in (2**63 - 1, -(2**63), 0):
        policy = parsed({"claim": "bootcount", "equals": number})
        assert policy.first_failure({"bootcount": number}) is None


@pytest.mark.parametrize(
    "word", ["01", "-", "--1", "+1", "1_0", "0x1", "１", "٣", "True", "tru", "-01", "00", "1-"]
)
def test_a_word_that_is_no_number_of_json_is_refused(word: str) -> None:
    refused(whole({"claim": "bootcount", "equals": 77}).replace("77", word))


@pytest.mark.parametrize(
    "text",
    [
        r"\ud800", r"\udc00", r"\udc00\ud800", r"\ud800a", r"\ud800\ud800", r"\ud800\n", r"\u12",
        r"\u12g4", r"\x41", r"\u 041", r"\u+041", r"\u0000", r"\u001b", r"\n", r"\u202e", "\x00",
        "\n", "\t", r"\ufeff", r"\uffff", "\\",
    ],
)  # fmt: skip
def test_half_characters_controls_and_false_escapes_are_refused(text: str) -> None:
    refused(whole({"claim": "region", "equals": "TEXT"}).replace("TEXT", text))


def test_an_escape_means_the_character_it_stands_for() -> None:
    text = whole({"claim": "region", "equals": "TEXT"})
    for escape, means in ((r"\u65e5", "日"), (r"\ud83d\ude00", "😀"), (r"\"\\\/", '"\\/')):
        policy = ReleasePolicy.parse(text.replace("TEXT", escape))
        assert policy.first_failure({"region": means}) is None
        assert json.loads(policy.encode())["anyOf"][0]["allOf"][0]["equals"] == means


@pytest.mark.parametrize(
    "data",
    [
        b"\xff", whole(HOLDS).encode("utf-16"), b"\xef\xbb\xbf" + whole(HOLDS).encode(),
        whole(HOLDS).encode().replace(b"eu-north", b"\xed\xa0\x80"),
        whole(HOLDS).encode().replace(b"eu-north", b"\xc0\x80"),
        whole(HOLDS).encode() + b"\x00", whole(HOLDS) + "]", whole(HOLDS) * 2, "\ud800", None, 7,
        bytearray(whole(HOLDS).encode()), ["a"],
    ],
)  # fmt: skip
def test_what_is_no_text_of_utf_8_is_refused(data: Any) -> None:
    refused(data)


# Bounds


def test_a_text_of_the_greatest_size_is_taken_and_one_byte_more_is_not() -> None:
    text = whole(HOLDS)
    full = text + " " * (POLICY_BYTES_MAX - len(text))
    assert ReleasePolicy.parse(full) == ReleasePolicy.parse(text)
    refused(full + " ")
    refused(full.encode() + b" ")
    wide = whole({"claim": "region", "equals": "日" * (POLICY_BYTES_MAX // 3)})
    assert len(json.loads(wide)["anyOf"][0]["allOf"][0]["equals"]) < POLICY_BYTES_MAX
    refused(whole({"claim": "region", "equals": "TEXT"}).replace("TEXT", "日" * 2800))


def nested(depth: int) -> str:
    condition: Any = HOLDS
    for _ in range(depth - 1):
        condition = {"allOf": [condition]}
    return whole(condition)


def test_lists_may_stand_eight_deep_and_no_deeper() -> None:
    assert ReleasePolicy.parse(nested(POLICY_DEPTH_MAX)).first_failure(HERE) is None
    for depth in (POLICY_DEPTH_MAX + 1, POLICY_DEPTH_MAX + 2, 20, 100, 300):
        refused(nested(depth))


def test_a_policy_has_at_most_128_conditions() -> None:
    short = {"claim": "grc.basis", "less": 1}
    assert len(parsed(*[short] * POLICY_CONDITIONS_MAX).conditions) == POLICY_CONDITIONS_MAX
    refused(whole(*[short] * (POLICY_CONDITIONS_MAX + 1)))
    refused(whole(*[{"anyOf": [short] * 43}] * 3))
    two = json.loads(whole(*[short] * 64))
    two["anyOf"].append({"authority": "strongroom", "allOf": [short] * 65})
    refused(json.dumps(two, separators=(",", ":")))


@pytest.mark.parametrize("bracket", ["[", "{", '{"a":', '{"allOf":[', "[[]", "]", "}", "[{", '"'])
def test_brackets_without_end_are_refused(bracket: str) -> None:
    for count in (1, 31, 32, 33, 700, POLICY_BYTES_MAX // len(bracket)):
        refused(bracket * count)
        refused(whole(HOLDS).replace('"eu-north"', bracket * count))


NOT_JSON = [
    "[1,]", "[,1]", "[,]", "[1 2]", "[1", "[", "]", "1]", "[1}", '{"a":1]', '{"a":1,}', '{"a":}',
    '{"a"}', '{"a",1}', '{"a" 1}', '{"a"::1}', '{1:1}', "{,}", '{"a":1', '{"a":1 "b":2}', "1 2",
    "1,2", "[]]", "[] []", ":", ",", '"a":1', '["a":1]', "{true:1}", "[1]x", "'a'", "[1]//",
    "{a:1}",
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_JSON)
def test_what_json_does_not_take_is_not_read(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    with pytest.raises(NotStrictJson):
        read_json(text)


def test_a_text_that_ends_early_or_goes_on_is_refused_wherever_it_does() -> None:
    text = whole(HOLDS, {"anyOf": [{"claim": "bootcount", "in": [1, 2]}]})
    ReleasePolicy.parse(text)
    for end in range(len(text)):
        refused(text[:end])
    for more in ("}", "]", ",", "1", '"', "{}", ":"):
        refused(text + more)


def test_brackets_are_counted() -> None:
    assert read_json("[" * BRACKETS_MAX + "]" * BRACKETS_MAX)
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        deep = BRACKETS_MAX + 1
        with pytest.raises(NotStrictJson, match="brackets"):
            read_json(opening * deep + "1" + closing * deep)


# The same everywhere

PROBE = """
import random, sys
from hashlib import sha256
from tests.enclave.attestation import policies
from strongroom.enclave.attestation.release_policy import PolicyRefused, ReleasePolicy

made = []
for seed in range(300):
    dice = random.Random(seed)
    value = policies.policy(dice)
    shown = [policies.claims(dice, policies.named(value)) for _ in range(3)]
    value = policies.spoilt(dice, value) if seed % 3 == 0 else value
    made.append((policies.written(dice, value), shown))
made += [(bracket * count, [{}]) for bracket in '[{"' for count in (33, 900, 8000)]
judged = []
limit = int(sys.argv[1])
def deep(left):
    if left:
        return deep(left - 1)
    for text, shown in made:
        try:
            policy = ReleasePolicy.parse(text)
            judged.append(policy.encode().decode())
            judged.append([policy.first_failure(claims) for claims in shown])
            judged.append([str(line) for line in policy.explain(shown[0])])
        except PolicyRefused as error:
            judged.append(str(error))
sys.setrecursionlimit(limit)
deep(max(0, limit - 25) if limit < 200 else 0)
print(sha256(str(judged).encode()).hexdigest(), len(judged))
"""


def probed(interpreter: str, *flags: str, seed: int, limit: int) -> str:
    """Digest of what 300 policies and some bombs come to, in a process of its own."""
    path = os.pathsep.join((str(ROOT / ".src"), str(ROOT)))
    ran = subprocess.run(
        [interpreter, *flags, "-c", PROBE, str(limit)],
        env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": path},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


def test_verdicts_are_the_same_under_any_hash_seed_recursion_limit_and_optimisation() -> None:
    assert len({
        probed(sys.executable, seed=0, limit=1000),
        probed(sys.executable, seed=1, limit=100),
        probed(sys.executable, seed=4242, limit=1_000_000),
        probed(sys.executable, "-OO", seed=7, limit=100),
    }) == 1  # fmt: skip


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_verdicts_are_the_same_under_other_interpreters(version: str) -> None:
    found = usable(version)
    assert probed(found, seed=5, limit=100) == probed(sys.executable, seed=6, limit=1000)


@pytest.mark.parametrize("module", [release_policy, release_condition, strict_json, vocabulary])
def test_it_calls_only_what_execution_may_call(module: Any) -> None:
    assert Reader(Path(module.__file__).read_text()).found == []


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.sampled_from(["1.0.0", "strongroom", "region", "bootcount"]),
    lambda inner: st.lists(inner)
    | st.dictionaries(
        st.text() | st.sampled_from(["version", "anyOf", "allOf", "authority", "claim", "equals"]),
        inner,
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.text() | st.binary() | ANY_JSON.map(json.dumps))
@example(whole(HOLDS))
@example("{" * 20)
@example('{"a":[{"b":{"c":[' * 3)
@example('"\\ud83d\\')
@example('"\\u')
@example("-")
@example("[1,]")
@example('{"a" 1}')
def test_parsing_raises_nothing_but_its_refusal(text: str | bytes) -> None:
    said = ""
    try:
        policy = ReleasePolicy.parse(text)
        assert ReleasePolicy.parse(policy.encode()) == policy
    except PolicyRefused as error:
        said = str(error)
    assert is_line(said)
    assert len(said) < 400


@given(st.text(alphabet='{}[]:," \n\\u0d8aetfrln1-.é', max_size=40) | ANY_JSON.map(json.dumps))
@example("[1,2]")
@example('{"a":{},"b":[]}')
@example("-0")
def test_what_is_read_is_what_json_reads(text: str) -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    try:
        value = read_json(text)
    except NotStrictJson:
        return
    assert json.loads(text, object_pairs_hook=once) == value
    assert json.dumps(value) == json.dumps(json.loads(text))


@given(st.data())
def test_first_failure_takes_any_claims(data: st.DataObject) -> None:
    policy = parsed({"claim": "region", "notEquals": "x"}, {"claim": "bootcount", "in": [1, 2]})
    names = st.sampled_from(["region", "bootcount"]) | st.text()
    values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    claims: Any = data.draw(st.dictionaries(names, values))
    line = policy.first_failure(claims)
    assert line is None or is_line(line)
    assert len(policy.explain(claims)) == 2


def test_a_policy_has_no_telling_repr() -> None:
    assert "eu-north" not in repr(parsed(HOLDS))


def test_random_policies_are_of_the_grammar() -> None:
    """The generator's own check: `policies.checked` knows the table that the product knows."""
    assert set(policies.ORDERS) == set(ORDER)
    assert {*policies.LITERAL_OPERATORS, *policies.ORDERS} == set(OPERATORS)
