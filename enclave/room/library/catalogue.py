"""The library's programs by name. Each is loaded when it is asked for: what a worker does not run,
it does not hold."""

from importlib import import_module

from strongroom.enclave.room.library.shapes import Program, ProgramRefused

PROGRAMS = {
    "aml.round_trips": "aml_round_trips",
    "aml.scatter_gather": "aml_scatter_gather",
    "ml.boosted_trees": "ml_boosted_trees",
    "ml.logistic": "ml_logistic",
    "ml.predict": "ml_predict",
    "occupancy.hourly": "occupancy_hourly",
}
"""Name of each, and its file beside this one."""


def program(name: str) -> Program:
    """The program of this name.

    Raises:
        ProgramRefused: there is none.
    """
    if name not in PROGRAMS:
        raise ProgramRefused("program", f"the library has {', '.join(PROGRAMS)}: name one of them")
    found = import_module(f"{__package__}.{PROGRAMS[name]}").PROGRAM
    assert isinstance(found, Program)
    return found
