"""The door policy at work: whose credential a connection shows, and what that lets it do.

Owns which methods need a credential. It learns an organisation, never an identity: those are
sealed.
"""

from collections.abc import Iterable

from strongroom.node.credentials import same, shown_digest
from strongroom.node.faults import Refused
from strongroom.node.organisations import DoorPolicy
from strongroom.node.rpc.quota import Account

REASON = "credential"
"""`data.reason` of the refusal."""
GUARDED = frozenset({"ledger_submit", "ledger_submit_many", "governance_submit", "ledger_query"})
"""Methods that always need a credential: what writes, and what makes the enclave work."""
GUARDED_ROUTES = frozenset({"blob_put"})
"""What is no method and needs one as well (blobs.py)."""
ALWAYS_OPEN = frozenset({"rpc.discover"})
ANYONE = "anyone"
"""The account of an open door."""
_MISSING = (
    "needs the credential of an organisation, as `Authorization: "
    "Bearer …`: ask the node's operator for one"
)
_UNKNOWN = "this node knows no organisation with this credential: ask its operator"


class Door:
    """Who comes in, and whose account it is."""

    def __init__(self, policy: DoorPolicy) -> None:
        self._policy = policy
        self._accounts = [(one.digest, Account.of(one)) for one in policy.organisations]
        self._anyone = Account(ANYONE, None) if policy.open else None
        self._by_name = {account.name: account for _, account in self._accounts}

    def account_of(self, authorization: str | None) -> Account | None:
        """The account behind an Authorization header; None: there is none. Every digest is
        compared, none early."""
        shown = shown_digest(authorization)
        if shown is None:
            return self._anyone
        found = self._anyone
        for digest, account in self._accounts:
            if same(digest, shown):
                found = account
        return found

    def check(self, method: str, account: Account | None, *, shown: bool) -> None:
        """May this caller call this method?

        Raises:
            Refused: with the reason `credential`.
        """
        guarded = method in GUARDED or method in GUARDED_ROUTES
        if account is not None or (
            not guarded and (not self._policy.reading or method in ALWAYS_OPEN)
        ):
            return
        raise Refused(f"{method} {_MISSING}" if not shown else _UNKNOWN, reason=REASON)

    def penalise(self, name: str, refusals: int) -> None:
        """Envelopes of this organisation were refused in execution."""
        account = self._by_name.get(name)
        if account is not None:
            account.penalise(refusals)

    @property
    def weights(self) -> Iterable[tuple[str, int]]:
        """(organisation, weight) of all."""
        return [(one.name, one.quota.weight) for one in self._policy.organisations]


def open_door() -> Door:
    """Anyone may submit: for tests and development."""
    return Door(DoorPolicy(open=True))
