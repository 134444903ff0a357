"""Forms of the simulated Intel platform: what its certificates and documents say, and not who signs
them.

Owns the SGX extension of a platform's certificate, TCB info and QE identity; see tdx.py for the
keys.

Sources: Intel, "SGX PCK Certificate and CRL Profile" (extensions 1.2.840.113741.1.13.1), "PCS API
v4" (TCB info, QE identity).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from strongroom.enclave.attestation.certificates import SIMULATED_ORGANISATION
from strongroom.enclave.primitives import random_bytes

FMSPC = bytes.fromhex("00806f050000")
"""Family, model, stepping, platform and SKU of every simulated platform."""
PLATFORM_SVN, PCE_SVN, MODULE_SVN, QE_SVN = 7, 11, 5, 4
"""Security versions of a platform that nobody asked otherwise for."""
QE_SIGNER = b"\xdc" * 32
"""MRSIGNER of the simulated quoting enclave."""
QE_PRODUCT = 2
SGX_EXTENSION = "1.2.840.113741.1.13.1"
_TCB_AGE = timedelta(days=100)


@dataclass(frozen=True, slots=True)
class Level:
    """One level of firmware in the collateral: a platform that is nowhere below it has its
    status."""

    svn: int
    """Of each of the 16 SGX components."""
    module_svn: int
    """Of the TDX module; its loader's is one more."""
    status: str = "UpToDate"
    advisories: tuple[str, ...] = ()


CURRENT_LEVELS = (
    Level(PLATFORM_SVN, MODULE_SVN),
    Level(PLATFORM_SVN - 2, MODULE_SVN - 2, "OutOfDate", ("INTEL-SA-SIMULATED",)),
)


def compact(document: Mapping[str, Any]) -> str:
    """JSON exactly as it is signed."""
    return json.dumps(document, separators=(",", ":"))


def _dates(begin: datetime, end: datetime) -> dict[str, str]:
    return {"issueDate": _date(begin), "nextUpdate": _date(end)}


def _date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def tcb_info(begin: datetime, end: datetime, levels: Sequence[Level]) -> dict[str, Any]:
    """Which firmware has which status."""
    module = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
    return {
        "id": "TDX",
        "version": 3,
        **_dates(begin, end),
        "fmspc": FMSPC.hex().upper(),
        "pceId": "0000",
        "tcbType": 0,
        "tcbEvaluationDataNumber": 17,
        "tdxModule": module,
        "tcbLevels": [_level(level, begin) for level in levels],
    }


def _level(level: Level, begin: datetime) -> dict[str, Any]:
    module = (level.module_svn, 0, level.module_svn + 1, *(0,) * 13)
    tcb = {
        "sgxtcbcomponents": [{"svn": level.svn}] * 16,
        "pcesvn": PCE_SVN,
        "tdxtcbcomponents": [{"svn": svn} for svn in module],
    }
    found: dict[str, Any] = {
        "tcb": tcb,
        "tcbDate": _date(begin - _TCB_AGE),
        "tcbStatus": level.status,
    }
    return found | ({"advisoryIDs": list(level.advisories)} if level.advisories else {})


def qe_identity(begin: datetime, end: datetime, qe_svn: int) -> dict[str, Any]:
    """Which quoting enclave may sign."""
    level = {"tcb": {"isvsvn": qe_svn}, "tcbDate": _date(begin - _TCB_AGE), "tcbStatus": "UpToDate"}
    return {
        "id": "TD_QE",
        "version": 2,
        **_dates(begin, end),
        "tcbEvaluationDataNumber": 17,
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": QE_SIGNER.hex().upper(),
        "isvprodid": QE_PRODUCT,
        "tcbLevels": [level],
    }


def subject(common_name: str) -> x509.Name:
    """A name that says SIMULATED."""
    return x509.Name(
        (
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, SIMULATED_ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        )
    )


def authority(path_length: int) -> list[tuple[Any, bool]]:
    """Extensions of a certificate that may issue others."""
    return [
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (_usage(authority=True), True),
    ]


def leaf() -> list[tuple[Any, bool]]:
    """Extensions of a certificate that may not."""
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(authority=False), True),
    ]


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=not authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def platform_extension(svn: int) -> bytes:
    """The SGX extensions of a platform's certificate: its id, its firmware, its model; DER."""
    tcb = [(f".2.{component}", _integer(svn)) for component in range(1, 17)]
    tcb += [(".2.17", _integer(PCE_SVN)), (".2.18", _octets(bytes((svn,)) * 16))]
    entries = [
        (".1", _octets(random_bytes(16))),
        (".2", _sequence(_entry(*one) for one in tcb)),
        (".3", _octets(bytes(2))),
        (".4", _octets(FMSPC)),
        (".5", b"\x0a\x01\x01"),
        (".6", _octets(random_bytes(16))),
        (".7", _sequence(_entry(f".7.{number}", b"\x01\x01\x00") for number in (1, 2, 3))),
    ]
    return _sequence(_entry(*one) for one in entries)


def _entry(suffix: str, value: bytes) -> bytes:
    return _sequence((_oid(SGX_EXTENSION + suffix), value))


def _oid(dotted: str) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.ObjectIdentifier(dotted), "")]).public_bytes()
    start = name.index(b"\x06")
    return name[start : start + 2 + name[start + 1]]


def _integer(value: int) -> bytes:
    """DER INTEGER of 0..127."""
    return bytes((2, 1, value))


def _octets(data: bytes) -> bytes:
    return bytes((4, len(data))) + data


def _sequence(parts: Iterable[bytes]) -> bytes:
    content = b"".join(parts)
    size = len(content)
    length = bytes((size,)) if size < 0x80 else bytes((0x82,)) + size.to_bytes(2, "big")
    if 0x80 <= size < 0x100:
        length = bytes((0x81, size))
    return b"\x30" + length + content
