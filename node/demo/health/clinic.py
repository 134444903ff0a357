"""What each hospital brings: files on its own desk, under terms of its own, by `strongroom data
put`.

Owns the files: what is right, what breaks the hospital's own terms, and what is poisoned. What
becomes of them, the story says.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus.errors import ClientFault
from strongroom.node.demo.clean_rooms.lines import Refusal
from strongroom.node.demo.clean_rooms.parties import Party, write_rows
from strongroom.node.demo.clean_rooms.scene import Scene
from strongroom.node.demo.health import texts
from strongroom.node.demo.health.plain_fit import Gappy, Shard, read_shard, read_ward
from strongroom.node.demo.health.records import Hospital, Measure, Study

POISON, POISONED_ROW, BROKEN_ROW = 98_765.0, 7, 11
BROKEN = "98765 mmHg"
"""A cell that is no number: its hospital's own terms refuse it."""


@dataclass(frozen=True, slots=True)
class Clinic:
    """All hospitals at work."""

    scene: Scene
    study: Study
    marks: Mapping[str, str]
    """By hospital: what stands in the names of its patients, and nowhere else."""

    @classmethod
    def of(cls, scene: Scene, study: Study) -> "Clinic":
        """With fresh marks."""
        marks = {one.name: secrets.token_hex(8) for one in study.hospitals}
        return cls(scene, study, marks)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the hospitals."""
        return tuple(one.name for one in self.study.hospitals)

    @property
    def last(self) -> Hospital:
        """Whose first file is wrong, and whose second is poisoned."""
        return self.study.hospitals[-1]

    @property
    def measure(self) -> Measure:
        """In which column: a number that the hospital measures."""
        numbers = [one for one in self.study.measures if not one.levels and self.last.has(one)]
        return numbers[-1]

    def party(self, hospital: Hospital) -> Party:
        """Its desk."""
        return self.scene.party(hospital.name)

    async def bring(self) -> None:
        """Everybody's records and ward; the last hospital's records hold a value out of bounds."""
        await asyncio.gather(*map(self._bring, self.study.hospitals))
        counts = ", ".join(f"{one.name} {one.rows:,}" for one in self.study.hospitals)
        self.scene.lines.check(
            True, f"sealed, stored at the nodes and named on the ledger: records of {counts}"
        )
        for one in self.study.hospitals:
            lacking = [measure.name for measure in self.study.measures if not one.has(measure)]
            gaps = sum(value is None for values in one.records.values() for value in values)
            words = [f"{gaps:,} values were never measured"] if gaps else []
            words += [f"{', '.join(lacking)} it does not have"] if lacking else []
            words += [f"{', '.join(one.left_out)} stays with it"] if one.left_out else []
            self.scene.teller.line(f"       {one.name}: {'; '.join(words) or 'nothing is missing'}")

    async def bring_broken(self) -> None:
        """A file that breaks its own terms is refused by its place, and nothing of it leaves."""
        hospital, lines = self.last, self.scene.lines
        party = self.party(hospital)
        file = party.desk / "broken.csv"
        broken = hospital.changed(self.measure.name, BROKEN_ROW, BROKEN)
        broken.write(file, self.marks[hospital.name])
        words, code = "", ""
        try:
            await party.bring(file, texts.data_terms(self.study, hospital), texts.DATA)
        except ClientFault as fault:
            words, code = str(fault), type(fault).__name__
        tried = f"brings a file with `{BROKEN}` where its terms say a real number"
        lines.keep_refusal(Refusal(hospital.name, tried, "RowsRefused", code))
        place = f"line {BROKEN_ROW + 2}, column {self.measure.name}"
        lines.check(
            place in words and BROKEN not in words,
            f"it is told the place, {place}, and no word of the value",
        )
        await self.scene.refused(
            "no-data",
            hospital.name,
            "looks for that data set on the ledger",
            party.ask("rooms.data_set", data=(b"", texts.DATA)),
        )

    async def mend(self) -> None:
        """The last hospital brings its records without the value, as their next version."""
        brought = await self._bring_records(self.last, self.last)
        self.scene.lines.check(
            brought == 2, f"{self.last.name} takes the value out: version {brought} of its records"
        )

    def shards(self) -> dict[str, Shard]:
        """The files as they are right, read for the plain fit."""
        return {
            one.name: read_shard(self.file(one, texts.DATA), self.study)
            for one in self.study.hospitals
        }

    def ward(self, hospital: Hospital) -> list[Gappy]:
        """Its ward's file."""
        return read_ward(self.file(hospital, texts.WARD), self.study)

    async def _bring(self, hospital: Hospital) -> None:
        brought = hospital
        if hospital is self.last:
            brought = hospital.changed(self.measure.name, POISONED_ROW, POISON)
        await self._bring_records(hospital, brought)
        file = self.file(hospital, texts.WARD)
        hospital.write_ward(file, self.marks[hospital.name])
        party = self.party(hospital)
        await party.bring(file, texts.ward_terms(self.study, hospital), texts.WARD)
        name = write_rows(party.desk / "name.csv", ("owner",), ((hospital.name,),))
        await party.bring(name, texts.name_terms(self.study), texts.NAME)

    async def _bring_records(self, hospital: Hospital, brought: Hospital) -> int:
        file = self.file(hospital, texts.DATA)
        brought.write(file, self.marks[hospital.name])
        terms = texts.data_terms(self.study, hospital)
        return (await self.party(hospital).bring(file, terms, texts.DATA)).version

    def file(self, hospital: Hospital, name: str) -> Path:
        """A data set's, on the hospital's desk."""
        return self.party(hospital).desk / f"{name}.csv"
