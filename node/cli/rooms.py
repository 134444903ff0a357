"""`strongroom rooms …`: clean rooms, where many owners' data meets one agreed program.

Owns the group's name. Terms and parties are in rooms_parties.py, contracts in rooms_contracts.py,
jobs in rooms_jobs.py, results in rooms_opening.py and rooms_verifying.py, single predictions in
rooms_predicting.py, the offline judge in rooms_check.py; how they look, in rooms_tables.py.
"""

import typer

from strongroom.node.cli import (
    rooms_check,
    rooms_contracts,
    rooms_jobs,
    rooms_opening,
    rooms_parties,
    rooms_predicting,
    rooms_verifying,
)

rooms_app = typer.Typer(
    name="rooms",
    no_args_is_help=True,
    help="Clean rooms: many owners' data, one agreed program, the result to whom it names.",
)
for part in (
    rooms_parties,
    rooms_contracts,
    rooms_jobs,
    rooms_opening,
    rooms_predicting,
    rooms_verifying,
    rooms_check,
):
    part.register(rooms_app)
