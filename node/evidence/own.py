"""Evidence of our own enclaves, as a node shows it (`node_evidence`), judged offline against a
service's genesis.

The judging is the enclave's (enclave/attestation/verifier.py: steps and reasons stand there); a
live node is judged by the client (enclave/outside/trust.py), which also checks that it sits at
the other end of the connection.
"""

from strongroom.consensus.errors import ClientFault, NotCanonical
from strongroom.consensus.types import Milliseconds
from strongroom.enclave.attestation.certificates import read_chain
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.verifier import verify_evidence
from strongroom.enclave.outside.verdicts import describe
from strongroom.enclave.proofs.genesis import chain_of, verify_genesis
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.pieces import Piece
from strongroom.node.evidence.reasons import CannotJudge, Reason, Unjudged, demand, refuse
from strongroom.node.evidence.verdict import Verdict, good

KIND = "strongroom"


def judge(piece: Piece, demands: Demands) -> Verdict:
    """Answer for evidence (`evidence`) of a node of the service of a `genesis`."""
    if demands.service is None or demands.nonce is None:
        raise CannotJudge(
            Unjudged.NO_POLICY, "our own evidence: the policy must name service (pin) and nonce"
        )
    try:
        chain = chain_of(demands.service)
    except ClientFault as error:
        raise CannotJudge(Unjudged.POLICY, str(error)) from None
    try:
        genesis = verify_genesis(piece.file("genesis"))
        demand(
            genesis.chain == chain,
            Reason.ISSUER,
            "the genesis is not the one of the pinned service",
        )
        evidence = piece.file("evidence")
        given = Evidence.decode(evidence)
        if demands.time is None:
            time_ms = max(
                begin for begin, _ in read_chain(given.vek, given.ask, given.ark).validities
            )
        else:
            time_ms = Milliseconds(demands.time * 1000)
        nonce, policy = bytes.fromhex(demands.nonce), genesis.constitution.policy
        enclave = verify_evidence(evidence, policy, chain=chain, nonce=nonce, time_ms=time_ms)
    except NotCanonical as error:
        refuse(Reason.MALFORMED, str(error))
    demands.check_simulated(enclave.simulated)
    demands.check_code(enclave.measurement, enclave.verified.report.report_data)
    return good("verified", {"simulated": enclave.simulated, "says": describe(enclave)})
