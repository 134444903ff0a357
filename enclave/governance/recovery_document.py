"""What anybody can read of recovery: who holds shares of which generation, what is missing, what is
wrong. A share that is on the ledger opens for its member alone, so its bytes are not in here."""

from typing import Any, NamedTuple

from strongroom.consensus import codec
from strongroom.consensus.types import Epoch
from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.recovery import checks, checks_needed, wanted
from strongroom.enclave.governance.recovery_records import GenerationRecord, RecoveryTables


class RecoveryKeyEntry(NamedTuple):
    """One member's recovery key."""

    member: bytes
    digest: bytes
    in_token: bool
    """Half of it lies in a token."""
    height: int
    """That it named: the next one names a higher."""


class GenerationEntry(NamedTuple):
    """One generation: the active one, or one that may become active."""

    number: int
    digest: bytes
    active: bool
    current: bool
    """It is for the members, keys and threshold of now, and nobody is believed to know its
    secret."""
    maker: bytes
    """Node key."""
    heights: tuple[int, ...]
    """Where its parts stand, in order."""
    time_ms: int
    threshold: int
    needed: int
    """Acknowledgements with which it becomes active."""
    holders: tuple[bytes, ...]
    """Keys of members who have a share in it, ascending."""
    held: tuple[bytes, ...]
    """Of those who opened theirs and found it right."""
    bad: tuple[bytes, ...]
    """Of those who could not."""
    checks: int
    """Validators whose enclave found it right."""
    checks_needed: int
    first: int
    """The oldest epoch that it covers."""
    covered: int
    """The newest such that it covers all up to it."""


class RecoveryEntry(NamedTuple):
    """All of it."""

    threshold: int
    """k; 0 while recovery is off."""
    keys: tuple[RecoveryKeyEntry, ...]
    """Of members, ascending by member's key."""
    generations: tuple[GenerationEntry, ...]
    """Ascending by number."""
    alarms: tuple[str, ...]
    """What is wrong now: words of ALARMS."""

    @classmethod
    def read(cls, value: Any) -> "RecoveryEntry":
        """Name the fields of one that came from an enclave.

        Raises:
            NotCanonical: others, or of other types.
        """
        threshold, keys, generations, alarms = codec.fields(
            value, int, tuple, tuple, tuple, name="recovery"
        )
        key_shape = (bytes, bytes, bool, int)
        shape = (int, bytes, bool, bool, bytes, tuple, int, int, int, *(tuple,) * 3, *(int,) * 4)
        return cls(
            threshold,
            tuple(RecoveryKeyEntry(*codec.fields(one, *key_shape, name="key")) for one in keys),
            tuple(
                GenerationEntry(*codec.fields(one, *shape, name="generation"))
                for one in generations
            ),
            alarms,
        )

    @property
    def active(self) -> GenerationEntry | None:
        """The generation whose shares count."""
        return next((one for one in self.generations if one.active), None)


ALARMS = {
    "off": "recovery is off: when all enclaves lose their keys, the ledger can be opened by nobody",
    "too-few-keys": "fewer members than the threshold have published a recovery key",
    "none-active": "no generation of shares is active: k members could open nothing",
    "outdated": "members, keys or threshold changed, or a secret may be known outside, since the "
    "active generation was made",
    "few-hold": "fewer than k+1 members hold their share of the active generation",
    "share-bad": "a member could not open its share",
    "cut": "the oldest epochs are not covered: there are more than one generation holds",
    "uncovered": "the newest epochs are not covered: what they wrote could not be opened",
}
"""Word → what it means."""


def recovery_entry(view: GovernanceView) -> RecoveryEntry:
    """The entry of a state."""
    recovery = RecoveryTables(view.tables)
    governing = {key for _, key in view.tables.rules.voters}
    keys = tuple(
        RecoveryKeyEntry(one.member, one.key.digest, bool(one.key.point), one.height)
        for one in recovery.keys_of(governing)
    )
    generations = tuple(_entry(view, one) for one in recovery.generations())
    alarms = _alarms(view, len(keys), generations)
    return RecoveryEntry(recovery.threshold, keys, generations, alarms)


def _entry(view: GovernanceView, one: GenerationRecord) -> GenerationEntry:
    recovery, now = RecoveryTables(view.tables), wanted(view)
    generation, said = recovery.generation(one), recovery.held(one.number)
    covered, added = generation.epoch, recovery.added(one.number)
    while covered + 1 in added:
        covered = Epoch(covered + 1)
    return GenerationEntry(
        number=one.number,
        digest=one.digest,
        active=one.active,
        current=now is not None and now.basis == one.basis,
        maker=one.maker,
        heights=recovery.part_heights(one.number),
        time_ms=one.time_ms,
        threshold=generation.threshold,
        needed=generation.needed,
        holders=tuple(holder.member for holder in generation.holders),
        held=tuple(member for member, good in said.items() if good),
        bad=tuple(member for member, good in said.items() if not good),
        checks=checks(view, one.number),
        checks_needed=checks_needed(view.epoch_record.description),
        first=generation.first,
        covered=covered,
    )


def _alarms(
    view: GovernanceView, keys: int, generations: tuple[GenerationEntry, ...]
) -> tuple[str, ...]:
    threshold = RecoveryTables(view.tables).threshold
    if not threshold:
        return ("off",)
    governing = {key for _, key in view.tables.rules.voters}
    found = ["too-few-keys"] if keys < threshold else []
    active = next((one for one in generations if one.active), None)
    if active is None:
        found.append("none-active")
    else:
        holding = sum(member in governing for member in active.held)
        if not active.current:
            found.append("outdated")
        if holding < min(len(active.holders), active.threshold + 1):
            found.append("few-hold")
        if active.first:
            found.append("cut")
        if active.covered < view.epoch_record.description.epoch:
            found.append("uncovered")
    if any(one.bad for one in generations):
        found.append("share-bad")
    return tuple(found)
