"""What members demand of an enclave before it gets a key or a vote; governed, public, canonical.

Owns the policy's bytes. What no policy may lift (debug, migration) is refused in report.py; the
judging is in verifier.py.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import DIGEST_SIZE, KEY_SIZE, Digest, Milliseconds, PublicKey
from strongroom.enclave.attestation.claims import checked_name
from strongroom.enclave.attestation.reasons import Reason, refuse
from strongroom.enclave.attestation.report import CHIP_ID_SIZE, MEASUREMENT_SIZE, Product, Tcb

POLICY_ENTRIES_MAX = 1024
"""Of each list in a policy."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """The oldest firmware that is taken on one product line (T22)."""

    product: Product
    committed: Tcb
    """What the platform can be rolled back to."""
    launch: Tcb
    """What ran when the enclave started."""
    reported: Tcb
    """What the chip key was derived for."""

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec."""
        return (
            self.product.value,
            self.committed.to_wire(),
            self.launch.to_wire(),
            self.reported.to_wire(),
        )

    @classmethod
    def from_wire(cls, value: object) -> "Floors":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        name, committed, launch, reported = codec.fields(
            value, str, tuple, tuple, tuple, name="floors"
        )
        if name not in tuple(Product):
            raise NotCanonical(f"floors: no product {name!r}")
        return cls(
            product=Product(name),
            committed=Tcb.from_wire(committed),
            launch=Tcb.from_wire(launch),
            reported=Tcb.from_wire(reported),
        )


