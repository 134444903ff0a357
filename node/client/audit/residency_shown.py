"""What a residency report proved, as a document: who could open which keys, in which epoch, where.

Owns what statements come to. An epoch's input secret, which opens what is sent, its validators
alone have; its ledger secret, which opens the state, is handed to every node that is admitted
later, and to the enclaves of a recovery. That all of it is so was checked before (residency.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.errors import ReceiptInvalid
from strongroom.consensus.types import Epoch, Height, PublicKey
from strongroom.enclave.attestation.verifier import VerifiedEnclave
from strongroom.enclave.proofs.genesis import VerifiedGenesis
from strongroom.node.client.audit.rules_shown import RulesShown

BASIS = 2
"""`grc.basis` of a region: an operator's endorsement. No report of silicon says where it stands."""


@dataclass(frozen=True, slots=True)
class Statement:
    """An operator's word that a node stands in a region, as an enclave's evidence carried it."""

    enclave: VerifiedEnclave
    height: Height
    """At which it was executed; 0 at genesis."""
    recovered: bool = False
    """It came with a recovery, whose block is the last one of the lost epoch: it was no node of
    that."""

    def is_within(self, first: int, last: int) -> bool:
        """Was it made above one height, up to another?"""
        return first < self.height <= last and not (self.recovered and self.height == last)


@dataclass(slots=True)
class Shown:
    """What a report proves, word by word."""

    genesis: VerifiedGenesis
    epochs: EpochChain
    header: Header
    rules: RulesShown
    statements: dict[PublicKey, list[Statement]] = field(default_factory=dict)
    """By node key, ascending by height."""
    gone: dict[PublicKey, Height] = field(default_factory=dict)
    """From which height on a node was none any more, as far as words show it: it gets no keys of
    what begins there, and never comes back with this key."""


def document_of(shown: Shown) -> dict[str, Any]:
    """All of it.

    Raises:
        ReceiptInvalid: ``incomplete``: the evidence of a validator is left out, or an epoch.
    """
    return {
        "service": shown.genesis.constitution.name,
        "pin": shown.genesis.pin,
        "simulated": any(
            one.enclave.simulated for said in shown.statements.values() for one in said
        ),
        "height": shown.header.anchor.height,
        "time_ms": shown.header.time_ms,
        "epochs": _epochs(shown),
        "ciphertext": _ciphertext(shown),
        "operators": _operators(shown),
        "rules": shown.rules.told(),
        "regions": shown.rules.regions_at(shown.header.time_ms),
    }


def _epochs(shown: Shown) -> list[dict[str, Any]]:
    """Each epoch; with its regions in which its ledger secret could be opened afterwards: a node
    that is admitted gets those of all epochs before (key_release.py), and a recovery brings all
    back."""
    recovered = {int(one.description.epoch): one for one in shown.epochs.recoveries()}
    newest: dict[tuple[str, str], int] = {}
    for said in shown.statements.values():
        for one in said:
            place = (one.enclave.region, one.enclave.claims.node)
            newest[place] = max(newest.get(place, 0), one.height + one.recovered)
    epochs = []
    for number in range(int(shown.epochs.newest.epoch) + 1):
        told, last = _epoch(shown, Epoch(number))
        during = {(one["region"], one["node"]) for one in told["keys"]}
        later = (place for place, at in newest.items() if at > last and place not in during)
        members = recovered[number].members if number in recovered else ()
        epochs.append(told | {"later": _by_region(shown, later), "recovered_by": list(members)})
    return epochs


def _epoch(shown: Shown, epoch: Epoch) -> tuple[dict[str, Any], int]:
    """One epoch: who could open its keys while it lasted, by which statements; its last height."""
    description, anchor = shown.epochs.description(epoch), shown.epochs.anchor_of(epoch)
    if description is None or anchor is None:
        raise ReceiptInvalid(f"epoch {epoch} is left out", verdict="incomplete")
    ending = shown.epochs.anchor_of(Epoch(epoch + 1))
    last = shown.header.anchor.height if ending is None else ending.height
    until_ms = shown.header.time_ms if ending is None else ending.time_ms
    validators = [one.node_key for one in description.validators]
    others = sorted(
        key
        for key in set(shown.statements) - set(validators)
        if key not in shown.gone or shown.gone[key] > anchor.height
    )
    keys: list[dict[str, Any]] = []
    for node_key in (*validators, *others):
        statements = _in_force(shown.statements.get(node_key, []), anchor.height, last)
        is_validator = node_key in validators
        if is_validator and (not statements or statements[0].height > anchor.height):
            raise ReceiptInvalid(
                f"epoch {epoch}: the evidence of validator {node_key.hex()[:16]}… is left out",
                verdict="incomplete",
            )
        role = "validator" if is_validator else "admitted"
        keys += [_statement(shown, one, role, until_ms) for one in statements]
    return {
        "epoch": epoch,
        "after_height": anchor.height,
        "last_height": None if ending is None else last,
        "keys": keys,
    }, last


def _in_force(statements: Sequence[Statement], first: int, last: int) -> list[Statement]:
    """Those made within these heights, and the newest before."""
    before = [one for one in statements if one.height <= first]
    return [*before[-1:], *(one for one in statements if one.is_within(first, last))]


def _statement(shown: Shown, one: Statement, role: str, until_ms: int) -> dict[str, Any]:
    enclave, region = one.enclave, one.enclave.region
    return {
        "node": enclave.claims.node,
        "role": role,
        "operator": enclave.operator,
        "region": region,
        "country": shown.rules.countries_at(until_ms).get(region),
        "basis": BASIS,
        "since_height": one.height,
        "chip": enclave.chip_id.hex(),
        "simulated": enclave.simulated,
        "evidence": sha256(enclave.evidence).hexdigest(),
    }


def _ciphertext(shown: Shown) -> list[dict[str, Any]]:
    """Every node that was ever admitted may keep the ledger's files, and snapshots."""
    told = (one.enclave for said in shown.statements.values() for one in said)
    return _by_region(shown, ((one.region, one.claims.node) for one in told))


def _by_region(shown: Shown, places: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """(region, node)s, region by region."""
    countries = shown.rules.countries_at(shown.header.time_ms)
    held: dict[str, set[str]] = {}
    for region, node in places:
        held.setdefault(region, set()).add(node)
    return [
        {"region": region, "country": countries.get(region), "nodes": sorted(nodes)}
        for region, nodes in sorted(held.items())
    ]


def _operators(shown: Shown) -> list[dict[str, Any]]:
    """Who vouches, with which keys, for which regions."""
    vouched: dict[str, set[str]] = {}
    for said in shown.statements.values():
        for one in said:
            vouched.setdefault(one.enclave.operator, set()).add(one.enclave.region)
    return [
        {
            "operator": operator,
            "keys": shown.rules.operator_keys(operator),
            "regions": sorted(regions),
        }
        for operator, regions in sorted(vouched.items())
    ]
