"""What is refused in the hospitals' scenario, and with which code.

Owns who tries what. The order of the story is story.py's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from strongroom.node.clean_rooms.predicting import row_of
from strongroom.node.demo.clean_rooms.agreements import Agreed, Job, OpenRoom
from strongroom.node.demo.health import texts
from strongroom.node.demo.health.clinic import Clinic


@dataclass(frozen=True, slots=True)
class Serving:
    """The model where it is asked."""

    batch: Agreed
    """About whole wards."""
    job: Job
    """That answers row by row."""
    told: Mapping[str, Sequence[float | None]]
    """By hospital, of its ward."""


async def before_the_run(clinic: Clinic, room: OpenRoom) -> None:
    """Another's records, and a fit whose model somebody would be given."""
    scene, (first, second, *_) = clinic.scene, clinic.names
    curious, other = scene.party(second), scene.party(first)
    await scene.refused(
        "no-data",
        second,
        f"reads {first}'s data set on the ledger",
        curious.ask("rooms.data_set", data=(other.id, texts.DATA)),
    )
    text = texts.rows_contract(first, second)
    await scene.refused(
        "terms",
        second,
        f"proposes SQL over {first}'s records: its terms name programs, and no text",
        room.propose(text, curious, {texts.ROWS_FILE: texts.ROWS_QUERY}),
    )
    id, made = await room.propose(texts.fit_contract(clinic.study, model_for=second), curious)
    await scene.refused(
        "not-approved",
        second,
        "runs a fit that gives the model to it, which nobody else approved",
        Agreed(id, made, room.pool).ask(curious, **texts.fit_parameters(clinic.study)),
    )


async def nobody_takes_the_model(clinic: Clinic, job: Job) -> None:
    """Each hospital tries to open it."""
    for name in clinic.names:
        await clinic.scene.refused(
            "recipients", name, "opens the model", clinic.scene.party(name).open(job.id, "model")
        )


async def after_a_withdrawal(clinic: Clinic, agreed: Agreed, job: Job, serving: Serving) -> None:
    """No further fit, no opening, no prediction: at once, for everybody."""
    scene, (first, second, *_) = clinic.scene, clinic.names
    await scene.party(first).withdraw(texts.DATA)
    other = scene.party(second)
    await scene.refused(
        "withdrawn",
        second,
        "runs the fit again",
        agreed.ask(other, **texts.fit_parameters(clinic.study)),
    )
    await scene.refused(
        "withdrawn", second, "opens the metrics again", other.open(job.id, "metrics")
    )
    await scene.refused(
        "withdrawn",
        second,
        "asks the model about its ward again",
        serving.batch.ask(other),
    )
    await scene.refused(
        "withdrawn",
        second,
        "asks the model about one patient again",
        other.call("rooms.predict", job=serving.job.id, row=row_of({"age": "50"})),
    )
