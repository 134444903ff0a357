"""What hospitals agree on, as they write it: terms of the room, of each one's records, and the
contract of the joint fit. The texts are what `strongroom rooms` and `strongroom data` read.

Owns the texts. Whether they hold is the ledger's and the workers' to say.
"""

from collections.abc import Mapping, Sequence

from strongroom.node.demo.clean_rooms.pool import REGION
from strongroom.node.demo.health.records import HELD_OUT, PATIENT, TARGET, Hospital, Study

DATA, WARD, NAME = "records", "ward", "name"
"""Each hospital's data sets: what is learned from; patients of whom nobody knows yet; its name."""
MODEL = "diagnosis"
"""The joint model, kept in the room."""
PURPOSE, PROGRAM = "diagnosis", "ml.logistic"
PREDICT, SERVE = "ml.predict", "ml.serve"
FIT_SECONDS, PREDICT_SECONDS = 5, 5
"""That a worker has; it tells its result at their end, so that time tells nothing."""
SERVE_MINUTES, ANSWERS_MOST = 10, 100
FIT_DIGITS = 12
"""Of a result's reals: enough for six behind the point of an objective."""
TABLES = ("calibration", "fit", "metrics")
"""What every hospital is given of a fit. The model is given to nobody."""
ROWS_FILE, ROWS_QUERY = "rows.sql", "SELECT * FROM theirs"
"""What nobody has agreed to: another's records as they are."""
_LISTED, _WORD = 4_000, 64
"""Characters of parameters."""


def room_terms(names: Sequence[str]) -> str:
    """Hospitals found a room in which each brings records and all must consent."""
    parties = "\n".join(f'{name} = ["owner", "analyst", "recipient"]' for name in names)
    return f"""\
name = "heart"
purpose = "one diagnosis model over four hospitals, and nobody sees another's records"
regions = ["{REGION}"]
executors = 2
agreement = 2

[parties]
{parties}
"""


def data_terms(study: Study, hospital: Hospital) -> str:
    """What one hospital lets be done with its records: the fit, predictions by what was fitted, and
    no column for any query."""
    names = [one.name for one in study.hospitals]
    return _terms(
        DATA, _columns(study, hospital, (TARGET, HELD_OUT)), names, (PROGRAM, PREDICT, SERVE)
    )


def ward_terms(study: Study, hospital: Hospital) -> str:
    """… with its patients of today: predictions alone."""
    names = [one.name for one in study.hospitals]
    return _terms(WARD, _columns(study, hospital), names, (PREDICT,))


def name_terms(study: Study) -> str:
    """… with its name, by which rows of predictions are told apart."""
    names = [one.name for one in study.hospitals]
    return _terms(NAME, ['owner = { type = "text", uses = ["identity"] }'], names, (PREDICT,))


def fit_contract(study: Study, model_for: str = "") -> str:
    """One logistic regression over all records: tables to every hospital, the model to nobody, or
    to the one that would have it."""
    names = [one.name for one in study.hospitals]
    inputs = "\n".join(f'[inputs.{name}]\nowner = "{name}"\ndata = "{DATA}"\n' for name in names)
    recipients = _listed(names)
    outputs = "\n".join(
        f'[outputs.{name}]\nkind = "table"\nrecipients = [{recipients}]\n' for name in TABLES
    )
    parameters = "\n".join(
        f'[parameters.{name}]\ntype = "str"\nleast = 1\nmost = {most}\n'
        for name, most in (
            ("columns", _LISTED),
            ("held_out", _WORD),
            ("missing", _WORD),
            ("target", _WORD),
        )
    )
    return f"""\
name = "heart-model{"-for-" if model_for else ""}{model_for}"
purpose = "{PURPOSE}"
runs = 5
duration = "{FIT_SECONDS}s"
memory_mb = 512
digits = {FIT_DIGITS}

[[stages]]
language = "library"
name = "{PROGRAM}"

{inputs}
[outputs.model]                               # kept for predictions; nobody is given it
kind = "model"
recipients = [{_listed([model_for] if model_for else [])}]

{outputs}
{parameters}"""


def fit_parameters(study: Study) -> Mapping[str, str]:
    """Of a run: what is learned from, within which bounds."""
    return {
        "columns": ";".join(one.text for one in study.measures),
        "held_out": HELD_OUT,
        "missing": study.missing,
        "target": study.target,
    }


def predict_contract(names: Sequence[str], room: str) -> str:
    """What the joint model tells of some wards, each row for the hospital whose it is.

    Args:
        names: of the hospitals that ask.
        room: id of the clean room, which owns the model, in hex.
    """
    inputs = "\n".join(
        f'[inputs.{name}]\nowner = "{name}"\ndata = "{WARD}"\n\n'
        f'[inputs.{NAME}_{name}]\nowner = "{name}"\ndata = "{NAME}"\n'
        for name in names
    )
    return f"""\
name = "predict-{"-".join(names)}"
purpose = "{PURPOSE}"
runs = 10
duration = "{PREDICT_SECONDS}s"
memory_mb = 512
digits = {FIT_DIGITS}

[[stages]]
language = "library"
name = "{PREDICT}"

[inputs.model]
owner = "id:{room}"
data = "{MODEL}"

{inputs}
[outputs.predictions]                         # a row goes to the hospital that it names
recipients = [{_listed(names)}]
filter = "{NAME}_{names[0]}"
"""


def serve_contract(names: Sequence[str], room: str) -> str:
    """The joint model stays open at the workers, and answers every hospital row by row."""
    return f"""\
name = "ask"
purpose = "{PURPOSE}"
runs = 10
duration = "{SERVE_MINUTES}m"
memory_mb = 512

[[stages]]
language = "library"
name = "{SERVE}"

[inputs.model]
owner = "id:{room}"
data = "{MODEL}"

[outputs.answers]
kind = "bytes"
recipients = [{_listed(names)}]

[parameters.answers]                          # of each hospital, of one job
least = 1
most = {ANSWERS_MOST}
"""


def rows_contract(owner: str, curious: str) -> str:
    """What nobody agreed to: SQL over another's records."""
    return f"""\
name = "rows"
purpose = "{PURPOSE}"

[[stages]]
language = "sql"
name = "rows"
file = "{ROWS_FILE}"

[inputs.theirs]
owner = "{owner}"
data = "{DATA}"

[outputs.rows]
recipients = ["{curious}"]
"""


def _columns(study: Study, hospital: Hospital, more: Sequence[str] = ()) -> list[str]:
    columns = [f'{PATIENT} = {{ type = "text", uses = ["identity"] }}']
    columns += [
        f'{one.name} = {{ type = "{one.type}", uses = [] }}'
        for one in study.measures
        if hospital.has(one)
    ]
    return columns + [f'{name} = {{ type = "integer", uses = [] }}' for name in more]


def _terms(
    table: str, columns: Sequence[str], recipients: Sequence[str], programs: Sequence[str]
) -> str:
    written = "\n".join(columns)
    return f"""\
runs = 100                                    # jobs on one version
recipients = [{_listed(recipients)}]
programs = [{_listed(programs)}]
purposes = ["{PURPOSE}"]

[tables.{table}]
unit = "{PATIENT if table != NAME else "owner"}"
k = 10

[tables.{table}.columns]
{written}
"""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{one}"' for one in names)
