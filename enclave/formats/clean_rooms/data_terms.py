"""What an owner lets be done with a data set: how often, at what cost in privacy, by which programs
and for whom (ROOMS §2; T60, T62).

Owns the bytes of data terms, and the strictest of several (what is computed from data of several
owners keeps all their terms). Which column may be used how stands in `columns`: bytes that workers
read and this file bounds. Every list is closed: none named means nothing at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.formats.clean_rooms.fields import (
    MICRO_EPSILON_MAX,
    UNTIL_MS_MAX,
    identity_in,
    name_in,
    set_in,
    whole,
)

COLUMNS_BYTES_MAX = 32 * 1024
DATA_TERMS_BYTES_MAX = 40 * 1024
RECIPIENTS_MAX = 32
PROGRAMS_MAX = 64
PURPOSES_MAX = 16
RUNS_MAX = 1_000_000
FREE = "free"
"""As a program: an analyst's SQL within the columns' uses, without asking again."""


@dataclass(frozen=True, slots=True)
class DataTerms:
    """Of one data set, for all its versions."""

    columns: bytes
    """Uses of each column, unit, k, rounding: for workers; nothing when reviewed programs alone
    may read it."""
    epsilon_job: int
    """Millionths that one job may cost; 0: no job that answers with noise."""
    epsilon_life: int
    """Millionths in all, whatever the version: never given back, never refreshed."""
    runs: int
    """Jobs on one version."""
    recipients: tuple[bytes, ...]
    """Who may be given what was computed from it."""
    programs: tuple[str, ...]
    """`free`, names of library programs, hex digests of reviewed ones."""
    purposes: tuple[str, ...]
    until_ms: int
    """Block time after which no job runs on it."""
    keep: bool
    """Whether results are kept when it is withdrawn; else they are withdrawn with it."""

    def __post_init__(self) -> None:
        if type(self.columns) is not bytes or len(self.columns) > COLUMNS_BYTES_MAX:
            raise NotCanonical(f"columns: at most {COLUMNS_BYTES_MAX} bytes")
        whole(self.epsilon_job, "epsilon of a job", 0, MICRO_EPSILON_MAX)
        whole(self.epsilon_life, "epsilon for life", self.epsilon_job, MICRO_EPSILON_MAX)
        whole(self.runs, "runs", 0, RUNS_MAX)
        set_in(self.recipients, "recipients", RECIPIENTS_MAX, identity_in)
        set_in(self.programs, "programs", PROGRAMS_MAX, name_in)
        set_in(self.purposes, "purposes", PURPOSES_MAX, name_in)
        whole(self.until_ms, "until", 0, UNTIL_MS_MAX)
        if type(self.keep) is not bool:
            raise NotCanonical("keep: true or false")

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(
            (
                self.columns,
                self.epsilon_job,
                self.epsilon_life,
                self.runs,
                self.recipients,
                self.programs,
                self.purposes,
                self.until_ms,
                self.keep,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> "DataTerms":
        """Read canonical bytes.

        Raises:
            NotCanonical: they are no data terms.
        """
        shape = (bytes, int, int, int, tuple, tuple, tuple, int, bool)
        value = codec.decode(data, size_max=DATA_TERMS_BYTES_MAX)
        return cls(*codec.fields(value, *shape, name="data terms"))


def strictest(terms: Sequence[DataTerms]) -> DataTerms:
    """What all of them let be done: for a result, which is all its owners' data.

    It is read by programs that its contract names, not by the columns of its inputs.
    """
    return DataTerms(
        columns=b"",
        epsilon_job=min(one.epsilon_job for one in terms),
        epsilon_life=min(one.epsilon_life for one in terms),
        runs=min(one.runs for one in terms),
        recipients=_common(one.recipients for one in terms),
        programs=_common(one.programs for one in terms),
        purposes=_common(one.purposes for one in terms),
        until_ms=min(one.until_ms for one in terms),
        keep=all(one.keep for one in terms),
    )


def _common(lists: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
    first, *rest = lists
    return tuple(one for one in first if all(one in other for other in rest))
