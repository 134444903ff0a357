"""Values that have the right shape and are chosen to hurt: for whoever signs, wraps or attests with
a member's keys."""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgpack
from hypothesis import strategies as st
from tests.enclave.fixtures import Applicant

from strongroom.consensus import codec
from strongroom.enclave.attestation.claims import Claims, report_data_of
from strongroom.enclave.attestation.deployment import deployment_bytes, host_data
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.primitives import HybridKey, Secret

_PRIME = 2**255 - 19
_ORDERS = (
    0,
    1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    _PRIME - 1,
)


def _low_order_points() -> Iterator[bytes]:
    """Every encoding of a point of low order: canonical, beyond the prime, and with the bit that
    nobody reads."""
    for coordinate in _ORDERS:
        for value in (coordinate, coordinate + _PRIME):
            if value < 2**255:
                yield value.to_bytes(32, "little")
                yield (value | 1 << 255).to_bytes(32, "little")


LOW_ORDER_POINTS = tuple(_low_order_points())
_WHOLE = HybridKey(Secret(sha256(b"a whole hybrid key").digest())).public
LATTICE, CURVE = _WHOLE[:1184], _WHOLE[1184:]
BAD_HYBRID_KEYS = (
    *(LATTICE + point for point in LOW_ORDER_POINTS),
    b"\xff" * 1184 + CURVE,
    (3329).to_bytes(2, "little") + LATTICE[2:] + CURVE,
    LATTICE[:1149] + b"\x00\x10\xd0" + LATTICE[1152:] + CURVE,
    bytes(1216),
)
"""1216 bytes each, to which nothing can be sealed."""

INTEGERS = st.sampled_from(
    [0, 1, -1, 2, 255, 2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)]
)
BYTES = st.one_of(
    st.sampled_from(
        [
            b"",
            b"\x00",
            bytes(16),
            bytes(31),
            bytes(32),
            b"\xff" * 32,
            bytes(33),
            bytes(64),
            b"\x01" * 4096,
        ]
    ),
    st.sampled_from([*LOW_ORDER_POINTS, *BAD_HYBRID_KEYS, _WHOLE]),
    st.binary(max_size=40),
)
TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "\x00",
            "\x1b[2J",
            "\x9b2J",
            "\u202e",
            "\U0001fae8",
            "a" * 64,
            "é" * 33,
            "ǆ" * 300,
            "n0",
        ]
    ),
    st.text(max_size=12),
)
_deep: Any = ()
for _ in range(400):
    _deep = (_deep,)
DEEP = _deep
ODDITIES: Any = st.sampled_from(
    [
        None,
        True,
        1.5,
        float("nan"),
        msgpack.Timestamp.from_datetime(datetime(2030, 1, 1, tzinfo=UTC)),
        DEEP,
        (),
    ]
)
"""What the codec reads and no field may hold."""
LEAVES: Any = INTEGERS | BYTES | TEXTS | ODDITIES
TUPLES: Any = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=8
).map(lambda value: value if type(value) is tuple else (value,))


def like(value: object) -> Any:
    """Values of the type of this one, itself among them."""
    kinds: dict[type, Any] = {
        int: INTEGERS,
        bytes: BYTES,
        str: TEXTS,
        tuple: TUPLES,
        bool: st.booleans(),
    }
    near = [st.just(value)]
    if type(value) is int:
        near += [st.just(value + 1), st.just(value - 1)]
    elif type(value) is tuple:
        near += [st.just(value[:-1]), st.just((*value, *value)), st.just(tuple(reversed(value)))]
    return st.one_of(*near, kinds[type(value)])


def forged_evidence(
    applicant: Applicant, claims: Claims, *, measurement: bytes, **changed: object
) -> bytes:
    """Evidence that a chip signs over claims which no honest enclave would write: it names whatever
    it is told."""
    names = list(Claims.__dataclass_fields__)
    named = {name: getattr(claims, name) for name in names} | changed
    encoded = codec.encode(tuple(named[name] for name in names))
    chip = applicant.chip
    statement = codec.encode(
        (named["node"], named["operator"], chip.chip_id, measurement, named["region"])
    )
    report = chip.attest(
        report_data_of(encoded), measurement=measurement, host_data=host_data(statement)
    )
    return Evidence(
        report=report,
        vek=chip.endorsements.vek,
        ask=chip.endorsements.ask,
        ark=chip.endorsements.ark,
        claims=encoded,
        deployment=statement,
        operator_signature=applicant.operator_key.sign(deployment_bytes(statement)),
    ).encode()
