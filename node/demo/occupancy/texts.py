"""What people write in the occupancy scenario: terms of the room and of data, contracts.

Owns the texts, as files of TOML that commands would take (docs/clean-rooms.md).
"""

from collections.abc import Sequence

MICROS = 10**6
READINGS, LOBBY = "readings", "lobby"
PROGRAM = "occupancy.hourly"
PLANNER, FACILITY = "planner", "facility"
HOURS = 1
"""g: hours that noise hides of one person: a visit."""


def room_terms(owners: Sequence[str]) -> str:
    """Owners of sensors, one who plans, one who is given counts."""
    parties = [f'{owner} = ["owner"]' for owner in owners]
    parties += [f'{PLANNER} = ["analyst"]', f'{FACILITY} = ["auditor", "recipient"]']
    rows = "\n".join(parties)
    return f"""name = "building"
purpose = "when which zones of the building are used, and nobody's movements"
regions = ["zurich"]
executors = 2
agreement = 2

[parties]
{rows}
"""


def reading_terms(*, runs: int, epsilon: tuple[int, int] = (0, 0)) -> str:
    """What an owner lets be done with readings; with ε of a job and for life, in
    millionths, answered with noise alone."""
    noise = ""
    if epsilon[0]:
        noise = f"""
[tables.{READINGS}.noise]
epsilon_job = {epsilon[0] / MICROS}
epsilon_life = {epsilon[1] / MICROS}
groups = {HOURS}
rows = {24 * HOURS}
threshold = 5
"""
    return f"""runs = {runs}
recipients = ["{FACILITY}"]
programs = ["{PROGRAM}"]
purposes = ["planning"]
until = "2027-12-31"

[tables.{READINGS}]
unit = "device"
k = 2

[tables.{READINGS}.columns]
time = {{ type = "integer", uses = ["group"] }}
occupied = {{ type = "integer", uses = ["aggregate"], bounds = [0, 1] }}
zone = {{ type = "text", uses = ["group", "output"] }}
device = {{ type = "text", uses = ["identity"] }}
{noise}"""


def hourly_contract(
    name: str,
    owners: Sequence[str],
    *,
    seconds: int,
    minutes_min: int,
    data: str = READINGS,
    epsilon: int = 0,
) -> str:
    """Counts by hour and zone over all owners' readings, told to the facility; what is too little
    to be told is fixed by the contract."""
    charged = f"epsilon = {epsilon}\n" if epsilon else ""
    inputs = "".join(
        f'[inputs.{owner}]\nowner = "{owner}"\ndata = "{data}"\n{charged}\n' for owner in owners
    )
    return f"""name = "{name}"
purpose = "planning"
runs = 3
duration = "{seconds}s"
memory_mb = 512

{inputs}[[stages]]
language = "library"
name = "{PROGRAM}"

[outputs.cells]
recipients = ["{FACILITY}"]
bytes = 4194304

[parameters.devices]
type = "str"
most = 4
least = 3

[parameters.minutes_min]
type = "int"
least = {minutes_min}
most = {minutes_min}

[parameters.reading_seconds]
type = "int"
least = 1
most = 3600

[parameters.round_minutes]
type = "int"
least = 1
most = 60
"""
