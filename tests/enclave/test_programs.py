"""Programs and the walls around them: schema, roll back, budget, T02, T09, T11."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.enclave.chain import Chain
from tests.enclave.probe import SEEN

from strongroom.consensus import codec
from strongroom.consensus.errors import ClientFault
from strongroom.enclave.formats.envelope import Call
from strongroom.enclave.formats.size_classes import RESULT_SIZES, pad
from strongroom.enclave.programs import (
    PROGRAM_NAMES,
    PROGRAMS,
    bind_arguments,
    parse_arguments,
    split_name,
)
from strongroom.enclave.programs.framework import Context, Program, ProgramError
from strongroom.enclave.programs.runner import ERROR_TEXT_BYTES_MAX, STEPS_MAX, Runner
from strongroom.enclave.programs.schema import ArgumentFault

BOB, BOB_TEXT = b"b" * 32, "id:" + (b"b" * 32).hex()
STACK_FRAMES = 100
"""A tenth of what the interpreter allows where nobody says otherwise."""


def resolve(name: str) -> bytes:
    if name != "bob":
        raise ClientFault(f"no key named {name}")
    return BOB


def parse(operation: str, **texts: str) -> tuple[Any, ...]:
    return parse_arguments("payments", operation, texts, resolve)


def test_the_programs_of_this_service() -> None:
    assert (
        *("payments", "people", "records", "rooms"),
        *("roster", "system", "vault"),
    ) == PROGRAM_NAMES
    assert split_name("payments.transfer") == ("payments", "transfer")
    for name in ("payments", "payments.", ".transfer", ""):
        with pytest.raises(ArgumentFault):
            split_name(name)


def test_texts_become_arguments_in_the_order_of_the_schema_with_defaults() -> None:
    assert parse("transfer", amount="5", to="bob") == ((BOB, ""), 5, "", "")
    assert parse("transfer", amount="5", to=BOB_TEXT, memo="hi", source="4711") == (
        (BOB, ""),
        5,
        "4711",
        "hi",
    )
    assert parse("statement") == ((b"", ""), 0, 100)
    assert parse("open_many", accounts='["1", "2"]') == (("1", "2"),)
    many = parse("transfer_many", transfers=f'[["bob", 5], ["{BOB_TEXT}/x", 6, "s", "m"]]')
    assert many == ((((BOB, ""), 5, "", ""), ((BOB, "x"), 6, "s", "m")),)
    assert parse_arguments("system", "result", {"id": "00ff"}, resolve) == (b"\x00\xff",)


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("", (b"", "")),
        ("bob", (BOB, "")),
        ("bob/savings", (BOB, "savings")),
        (BOB_TEXT, (BOB, "")),
        (BOB_TEXT + "/4711", (BOB, "4711")),
        ("4711", (b"", "4711")),
        ("/bob", (b"", "bob")),
    ],
)
def test_ways_to_write_an_account(text: str, account: tuple[bytes, str]) -> None:
    assert parse("balance", account=text) == (account,)
    assert bind_arguments("payments", "balance", {"account": text}, resolve) == (account,)


@pytest.mark.parametrize(
    ("operation", "texts", "says"),
    [
        ("transfer", {"to": "bob"}, "missing amount"),
        ("transfer", {"to": "bob", "amount": "5", "x": "1"}, "unknown x"),
        ("transfer", {"to": "bob", "amount": "five"}, "amount: expected an integer"),
        ("transfer", {"to": "bob", "amount": "1_0"}, "amount: expected an integer"),
        ("transfer", {"to": "bob", "amount": "²"}, "amount: expected an integer"),
        ("transfer", {"to": "id:00", "amount": "5"}, "to: expected id:"),
        ("transfer", {"to": "id:zz", "amount": "5"}, "to: expected bytes as hex"),
        ("open_many", {"accounts": "1,2"}, "accounts: expected a list"),
        ("open_many", {"accounts": "[1]"}, "accounts: expected a string"),
        (
            "transfer_many",
            {"transfers": '[["bob"]]'},
            "transfers: expected [to, amount, source, memo]",
        ),
        ("transfer_many", {"transfers": '[["bob", true]]'}, "transfers: expected an integer"),
        ("open_many", {"accounts": "[" * 100_000}, "accounts: expected a list"),
        ("nothing", {}, "it has open"),
    ],
)
def test_what_does_not_parse_says_what_would(
    operation: str, texts: dict[str, str], says: str
) -> None:
    with pytest.raises(ArgumentFault) as fault:
        parse(operation, **texts)
    assert says in str(fault.value)


def test_python_values_are_taken_as_they_are() -> None:
    assert bind_arguments("payments", "transfer", {"to": BOB, "amount": 5}, resolve) == (
        (BOB, ""),
        5,
        "",
        "",
    )
    assert bind_arguments("payments", "issue", {"to": (BOB, "x"), "amount": 5}, resolve) == (
        (BOB, "x"),
        5,
    )
    for wrong in (
        {"to": 5, "amount": 5},
        {"to": "bob", "amount": "5"},
        {"to": "bob", "amount": True},
    ):
        with pytest.raises(ArgumentFault):
            bind_arguments("payments", "transfer", wrong, resolve)
    with pytest.raises(ArgumentFault):
        bind_arguments("nothing", "transfer", {}, resolve)


def test_every_kind_of_argument_arrives() -> None:
    chain = Chain()
    result = chain.once(
        "alice", "probe.take", who="bob", account="bob/x", numbers=[1, 2], flag=True
    )
    who = chain.call("probe.take", who="bob", account="", numbers=[], flag=False).arguments[0]
    assert result.value == [who, [who, "x"], [1, 2], True, None]
    assert (
        chain.once(
            "alice", "probe.take", who="bob", account="", numbers=[], flag=False, maybe="m"
        ).value[4]
        == "m"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("x",),
        ((b"", ""), 5, "", "", ""),
        ((b"", ""), "5", "", ""),
        ((b"", ""), True, "", ""),
        ((b"x", ""), 5, "", ""),
        ((b"", b""), 5, "", ""),
        (b"", 5, "", ""),
        (((b"", ""),), 5, "", ""),
        ((b"", ""), 1.5, "", ""),
        ((b"", ""), None, "", ""),
    ],
)
def test_T11_arguments_of_other_kinds_are_a_sealed_error(arguments: tuple[Any, ...]) -> None:
    chain = Chain()
    session, envelope = chain.open(
        "alice", Call("payments", chain.measurement, "transfer", arguments), close=True
    )
    result = session.open_result(0, session.id, chain.commit(envelope).result_at(0))  # type: ignore[arg-type]
    assert result.code == "arguments"


def test_T11_a_list_has_a_limit() -> None:
    chain = Chain()
    call = Call(
        "payments", chain.measurement, "open_many", (tuple(str(number) for number in range(1001)),)
    )
    session, envelope = chain.open("alice", call, close=True)
    result = session.open_result(0, session.id, chain.commit(envelope).result_at(0))  # type: ignore[arg-type]
    assert (result.code, result.message) == ("arguments", "at most 1000 items, got 1001")


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (("payments", bytes(32), "see", ("canary",)), "other measurement"),
        (("probe", bytes(32), "see", ("canary",)), "other measurement"),
        (("nothing", None, "see", ("canary",)), "unknown program"),
        (("payments", None, "see", ("canary",)), "unknown operation"),
        (("probe", None, "notes", ("canary",)), "unknown operation"),
    ],
)
def test_T02_no_program_sees_arguments_that_were_sealed_for_another(call: Any, code: str) -> None:
    """T02: program and measurement decide before arguments are looked at."""
    chain = Chain()
    SEEN.clear()
    program, measurement, operation, arguments = call
    measurement = chain.measurement if measurement is None else measurement
    session, envelope = chain.open(
        "alice", Call(program, measurement, operation, arguments), close=True
    )
    result = session.open_result(0, session.id, chain.commit(envelope).result_at(0))  # type: ignore[arg-type]
    assert (result.ok, result.code) == (False, code)
    assert SEEN == []


def test_T02_program_and_measurement_are_checked_before_the_arguments_are_bound() -> None:
    """T02: even an argument error of another program would tell it something."""
    chain = Chain()
    session, envelope = chain.open("alice", Call("probe", bytes(32), "see", (1, 2, 3)), close=True)
    result = session.open_result(0, session.id, chain.commit(envelope).result_at(0))  # type: ignore[arg-type]
    assert result.code == "other measurement"


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("refuse", "refused"),
        ("bug", "internal"),
        ("integer beyond 64 bits", "internal"),
        ("wrong type", "internal"),
        ("lone surrogate", "internal"),
        ("mutable value", "internal"),
    ],
)
def test_T09_whatever_a_program_does_is_a_sealed_result_and_leaves_nothing(
    how: str, code: str
) -> None:
    chain = Chain()
    result = chain.once("alice", "probe.half", name="n", how=how)
    assert (result.ok, result.code) == (False, code)
    assert chain.ask("alice", "probe.notes") == []
    outcome = chain.outcomes[-1]
    assert outcome.codes == bytes(1)
    assert len(outcome.result_at(0)) == 128


def test_how_deep_the_stack_is_never_becomes_a_result() -> None:
    """Replicas have stacks of different depth, so a recursion that is too deep for one ends its
    process: a result would split them. No caller brings that about: nothing that execution loads
    calls itself (test_execution_calls), and the next test shows how little of the stack the
    deepest call takes."""
    chain = Chain()
    with pytest.raises(RecursionError):
        chain.once("alice", "probe.half", name="n", how="recursion")


NESTED_BYTES_MAX = 100_000
"""Of a call's arguments: an envelope takes no more of them."""


