"""The joint model at work: kept in the room, asked by each hospital about its own patients.

Owns how it is kept and asked. What it must say is findings.py's.
"""

import asyncio

from strongroom.node.demo.clean_rooms.agreements import Agreed, Job, OpenRoom
from strongroom.node.demo.health import findings, refusals, texts
from strongroom.node.demo.health.clinic import Clinic
from strongroom.node.demo.health.findings import Expected
from strongroom.node.demo.health.records import Hospital


async def predict(
    clinic: Clinic, room: OpenRoom, fitted: Job, plain: Expected
) -> dict[str, Agreed]:
    """Every hospital is told of its ward, alone; the contracts by hospital.

    Raises:
        StoryFails: a job fails.
        ProgramFailed: the ledger refuses a step.
    """
    await refusals.nobody_takes_the_model(clinic, fitted)
    first = clinic.scene.party(clinic.names[0])
    await first.call("rooms.keep", job=fitted.id, output="model", name=texts.MODEL)
    contracts = await asyncio.gather(
        *(_contract(clinic, room, one) for one in clinic.study.hospitals)
    )
    agreed = dict(zip(clinic.names, contracts, strict=True))
    jobs = await asyncio.gather(
        *(one.run(clinic.scene.party(name)) for name, one in agreed.items())
    )
    await clinic.scene.pool.retire()
    for hospital, job in zip(clinic.study.hospitals, jobs, strict=True):
        rows = (await clinic.party(hospital).open(job.id, "predictions")).rows
        told = [row["probability"] for row in rows]
        ward = clinic.ward(hospital)
        line = findings.prediction_line(clinic.study, plain, hospital.name, ward, told)
        clinic.scene.lines.check(line.holds, line.words)
    second = clinic.names[1]
    await clinic.scene.refused(
        "recipients",
        second,
        f"opens what {clinic.names[0]} was told of its ward",
        clinic.scene.party(second).open(jobs[0].id, "predictions"),
    )
    return agreed


async def _contract(clinic: Clinic, room: OpenRoom, hospital: Hospital) -> Agreed:
    """Proposed by the hospital, approved by all: the model is all of theirs."""
    id, made = await room.propose(
        texts.predict_contract(hospital.name, room.id.hex()), clinic.party(hospital)
    )
    votes = [clinic.scene.party(name) for name in clinic.names]
    await asyncio.gather(*(one.call("rooms.vote", contract=id, approve=True) for one in votes))
    state = (await clinic.party(hospital).ask("rooms.contract", contract=id))["state"]
    words = f"{hospital.name} may ask the model about its ward: all owners of the model consent"
    clinic.scene.lines.check(state == "approved", words)
    return Agreed(id, made, room.pool)
