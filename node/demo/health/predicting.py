"""The joint model at work: kept in the room, asked by each hospital about its own patients, all at
once and one by one.

Owns how it is kept and asked. What it must say is findings.py's.
"""

import asyncio
import csv
import time
from collections.abc import Mapping, Sequence

from strongroom.node.clean_rooms.predicting import Asker, asking, row_of
from strongroom.node.demo.clean_rooms.agreements import Agreed, Job, OpenRoom
from strongroom.node.demo.clean_rooms.parties import Party
from strongroom.node.demo.health import findings, refusals, texts
from strongroom.node.demo.health.clinic import Clinic
from strongroom.node.demo.health.findings import Expected
from strongroom.node.demo.health.records import Hospital
from strongroom.node.demo.health.refusals import Serving
from strongroom.node.terminal.teller import StoryFails

TOGETHER = 2
"""Hospitals whose wards one job reads."""
ANSWERS_EACH = 2
AGREEMENT = 2
"""Operators whose answers must be the same."""
SERVINGS_MAX, SERVING_SECONDS_MAX = 3, 40.0
POLL_SECONDS = 0.1


async def predict(clinic: Clinic, room: OpenRoom, fitted: Job, plain: Expected) -> Serving:
    """Every hospital is told of its own patients, alone.

    Raises:
        StoryFails: a job fails.
        ProgramFailed: the ledger refuses a step.
    """
    first = clinic.scene.party(clinic.names[0])
    await refusals.nobody_takes_the_model(clinic, fitted)
    await first.call("rooms.keep", job=fitted.id, output="model", name=texts.MODEL)
    hospitals = clinic.study.hospitals
    pairs = [hospitals[at : at + TOGETHER] for at in range(0, len(hospitals), TOGETHER)]
    texts_of = [
        *(texts.predict_contract([one.name for one in pair], room.id.hex()) for pair in pairs),
        texts.serve_contract(clinic.names, room.id.hex()),
    ]
    *batches, ask = await asyncio.gather(*(_approved(clinic, room, one) for one in texts_of))
    clinic.scene.lines.check(
        True, "the model is kept in the room, all of theirs: all four consent to each use of it"
    )
    told = await asyncio.gather(
        *(_wards(clinic, batch, pair, plain) for batch, pair in zip(batches, pairs, strict=True))
    )
    job = await _serving(ask, clinic.party(hospitals[0]))
    await _one_by_one(clinic, job, plain)
    return Serving(batches[0], job, {name: one for some in told for name, one in some.items()})


async def _wards(
    clinic: Clinic, batch: Agreed, asking: Sequence[Hospital], plain: Expected
) -> dict[str, list[float | None]]:
    """One job over these hospitals' wards: what each was told."""
    found = {}
    job = await batch.run(clinic.party(asking[0]))
    for hospital in asking:
        rows = (await clinic.party(hospital).open(job.id, "predictions")).rows
        told = [row["probability"] for row in rows]
        ward = clinic.ward(hospital)
        line = findings.prediction_line(clinic.study, plain, hospital.name, ward, told)
        own = {row["owner"] for row in rows} == {hospital.name}
        clinic.scene.lines.check(line.holds and own, f"{line.words}, and of no other hospital's")
        found[hospital.name] = told
    return found


async def _one_by_one(clinic: Clinic, job: Job, plain: Expected) -> None:
    """One patient of each hospital; what the model does not know, and more than was agreed."""
    for hospital in clinic.study.hospitals:
        async with asking(clinic.party(hospital).client) as asker:
            await _one(clinic, hospital, asker, job, plain)
            if hospital is clinic.last:
                await _too_much(clinic, hospital, asker, job)


async def _one(clinic: Clinic, hospital: Hospital, asker: Asker, job: Job, plain: Expected) -> None:
    began = time.monotonic()
    answer = await asker.predict(job.id, row_of(_cells(clinic, hospital)))
    seconds = time.monotonic() - began
    line = findings.prediction_line(
        clinic.study, plain, hospital.name, clinic.ward(hospital)[:1], [answer.probability]
    )
    words = f"{hospital.name} asks about one patient: {answer.probability:.3f}, the plain model's"
    clinic.scene.lines.check(line.holds, f"{words}; {seconds * 1000:.0f} ms, both operators agree")
    clinic.scene.lines.facts.setdefault("answers_ms", []).append(round(seconds * 1000, 1))


async def _too_much(clinic: Clinic, hospital: Hospital, asker: Asker, job: Job) -> None:
    scene, measure = clinic.scene, clinic.measure
    wrong = {**_cells(clinic, hospital), measure.name: "98765"}
    await scene.refused(
        "NotAnswered",
        hospital.name,
        f"asks about a patient whose {measure.name} is out of {measure.text}",
        asker.predict(job.id, row_of(wrong)),
    )
    each = (await job.by.ask("rooms.serving", job=job.id))["each"]
    for _ in range(each - ANSWERS_EACH):
        await asker.predict(job.id, row_of(_cells(clinic, hospital)))
    await scene.refused(
        "budget",
        hospital.name,
        f"asks once more than the {each} answers that were agreed",
        asker.predict(job.id, row_of(_cells(clinic, hospital))),
    )


def _cells(clinic: Clinic, hospital: Hospital) -> Mapping[str, str]:
    """The first patient of a ward, as its file has it."""
    with clinic.file(hospital, texts.WARD).open(newline="", encoding="utf-8") as file:
        cells = next(csv.DictReader(file))
    wanted = [one.name for one in clinic.study.measures if hospital.has(one)]
    return {name: cells[name] for name in wanted}


async def _approved(clinic: Clinic, room: OpenRoom, text: str) -> Agreed:
    """Proposed by one, approved by all: the model is all of theirs."""
    first = clinic.scene.party(clinic.names[0])
    id, made = await room.propose(text, first)
    votes = [clinic.scene.party(name) for name in clinic.names]
    await asyncio.gather(*(one.call("rooms.vote", contract=id, approve=True) for one in votes))
    state = (await first.ask("rooms.contract", contract=id))["state"]
    if state != "approved":
        raise StoryFails(f"the contract {made.name!r} is {state}")
    return Agreed(id, made, room.pool)


async def _serving(ask: Agreed, by: Party) -> Job:
    """A job at which as many operators answer as must agree; where one stays away, another job is
    run.

    Raises:
        StoryFails: none comes so far.
    """
    for more in range(SERVINGS_MAX):
        job = await ask.start(by, answers=ANSWERS_EACH + more)
        deadline = time.monotonic() + SERVING_SECONDS_MAX
        while time.monotonic() < deadline:
            if len((await by.ask("rooms.serving", job=job.id))["answering"]) >= AGREEMENT:
                return job
            await asyncio.sleep(POLL_SECONDS)
    raise StoryFails("the model is not served in time")
