"""Vault: keys that attested rooms use, and only while their owner agrees (VAULT §2, §3)."""

from strongroom.enclave.programs.vault import (
    boxes,
    changes,
    clones,
    custodians,
    keys,
    leases,
    releasing,
    rewrapping,
    views,
)
from strongroom.enclave.programs.vault.tables import vault

__all__ = [
    "boxes",
    "changes",
    "clones",
    "custodians",
    "keys",
    "leases",
    "releasing",
    "rewrapping",
    "vault",
    "views",
]
