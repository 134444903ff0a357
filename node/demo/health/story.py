"""Hospitals fit one diagnosis model together; each uses it, none can take it, nobody sees another's
records.

Owns the order of the story and what must hold at each step. Every verdict is read from a running
cluster, real workers and real captures.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from strongroom.node.cluster.temporary_cluster import Stage
from strongroom.node.demo.clean_rooms.agreements import Agreed, Job
from strongroom.node.demo.clean_rooms.scene import Cast, Scene, play
from strongroom.node.demo.health import findings, places, predicting, refusals, texts
from strongroom.node.demo.health.clinic import POISON, Clinic
from strongroom.node.demo.health.findings import Expected, Line, Row
from strongroom.node.demo.health.invented import invented_study
from strongroom.node.demo.health.pictures import calibration_picture, gain_picture
from strongroom.node.demo.health.plain_fit import fit, judge
from strongroom.node.demo.health.public import public_study
from strongroom.node.demo.health.records import Study
from strongroom.node.terminal.teller import Teller

OPERATORS = ("north", "south")
WORKERS_EACH = 2
"""Of each operator: while one worker starts anew after a job, the other has the next."""
COPIED_WITHIN = 0.01
INTRO = (
    "Each hospital has few patients, and no two measure the same. Here they bring their records "
    "sealed, agree on one program, and attested workers of two operators fit one model over all "
    "of them. Each hospital is told what the model says of its own patients; the model is given "
    "to nobody, and no record leaves its hospital readable."
)


async def tell(
    stage: Stage, teller: Teller, report: Path | None, data: Path | None
) -> dict[str, Any]:
    """Play it over invented hospitals, or over the public set in a folder.

    Raises:
        StoryFails: a line does not hold.
        StrongroomError: a step failed.
    """
    study = public_study(data) if data is not None else invented_study()
    cast = Cast(
        title="Four hospitals fit one diagnosis, and nobody sees another's records",
        intro=INTRO,
        parties=tuple(one.name for one in study.hospitals),
        workers=OPERATORS * WORKERS_EACH,
    )
    return await play(cast, stage, teller, report, partial(_act, study=study))


async def _act(scene: Scene, *, study: Study) -> None:
    clinic, teller = Clinic.of(scene, study), scene.teller
    teller.step(f"Four hospitals make a room and bring their records: {study.title}")
    room = await scene.room(texts.room_terms(clinic.names), clinic.names)
    await clinic.bring_broken()
    await clinic.bring()
    teller.step("They agree on one fit; what is not agreed is refused")
    agreed = await room.contract(texts.fit_contract(study), scene.party(clinic.names[0]))
    scene.lines.check(True, "all four consent to the fit by its digest; its model is for nobody")
    await refusals.before_the_run(clinic, room)
    teller.step("One record out of bounds is in: the job fails, and says nothing else")
    await _poisoned(clinic, agreed)
    places.look_for(clinic)
    teller.step("Without it, workers of two operators fit the model")
    job = await _fit(clinic, agreed)
    teller.step("What they reported, against a plain fit on pooled rows")
    plain = await asyncio.to_thread(lambda: findings.expected(study, clinic.shards()))
    await _compare(clinic, job, plain)
    teller.step("Each hospital asks the model about its own patients; nobody can take it")
    serving, _ = await asyncio.gather(
        predicting.predict(clinic, room, job, plain),
        scene.captures.nodes_and_hosts(scene.pool.workers, "its operator"),
    )
    await scene.pool.retire()
    teller.step("What none of this prevents")
    await asyncio.to_thread(_show_limits, clinic, plain, serving.told)
    teller.step(f"{clinic.names[0]} withdraws its consent")
    await refusals.after_a_withdrawal(clinic, agreed, job, serving)
    teller.step("Who saw what, from disks, memory and the line")
    places.show(clinic, scene.pool.workers[: len(OPERATORS)])
    scene.lines.facts["figures"] |= {
        "an answer about one patient": f"{median(scene.lines.facts['answers_ms']):.0f} ms",
        "operators that reported the same": len(OPERATORS),
        "attempts refused": len(scene.lines.refusals),
    }


async def _poisoned(clinic: Clinic, agreed: Agreed) -> None:
    """The job on the poisoned version."""
    lines, last = clinic.scene.lines, clinic.last
    caller = clinic.scene.party(clinic.names[0])
    await clinic.scene.pool.ready()
    lines.check(True, f"workers of {' and '.join(OPERATORS)} wait, each an attested process")
    shown = await (await agreed.start(caller, **texts.fit_parameters(clinic.study))).settled()
    lines.check(
        (shown["state"], shown["why"]) == ("failed", "failed"),
        f"{last.name}'s {clinic.measure.name} of {POISON:,.0f} is out of {clinic.measure.text}: "
        f"both workers refuse the whole table, the job is {shown['state']}",
    )
    reports = [one["report"] for one in shown["executors"] if one["report"]]
    lines.check(
        len(reports) == len(OPERATORS) and len(set(reports)) == 1 and not shown["outputs"],
        "all that they report is that it failed: no value, no place, no hospital",
    )
    used = (await caller.ask("rooms.contract", contract=agreed.id))["runs"]
    left = (await clinic.party(last).ask("rooms.data_set", data=(b"", texts.DATA)))["versions"]
    lines.check(
        used == 1 and left[-1]["runs"] == 1,
        "it was charged before it ran, and nothing is given back: 1 run of each data set",
    )
    await clinic.mend()


async def _fit(clinic: Clinic, agreed: Agreed) -> Job:
    """The job that learns, searched while it runs."""
    scene = clinic.scene
    caller = scene.party(clinic.names[0])
    running = asyncio.ensure_future(agreed.run(caller, **texts.fit_parameters(clinic.study)))
    try:
        while not running.done() and not scene.captures.seen_at_work:
            await scene.captures.worker_at_work(scene.pool)
            await asyncio.sleep(0.1)
        job = await running
    finally:
        running.cancel()
    shown = await job.settled()
    reports = [one["report"] for one in shown["executors"] if one["report"]]
    operators = [one["operator"] for one in shown["executors"] if one["report"]]
    scene.lines.check(
        len(set(reports)) == 1 and len(reports) == len(OPERATORS),
        f"{' and '.join(operators)} reported the same digest",
    )
    return job


async def _compare(clinic: Clinic, job: Job, plain: Expected) -> None:
    """Tables that every hospital opens, line by line."""
    lines, study = clinic.scene.lines, clinic.study
    told: dict[str, list[Row]] = {}
    for name in texts.TABLES:
        results = [await clinic.party(one).open(job.id, name) for one in study.hospitals]
        same = all(one.data == results[0].data for one in results)
        lines.check(same, f"all four open `{name}`, and read the same")
        told[name] = list(results[0].rows)
        if name == "metrics":
            await clinic.party(study.hospitals[0]).prove(results[0], "the metrics per hospital")
    _check(
        clinic,
        [
            *findings.fit_lines(study, plain, told["fit"]),
            *findings.metrics_lines(plain, told["metrics"]),
            *findings.calibration_lines(plain, told["calibration"]),
        ],
    )
    _keep(clinic, told)


def _keep(clinic: Clinic, told: dict[str, list[Row]]) -> None:
    """Table and pictures of the report."""
    lines, metrics = clinic.scene.lines, told["metrics"]
    (whole,) = told["fit"]
    columns = ["hospital", "learned", "tested", "right", "AUC", "log loss"]
    columns += ["right alone", "AUC alone", "pooling"]
    rows = [
        [
            row["owner"],
            *(str(row[name]) for name in ("learned", "tested", "right")),
            *map(_shown, (row["auc"], row["log_loss"])),
            "–" if row["alone_right"] is None else str(row["alone_right"]),
            _shown(row["alone_auc"]),
            findings.pooling_words(row),
        ]
        for row in metrics
    ]
    caption = "On records that no model learned from. Alone: a model of the hospital's own records."
    lines.grid("What pooling gains, and where it gains nothing", columns, rows, caption)
    lines.facts["health"] = {"fit": dict(whole), "metrics": [dict(row) for row in metrics]}
    lines.facts["figures"] = {
        "records learned from": whole["learned"],
        "objective, as the plain fit": f"{whole['objective']:.6f}",
        "told right": f"{whole['right']} of {whole['tested']}",
        "AUC": f"{whole['auc']:.6f}",
    }
    lines.picture(
        "Is a told probability what is found?",
        "By hospital: what the joint model told across, what share was ill up. The dashed line is "
        "where they are equal; a point's area is its number of records.",
        calibration_picture(findings.bins_of(told["calibration"], clinic.names)),
    )
    lines.picture(
        "What each hospital gains",
        "Chance that an ill patient of the hospital scores above a healthy one.",
        gain_picture(findings.gains(metrics)),
    )


def _show_limits(
    clinic: Clinic, plain: Expected, told: Mapping[str, Sequence[float | None]]
) -> None:
    """Labels turned around at one hospital: within bounds; what it would do, from plain fits. And a
    copy of the model, made of what one hospital was told."""
    first = clinic.study.hospitals[0]
    shards = {**plain.shards, first.name: findings.turned(plain.shards[first.name])}
    harmed = fit(shards.values(), clinic.study.ridge)
    assert harmed is not None
    apart = findings.copied(plain, clinic.ward(first), told[first.name])
    others = [name for name in clinic.names if name != first.name]
    worse = [name for name in others if _auc(harmed, plain, name) < (plain.at[name].auc or 0.0)]
    _check(
        clinic,
        [
            Line(
                harmed.objective > plain.joint.objective,
                f"if {first.name} called its ill healthy and its healthy ill, every value would be "
                f"within bounds; the objective would be {harmed.objective:.3f}, not "
                f"{plain.joint.objective:.3f} (plain fits, outside of the room)",
            ),
            Line(
                bool(worse),
                f"the joint model would be worse at {', '.join(worse)}: metrics per hospital tell "
                "of harm, not of who did it. Bounds refuse what cannot be true, not what is false",
            ),
            Line(
                apart < COPIED_WITHIN,
                f"from the {len(told[first.name])} probabilities of its ward {first.name} can "
                f"compute a copy of the model, within {apart:.6f} of any probability: what answers "
                "teach only their number bounds (runs, rows, answers each), and a consent to many "
                "is a consent to this",
            ),
        ],
    )


def _auc(model: Any, plain: Expected, name: str) -> float:
    return judge(model, plain.shards[name]).auc or 0.0


def _check(clinic: Clinic, lines: list[Line]) -> None:
    for line in lines:
        clinic.scene.lines.check(line.holds, line.words)


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
