"""What members and nodes say in public about recovery (VAULT §7): actions and their fields."""

RECOVERY_KEY, SHARE_HELD, SHARE_BAD = "recovery-key", "share-held", "share-bad"
GENERATION, CHECKED, EPOCH = "recovery-generation", "recovery-checked", "recovery-epoch"

RECOVERY_SHAPES: dict[str, tuple[type, ...]] = {
    RECOVERY_KEY: (bytes, bytes, int),
    SHARE_HELD: (int, bytes),
    SHARE_BAD: (int, bytes),
    GENERATION: (int, int, int, bytes),
    CHECKED: (int, bytes),
    EPOCH: (int, int, bytes),
}
"""Types of each action's fields:

    recovery-key         (X-Wing key, point of P-256 or b"", a recent height)   by a member
    share-held           (number, generation's digest)                          by a member
    share-bad            (number, generation's digest)                          by a member
    recovery-generation  (number, part from 0, parts, bytes)                    by a validator
    recovery-checked     (number, generation's digest)                          by a validator
    recovery-epoch       (number, epoch, sealed secret)                         by a validator
"""
MEMBERS_RECOVERY_ACTIONS = frozenset({RECOVERY_KEY, SHARE_HELD, SHARE_BAD})
RECOVERY_UNITS = {
    RECOVERY_KEY: 8,
    SHARE_HELD: 8,
    SHARE_BAD: 8,
    GENERATION: 8,
    CHECKED: 4,
    EPOCH: 4,
}
"""What one costs (execution/public_work.py): the first three read all members."""
