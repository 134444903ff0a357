"""aiohttp, loaded without the certificates of the system's authorities.

When it is loaded, aiohttp makes two default TLS contexts and reads some 140 authorities for each: a
sixth of what `strongroom call` took. Every connection of ours names its own context (node/tls.py:
the service's own certificates), so a command needs neither. One that forgot to would fail: the
default contexts then know no authority. Only for the command's process, never for a program that
uses this package: its other connections may need aiohttp's defaults.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_MAKES_CONTEXTS = "aiohttp.connector"
_READING = "set_default_verify_paths"


class _Finder:
    """Finds the one module that makes the contexts, once."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _MAKES_CONTEXTS:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_without(module: ModuleType) -> None:
            import ssl

            setattr(ssl.SSLContext, _READING, lambda context: None)
            try:
                load(module)
            finally:
                delattr(ssl.SSLContext, _READING)

        spec.loader.exec_module = load_without  # type: ignore[method-assign]
        return spec


def leave_out_authorities() -> None:
    """From now on in this process, aiohttp's defaults trust nobody; contexts that are made by
    whoever else are as ever."""
    if _MAKES_CONTEXTS not in sys.modules:
        sys.meta_path.insert(0, _Finder())
