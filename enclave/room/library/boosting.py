"""LightGBM by its C interface: rows and labels in, one grown tree at a time out.

Owns the library's handle and what is asked of it. The Python package of the same name is not
loaded: it brings scikit-learn, SciPy and joblib, whose libraries start threads. One thread, and
nothing is read from files or environment once it is loaded.
"""

import ctypes
import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from strongroom.enclave.room.library.learning import Reals
from strongroom.enclave.room.library.shapes import ProgramRefused

LIBRARY = "lightgbm"
"""Distribution whose file it is."""
FILE = "lib/lib_lightgbm.so"
TREE_BYTES_MAX = 16 * 1024 * 1024
"""Of one tree, as LightGBM tells it."""
_FLOAT32, _FLOAT64 = 0, 1
_SPLITS = 0
"""Kind of importance in a dump; none is read."""
_loaded: list[ctypes.CDLL] = []


class Boosting:
    """Rows that trees learn from, from `__enter__` to `__exit__`."""

    def __init__(
        self, values: Reals, label: Reals, names: Sequence[str], options: Mapping[str, str]
    ) -> None:
        """
        Args:
            values: a row each, NaN where one lacks.
            label: 1 or 0.
            names: of the columns.
            options: of LightGBM.
        """
        self._values = np.ascontiguousarray(values, dtype=np.float64)
        self._label = np.ascontiguousarray(label, dtype=np.float32)
        self._names = names
        self._options = " ".join(f"{name}={value}" for name, value in options.items()).encode()
        self._library = library()
        self._data = ctypes.c_void_p()

    def __enter__(self) -> "Boosting":
        rows, columns = self._values.shape
        self._call(
            "LGBM_DatasetCreateFromMat",
            _pointer(self._values),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(rows),
            ctypes.c_int32(columns),
            ctypes.c_int(1),
            self._options,
            None,
            ctypes.byref(self._data),
        )
        listed = (ctypes.c_char_p * columns)(*(name.encode() for name in self._names))
        self._call("LGBM_DatasetSetFeatureNames", self._data, listed, ctypes.c_int(columns))
        self._set("label", self._label, _FLOAT32)
        return self

    def __exit__(self, *_: object) -> None:
        self._call("LGBM_DatasetFree", self._data)

    def grow(self, score: Reals) -> dict[str, Any]:
        """The structure of the one tree that comes next, when rows have this score so far."""
        kept = np.ascontiguousarray(score, dtype=np.float64)
        self._set("init_score", kept, _FLOAT64)
        booster = ctypes.c_void_p()
        self._call("LGBM_BoosterCreate", self._data, self._options, ctypes.byref(booster))
        try:
            finished = ctypes.c_int()
            self._call("LGBM_BoosterUpdateOneIter", booster, ctypes.byref(finished))
            (tree,) = json.loads(self._dumped(booster))["tree_info"]
        finally:
            self._call("LGBM_BoosterFree", booster)
        structure: dict[str, Any] = tree["tree_structure"]
        return structure

    def _set(self, field: str, values: Any, kind: int) -> None:
        self._call(
            "LGBM_DatasetSetField",
            self._data,
            field.encode(),
            _pointer(values),
            ctypes.c_int(len(values)),
            ctypes.c_int(kind),
        )

    def _dumped(self, booster: ctypes.c_void_p) -> bytes:
        size = 1 << 16
        while size <= TREE_BYTES_MAX:
            buffer, length = ctypes.create_string_buffer(size), ctypes.c_int64()
            self._call(
                "LGBM_BoosterDumpModel",
                booster,
                ctypes.c_int(0),
                ctypes.c_int(-1),
                ctypes.c_int(_SPLITS),
                ctypes.c_int64(size),
                ctypes.byref(length),
                buffer,
            )
            if length.value <= size:
                return buffer.value
            size = length.value
        raise ProgramRefused("fit", "a tree has more leaves than it may")

    def _call(self, function: str, *arguments: object) -> None:
        """Every function of the interface gives 0, or has failed; its words could be rows."""
        if getattr(self._library, function)(*arguments):
            raise ProgramRefused("fit", "LightGBM learns nothing from these rows")


def library() -> ctypes.CDLL:
    """The loaded library, found without its package being run.

    Raises:
        ImportError: it is not installed.
    """
    if not _loaded:
        spec = importlib.util.find_spec(LIBRARY)
        if spec is None or spec.origin is None:
            raise ImportError("install the extra `rooms-ml`")
        _loaded.append(ctypes.CDLL(str(Path(spec.origin).parent / FILE)))
    return _loaded[0]


def _pointer(values: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(values.ctypes.data)
