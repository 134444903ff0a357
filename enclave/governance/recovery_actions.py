"""What members and validators say of recovery, and what it changes (VAULT §7; T45, T5A).

Owns the actions of recovery_public.py, one function each. When a generation is due, and when it
becomes active, recovery.py says.
"""

from collections.abc import Callable, Mapping

from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import PublicKey
from strongroom.enclave.formats.recovery import (
    EPOCH_BOX_SIZE,
    GENERATION_BYTES_MAX,
    SHARED_AMONG_MAX,
    Generation,
    RecoveryKey,
)
from strongroom.enclave.governance import recovery_public
from strongroom.enclave.governance.action_context import ActionContext, checked_size
from strongroom.enclave.governance.records import RECENT_BLOCKS, Status
from strongroom.enclave.governance.recovery import (
    WantedGeneration,
    bar,
    barred,
    checks,
    checks_needed,
    consider,
    due,
    wanted,
)
from strongroom.enclave.governance.recovery_records import (
    AGREED,
    GenerationRecord,
    PublishedKey,
    RecoveryTables,
)
from strongroom.enclave.governance.refusals import Ground, refuse

PART_BYTES_MAX = 96 * 1024
"""Of a generation, in one transaction."""
PARTS_MAX = GENERATION_BYTES_MAX // PART_BYTES_MAX + 1
ASSEMBLY_MS = 30_000
"""So long one maker's parts may come in before another's are taken."""
KEY_PAUSE_MS = 60_000
"""Between two recovery keys of one member."""
RECOVERY_KEYS_MAX = 1024
"""Recovery keys in the state, those of former members too, so that none can be replayed."""


# --- members ---


def recovery_key(context: ActionContext) -> str:
    """Note to what a member's shares are to be sealed from now on; the key's digest in hex.

    Raises:
        ProgramError: not a member, no key, a replay, too soon, or too many.
    """
    hybrid, point, height = context.fields
    context.member()
    recovery, key = RecoveryTables(context.tables), RecoveryKey(hybrid, point)
    try:
        key.check()
    except NotCanonical:
        refuse(Ground.MALFORMED, "nothing can be sealed to this recovery key: make another one")
    context.recent(height)
    before, now_ms = recovery.key_of(context.signer), context.block.time_ms
    if before is not None and (height <= before.height or key == before.key):
        refuse(Ground.TWICE, "this key, or a newer one, is published: nothing is to be done")
    if before is not None and now_ms < before.time_ms + KEY_PAUSE_MS:
        refuse(Ground.TOO_SOON, f"a member changes its key once in {KEY_PAUSE_MS} ms: wait")
    if before is None:
        _make_room(context)
    recovery.write_key(PublishedKey(member=context.signer, key=key, height=height, time_ms=now_ms))
    return key.digest.hex()


def _make_room(context: ActionContext) -> None:
    recovery = RecoveryTables(context.tables)
    keys, governing = recovery.keys(), {key for _, key in context.tables.rules.voters}
    if sum(one.member in governing for one in keys) >= SHARED_AMONG_MAX:
        refuse(Ground.FULL, f"{SHARED_AMONG_MAX} members have shares: there are no more")
    if len(keys) < RECOVERY_KEYS_MAX:
        return
    for one in keys:
        replayable = one.height >= context.block.height - RECENT_BLOCKS
        if one.member not in governing and not replayable:
            recovery.forget_key(one.member)
            return
    refuse(Ground.FULL, "too many members came and went: publish it again later")


def share_held(context: ActionContext) -> tuple[int, int, int]:
    """A member's client opened its share and found it as it was committed to; (number, who hold,
    needed).

    Raises:
        ProgramError: see `_own_share`; or said before.
    """
    record, generation = _own_share(context)
    recovery = RecoveryTables(context.tables)
    if context.signer in recovery.held(record.number):
        refuse(Ground.TWICE, "this member has spoken of its share: publish another recovery key")
    recovery.write_held(record.number, context.signer, True, context.block.time_ms)
    consider(context.view, record, generation)
    holding = sum(recovery.held(record.number).values())
    return record.number, holding, generation.needed


