"""What hospitals agree on, as they write it: terms of the room, of each one's records, and the
contract of the joint fit. The texts are what `strongroom rooms` and `strongroom data` read.

Owns the texts. Whether they hold is the ledger's and the workers' to say.
"""

from collections.abc import Mapping, Sequence

from strongroom.node.demo.health.records import HELD_OUT, PATIENT, TARGET, Hospital, Study

DATA = "records"
"""Each hospital's data set."""
PURPOSE, PROGRAM = "diagnosis", "ml.logistic"
REGION = "eu-west"
FIT_SECONDS = 4
"""That a worker has for the fit; it tells its result at their end, so that time tells nothing."""
FIT_DIGITS = 12
"""Of a result's reals: enough for six behind the point of an objective."""
TABLES = ("calibration", "fit", "metrics")
"""What every hospital is given of a fit. The model is given to nobody."""
ROWS_QUERY = "SELECT * FROM theirs"
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


def data_terms(study: Study, hospital: Hospital, programs: Sequence[str] = (PROGRAM,)) -> str:
    """What one hospital lets be done with its records: named programs, and no column to any
    query."""
    recipients = ", ".join(f'"{one.name}"' for one in study.hospitals)
    columns = [f'{PATIENT} = {{ type = "text", uses = ["identity"] }}']
    columns += [
        f'{one.name} = {{ type = "{one.type}", uses = [] }}'
        for one in study.measures
        if hospital.has(one)
    ]
    columns += [f'{name} = {{ type = "integer", uses = [] }}' for name in (TARGET, HELD_OUT)]
    written = "\n".join(columns)
    return f"""\
runs = 100                                    # jobs on one version
recipients = [{recipients}]
programs = [{", ".join(f'"{one}"' for one in programs)}]
purposes = ["{PURPOSE}"]

[tables.{DATA}]
unit = "{PATIENT}"
k = 10

[tables.{DATA}.columns]
{written}
"""


def fit_contract(study: Study) -> str:
    """One logistic regression over all records: tables to every hospital, the model to nobody."""
    names = [one.name for one in study.hospitals]
    inputs = "\n".join(f'[inputs.{name}]\nowner = "{name}"\ndata = "{DATA}"\n' for name in names)
    recipients = ", ".join(f'"{name}"' for name in names)
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
name = "heart-model"
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
recipients = []

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
