"""The measurement of a worker: a room's files, those of its engine and its library programs, and
the libraries that they call (T24, T50).

Owns that list, and the check that nothing else was loaded, in the worker and in its bench.
"""

from dataclasses import dataclass

from strongroom.enclave.platform.measuring import OWN, Measurement
from strongroom.enclave.room import measurement as rooms
from strongroom.enclave.room.cell.measurement import OWN_MODULES

NAME, NAME_ML = "analytics", "analytics-ml"
"""By which its operator starts it, and which it claims; the second one has LightGBM, too."""
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD"
    ":glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=1073741824",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "1",
}
"""With which a worker is started: one thread, and the same kernels on every machine that has them,
so that executors agree; memory that was given back is taken again, without asking the kernel for
each chunk. Another environment is refused."""
_ENCLAVE = (
    "formats.clean_rooms",
    "formats.clean_rooms.batches",
    "formats.clean_rooms.contract",
    "formats.clean_rooms.data_terms",
    "formats.clean_rooms.fields",
    "formats.clean_rooms.result_keys",
    "formats.clean_rooms.serving",
    "formats.merkle",
    "outside.chunks",
)
_ANALYTICS = (
    "",
    "checking",
    "emitting",
    "engine",
    "exact",
    "expressions",
    "functions",
    "grouping",
    "nodes",
    "noise",
    "noising",
    "ordering",
    "parser",
    "places",
    "policy",
    "queries",
    "refusals",
    "relations",
    "releases",
    "settings",
    "streams",
    "suppression",
    "tables",
    "types",
    "values",
    "warming",
)
_LIBRARY = (
    "",
    "aml_round_trips",
    "aml_scatter_gather",
    "catalogue",
    "checking",
    "judging",
    "learning",
    "ml_logistic",
    "ml_predict",
    "models",
    "occupancy_hourly",
    "ownership",
    "shapes",
    "transfers",
    "trees",
)
_WORKER = (
    "",
    "__main__",
    "answering",
    "arriving",
    "beginning",
    "bench",
    "chunks",
    "life",
    "link",
    "measurement",
    "memory",
    "python_stage",
    "reviewed",
    "serving",
    "stages",
    "tables",
    "warm_contract",
    "warming",
)
MODULES = (
    *rooms.MODULES,
    *(f"{OWN}.enclave.{name}" for name in _ENCLAVE),
    *(f"{OWN}.enclave.room.analytics.{name}".rstrip(".") for name in _ANALYTICS),
    *(f"{OWN}.enclave.room.library.{name}".rstrip(".") for name in _LIBRARY),
    *(f"{OWN}.enclave.room.worker.{name}".rstrip(".") for name in _WORKER),
    *OWN_MODULES,
)
"""All of ours that a worker, its bench and its cell load."""
LIBRARIES = (*rooms.LIBRARIES, "_duckdb", "duckdb", "nanoarrow", "numpy")


@dataclass(frozen=True, slots=True)
class Profile:
    """A worker, by what it loads."""

    name: str
    modules: tuple[str, ...] = MODULES
    libraries: tuple[str, ...] = LIBRARIES
    without: frozenset[str] = frozenset()
    """Programs of the library that it cannot run."""


ANALYTICS = Profile(NAME, without=frozenset(("ml.boosted_trees",)))
ANALYTICS_ML = Profile(
    NAME_ML,
    modules=(
        *MODULES,
        f"{OWN}.enclave.room.library.boosting",
        f"{OWN}.enclave.room.library.ml_boosted_trees",
        f"{OWN}.enclave.room.worker.ml",
    ),
    libraries=(*LIBRARIES, "lightgbm"),
)


def measure_worker(profile: Profile = ANALYTICS, *, from_source: bool = False) -> Measurement:
    """Measure a worker; `from_source`: this process is one, and what it loaded is checked.

    Raises:
        OperatorFault: a file is missing, or a loaded module comes from elsewhere.
    """
    return rooms.measure(profile.modules, profile.libraries, profile.name, from_source=from_source)


def check_worker(profile: Profile = ANALYTICS) -> None:
    """Check that everything that this process has loaded counts.

    Raises:
        OperatorFault: something does not.
    """
    files = rooms.located_files(profile.modules, profile.libraries)
    rooms.check_measured(files, profile.libraries)
