"""`strongroom data …`: what an owner brings to clean rooms, and takes back.

Owns the group's name. Bringing is in data_bringing.py, devices that sign in data_devices.py,
looking and taking back in data_keeping.py, erasing with proof in data_erasing.py.
"""

import typer

from strongroom.node.cli import data_bringing, data_devices, data_erasing, data_keeping

data_app = typer.Typer(
    name="data",
    no_args_is_help=True,
    help="Data sets of clean rooms: rows that leave you sealed, and that jobs alone open.",
)
for part in (data_bringing, data_devices, data_keeping, data_erasing):
    part.register(data_app)
