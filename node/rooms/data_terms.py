"""Data terms with their columns, from one TOML file, and the key policy that fits them.

Owns that columns are read as `rooms check` reads them (node/rooms/schema_file.py): what an analyst
tries offline and what an owner publishes is one text. Knows no rows and no ledger.
"""

import json
import re
import tomllib
from collections.abc import Callable, Collection
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.formats.clean_rooms.data_terms import DataTerms
from strongroom.enclave.room.analytics.policy import DataPolicy
from strongroom.node.clean_rooms.agreement_files import COLUMNS_KEY, read_data_terms, read_text
from strongroom.node.rooms.schema_file import read_schema

_HEADER = re.compile(r"^\s*\[", re.MULTILINE)


def read_terms_file(path: Path, resolve: Callable[[str], bytes]) -> tuple[DataTerms, DataPolicy]:
    """What an owner lets be done with a data set, and with each of its columns.

    Raises:
        OperatorFault: the file cannot be read, or says nothing of one table's columns.
        ConfigInvalid: it has problems.
    """
    text = read_text(path)
    policy = _columns(path, text)
    noise = policy.noise
    spent = (noise.epsilon_job, noise.epsilon_life) if noise else (0, 0)
    terms = read_data_terms(path, resolve, policy.encode(), spent)
    if (terms.epsilon_job, terms.epsilon_life) != spent:
        raise OperatorFault(
            f"{path}: epsilon_job and epsilon_life are those of [{COLUMNS_KEY}.NAME.noise]: "
            "leave them out"
        )
    return terms, policy


def _columns(path: Path, text: str) -> DataPolicy:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OperatorFault(f"{path} is no TOML: {error}") from None
    tables = document.get(COLUMNS_KEY)
    if type(tables) is not dict or len(tables) != 1:
        raise OperatorFault(
            f"{path}: say of the columns what may be done with each, in one [{COLUMNS_KEY}.NAME] "
            "(docs/clean-rooms.md)"
        )
    # The sections alone, on their own lines, are a file that `rooms check` reads.
    found = _HEADER.search(text)
    begin = found.start() if found else len(text)
    section = "\n" * text.count("\n", 0, begin) + text[begin:]
    try:
        apart = tomllib.loads(section)
    except tomllib.TOMLDecodeError:
        apart = {}
    if apart != {COLUMNS_KEY: tables}:
        raise OperatorFault(
            f"{path}: [{COLUMNS_KEY}.NAME] comes last, and no list before it "
            "has a line of its own that begins with ["
        )
    try:
        (data_set,) = read_schema(section.encode()).inputs.values()
    except OperatorFault as fault:
        raise OperatorFault(f"{path}: {fault}") from None
    return data_set.policy


def workers_policy(programs: Collection[str] = ()) -> str:
    """A release policy that admits workers of the measurement that is installed here, no other; for
    programs that need it, those with LightGBM too. Whether chips may be simulated, the service
    says.

    Raises:
        OperatorFault: it cannot be measured.
    """
    from strongroom.enclave.room.worker.measurement import ANALYTICS, ANALYTICS_ML
    from strongroom.node.rooms.starting import measured, program_file

    profiles = (ANALYTICS, ANALYTICS_ML) if ANALYTICS.without & set(programs) else (ANALYTICS,)
    digests = [measured(program_file(one.name)).digest.hex() for one in profiles]
    any_of = [
        {"authority": "strongroom", "allOf": [{"claim": "measurement", "equals": digest}]}
        for digest in digests
    ]
    return json.dumps({"version": "1.0.0", "anyOf": any_of})
