"""How a connection to the engine is made: settings in the one order that works (ROOMS §4).

Owns the list. It is no boundary: a locked engine was measured to go beyond its memory, to put rows
into error texts and to attach databases. The boundary is the list of what a query may say, the
sandbox, and a limit on the process's memory.
"""

import resource

import duckdb

THREADS: dict[str, str | bool | int | float | list[str]] = {"threads": "1", "async_threads": "0"}
"""From the start: a thread that was begun may be there when the sandbox rises, and makes system
calls of its own at any time (a pool of memory, its end)."""
SETTINGS = (
    "SET memory_limit = '{memory}B'",
    "SET temp_directory = ''",
    "SET max_temp_directory_size = '0B'",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET allow_unsigned_extensions = false",
    "SET allow_persistent_secrets = false",
    "SET python_enable_replacements = false",
    "SET python_scan_all_frames = false",
    "SET error_on_division_by_zero = false",
    "SET disabled_filesystems = 'LocalFileSystem'",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
"""Without the second, eight threads wait for files in each connection: behind the walls there is
one thread, and Landlock holds for the one that raised it. The last locks the rest. Extensions are
off before the file system is, which they would use."""

MEMORY_BYTES_MIN = 64 * 1024 * 1024


def connect(memory_bytes: int) -> duckdb.DuckDBPyConnection:
    """A connection to an empty database in memory, locked.

    Args:
        memory_bytes: what the engine believes it may take; `limit_memory` makes it so.
    """
    connection = duckdb.connect(":memory:", config=THREADS)
    for setting in SETTINGS:
        connection.execute(setting.format(memory=max(memory_bytes, MEMORY_BYTES_MIN)))
    return connection


def limit_memory(bytes_max: int) -> None:
    """Bound this process's own data, for good: beyond it the engine fails, and so does the job.

    Raises:
        ValueError: it is above a limit that was set before.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (bytes_max, bytes_max))
