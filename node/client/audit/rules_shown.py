"""Members' votes, as a residency report carries them: which rules stood when.

Owns the walk over proposals and ballots that were executed. A vote's outcome is what the enclaves
answered to the ballot that decided it; a change that waits is in force at the earliest when its
delay is over. Knows nothing of places in a history.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import NotCanonical, ReceiptInvalid
from strongroom.consensus.types import PublicKey
from strongroom.enclave.attestation.policy import Floors, Policy
from strongroom.enclave.attestation.report import Tcb
from strongroom.enclave.governance.changes import change_named
from strongroom.enclave.governance.public import (
    PROPOSE,
    PROPOSE_SEVERAL,
    PublicTransaction,
    proposal_id,
)
from strongroom.enclave.governance.records import Changes
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.programs.framework import ProgramError
from strongroom.enclave.proofs.constitution import Constitution

_DECIDED = ("accepted", "active")


@dataclass(frozen=True, slots=True)
class Decided:
    """One change that members took."""

    change: str
    arguments: tuple[tuple[str, Any], ...]
    height: int
    """Of the word that decided it."""
    from_ms: int
    """Block time from which it is in force, at the earliest."""


class RulesShown:
    """The rules of a service from genesis on, as far as words were taken."""

    def __init__(self, constitution: Constitution) -> None:
        self._first = Rules.of(constitution)
        self._proposed: dict[str, Changes] = {}
        self._decided: list[Decided] = []
        """In the order in which they were decided."""
        self._allowed: Policy = self._first.policy
        """All that members ever allowed so far."""
        self._keys: dict[str, list[PublicKey]] = {
            name: [key] for name, key in constitution.operators
        }

    def take(
        self, transaction: PublicTransaction, result: bytes, header: Header
    ) -> tuple[str, ...]:
        """The next word of a member; names of nodes that are removed by it, at once.

        Raises:
            ReceiptInvalid: it is not one that these enclaves executed, or its proposal is left out.
        """
        try:
            ok, (id, status) = codec.decode(result)
        except (NotCanonical, TypeError, ValueError):
            raise ReceiptInvalid(
                f"the answer to a word at height {header.height} is none"
            ) from None
        if ok is not True:
            raise ReceiptInvalid(f"a word at height {header.height} was refused")
        if transaction.action in (PROPOSE, PROPOSE_SEVERAL):
            if id != proposal_id(transaction.signer, transaction.payload):
                raise ReceiptInvalid(f"a proposal at height {header.height} has another id")
            self._proposed[id] = _changes_of(transaction)
        if status in _DECIDED:
            changes = self._proposed.pop(id, None)
            if changes is None:
                raise ReceiptInvalid(f"proposal {id} is left out", verdict="incomplete")
            return self._decide(changes, header)
        return ()

    def allowed(self) -> Iterator[Policy]:
        """What members ever allowed so far, by which evidence is judged: with each operator's
        newest key, then with those before. What they forbade since cannot make evidence of before
        a lie."""
        for back in range(max(map(len, self._keys.values()), default=1)):
            operators = {
                name: keys[max(0, len(keys) - 1 - back)] for name, keys in self._keys.items()
            }
            yield replace(self._allowed, operators=tuple(sorted(operators.items())))

    def told(self) -> list[dict[str, Any]]:
        """Every change of rules, as a document."""
        return [
            {
                "height": one.height,
                "change": one.change,
                "arguments": {name: _shown(value) for name, value in one.arguments},
                "from_ms": one.from_ms,
            }
            for one in self._decided
        ]

    def countries_at(self, time_ms: int) -> Mapping[str, str]:
        """Region → country, by the table of that time."""
        return dict(self._at(time_ms).policy.countries)

    def regions_at(self, time_ms: int) -> dict[str, Any]:
        """Where nodes may stand, and from where programs may be called, at that time."""
        rules = self._at(time_ms)
        return {
            "nodes": list(rules.policy.regions),
            "countries": dict(rules.policy.countries),
            "programs": {name: list(places) for name, places in rules.program_regions},
        }

    def operator_keys(self, operator: str) -> list[str]:
        """Keys by which an operator ever signed for this service."""
        return [key.hex() for key in self._keys.get(operator, [])]

    def _decide(self, changes: Changes, header: Header) -> tuple[str, ...]:
        """All changes of a proposal are in force together, and wait when any of them loosens."""
        before, trial, waits = self._at(header.time_ms), self._at(header.time_ms), False
        try:
            for name, arguments in changes:
                row = change_named(name)
                values = row.bind(arguments)
                waits |= row.waits(trial, arguments)
                trial = row.apply(trial, values)
                if name == "allow_operator":
                    self._keys.setdefault(values["operator"], []).append(values["key"])
            self._allowed = _widened(self._allowed, trial.policy)
        except (ProgramError, NotCanonical) as error:
            raise ReceiptInvalid(
                f"a vote at height {header.height} cannot have been taken ({error}): "
                "one before it is left out",
                verdict="incomplete",
            ) from None
        delay = before.limit("activation_delay_ms") if waits else 0
        for name, arguments in changes:
            self._decided.append(Decided(name, arguments, header.height, header.time_ms + delay))
        removed = (dict(arguments)["node"] for name, arguments in changes if name == "remove_node")
        return () if waits else tuple(removed)

    def _at(self, time_ms: int) -> Rules:
        rules = self._first
        for one in sorted(self._decided, key=lambda one: (one.from_ms, one.height)):
            if one.from_ms > time_ms:
                break
            try:
                row = change_named(one.change)
                rules = row.apply(rules, row.bind(one.arguments))
            except (ProgramError, NotCanonical):
                continue  # void when its time came, as in the enclaves
        return rules


def _changes_of(transaction: PublicTransaction) -> Changes:
    _, one, other = transaction.fields
    return ((one, other),) if transaction.action == PROPOSE else other


def _widened(policy: Policy, now: Policy) -> Policy:
    """A policy that takes what either takes; operators' keys are looked after apart."""
    floors = {one.product: one for one in policy.floors}
    floors |= {one.product: _lower(floors.get(one.product, one), one) for one in now.floors}
    return Policy.of(
        measurements=(*policy.measurements, *now.measurements),
        roots=policy.roots,
        allow_simulated=policy.allow_simulated,
        floors=floors.values(),
        chips=(*policy.chips, *now.chips),
        operators=policy.operators,
        regions=(*policy.regions, *now.regions),
        max_age_ms=policy.max_age_ms,
        countries=(dict(policy.countries) | dict(now.countries)).items(),
    )


def _lower(one: Floors, other: Floors) -> Floors:
    lowest = {
        part: Tcb.from_wire(
            tuple(map(min, getattr(one, part).to_wire(), getattr(other, part).to_wire()))
        )
        for part in ("committed", "launch", "reported")
    }
    return Floors(product=one.product, **lowest)


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return [_shown(one) for one in value] if isinstance(value, tuple) else value