SIMULATED_TCB = Tcb(bootloader=10, tee=0, snp=23, microcode=84)
"""Firmware of a simulated chip that nobody asked otherwise for."""
SIMULATED_FLOORS = Floors(
    product=Product.SIMULATED, committed=SIMULATED_TCB, launch=SIMULATED_TCB, reported=SIMULATED_TCB
)
"""Floors that such a chip meets exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Every list ascending and without doubles, so that one policy has one encoding; `of` sorts."""

    measurements: tuple[bytes, ...]
    """Code that may hold keys: SHA-384 each, 48 bytes (T24)."""
    roots: tuple[Digest, ...]
    """SHA-256 of the SubjectPublicKeyInfo of each root that is believed."""
    allow_simulated: bool
    """Are chips taken that are not silicon? A root that is not AMD's is a simulated one, whatever
    it says (T26)."""
    floors: tuple[Floors, ...]
    """A product line without floors is refused."""
    chips: tuple[tuple[str, bytes], ...]
    """(operator, chip id): whose machines they are (T23)."""
    operators: tuple[tuple[str, PublicKey], ...]
    """(name, Ed25519 key that signs deployment statements)."""
    regions: tuple[str, ...]
    max_age_ms: Milliseconds
    """How long evidence over a recent block counts, in block time."""
    revoked: tuple[Digest, ...] = ()
    """SHA-256 of the SubjectPublicKeyInfo of keys that are no longer believed: roots, intermediates
    or chips (T28)."""
    countries: tuple[tuple[str, str], ...] = ()
    """(region, country): where regions lie, each once. Also of regions where no node may stand."""

    def __post_init__(self) -> None:
        lists: tuple[tuple[Any, str], ...] = (
            (self.measurements, "measurements"),
            (self.roots, "roots"),
            (tuple(floors.product.value for floors in self.floors), "floors"),
            (self.chips, "chips"),
            (tuple(name for name, _ in self.operators), "operators"),
            (self.regions, "regions"),
            (self.revoked, "revoked keys"),
            (tuple(region for region, _ in self.countries), "countries"),
        )
        for entries, name in lists:
            if len(entries) > POLICY_ENTRIES_MAX or list(entries) != sorted(set(entries)):
                raise NotCanonical(
                    f"policy: {name} must be ascending, distinct, at most {POLICY_ENTRIES_MAX}"
                )

    @classmethod
    def of(
        cls,
        *,
        measurements: Iterable[bytes],
        roots: Iterable[Digest],
        allow_simulated: bool,
        floors: Iterable[Floors],
        chips: Iterable[tuple[str, bytes]],
        operators: Iterable[tuple[str, PublicKey]],
        regions: Iterable[str],
        max_age_ms: Milliseconds,
        revoked: Iterable[Digest] = (),
        countries: Iterable[tuple[str, str]] = (),
    ) -> Self:
        """A policy from lists in any order, doubles allowed."""
        return cls(
            measurements=tuple(sorted(set(measurements))),
            roots=tuple(sorted(set(roots))),
            allow_simulated=allow_simulated,
            floors=tuple(sorted(set(floors), key=lambda floor: floor.product.value)),
            chips=tuple(sorted(set(chips))),
            operators=tuple(sorted(set(operators))),
            regions=tuple(sorted(set(regions))),
            max_age_ms=max_age_ms,
            revoked=tuple(sorted(set(revoked))),
            countries=tuple(sorted(set(countries))),
        )

    def operator_key(self, operator: str) -> PublicKey | None:
        """The key of an operator, if the policy knows it."""
        return dict(self.operators).get(operator)

    def floors_of(self, product: Product) -> Floors | None:
        """The floors of a product line, if the policy takes it."""
        return next((floors for floors in self.floors if floors.product is product), None)

    def check_age(self, made_ms: Milliseconds, now_ms: Milliseconds) -> None:
        """Check evidence over a block of time `made_ms` at block time `now_ms`.

        Raises:
            AttestationError: ``too-old``.
        """
        if now_ms - made_ms > self.max_age_ms:
            refuse(Reason.TOO_OLD, f"{now_ms - made_ms} ms old, at most {self.max_age_ms} ms count")

    def to_wire(self) -> tuple[object, ...]:
        """Fields for the codec. Countries stand there only when there are some: what was written
        before there were any keeps its bytes, and its digest."""
        fields = (
            self.measurements,
            self.roots,
            self.allow_simulated,
            tuple(floors.to_wire() for floors in self.floors),
            self.chips,
            self.operators,
            self.regions,
            self.max_age_ms,
            self.revoked,
        )
        return (*fields, self.countries) if self.countries else fields

    @classmethod
    def from_wire(cls, value: object) -> "Policy":
        """Read fields of the codec.

        Raises:
            NotCanonical: a field is not what it must be.
        """
        shape: tuple[type, ...] = (tuple, tuple, bool, tuple, tuple, tuple, tuple, int, tuple)
        placed = type(value) is tuple and len(value) > len(shape)
        read = codec.fields(value, *shape, *((tuple,) if placed else ()), name="policy")
        measurements, roots, simulated, floors, chips, operators, regions, age, revoked = read[:9]
        if placed and not read[9]:
            raise NotCanonical("policy: an empty list of countries is left out")
        return cls(
            measurements=_read(
                measurements,
                "measurements",
                lambda one: _sized(one, MEASUREMENT_SIZE, "measurement"),
            ),
            roots=_read(roots, "roots", lambda one: Digest(_sized(one, DIGEST_SIZE, "root"))),
            allow_simulated=simulated,
            floors=_read(floors, "floors", Floors.from_wire),
            chips=_read(chips, "chips", lambda one: named_bytes(one, CHIP_ID_SIZE, name="chip")),
            operators=_read(operators, "operators", lambda one: named_key(one, name="operator")),
            regions=_read(regions, "regions", lambda one: checked_name(one, name="region")),
            max_age_ms=Milliseconds(codec.unsigned(age, name="maximum age")),
            revoked=_read(
                revoked, "revoked keys", lambda one: Digest(_sized(one, DIGEST_SIZE, "revoked key"))
            ),
            countries=_read(read[9], "countries", _region_in_country) if placed else (),
        )

    def encode(self) -> bytes:
        """Canonical bytes."""
        return codec.encode(self.to_wire())

    @classmethod
    def decode(cls, data: bytes) -> "Policy":
        """Read canonical bytes.

        Raises:
            NotCanonical: not the encoding of a policy.
        """
        return cls.from_wire(codec.decode(data))


def named_bytes(value: object, size: int, *, name: str) -> tuple[str, bytes]:
    """Check a pair (name, byte string of a fixed size).

    Raises:
        NotCanonical: something else.
    """
    owner, data = codec.fields(value, str, bytes, name=name)
    return checked_name(owner, name=name), codec.sized(data, size, name=name)


def named_key(value: object, *, name: str) -> tuple[str, PublicKey]:
    """Check a pair (name, Ed25519 public key).

    Raises:
        NotCanonical: something else.
    """
    owner, key = named_bytes(value, KEY_SIZE, name=name)
    return owner, PublicKey(key)


def is_country(value: object) -> bool:
    """Is this a country's code, two capital letters (ISO 3166-1 alpha-2)? Which ones there are is
    not looked at: members name them."""
    return type(value) is str and len(value) == 2 and all("A" <= one <= "Z" for one in value)


def _region_in_country(value: object) -> tuple[str, str]:
    region, country = codec.fields(value, str, str, name="country")
    if not is_country(country):
        raise NotCanonical("policy: a country is two capital letters")
    return checked_name(region, name="region"), country


def _sized(value: object, size: int, name: str) -> bytes:
    return codec.sized(value, size, name=name)


def _read(values: object, name: str, read: Callable[[object], _T]) -> tuple[_T, ...]:
    return tuple(
        read(value) for value in codec.listed(values, name=name, count_max=POLICY_ENTRIES_MAX)
    )
