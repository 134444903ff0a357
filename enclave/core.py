"""One enclave's life: nothing, founding or unsealing, then a member (member.py) until its process ends.

Owns the order in which a host may ask: what comes out of order is refused and changes nothing.
"""

from collections.abc import Sequence

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.consensus.types import Digest, Height, Signature
from strongroom.enclave.attestation.deployment import SignedDeployment
from strongroom.enclave.founding import accept, found, genesis_claims
from strongroom.enclave.genesis import Constitution, verify_genesis
from strongroom.enclave.keys import NodeKeys
from strongroom.enclave.member import Member
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measurement import Measurement
from strongroom.enclave.resting import at_rest
from strongroom.enclave.sealing import SealedState, seal_state, unseal_state
from strongroom.enclave.walls.raising import Wall


class OutOfOrder(ClientFault):
    """The host asked for something that this stage of the enclave's life does not allow."""


class Core:
    """Everything behind the door. The chip stands for silicon; the keys are made here and never leave unsealed."""

    def __init__(self, chip: SimulatedChip, measurement: Measurement, walls: Sequence[Wall] = ()) -> None:
        self._chip, self._measurement, self._walls = chip, measurement, walls
        self._sealing_secret = at_rest(chip.sealing_secret(measurement.digest))
        self._founding: NodeKeys | None = None
        self._has_founded = self._has_accepted = False
        self._member: Member | None = None

    @property
    def member(self) -> Member:
        """The member that this enclave is.

        Raises:
            OutOfOrder: it is none yet.
        """
        if self._member is None:
            raise OutOfOrder("this enclave has no service yet: ACCEPT a genesis or UNSEAL a state first")
        return self._member

    def describe(self) -> tuple[bytes, bytes]:
        """(measurement, chip id)."""
        return self._measurement.digest, self._chip.chip_id

    def walls(self) -> tuple[tuple[str, bool, str], ...]:
        """(name, stands, words) of every wall; none outside a process of its own."""
        return tuple((wall.name, wall.stands, wall.words) for wall in self._walls)

    def prepare(
        self,
        constitution: bytes,
        *,
        name: str,
        operator: str,
        region: str,
        tls_key: Digest,
        deployment: bytes,
        operator_signature: Signature,
    ) -> bytes:
        """Make this node's keys and the evidence that names them, for a genesis to be.

        Raises:
            OutOfOrder: keys exist already; an enclave founds once.
        """
        if self._founding is not None or self._member is not None:
            raise OutOfOrder("this enclave has keys already")
        keys = NodeKeys.fresh()
        claims = genesis_claims(
            keys, Constitution.decode(constitution), node=name, operator=operator, region=region, tls_key=tls_key
        )
        signed = SignedDeployment(statement=deployment, signature=operator_signature)
        evidence = self._chip.evidence(claims, measurement=self._measurement.digest, deployment=signed)
        self._founding = keys
        return evidence

    def found(self, constitution: bytes, evidences: Sequence[bytes]) -> tuple[bytes, bytes]:
        """Check all evidence, make S_0 and the genesis; for the validator of lowest node key only.

        Raises:
            AttestationError: somebody's evidence does not meet the constitution's policy; no secret was made.
        """
        if self._has_founded:
            raise OutOfOrder(
                "an enclave founds one service: a second genesis with the same keys would be another chain"
            )
        founding = found(constitution, evidences, self._founding_keys())
        self._has_founded = True
        return founding.genesis, founding.wraps

    def accept(self, genesis: bytes, wraps: bytes) -> bytes:
        """Check all evidence, open the own wrap, become a member; returns the sealed state.

        Raises:
            AttestationError: evidence, founder's signature or wrap is not what it must be; no secret was taken.
        """
        keys = self._founding_keys()
        if self._has_accepted:
            raise OutOfOrder("this enclave has accepted a genesis already")
        accepted = accept(genesis, wraps, keys)
        self._has_accepted = True
        state = SealedState(
            chain=accepted.genesis.chain,
            keys=keys,
            secrets=(accepted.secrets,),
            boot=1,
            mark=(Height(0), accepted.genesis.header.digest),
        )
        return seal_state(self._sealing_secret, state)

    def unseal(self, sealed: bytes, genesis: bytes) -> bytes:
        """Take up a sealed state in its next boot; returns that boot's sealed state, to be stored before going on.

        Raises:
            OperatorFault: sealed by another platform or measurement, or for another chain.
            AttestationError: the genesis' evidence does not verify.
        """
        if self._member is not None or self._founding is not None:
            raise OutOfOrder("this enclave has keys already")
        state = unseal_state(self._sealing_secret, sealed)
        verified = verify_genesis(genesis)
        if state.chain != verified.chain:
            raise OperatorFault("the sealed state belongs to another chain than this genesis")
        following = SealedState(
            chain=state.chain, keys=state.keys, secrets=state.secrets, boot=state.boot + 1, mark=state.mark
        )
        self._member = Member(self._chip, self._measurement, self._sealing_secret, following, verified)
        return seal_state(self._sealing_secret, following)

    def _founding_keys(self) -> NodeKeys:
        if self._founding is None:
            raise OutOfOrder("PREPARE comes first")
        return self._founding
