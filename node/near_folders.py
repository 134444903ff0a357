"""Which cluster's folder somebody may have meant who stands in the wrong one.

Owns the one suggestion in an error's text. It looks at names around the wanted folder and reads no
file.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from shlex import quote

from strongroom.node.layout import DEFAULT_DIRECTORY, ClusterLayout, dir_option
from strongroom.node.shown_text import shown

_ENTRIES_MAX = 200
"""Folders beside and below that are looked into."""
_LEVELS_MAX = 3
"""Folders above."""


def no_cluster_words(directory: Path) -> str:
    """That there is no cluster in a folder, where one is, and what to do next."""
    here = Path.cwd()
    for found in _clusters_around(here):
        if found.absolute() == directory.absolute():
            continue
        path = quote(os.path.relpath(found, here))
        return (
            f"no cluster in {shown(directory)}; there is one in {shown(path)}: "
            f"use --dir {shown(path)}, or "
            f"start one here with `strongroom cluster up{dir_option(directory)}`"
        )
    return (
        f"no cluster in {shown(directory)}: start one with "
        f"`strongroom cluster up{dir_option(directory)}`, or name its folder with --dir or "
        "STRONGROOM_DIR"
    )


def _clusters_around(here: Path) -> Iterator[Path]:
    """Clusters' folders, the nearest first: around, above, beside, below."""
    above = [here, *here.parents[:_LEVELS_MAX]]
    near = [*above, *(folder / DEFAULT_DIRECTORY for folder in above)]
    for beside in (here.parent, here):
        near += [entry / DEFAULT_DIRECTORY for entry in _folders(beside)]
    near += _folders(here)
    yield from (folder for folder in near if _is_cluster(folder))


def _is_cluster(folder: Path) -> bool:
    try:
        return ClusterLayout(folder).service.is_file()
    except OSError:
        return False


def _folders(around: Path) -> list[Path]:
    try:
        with os.scandir(around) as entries:
            return sorted(Path(entry) for entry in islice(entries, _ENTRIES_MAX))
    except OSError:
        return []
