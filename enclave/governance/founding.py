"""Governance at height 0: what genesis says, entered into the maps."""

from strongroom.consensus.types import NO_DIGEST, Height
from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.admission import registered
from strongroom.enclave.governance.records import EpochRecord, Status
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.programs.governance import WRAPS
from strongroom.enclave.programs.grants import AFFILIATIONS
from strongroom.enclave.proofs.genesis import VerifiedGenesis

FOUNDED = "founded"
"""Why epoch 0 began."""


def enter(view: GovernanceView, genesis: VerifiedGenesis) -> None:
    """Fill empty maps: rules, for whom members act, epoch 0, its validators and the wrap keys that
    they named."""
    view.clock.start(genesis.header)
    view.tables.write_rules(Rules.of(genesis.constitution))
    for member, operator in genesis.constitution.affiliations:
        view.tables.maps.put(AFFILIATIONS, member, operator)
    view.tables.begin(
        EpochRecord(
            description=genesis.description,
            public_key=genesis.public_key,
            anchor_height=Height(0),
            anchor_ms=genesis.header.time_ms,
            reason=FOUNDED,
            offer=NO_DIGEST,
        )
    )
    for enclave in genesis.validators:
        view.tables.write_node(
            registered(enclave, Status.VALIDATOR, Height(0), genesis.header.time_ms)
        )
        for epoch, key in enclave.claims.wrap_keys:
            view.tables.maps.put(WRAPS, (enclave.claims.node_key, epoch), key)