def share_bad(context: ActionContext) -> tuple[int, int, int]:
    """A member's client could not open its share, or it is another one than was committed to;
    (number, for whom it is bad, needed).

    Nobody can prove that something does not open. So one member's word takes nothing from the
    others: a generation is followed by another one only when it can become active no more.

    Raises:
        ProgramError: see `_own_share`; or said before.
    """
    record, generation = _own_share(context)
    recovery = RecoveryTables(context.tables)
    if recovery.held(record.number).get(context.signer) is False:
        refuse(Ground.TWICE, "this member has said so: publish another recovery key")
    recovery.write_held(record.number, context.signer, False, context.block.time_ms)
    bad = sum(not good for good in recovery.held(record.number).values())
    return record.number, bad, generation.needed


def _own_share(context: ActionContext) -> tuple[GenerationRecord, Generation]:
    """The generation that a member speaks of.

    Raises:
        ProgramError: not a member, no such generation, another digest, no share in it, or it is for
            other members, keys or another threshold than now.
    """
    context.member()
    record = _named(context)
    generation = RecoveryTables(context.tables).generation(record)
    if generation.coordinate(context.signer) is None:
        refuse(Ground.NOT_A_MEMBER, "this member holds no share of this generation")
    now = wanted(context.view)
    if not record.active and (now is None or now.basis != record.basis):
        refuse(Ground.OTHER_GENERATION, "members, keys or threshold changed: wait for the next one")
    return record, generation


def _named(context: ActionContext) -> GenerationRecord:
    number, digest = context.fields
    record = RecoveryTables(context.tables).record(number)
    if record is None or digest != record.digest:
        refuse(
            Ground.OTHER_GENERATION,
            "there is no such generation, or another one of this number: read it and look again",
        )
    return record


# --- validators ---


def publish(context: ActionContext) -> tuple[int, int, int]:
    """Take one part of a generation, and the generation once it is whole; (number, part, parts).

    Raises:
        ProgramError: no validator, none is due, another maker's parts are coming in, said before,
            or the whole is not what is due.
    """
    number, part, parts, data = context.fields
    _validator(context)
    view, recovery, now_ms = context.view, RecoveryTables(context.tables), context.block.time_ms
    missing = due(view, now_ms)
    if missing is None or number != missing.number:
        refuse(Ground.NOTHING_DUE, "no generation of this number is due")
    if not 0 <= part < parts <= PARTS_MAX or not 0 < len(data) <= PART_BYTES_MAX:
        refuse(Ground.MALFORMED, f"a generation has up to {PARTS_MAX} parts of {PART_BYTES_MAX}")
    if context.signer in barred(view, missing):
        refuse(Ground.PROVES_NOTHING, "this node's generation was not found right: others make it")
    _take_turn(context, number, parts)
    if not recovery.write_part(number, part, data, context.block.height):
        refuse(Ground.TWICE, "this part is here")
    if len(recovery.part_heights(number)) == parts:
        _take(context, missing, parts)
    return number, part, parts


def _take_turn(context: ActionContext, number: int, parts: int) -> None:
    """One maker's parts come in at a time, for ASSEMBLY_MS; then it is another's turn. What comes
    in one part waits for nobody."""
    recovery, now_ms = RecoveryTables(context.tables), context.block.time_ms
    coming = recovery.assembly
    if coming is not None and parts > 1:
        maker, count, since_ms = coming
        own, over = maker == context.signer, now_ms >= since_ms + ASSEMBLY_MS
        if own and not over and count == parts:
            return
        if not over or (own and now_ms < since_ms + 2 * ASSEMBLY_MS):
            refuse(Ground.TOO_SOON, "it is another node's turn to publish a generation: wait")
    recovery.drop(number)
    recovery.assembly = (context.signer, parts, now_ms)


