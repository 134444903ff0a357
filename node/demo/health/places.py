"""Who sees what: the hospitals' secrets, looked for in everything that is not a worker.

Owns which texts give a secret away, and where each may stand. How is searched is the frame's.
"""

from strongroom.node.demo.clean_rooms.pool import Worker
from strongroom.node.demo.health import texts
from strongroom.node.demo.health.clinic import Clinic
from strongroom.node.demo.health.records import Study

THE_MODEL = "model"
_PIECE = 64
"""Bytes of the model's text that are looked for."""


def look_for(clinic: Clinic) -> None:
    """Names of patients and keys of records, by hospital; and the model's own
    text, which nobody who takes part has: it is made here of all records."""
    captures = clinic.scene.captures
    for name, mark in clinic.marks.items():
        captures.look_for(name, mark)
        captures.look_for_keys(name, clinic.scene.party(name).secrets(texts.DATA))
    text = model_text(clinic.study)
    begin = text.index(b'"weights":[')
    captures.look_for(THE_MODEL, text[begin : begin + _PIECE])


def model_text(study: Study) -> bytes:
    """The very bytes that the room's fit of these records writes."""
    from strongroom.enclave.formats.clean_rooms.contract import LIST_SEPARATOR
    from strongroom.enclave.room.library import ml_logistic
    from strongroom.enclave.room.library.checking import start
    from strongroom.enclave.room.library.shapes import SEED_SIZE, Model, Table

    tables = {one.name: Table.of(one.records) for one in study.hospitals}
    given: dict[str, object] = dict(texts.fit_parameters(study))
    given["columns"] = str(given["columns"]).split(LIST_SEPARATOR)
    model = start(ml_logistic.PROGRAM, tables, given, bytes(SEED_SIZE))["model"]
    assert isinstance(model, Model)
    return model.data


def show(clinic: Clinic, workers: list[Worker]) -> None:
    """Search what lies on disks and what passed; say of each place who sees what."""
    captures, pin = clinic.scene.captures, str(clinic.scene.cluster.service().pin)
    captures.disks_and_lines()
    for worker in workers:
        name = f"disk of {worker.name}"
        captures.files(name, "its operator", worker.folder, control=pin)
    for name in clinic.names:
        folder = clinic.scene.party(name).desk
        captures.files(f"{name}'s desk", name, folder, must={name})
    captures.show()
