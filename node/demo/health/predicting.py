"""The joint model at work: kept in the room, asked by each hospital about its own patients.

Owns how it is kept and asked. What it must say is findings.py's.
"""

import asyncio

from strongroom.node.demo.clean_rooms.agreements import Agreed, Job, OpenRoom
from strongroom.node.demo.health import findings, refusals, texts
from strongroom.node.demo.health.clinic import Clinic
from strongroom.node.demo.health.findings import Expected


async def predict(clinic: Clinic, room: OpenRoom, fitted: Job, plain: Expected) -> Agreed:
    """Every hospital is told of its ward, alone; the contract.

    Raises:
        StoryFails: a job fails.
        ProgramFailed: the ledger refuses a step.
    """
    lines, first = clinic.scene.lines, clinic.scene.party(clinic.names[0])
    await refusals.nobody_takes_the_model(clinic, fitted)
    await first.call("rooms.keep", job=fitted.id, output="model", name=texts.MODEL)
    agreed = await _contract(clinic, room)
    job = await agreed.run(first)
    for hospital in clinic.study.hospitals:
        rows = (await clinic.party(hospital).open(job.id, "predictions")).rows
        told = [row["probability"] for row in rows]
        ward = clinic.ward(hospital)
        line = findings.prediction_line(clinic.study, plain, hospital.name, ward, told)
        own = {row["owner"] for row in rows} == {hospital.name}
        lines.check(line.holds and own, f"{line.words}, and of no other hospital's")
    return agreed


async def _contract(clinic: Clinic, room: OpenRoom) -> Agreed:
    """Proposed by one, approved by all: the model is all of theirs."""
    first = clinic.scene.party(clinic.names[0])
    id, made = await room.propose(texts.predict_contract(clinic.names, room.id.hex()), first)
    votes = [clinic.scene.party(name) for name in clinic.names]
    await asyncio.gather(*(one.call("rooms.vote", contract=id, approve=True) for one in votes))
    state = (await first.ask("rooms.contract", contract=id))["state"]
    words = "the model is kept in the room, all of theirs: all four consent to predictions by it"
    clinic.scene.lines.check(state == "approved", words)
    return Agreed(id, made, room.pool)
