"""No file at all: a Landlock domain that handles every access it can name, and allows none
(landlock(7)).

Owns the masks of each version of the interface. The same domain refuses TCP, abstract Unix sockets
and signals to outside where the kernel can.
"""

import ctypes
import os

from strongroom.enclave.sandbox.kernel import (
    LANDLOCK_CREATE_RULESET,
    LANDLOCK_RESTRICT_SELF,
    system_call,
)

_VERSION_FLAG = 1
FILE_ACCESSES = {1: 13, 2: 14, 3: 15, 5: 16}
"""Version → how many kinds of access to files it knows, each one bit from 0 on."""
TCP_ACCESSES, TCP_VERSION = 2, 4
SCOPES, SCOPES_VERSION = 2, 6


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr of version 6; older kernels take a longer one as long as the
    rest is zero."""

    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    )


def version() -> int:
    """Of the kernel's interface; 0 if it has none, or has it switched off."""
    try:
        return system_call(
            LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG)
        )
    except OSError:
        return 0


def masks(version: int) -> tuple[int, int, int]:
    """(files, network, scopes): everything that this version can refuse."""
    kinds = max(count for since, count in FILE_ACCESSES.items() if since <= version)
    network = TCP_ACCESSES if version >= TCP_VERSION else 0
    scopes = SCOPES if version >= SCOPES_VERSION else 0
    return (1 << kinds) - 1, (1 << network) - 1, (1 << scopes) - 1


def forbid_everything(version: int) -> None:
    """From now on and for good. The process must have given up new privileges before.

    Raises:
        OSError: the kernel refuses.
    """
    ruleset = _Ruleset(*masks(version))
    descriptor = system_call(
        LANDLOCK_CREATE_RULESET,
        ctypes.byref(ruleset),
        ctypes.c_size_t(ctypes.sizeof(ruleset)),
        ctypes.c_uint32(0),
    )
    try:
        system_call(LANDLOCK_RESTRICT_SELF, descriptor, ctypes.c_uint32(0))
    finally:
        os.close(descriptor)
