"""Ordered maps: scans see what was written, in order of meaning; a failed transaction leaves
nothing (T12)."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.programs.frozen import FrozenMap
from strongroom.enclave.programs.state import SCAN_MAX, BudgetExceeded, MapSchema, State

ENTRIES: MapSchema[tuple[str, int], tuple[int, str]] = MapSchema(
    "p", "entries", (str, int), (int, str)
)
COUNTS: MapSchema[int, int] = MapSchema("p", "counts", int, int)
FLAGS: MapSchema[bytes, bool] = MapSchema("q", "flags", bytes, bool)


def fresh(steps: int = 1_000_000) -> State:
    state = State([FLAGS, ENTRIES, COUNTS])
    state.meter.left = steps
    return state


class Model(RuleBasedStateMachine):
    """Against two dicts, one committed, one with the open transaction's writes; and against a
    replica that applies. Both are frozen at times, and read piece by piece while they change."""

    entries = ENTRIES

    keys = st.tuples(st.sampled_from(["", "a", "aa", "b", "é"]), st.sampled_from([-1, 0, 9, 10]))
    values = st.tuples(st.integers(-(2**63), 2**64 - 1), st.text(max_size=3))

    @initialize()
    def start(self) -> None:
        self.state, self.replica = State([self.entries, FLAGS]), State([self.entries, FLAGS])
        self.state.meter.left = self.replica.meter.left = 1_000_000
        self.committed: dict[Any, Any] = {}
        self.open: dict[Any, Any] = {}
        self.frozen: dict[Any, Any] = {}
        self.walks: list[tuple[FrozenMap[Any, Any], Any, dict[Any, Any]]] = []
        """Of state and replica: the frozen map, the walk through its keys, what was read of it."""

    @rule(key=keys, value=values)
    def put(self, key: Any, value: Any) -> None:
        self.state.maps[self.entries].put(key, value)
        self.open[key] = value

    @rule(key=keys)
    def delete(self, key: Any) -> None:
        self.state.maps[self.entries].delete(key)
        self.open.pop(key, None)

    @rule(key=keys)
    def get(self, key: Any) -> None:
        assert self.state.maps[self.entries].get(key) == self.open.get(key)

    @rule(
        prefix=st.sampled_from([(), ("a",), ("aa",), ("zz",)]),
        after=st.none() | keys,
        limit=st.integers(1, 7),
    )
    def scan(self, prefix: Any, after: Any, limit: int) -> None:
        found = self.state.maps[self.entries].scan(prefix=prefix, after=after, limit=limit)
        expected = sorted(
            item
            for item in self.open.items()
            if item[0][: len(prefix)] == prefix and (after is None or item[0] > after)
        )
        assert found == expected[:limit]

    @rule(start=keys, stop=keys, limit=st.integers(1, 7), reverse=st.booleans())
    def range(self, start: Any, stop: Any, limit: int, reverse: bool) -> None:
        found = self.state.maps[self.entries].range(start, stop, limit=limit, reverse=reverse)
        expected = sorted(
            (item for item in self.open.items() if start <= item[0] < stop), reverse=reverse
        )
        assert found == expected[:limit]

    @rule()
    def commit(self) -> None:
        self.state.commit()
        self.committed = dict(self.open)

    @rule()
    def roll_back(self) -> None:
        self.state.roll_back()
        self.open = dict(self.committed)

    @rule()
    def end_block(self) -> None:
        self.roll_back()
        changes = self.state.take_changes()
        self.replica.apply(changes)
        assert self.replica.digest() == self.state.digest()
        assert self.state.take_changes() == ()

    @rule()
    def freeze(self) -> None:
        self.end_block()
        self.frozen, self.walks = dict(self.committed), []
        for each in (self.state, self.replica):
            ((_, _, held),) = (one for one in each.freeze() if one[0] == self.entries.program)
            assert held.count == len(self.frozen)
            self.walks.append((held, held.keys(), {}))

    @rule(steps=st.integers(1, 4))
    def read_frozen(self, steps: int) -> None:
        self.roll_back()
        for held, walk, read in self.walks:
            for key in islice(walk, steps):
                (read[key],) = held.values_of([key])

    @rule()
    def read_frozen_to_its_end(self) -> None:
        self.read_frozen(1000)
        for held, _, read in self.walks:
            assert {key: value for key, value in read.items() if value is not None} == self.frozen
            held.release()
        self.walks = []

    @invariant()
    def every_item_is_there(self) -> None:
        assert list(self.state.maps[self.entries].items()) == sorted(self.open.items())


class ScannedModel(Model):
    """The same of a map whose order is kept from the first item on."""

    entries: MapSchema[tuple[str, int], tuple[int, str]] = replace(ENTRIES, scanned=True)


TestModel, TestScannedModel = Model.TestCase, ScannedModel.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestScannedModel.settings = TestModel.settings


def test_a_failed_transaction_leaves_no_key_behind() -> None:
    """Or whoever fails again and again would fill the enclave's memory."""
    state = fresh()
    counts = state.maps[COUNTS]
    counts.put(0, 0)
    state.commit()
    for number in range(1, 500):
        counts.put(number, 1)
        counts.delete(number)
        counts.put(number, 2)
        counts.delete(0)
        counts.put(0, 5)
        state.roll_back()
    assert list(counts.freeze().keys()) == [0]


def test_keys_that_are_gone_are_forgotten() -> None:
    """A lease comes and goes: what a map remembers of its keys is bounded by what it holds."""
    state = fresh(10**7)
    counts = state.maps[COUNTS]
    for number in range(20_000):
        counts.put(number, 1)
        counts.delete(number)
        state.commit()
        state.take_changes()
    assert counts.freeze().walk < 2_000


