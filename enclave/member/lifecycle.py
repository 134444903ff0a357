"""One enclave's life: nothing, founding or unsealing, then a member (member.py) until its process
ends. Or nothing, then the recovery of a dead service (recovery.py).

Owns the order in which a host may ask: what comes out of order is refused and changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.consensus.types import NO_DIGEST, ChainId, Digest, Height
from strongroom.enclave.execution.executor import go_on
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.keys.keys import NodeKeys
from strongroom.enclave.keys.sealing import SealedState, seal_state, unseal_state
from strongroom.enclave.member.founding import accept, found, genesis_claims
from strongroom.enclave.member.handover import seal_hand_over, unseal_hand_over
from strongroom.enclave.member.member import ActiveEnclave
from strongroom.enclave.member.recovery import Recovery
from strongroom.enclave.member.stage import Stage
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measuring import Measurement
from strongroom.enclave.primitives import random_bytes
from strongroom.enclave.proofs.genesis import Constitution, VerifiedGenesis, verify_genesis
from strongroom.enclave.sandbox.secret_memory import at_rest
from strongroom.enclave.sandbox.walls import Wall


class OutOfOrder(ClientFault):
    """The host asked for something that this stage of the enclave's life does not allow."""


class Lifecycle:
    """Everything behind the door. The chip stands for silicon; the keys are made here and never
    leave unsealed."""

    def __init__(
        self, chip: SimulatedChip, measurement: Measurement, walls: Sequence[Wall] = ()
    ) -> None:
        self._chip, self._measurement, self._walls = chip, measurement, walls
        self._sealing_secret = at_rest(chip.sealing_secret(measurement.digest))
        self._founding: NodeKeys | None = None
        self._has_founded = self._has_accepted = False
        self._active: ActiveEnclave | None = None
        self._waits_for: bytes | None = None
        """The nonce of a successor: it learns what its predecessor knows, and is no member yet."""
        self._handed_over = False
        self._recovery: Recovery | None = None
        self.on_slice: Callable[[], None] = go_on
        """What is done between two slices of an execution: the door's."""

    @property
    def stage(self) -> Stage:
        """Where in its life it stands; the door's table says what each stage allows."""
        if self._handed_over:
            return Stage.ENDED
        if self._recovery is not None:
            return Stage.RECOVERING
        if self._active is None:
            return Stage.EMPTY if self._founding is None else Stage.FOUNDING
        if self._waits_for is not None:
            return Stage.SUCCESSOR
        return Stage.FRESH if self._active.freshness.point is not None else Stage.MEMBER

    @property
    def active(self) -> ActiveEnclave:
        """The member that this enclave is.

        Raises:
            OutOfOrder: it is none yet, or not any more.
        """
        if self._waits_for is not None:
            raise OutOfOrder("this enclave waits for its predecessor to hand over: TAKE_OVER first")
        return self.learner

    @property
    def learner(self) -> ActiveEnclave:
        """The member, or a successor that learns what the ledger says before it takes over.

        Raises:
            OutOfOrder: it is none yet, or not any more.
        """
        if self._handed_over:
            raise OutOfOrder("this enclave has handed over to its successor, and does nothing more")
        if self._active is None:
            raise OutOfOrder(
                "this enclave has no service yet: ACCEPT a genesis or UNSEAL a state first"
            )
        return self._active

    def describe(self) -> tuple[bytes, bytes]:
        """(measurement, chip id)."""
        return self._measurement.digest, self._chip.chip_id

    def walls(self) -> tuple[tuple[str, bool, str], ...]:
        """(name, stands, summary) of every wall; none outside a process of its own."""
        return tuple((wall.name, wall.stands, wall.summary) for wall in self._walls)

    def prepare(self, constitution: bytes, identity: Identity) -> bytes:
        """Make this node's keys and the evidence that names them, for a genesis to be.

        Raises:
            OutOfOrder: keys exist already; an enclave founds once.
        """
        self._check_empty()
        keys = NodeKeys.fresh()
        claims = genesis_claims(
            keys,
            Constitution.decode(constitution),
            node=identity.name,
            operator=identity.operator,
            region=identity.region,
            tls_key=identity.tls_key,
        )
        evidence = self._chip.evidence(
            claims, measurement=self._measurement.digest, deployment=identity.deployment
        )
        self._founding = keys
        return evidence

    def found(self, constitution: bytes, evidences: Sequence[bytes]) -> tuple[bytes, bytes]:
        """Check all evidence, make S_0 and the genesis; for the validator of lowest node key only.

        Raises:
            AttestationError: somebody's evidence does not meet the constitution's policy; no secret
                was made.
        """
        if self._has_founded:
            raise OutOfOrder(
                "an enclave founds one service: a second genesis with "
                "the same keys would be another chain"
            )
        founding = found(constitution, evidences, self._founding_keys())
        self._has_founded = True
        return founding.genesis, founding.wraps

    def accept(self, genesis: bytes, wraps: bytes) -> bytes:
        """Check all evidence, open the own wrap, become a member; returns the sealed state.

        Raises:
            AttestationError: evidence, founder's signature or wrap is not what it must be; no
                secret was taken.
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

    def seal_founding(self) -> bytes:
        """The keys of PREPARE, sealed: a ceremony between organisations takes days and machines
        restart. The file opens as often as its host likes, as any sealed state does; what that
        could be good for, a second genesis of one ceremony, the parties see in each other's
        confirmations (node/membership/ceremony_judging.py)."""
        nothing = (Height(0), Digest(NO_DIGEST))
        state = SealedState(
            chain=ChainId(NO_DIGEST), keys=self._founding_keys(), secrets=(), boot=0, mark=nothing
        )
        return seal_state(self._sealing_secret, state)

    def resume_founding(self, sealed: bytes) -> None:
        """Go on as the enclave that sealed its keys after PREPARE.

        Raises:
            OutOfOrder: keys exist already.
            OperatorFault: sealed by another platform or measurement, or after the founding.
        """
        self._check_empty()
        state = unseal_state(self._sealing_secret, sealed)
        if state.chain != ChainId(NO_DIGEST):
            raise OperatorFault(
                "this sealed state belongs to a service already: it is UNSEALed, not founded with"
            )
        self._founding = state.keys

    def prepare_join(self, genesis: bytes, identity: Identity) -> bytes:
        """Make the keys of a node that is no validator yet; returns its sealed state, to be
        unsealed like any other.

        Raises:
            OutOfOrder: keys exist already.
            AttestationError: the genesis' evidence does not verify.
        """
        self._check_empty()
        verified = verify_genesis(genesis)
        state = SealedState(
            chain=verified.chain,
            keys=NodeKeys.fresh(),
            secrets=(),
            boot=0,
            mark=(Height(0), verified.header.digest),
            identity=identity,
        )
        return seal_state(self._sealing_secret, state)

    def unseal(self, sealed: bytes, genesis: bytes) -> bytes:
        """Take up a sealed state in its next boot; returns that boot's sealed state, to be stored
        before going on.

        Raises:
            OperatorFault: sealed by another platform or measurement, or for another chain.
            AttestationError: the genesis' evidence does not verify.
        """
        self._check_empty()
        state, verified = self._opened(sealed, genesis)
        following = replace(state, boot=state.boot + 1)
        self._active = ActiveEnclave(
            self._chip,
            self._measurement,
            self._sealing_secret,
            following,
            verified,
            self._between_slices,
        )
        return seal_state(self._sealing_secret, following)

    def _between_slices(self) -> None:
        self.on_slice()

    # --- a dead service (VAULT §7) ---

    def recover(self, genesis: bytes, identity: Identity) -> None:
        """Begin to bring a dead service back; this process becomes no node itself.

        Raises:
            OutOfOrder: keys exist already.
            AttestationError: the genesis' evidence does not verify.
        """
        self._check_empty()
        self._recovery = Recovery(
            self._chip,
            self._measurement,
            self._sealing_secret,
            verify_genesis(genesis),
            identity,
        )

    def recover_again(self, sealed: bytes, genesis: bytes) -> None:
        """Go on with that after a restart.

        Raises:
            OperatorFault, AttestationError: as `unseal`.
        """
        self._check_empty()
        self._recovery = Recovery.again(
            self._chip,
            self._measurement,
            self._sealing_secret,
            verify_genesis(genesis),
            sealed,
        )

    @property
    def recovery(self) -> Recovery:
        """What was begun.

        Raises:
            OutOfOrder: nothing was.
        """
        if self._recovery is None:
            raise OutOfOrder("RECOVER comes first")
        return self._recovery

    # --- replacing the process (DESIGN §5, Grace) ---

    def unseal_successor(self, sealed: bytes, genesis: bytes) -> bytes:
        """Begin to go on with a boot that another process lives: learn what the ledger says;
        returns a nonce.

        Raises:
            OperatorFault, AttestationError: as `unseal`.
        """
        self._check_empty()
        state, verified = self._opened(sealed, genesis)
        self._active = ActiveEnclave(
            self._chip,
            self._measurement,
            self._sealing_secret,
            state,
            verified,
            self._between_slices,
        )
        self._waits_for = random_bytes(32)
        return self._waits_for

    def hand_over(self, nonce: bytes) -> bytes:
        """Give the successor with this nonce all that was promised; this process does nothing more.

        Only that one takes it, and only once: its nonce exists in one process' memory.
        """
        handed = seal_hand_over(self._sealing_secret, self.active.hand_over(nonce))
        self._handed_over, self._active = True, None
        return handed

    def take_over(self, handed: bytes) -> bytes:
        """Go on from where the predecessor ended; returns the sealed state.

        Raises:
            OutOfOrder: this enclave is no successor.
            OperatorFault: handed over by another enclave, or to another successor.
        """
        if self._waits_for is None:
            raise OutOfOrder("this enclave is no successor, or has taken over already")
        taken = unseal_hand_over(self._sealing_secret, handed)
        if taken.nonce != self._waits_for:
            raise OperatorFault("this was handed over to another successor")
        sealed = self.learner.take_over(taken)
        self._waits_for = None
        return sealed

    def _opened(self, sealed: bytes, genesis: bytes) -> tuple[SealedState, VerifiedGenesis]:
        state = unseal_state(self._sealing_secret, sealed)
        verified = verify_genesis(genesis)
        if state.chain != verified.chain:
            raise OperatorFault("the sealed state belongs to another chain than this genesis")
        return state, verified

    def _check_empty(self) -> None:
        taken = (self._active, self._founding, self._recovery)
        if self._handed_over or any(one is not None for one in taken):
            raise OutOfOrder("this enclave has keys already")

    def _founding_keys(self) -> NodeKeys:
        if self._founding is None:
            raise OutOfOrder("PREPARE comes first")
        return self._founding
