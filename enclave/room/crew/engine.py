"""The engine of a crew, with the interface of the one within a room (analytics/engine.py): a
checked query over tables, and its result.

Owns how releases come back together: every bucket's groups are one table again before anything is
judged, so that suppression, its complements, rounding and noise are those of one room, and so is
the rest of the query. Whatever goes wrong is one error without a word, but for a member that is
gone (T62, T63).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from strongroom.enclave.primitives import Secret
from strongroom.enclave.room.analytics.checking import Checked, Step
from strongroom.enclave.room.analytics.engine import Engine
from strongroom.enclave.room.analytics.exact import behind, release_exactly
from strongroom.enclave.room.analytics.noising import noised
from strongroom.enclave.room.analytics.parser import Parser
from strongroom.enclave.room.analytics.refusals import QueryFailed
from strongroom.enclave.room.analytics.tables import Table
from strongroom.enclave.room.crew import tasks
from strongroom.enclave.room.crew.configured import Future
from strongroom.enclave.room.crew.foreman import Foreman, MemberLost
from strongroom.enclave.room.crew.plan import StepPlan, planned
from strongroom.enclave.room.crew.tasks import load_part, policies_of, united

Wait = Callable[[Awaitable[Any]], Any]
"""Run something of the foreman's to its end."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A table whose rows lie at members, part by part."""

    parts: tuple[Future, ...]


class CrewEngine(Engine):
    """The foreman's. What it reads are releases; rows it never has."""

    def __init__(self, foreman: Foreman, wait: Wait, parser: Parser, **limits: int) -> None:
        super().__init__(**limits)
        self._foreman, self._wait, self._parser = foreman, wait, parser

    def run(  # type: ignore[override]
        self, tables: Mapping[str, Spread], checked: Checked, secret: Secret | None = None
    ) -> Table:
        """Run a query over tables that are spread: see Engine.run.

        Raises:
            QueryFailed: whatever the cause.
            MemberLost: a member is gone; spread the tables again, and run it again.
        """
        lost: list[MemberLost] = []

        def computed(plan: StepPlan) -> list[bytes]:
            text = plan.encode()
            columns = {one: data.policy.encode() for one, data in checked.inputs.items()}
            policies = policies_of(columns)
            locals_ = [
                (tasks.local, text, policies, one, part)
                for one in sorted(checked.inputs)
                for part in tables[one].parts
            ]
            try:
                work = self._foreman.compute(locals_, (tasks.final, text), exchanged=bool(plan.by))
                made: list[bytes] = self._wait(work)
            except MemberLost as fault:
                lost.append(fault)
                raise
            return made

        try:
            return super().run({"": Computed(computed)}, checked, secret)  # type: ignore[dict-item]
        except QueryFailed:
            if lost:
                raise lost[0] from None
            raise

    def _run(self, tables: Mapping[str, Any], checked: Checked, secret: Secret | None) -> Table:
        computed, engine = tables[""].computed, self._engine
        for alias, data in checked.inputs.items():
            load_part(engine, alias, data.policy, None)
        for step, plan in zip(checked.steps, planned(checked, self._parser), strict=True):
            self._gather(step, computed(plan))
            exact = replace(step, unit_text=None)  # units were counted where they are
            if step.noise is None:
                release_exactly(engine, exact)
            elif secret is None:
                raise ValueError("noise without the job's secret")
            else:
                noised(engine, exact, step.noise, secret)
        return self._finished(checked)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The engine's own."""
        return self._engine

    def _gather(self, step: Step, made: Sequence[bytes]) -> None:
        """All groups of all buckets, in a table of the columns that one room would have."""
        source = f"s{step.release.index}"
        self._engine.execute(f"CREATE TABLE {source} AS {step.text}")
        self._engine.execute(f"DELETE FROM {source}")  # noqa: S608 (names of ours)
        if step.noise is None:
            for part in range(len(step.release.parts)):
                for unit in range(len(step.release.units)):
                    name = behind(part, unit)
                    self._engine.execute(f"ALTER TABLE {source} ADD COLUMN {name} BIGINT")
        united(self._engine, source, tuple(made), into=True)


@dataclass(frozen=True, slots=True)
class Computed:
    """How a release is computed, in the place of tables."""

    computed: Callable[[StepPlan], list[bytes]]