class NestedCall(Call):
    """A call whose every argument is one sequence within another, `depth` times: also of depths
    that no encoder makes."""

    def encode(self) -> bytes:
        depth: int = self.arguments[0]
        count: int = self.arguments[1]
        nothing = codec.encode((self.program, self.measurement, self.operation, ()))
        return nothing[:-1] + bytes([0x90 + count]) + (b"\x91" * depth + b"\x90") * count


def nested_calls(measurement: bytes, depth: int) -> Iterator[NestedCall]:
    """For every transaction and query of this service, with as many arguments as it takes."""
    for program in PROGRAMS.values():
        for operation in (*program.transactions.values(), *program.queries.values()):
            count = len(inspect.signature(operation.function).parameters) - 1
            fits = min(depth, NESTED_BYTES_MAX // max(1, count))
            yield NestedCall(program.name, measurement, operation.name, (fits, count))


@contextmanager
def stack_of(frames: int) -> Iterator[None]:
    """Lets calls go so many frames deeper than here."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + frames)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize("depth", [1, codec.DEPTH_MAX - 2, codec.DEPTH_MAX, 900, 10_000])
def test_T31_whatever_a_caller_nests_takes_a_tenth_of_the_stack(depth: int) -> None:
    """As deep as the codec takes, and deeper: all of it is a sealed result."""
    chain = Chain()
    calls = list(nested_calls(chain.measurement, depth))
    opened = [chain.open("alice", call, close=True) for call in calls]
    with stack_of(STACK_FRAMES):
        outcome = chain.commit(*(envelope for _, envelope in opened))
    assert outcome.codes == bytes(len(calls))
    assert len(calls) > 15
    told = {
        session.open_result(0, session.id, outcome.result_at(place)).code  # type: ignore[arg-type]
        for place, (session, _) in enumerate(opened)
    }
    bare = {"not-waiting", "no-standing"}  # `rooms.leave`, `people.withdraw`: without arguments
    assert told <= {"arguments", "unknown operation", "malformed call", "not a query", *bare}


def test_T11_a_looping_program_ends_with_its_budget() -> None:
    chain = Chain()
    result = chain.once("alice", "probe.loop")
    assert result.code == "budget exceeded"
    assert str(STEPS_MAX) in result.message
    assert chain.ask("alice", "probe.notes") == []
    assert chain.once(
        "alice", "probe.note", name="n", number=1
    ).ok  # the next one has a budget of its own


def test_T11_results_have_a_limit_and_what_cannot_be_encoded_is_internal() -> None:
    chain = Chain()
    assert chain.once("alice", "probe.big", size=16_000).value == "x" * 16_000
    assert chain.once("alice", "probe.big", size=17_000).code == "result too large"
    assert chain.once("alice", "probe.strange").code == "internal"


def test_queries_change_nothing() -> None:
    chain = Chain()
    before = chain.executor.state_digest()
    assert chain.ask("alice", "probe.write_in_query") == 1
    assert chain.executor.state_digest() == before
    assert chain.commit().codes == b""


def test_programs_see_block_height_and_block_time_only() -> None:
    chain = Chain()
    chain.commit()
    assert chain.ask("alice", "probe.when") == [1, chain.tip.time_ms]


def test_a_program_is_declared_with_keyword_arguments_of_known_kinds_once() -> None:
    program = Program("p")

    def positional(context: Context, a: int) -> None: ...

    def unknown(context: Context, *, a: float) -> None: ...

    def fine(context: Context, *, a: int) -> None: ...

    for function in (positional, unknown):
        with pytest.raises(TypeError):
            program.transaction(function)
    program.transaction(fine)
    with pytest.raises(TypeError):
        program.query(fine)


@pytest.mark.parametrize(
    ("code", "message", "seen"),
    [
        ("loud", "x" * 20_000, ("loud", "x" * (ERROR_TEXT_BYTES_MAX - 7) + "…")),
        ("loud", "é" * 60, ("loud", "é" * ((ERROR_TEXT_BYTES_MAX - 7) // 2) + "…")),
        ("just", "y" * (ERROR_TEXT_BYTES_MAX - 4), ("just", "y" * (ERROR_TEXT_BYTES_MAX - 4))),
        (
            "c" * ERROR_TEXT_BYTES_MAX,
            "text",
            ("internal", "the program failed; nothing was changed"),
        ),
        ("broken", "\ud800", ("internal", "the program failed; nothing was changed")),
    ],
)
def test_T08_whatever_an_error_says_its_result_is_of_the_smallest_size(
    code: str, message: str, seen: tuple[str, str]
) -> None:
    program = Program("p")

    @program.transaction
    def shout(context: Context) -> None:
        raise ProgramError(code, message)

    runner = Runner({"p": program})
    runner.heed(frozenset({b"m"}), frozenset(), frozenset(), {})
    plaintext, _, _ = runner.run(
        Call("p", b"m", "shout", ()).encode(), b"", b"", lambda _: b"", 256
    )
    assert codec.decode_value(plaintext)[1] == list(seen)
    assert len(pad(plaintext, RESULT_SIZES)) == RESULT_SIZES[0]


def loaded_by(module: str) -> set[str]:
    """Which programs' modules a new interpreter has once it imported this."""
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    found = {f"strongroom.enclave.programs.{name}": name for name in PROGRAM_NAMES}
    return {found[one] for one in done.stdout.split() if one in found}


def test_an_enclave_reads_all_programs_before_its_walls_stand() -> None:
    assert loaded_by("strongroom.enclave.execution.executor") == set(PROGRAM_NAMES)


def test_a_client_loads_no_program_that_it_does_not_call() -> None:
    assert loaded_by("strongroom.node.client.client") == set()


def test_programs_are_found_by_their_names_and_nothing_else_is() -> None:
    assert tuple(PROGRAMS) == PROGRAM_NAMES == tuple(sorted(PROGRAM_NAMES))
    assert len(PROGRAMS) == len(PROGRAM_NAMES)
    for name in PROGRAM_NAMES:
        assert PROGRAMS[name].name == name
    for other in ("framework", "state", "payments.payments", "os", ""):
        assert other not in PROGRAMS
        with pytest.raises(KeyError):
            PROGRAMS[other]
