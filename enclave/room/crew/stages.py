"""One job of a crew: a contract's stages over inputs that are spread, to the bytes of each output
(ROOMS §8).

Owns which stages members compute and which the foreman does: what is made of spread rows, members
compute; what reads only what stages before it made, the foreman does, as one room would. Whatever
goes wrong is one error without a word, but for a member that is gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from strongroom.enclave.formats.clean_rooms.contract import Contract, Stage
from strongroom.enclave.formats.clean_rooms.data_terms import FREE
from strongroom.enclave.room.analytics.parser import Parser
from strongroom.enclave.room.analytics.streams import Stream
from strongroom.enclave.room.crew import tasks, texts
from strongroom.enclave.room.crew.engine import CrewEngine, Spread, Wait
from strongroom.enclave.room.crew.foreman import Foreman, MemberLost
from strongroom.enclave.room.worker.stages import Bench, JobFailed, Made, _told


@dataclass(frozen=True, slots=True, repr=False)
class Rows:
    """One input, as the ledger names it, and where its rows lie."""

    alias: str
    owner: bytes
    data: str
    columns: bytes
    spread: Spread


class CrewStages(Bench):
    """The foreman's."""

    def __init__(
        self, parser: Parser, engine: CrewEngine, foreman: Foreman, wait: Wait, memory_bytes: int
    ) -> None:
        super().__init__(parser, engine, memory_bytes)
        self._foreman, self._wait = foreman, wait

    def run(  # type: ignore[override]
        self,
        contract: Contract,
        parameters: Sequence[tuple[str, bool | int | str]],
        inputs: Sequence[Rows],
        seed: bytes,
    ) -> list[tuple[str, bytes, bytes]]:
        """Compute a job: see Bench.run.

        Raises:
            JobFailed: whatever the cause.
            MemberLost: a member is gone; spread the inputs again.
        """
        try:
            return list(self._computed(contract, inputs, seed))
        except MemberLost:
            raise
        except Exception:  # The cause may hang on rows: nothing of it goes on (T63).
            raise JobFailed from None

    def _computed(
        self, contract: Contract, inputs: Sequence[Rows], seed: bytes
    ) -> Iterator[tuple[str, bytes, bytes]]:
        if [one.alias for one in inputs] != [one.alias for one in contract.inputs]:
            raise ValueError("other inputs than the contract's")
        if contract.profile == FREE and len(contract.stages) != 1:
            raise ValueError("one charge is one query")  # several could be differenced (T62)
        spread = {one.alias: one.spread for one in inputs}
        made = Made({})
        for stage in contract.stages:
            if stage.language != "sql":
                raise ValueError("a crew computes SQL alone")
            if contract.profile == FREE:
                self._free_text(stage, made, contract, inputs, spread, seed)
            elif texts.is_for_crew(stage.text):
                self._divided(stage, made, contract, spread)
            else:
                self._reviewed_sql(stage, made, contract)
        for output in contract.outputs:
            for recipient, data in _told(output, made, contract, {}):
                if len(data) > output.bytes_max:
                    raise ValueError("more bytes than the contract has")
                yield output.name, recipient, data

    def _free_text(
        self,
        stage: Stage,
        made: Made,
        contract: Contract,
        inputs: Sequence[Rows],
        spread: Mapping[str, Any],
        seed: bytes,
    ) -> None:
        """Within the owners' policies: what several texts may say is what they say as one."""
        if texts.is_for_crew(stage.text):
            several = texts.read(stage.text)
            texts.check(several, spread.keys(), self._parser)
            stage = replace(stage, text=several.composed)
        self._free(stage, made, contract, inputs, spread, seed)  # type: ignore[arg-type]

    def _divided(
        self, stage: Stage, made: Made, contract: Contract, spread: Mapping[str, Spread]
    ) -> None:
        """Exactly the texts that all owners approved, each where it belongs."""
        several = texts.read(stage.text)
        reads = texts.check(several, spread.keys(), self._parser)
        locals_, names = [], []
        for one in several.locals:
            by = ",".join(f'"{column}"' for column in one.by)
            for part in spread[reads[one.name]].parts:
                locals_.append((tasks.local_text, one.text, by, reads[one.name], part))
                names.append(one.name)
        final = (tasks.final_text, several.final, ",".join(names))
        buckets = self._wait(self._foreman.compute(locals_, final))
        made.streams[stage.name] = Stream.of(*buckets)
        whole = f'SELECT * FROM "{stage.name}" ORDER BY ALL'  # noqa: S608 (a name of the contract)
        self._reviewed_sql(replace(stage, text=whole), made, contract)
