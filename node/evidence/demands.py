"""What a policy, or a case, demands of evidence: the time, the pins, and what is accepted besides
good.

Owns the JSON of a policy (see README.md). Every key is understood or the policy is refused: a
demand that is skipped would be a check that nobody makes.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from strongroom.consensus.types import DIGEST_SIZE, Digest
from strongroom.enclave.attestation.certificates import AMD_ROOTS
from strongroom.node.evidence.reasons import CannotJudge, Reason, Unjudged, refuse

TIME_MAX = 1 << 40
"""Seconds; no certificate lives that long."""
LIST_MAX = 1024
MICROSOFT_DID = (
    "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.3.6.1.4.1.311.76.59.1.2"
)
"""Who signs endorsements of Azure's utility VMs: Microsoft's supply chain root, and the use of the
key."""
UVM_FEED = "ContainerPlat-AMD-UVM"
HEADER_KEYS = ("attestedsvc", "msft-css-dev")
"""Labels under which an attested COSE message carries its attestation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """One policy. The defaults are those of a case that says nothing: manufacturers' roots,
    Microsoft's DID."""

    time: int | None = None
    """When, Unix seconds; None: without a clock, nothing is too early or too late."""
    strict: bool = False
    """A conditional status is bad."""
    accepted: frozenset[str] = frozenset()
    """Conditional statuses that count as good."""
    roots: frozenset[Digest] = frozenset(AMD_ROOTS)
    """SHA-256 of the SubjectPublicKeyInfo of the roots of SEV-SNP that are believed."""
    allow_simulated: bool = True
    """A root that the policy names and that is no manufacturer's is believed; facts then say
    simulated."""
    did: str = MICROSOFT_DID
    feed: str = UVM_FEED
    min_uvm_svn: int = 0
    header_keys: tuple[str, ...] = HEADER_KEYS
    issuer: str | None = None
    """Of tokens and receipts; None: the one that the pinned keys belong to, as far as they say."""
    measurements: frozenset[str] | None = None
    """Hex; None: any."""
    report_data: str | None = None
    """Hex; None: any."""
    nonce: str | None = None
    """Hex of the challenge that our own evidence must answer."""
    service: str | None = None
    """Pin of the service whose evidence ours must be."""

    def check_window(self, begin: int, end: int, what: str) -> None:
        """Check that the time, if there is one, lies in a window of Unix seconds (both ends count).

        Raises:
            AttestationError: ``not-yet-valid``, ``expired``.
        """
        if self.time is None:
            return
        if self.time < begin:
            refuse(Reason.NOT_YET_VALID, f"{what}: valid from {begin}, checked at {self.time}")
        if self.time > end:
            refuse(Reason.EXPIRED, f"{what}: valid until {end}, checked at {self.time}")

    def check_code(self, measurement: bytes, report_data: bytes) -> None:
        """Check code and report data of genuine evidence against what is demanded.

        Raises:
            AttestationError: ``measurement``, ``report-data``.
        """
        if self.measurements is not None and measurement.hex() not in self.measurements:
            refuse(Reason.MEASUREMENT, f"code {measurement.hex()} is not allowed")
        if self.report_data is not None and report_data.hex() != self.report_data:
            refuse(Reason.REPORT_DATA, "the report carries other data than demanded")

    def check_simulated(self, simulated: bool) -> None:
        """Refuse a root that is no manufacturer's where only silicon is taken (T26).

        Raises:
            AttestationError: ``simulated``.
        """
        if simulated and not self.allow_simulated:
            refuse(
                Reason.SIMULATED, "the root is SIMULATED, and the policy takes genuine silicon only"
            )


def read_demands(
    document: Mapping[str, Any], base: Demands, *, ignore: Collection[str] = ()
) -> Demands:
    """A policy's JSON object over another policy.

    Args:
        document: the JSON object.
        base: what holds where it is silent.
        ignore: keys that somebody else reads.

    Raises:
        CannotJudge: a key is unknown, or a value is none that it can have.
    """
    changes: dict[str, Any] = {}
    if not isinstance(document, Mapping):
        raise CannotJudge(Unjudged.POLICY, "a policy is a JSON object")
    for key, value in document.items():
        if key in ignore:
            continue
        reader = _READERS.get(key)
        if reader is None:
            raise CannotJudge(
                Unjudged.POLICY, f"the policy demands {key!r}, which is not understood"
            )
        try:
            changes.update(reader(value))
        except (ValueError, TypeError):
            raise CannotJudge(
                Unjudged.POLICY, f"the policy's {key!r} has no value that it can have"
            ) from None
    return replace(base, **changes)


def _moment(value: Any) -> dict[str, Any]:
    if value == "now":
        return {"time": int(time.time())}
    if value is None:
        return {"time": None}
    return {"time": _integer(value, TIME_MAX)}


def _integer(value: Any, value_max: int) -> int:
    if type(value) is not int or not 0 <= value <= value_max:
        raise ValueError(value)
    return value


def _text(value: Any) -> str:
    if type(value) is not str or not value:
        raise ValueError(value)
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if type(value) is not list or len(value) > LIST_MAX:
        raise ValueError(value)
    return tuple(_text(one) for one in value)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(value)
    return value


def _hex(value: Any) -> str:
    if bytes.fromhex(_text(value)).hex() != value:
        raise ValueError(value)
    return str(value)


def _digest(value: Any) -> Digest:
    data = bytes.fromhex(_hex(value))
    if len(data) != DIGEST_SIZE:
        raise ValueError(value)
    return Digest(data)


_READERS: dict[str, Any] = {
    "time": _moment,
    "strict": lambda value: {"strict": _flag(value)},
    "accept": lambda value: {"accepted": frozenset(_texts(value))},
    "roots": lambda value: {"roots": frozenset(map(_digest, _texts(value)))},
    "allow_simulated": lambda value: {"allow_simulated": _flag(value)},
    "did": lambda value: {"did": _text(value)},
    "feed": lambda value: {"feed": _text(value)},
    "min_uvm_svn": lambda value: {"min_uvm_svn": _integer(value, 1 << 32)},
    "header_key": lambda value: {"header_keys": (_text(value),)},
    "issuer": lambda value: {"issuer": _text(value)},
    "measurements": lambda value: {"measurements": frozenset(map(_hex, _texts(value)))},
    "report_data": lambda value: {"report_data": _hex(value)},
    "nonce": lambda value: {"nonce": _hex(value)},
    "service": lambda value: {"service": _text(value)},
}
