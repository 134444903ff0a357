"""What an executor is given with a job: a lease on each input, or nothing; and which jobs can be
given in one transaction (T11, T60).

Owns that every owner's policy is asked, also of the data that an asset was made from, and that its
work is known before a job is charged. The evidence is judged once, and each policy once.
"""

from typing import Any

from strongroom.consensus import codec
from strongroom.enclave.formats.clean_rooms.result_keys import output_key, result_name
from strongroom.enclave.formats.vault_claims import LEASE_SIZE
from strongroom.enclave.programs.framework import Context, ProgramError, RecordedRefusal
from strongroom.enclave.programs.rooms.batches import batches_of
from strongroom.enclave.programs.rooms.data import segments_of
from strongroom.enclave.programs.rooms.results import Pinned, pinned_of, roots_of
from strongroom.enclave.programs.rooms.tables import (
    DATA_TERMS,
    Data,
    Version,
    data_numbered,
    version_numbered,
)
from strongroom.enclave.programs.vault import bound
from strongroom.enclave.programs.vault.judging import Shown
from strongroom.enclave.programs.vault.standing import shown_by
from strongroom.enclave.programs.vault.terms import policy_steps

CUSTODY_FIELDS = ("custody", "wrapped", "custodian", "customer")
"""Of a lease's answer: how its key opens where the ledger alone does not."""
TAKE_STEPS_MAX = 16_000
"""Of what a call may use; the rest is for finding the job and writing it down."""
INPUT_STEPS, SEGMENT_STEPS = 300, 4
"""Of an input beside its policies, and of each version that it extends: a little above what is
measured."""


def given_inputs(context: Context, job: bytes, evidence: bytes) -> tuple[list[Any], bytes]:
    """(inputs of a job as its executor is told them, their leases one after the other).

    Raises:
        RecordedRefusal: a policy does not admit the caller; then no lease is left.
    """
    inputs, leases, judged = list[Any](), b"", set[str]()
    shown = shown_by(context, evidence)
    for alias, number, version in pinned_of(context, job):
        data, at = data_numbered(context, number), version_numbered(context, number, version)
        try:
            for key in roots_of(context, number):
                policy = bound.policy_of(context, key)
                if policy not in judged:
                    bound.judge(context, key, shown)
                    judged.add(policy)
            answer = _leased(context, data, at, job, shown)
        except ProgramError as refused:
            for lease in codec.split(leases, LEASE_SIZE):
                bound.give_back(context, lease)
            raise RecordedRefusal(refused.code, f"{alias}: {refused.message}") from None
        leases += answer["lease"]
        half, place = answer["half"], data.name
        if data.lineage:
            half = output_key(half, data.output, b"")
            place = result_name(data.lineage, data.output, b"")
        inputs.append(
            {
                "alias": alias,
                "owner": data.owner,
                "data": data.name,
                "place": place,
                "terms": context.map(DATA_TERMS).get(number),
                "version": version,
                "root": at.root,
                "segments": segments_of(context, number, version),
                "batches": batches_of(context, number, version),
                "size_class": at.size_class,
                "lease": answer["lease"],
                "until_ms": answer["until_ms"],
                "heartbeat_ms": answer["heartbeat_ms"],
                "half": half,
                "key": answer["name"],
                "key_version": answer["version"],
                **{name: answer[name] for name in CUSTODY_FIELDS},
            }
        )
    return inputs, leases


def demand_takeable(context: Context, pinned: Pinned) -> None:
    """Check, before a job is charged, that an executor can be given all of it in one call.

    Raises:
        ProgramError: ``inputs``: no executor ever could.
    """
    steps, judged = 0, set[str]()
    for _, number, version in pinned:
        data = data_numbered(context, number)
        steps += INPUT_STEPS + policy_steps(bound.policy_of(context, data.key))
        steps += SEGMENT_STEPS * len(segments_of(context, number, version))
        judged |= {bound.policy_of(context, key) for key in roots_of(context, number)}
    if steps + sum(map(policy_steps, judged)) > TAKE_STEPS_MAX:
        raise ProgramError(
            "inputs", "too much for one executor to be given: fewer inputs, or shorter policies"
        )


def _leased(context: Context, data: Data, at: Version, job: bytes, shown: Shown) -> dict[str, Any]:
    purpose = f"job {job.hex()[:32]}"
    return bound.lease(context, data.key, at.key_version, purpose=purpose, evidence=shown)