@pytest.mark.parametrize("brought", [False, True])
def test_the_order_is_kept_block_by_block(brought: bool) -> None:
    """A scan of a million accounts does not begin with sorting them."""
    state = State([replace(COUNTS, scanned=True)])
    ((_, counts),) = state.maps.items()
    state.meter.left = 1_000_000
    for block in range(40):
        keys = [(number * 7919 + block) % 10_007 for number in range(50)]
        if brought:
            counts.bring(keys, [1] * len(keys))
        else:
            for key in keys:
                counts.put(key, 1)
            state.commit()
            state.take_changes()
        assert counts._sorted is not None
        assert not counts._dirty
        assert list(counts._sorted) == sorted(counts.copy())


@pytest.mark.parametrize("ordered", [False, True])
def test_what_another_replica_removed_is_gone_here(ordered: bool) -> None:
    state, replica = fresh(), fresh()
    counts, mirror = state.maps[COUNTS], replica.maps[COUNTS]
    for number in range(5):
        counts.put(number, number)
    state.commit()
    replica.apply(state.take_changes())
    assert not ordered or len(mirror.scan()) == 5
    counts.delete(3)
    counts.put(1, 7)
    counts.put(9, 9)
    state.commit()
    replica.apply(state.take_changes())
    assert mirror.scan() == [(0, 0), (1, 7), (2, 2), (4, 4), (9, 9)]
    assert (mirror.get(3), replica.digest()) == (None, state.digest())


def test_integers_ascend_by_value_and_text_by_code_point() -> None:
    counts = fresh().maps[COUNTS]
    for number in (256, -1, 10, 9, 2**63, 0):
        counts.put(number, 1)
    assert [key for key, _ in counts.scan()] == [-1, 0, 9, 10, 256, 2**63]


def test_pages_of_a_scan_meet_without_gap() -> None:
    entries = fresh().maps[ENTRIES]
    for number in range(10):
        entries.put(("a", number), (number, ""))
        entries.put(("b", number), (number, ""))
    first = entries.scan(prefix=("a",), limit=6)
    second = entries.scan(prefix=("a",), after=first[-1][0], limit=6)
    assert [key[1] for key, _ in first + second] == list(range(10))


def test_many_changes_between_two_scans_keep_the_order() -> None:
    state = fresh()
    counts = state.maps[COUNTS]
    for number in range(0, 3000, 3):
        counts.put(number, 1)
    assert len(counts.scan(limit=1000)) == 1000
    for number in range(0, 3000, 2):
        counts.put(number, 2)
    for number in range(0, 3000, 6):
        counts.delete(number)
    expected = [
        number for number in range(3000) if (number % 3 == 0 or number % 2 == 0) and number % 6
    ]
    assert [key for key, _ in counts.items()] == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("a", 1), [1, "x"]),
        (("a", 1), (1.0, "x")),
        (("a", 1), (True, "x")),
        (("a", 1), (1, "x", 2)),
        (("a", 1), None),
        (("a", True), (1, "x")),
        (("a",), (1, "x")),
        (b"a", (1, "x")),
    ],
)
def test_keys_and_values_of_other_types_are_refused(key: Any, value: Any) -> None:
    state = fresh()
    with pytest.raises(TypeError):
        state.maps[ENTRIES].put(key, value)
    assert list(state.maps[ENTRIES].items()) == []


@pytest.mark.parametrize("value", [(2**64, ""), (-(2**63) - 1, ""), (1, "\ud800")])
def test_what_could_not_be_sealed_later_fails_the_transaction_now(value: Any) -> None:
    state = fresh()
    state.maps[ENTRIES].put(("a", 1), value)
    with pytest.raises((OverflowError, ValueError)):
        state.commit()
    state.roll_back()
    assert list(state.maps[ENTRIES].items()) == []
    replica = fresh()
    replica.apply(state.take_changes())
    assert replica.digest() == state.digest()


def test_mutable_types_cannot_be_declared() -> None:
    for key, value in ((list, int), (int, dict), ((), int), (int, (int, tuple)), (float, int)):
        with pytest.raises(TypeError):
            MapSchema("p", "m", key, value)


def test_T11_every_access_and_every_scanned_item_takes_a_step() -> None:
    state = fresh(steps=4)
    counts = state.maps[COUNTS]
    counts.put(1, 1)
    counts.put(2, 2)
    counts.get(1)
    with pytest.raises(BudgetExceeded):
        counts.scan()
    accesses: list[Callable[[], object]] = [
        lambda: counts.get(1),
        lambda: counts.put(1, 1),
        lambda: counts.delete(1),
    ]
    for access in accesses:
        state.meter.left = 0
        with pytest.raises(BudgetExceeded):
            access()


def test_T11_a_scan_has_a_limit() -> None:
    counts = fresh().maps[COUNTS]
    for limit in (0, -1, SCAN_MAX + 1):
        with pytest.raises(ValueError, match="limit"):
            counts.scan(limit=limit)
        with pytest.raises(ValueError, match="limit"):
            counts.range(0, 1, limit=limit)


@pytest.mark.parametrize(
    "change", [("p", "other", (1,), (1,)), ("p", "counts", (1, 2), (1,)), ("p", "counts", (1,))]
)
def test_changes_of_no_map_are_refused_whole(change: tuple[Any, ...]) -> None:
    state = fresh()
    with pytest.raises(NotCanonical):
        state.apply((("q", "flags", (b"x",), (True,)), change))
    assert list(state.maps[FLAGS].items()) == []


def test_golden_digest_of_a_state() -> None:
    state = fresh()
    state.maps[COUNTS].put(5, 6)
    state.maps[FLAGS].put(b"x", True)
    assert state.digest().hex()[:16] == "7e7d240d5623324e"