def _take(context: ActionContext, missing: WantedGeneration, parts: int) -> None:
    recovery = RecoveryTables(context.tables)
    try:
        generation = Generation.decode(recovery.part_bytes(missing.number, parts))
    except NotCanonical:
        refuse(Ground.MALFORMED, "these bytes are no generation")
    same = (
        generation.chain == context.view.chain
        and (generation.number, generation.basis) == (missing.number, missing.basis)
        and generation.threshold == missing.threshold
        and (generation.first, generation.epoch) == (missing.first, missing.epoch)
        and [(one.member, one.recovery_key) for one in generation.holders]
        == [(member, key.digest) for member, key in missing.members]
    )
    if not same:
        refuse(Ground.OTHER_GENERATION, "this is not the generation that is due")
    record = GenerationRecord(
        number=generation.number,
        digest=generation.digest,
        basis=generation.basis,
        stain=recovery.stain,
        maker=context.signer,
        parts=parts,
        height=context.block.height,
        time_ms=context.block.time_ms,
        active=False,
    )
    bar(context.view, missing)
    recovery.begin(record)
    recovery.assembly = None


def checked(context: ActionContext) -> tuple[int, int]:
    """A validator's enclave found a generation right; (number, how many do).

    Raises:
        ProgramError: no validator, no such generation, or said before.
    """
    node = _validator(context)
    record, recovery = _named(context), RecoveryTables(context.tables)
    if node in recovery.checks(record.number):
        refuse(Ground.TWICE, "this node has said so")
    recovery.write_check(record.number, node)
    consider(context.view, record, recovery.generation(record))
    return record.number, checks(context.view, record.number)


def cover(context: ActionContext) -> tuple[int, int, bool]:
    """A validator's word on the sealed secret of an epoch that began after the generation was made;
    (number, epoch, is it covered now?).

    All right enclaves say the same bytes, and f+1 of one word have a right one among them.

    Raises:
        ProgramError: no validator, no such generation, one that is under suspicion, an epoch that
            is not one of its later ones, or said before.
    """
    number, epoch, box = context.fields
    node = _validator(context)
    recovery, current = RecoveryTables(context.tables), context.view.epoch_record.description
    record = recovery.record(number)
    if record is None:
        refuse(Ground.OTHER_GENERATION, "there is no such generation")
    if not recovery.threshold:
        refuse(Ground.NOTHING_DUE, "recovery is off: members set no threshold")
    if record.stain != recovery.stain:
        refuse(Ground.OTHER_GENERATION, "somebody outside may know its secret: a new one is due")
    if not recovery.generation(record).epoch < epoch <= current.epoch:
        refuse(Ground.WRONG_EPOCH, "this generation holds that epoch, or the epoch did not begin")
    checked_size(box, EPOCH_BOX_SIZE, name="sealed secret")
    said = recovery.boxes(number, epoch)
    if node in said or AGREED in said:
        refuse(Ground.TWICE, "this was said, or the epoch is covered")
    recovery.write_box(number, epoch, node, box)
    equal = [key for key, one in said.items() if one == box and current.index_of(key) is not None]
    agreed = len(equal) + 1 >= checks_needed(current)
    if agreed:
        recovery.forget_boxes(number, epoch)
        recovery.write_box(number, epoch, AGREED, box)
    return number, epoch, agreed


def _validator(context: ActionContext) -> PublicKey:
    """The validator that signed.

    Raises:
        ProgramError: none of this epoch's, or suspended.
    """
    context.node(Status.VALIDATOR, Status.LEAVING)
    if context.view.epoch_record.description.index_of(context.signer) is None:
        refuse(Ground.NOT_A_NODE, "only a validator of this epoch speaks of recovery")
    if context.signer in context.view.roster.suspended:
        refuse(Ground.SUSPENDED, "the node is suspended: attest first")
    return context.signer


RECOVERY_ACTIONS: Mapping[str, Callable[[ActionContext], object]] = {
    recovery_public.RECOVERY_KEY: recovery_key,
    recovery_public.SHARE_HELD: share_held,
    recovery_public.SHARE_BAD: share_bad,
    recovery_public.GENERATION: publish,
    recovery_public.CHECKED: checked,
    recovery_public.EPOCH: cover,
}
"""Who hears what (actions.py)."""
