"""Dask, configured by what is measured alone; whoever wants something of it imports it from here.

Owns the one import of it: no file of this machine, no variable and no other installed package has a
word in it. Its configuration could name code to load, and so could packages that announce
themselves as its extensions (T24).
"""

import importlib.metadata
import sys
from typing import Any


def _none(**_: Any) -> tuple[()]:
    """No package extends another here."""
    return ()


importlib.metadata.entry_points = _none  # type: ignore[assignment]
sys.modules["importlib_metadata"] = importlib.metadata

import dask as dask  # noqa: E402 (not before)
import dask.config  # noqa: E402

dask.config.paths.clear()
dask.config.refresh(paths=[], env={})

from distributed import Client as Client  # noqa: E402
from distributed import Future as Future  # noqa: E402
from distributed import core as core  # noqa: E402
from distributed import scheduler as scheduler  # noqa: E402
from distributed import utils as utils  # noqa: E402
from distributed import versions as versions  # noqa: E402
from distributed import worker as worker  # noqa: E402
from distributed.comm.core import BaseListener as BaseListener  # noqa: E402
from distributed.comm.core import Comm as Comm  # noqa: E402
from distributed.comm.core import CommClosedError as CommClosedError  # noqa: E402
from distributed.comm.core import Connector as Connector  # noqa: E402
from distributed.comm.registry import Backend as Backend  # noqa: E402
from distributed.comm.registry import backends as backends  # noqa: E402
from distributed.comm.utils import from_frames as from_frames  # noqa: E402
from distributed.comm.utils import to_frames as to_frames  # noqa: E402
from distributed.protocol import pickle as pickle  # noqa: E402
