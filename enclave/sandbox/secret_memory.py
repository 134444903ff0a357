"""Where long-lived seeds rest: memory that the kernel takes out of its own map, so that not even
root reads it through /proc/PID/mem, ptrace, a core or swap (memfd_secret(2), Linux 5.14, where it
is switched on).

Owns that memory and the erasure of a slot, with zeros, when the last name of its secret goes. What
is derived from a seed (keys inside OpenSSL, boxes), and a seed while it is read from or written to
a sealed state, lies on the heap; see `strongroom trust`.
"""

import ctypes
import os

from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.primitives import SECRET_SIZE, Secret
from strongroom.enclave.sandbox import kernel

SLOTS_MAX = 32768
"""1 MiB: two seeds and two secrets for each of 4,096 epochs (sealing.EPOCHS_MAX), twice; untouched
pages are free."""


class SecretMemory:
    """Slots of 32 bytes that nobody outside this process reads."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._free = list(range(len(memory) // SECRET_SIZE - 1, -1, -1))

    @classmethod
    def map(cls) -> "SecretMemory":
        """Map it; no descriptor is kept.

        Raises:
            OSError: the kernel has none, has it switched off, or allows this user too little locked
                memory.
        """
        size = SLOTS_MAX * SECRET_SIZE
        descriptor = kernel.system_call(kernel.MEMFD_SECRET, ctypes.c_uint(0))
        try:
            os.ftruncate(descriptor, size)
            address = kernel.map_shared(descriptor, size)
        finally:
            os.close(descriptor)
        return cls(memoryview((ctypes.c_char * size).from_address(address)).cast("B"))

    def keep(self, secret: Secret) -> "RestingSecret":
        """Copy a secret into a slot.

        Raises:
            OperatorFault: all slots are taken.
        """
        if not self._free:
            raise OperatorFault(
                f"{SLOTS_MAX} seeds rest in this enclave, and there is no room for more"
            )
        slot = self._free.pop()
        view = self._memory[slot * SECRET_SIZE : (slot + 1) * SECRET_SIZE]
        view[:] = secret.reveal()
        return RestingSecret(self, slot, view)

    def erase(self, slot: int) -> None:
        """Overwrite a slot, which is free from then on."""
        self._memory[slot * SECRET_SIZE : (slot + 1) * SECRET_SIZE] = bytes(SECRET_SIZE)
        self._free.append(slot)


class RestingSecret(Secret):
    """A secret in secret memory."""

    __slots__ = ("_home", "_slot")

    def __init__(self, home: SecretMemory, slot: int, view: memoryview) -> None:
        super().__init__(view)
        self._home, self._slot = home, slot

    def __del__(self) -> None:
        self._home.erase(self._slot)


_home: SecretMemory | None = None


def settle(memory: SecretMemory) -> None:
    """Seeds of this process rest here from now on."""
    global _home
    _home = memory


def at_rest(secret: Secret) -> Secret:
    """The same secret in this process's secret memory; as it is where there is none."""
    return secret if _home is None or isinstance(secret, RestingSecret) else _home.keep(secret)
