"""Payments: accounts, issue, transfers, balances, statements.

Every identity has a default account (label ""); it may open further ones under labels of its own.
Inside, an account is known by a small number, so that a movement is a few integers. Amounts are
integers of the smallest unit, 1 … 2^63−1; all balances together never exceed that, because no more
is ever issued. Roles: `issuer` may issue, `auditor` may read.
"""

from typing import Any, NamedTuple

from strongroom.enclave.programs.framework import Context, Program, ProgramError, digest_text
from strongroom.enclave.programs.roster import charge
from strongroom.enclave.programs.schema import OWN, Account
from strongroom.enclave.programs.state import OrderedMap
from strongroom.enclave.text import is_line, is_name

payments = Program("payments")

ACCOUNTS = payments.map("accounts", key=(bytes, str), value=int, scanned=True)
"""(owner, label) → account number."""
OWNERS = payments.map("owners", key=int, value=(bytes, str))
"""Account number → (owner, label)."""
BALANCES = payments.map("balances", key=int, value=(int, int))
"""Account number → (balance, number of movements)."""
MOVEMENTS = payments.map("movements", key=(int, int), value=(int, int, int, str, int))
"""(account, movement modulo MOVEMENTS_KEPT) → (height, amount, negative when paid out, other
account or ISSUANCE, memo, balance): each account's newest movements, so that memory does not grow
with the ledger, which has them all."""
TOTALS = payments.map("totals", key=str, value=int)
"""`accounts` → how many; `supply` → sum of all that was issued."""

MOVEMENTS_KEPT = 256
"""An account's newest movements that a statement can show."""
AMOUNT_MAX = 2**63 - 1
LABEL_MAX = 64
"""Characters."""
MEMO_MAX = 256
"""Characters."""
STATEMENT_MAX = 1_000
BALANCES_MAX = 1_000
ISSUANCE = 0
ACCOUNT_BYTES = 1024
"""What an account counts beside its label: its entries, and some of its newest movements."""
NOTHING = (0, 0)
"""Balance and movements of an account that is new."""


class Payment(NamedTuple):
    """One transfer of many."""

    to: Account
    amount: int
    source: str = ""
    memo: str = ""


class Issue(NamedTuple):
    """One issuance of many."""

    to: Account
    amount: int


@payments.transaction
def open(context: Context, *, account: str) -> dict[str, Any]:
    """Open a further account of the caller's."""
    _open(context, account)
    return {"account": account}


@payments.transaction
def open_many(context: Context, *, accounts: list[str]) -> dict[str, Any]:
    """Open up to 1,000 accounts, all or none."""
    for label in accounts:
        _open(context, label)
    return {"opened": len(accounts)}


@payments.transaction
def issue(context: Context, *, to: Account, amount: int) -> dict[str, Any]:
    """Create money in an account; issuers only."""
    return {"supply": _issue(context, to, amount)}


@payments.transaction
def issue_many(context: Context, *, issues: list[Issue]) -> dict[str, Any]:
    """Create money in up to 1,000 accounts, all or none; issuers only."""
    supply = context.map(TOTALS).get("supply") or 0
    for to, amount in issues:
        supply = _issue(context, to, amount)
    return {"supply": supply}


@payments.transaction
def transfer(
    context: Context, *, to: Account, amount: int, source: str = "", memo: str = ""
) -> dict[str, Any]:
    """Pay from an account of the caller's; gives the source's new balance."""
    return {"balance": _transfer(context, to, amount, source, memo)}


@payments.transaction
def transfer_many(context: Context, *, transfers: list[Payment]) -> dict[str, Any]:
    """Up to 1,000 transfers in order, all or none."""
    for to, amount, source, memo in transfers:
        _transfer(context, to, amount, source, memo)
    return {"transfers": len(transfers)}


@payments.query
def balance(context: Context, *, account: Account = OWN) -> int:
    """What stands in an account; its owner or an auditor may ask."""
    number = _readable(context, account)
    return 0 if number is None else _balance_of(context, number)[0]


@payments.query
def balances(context: Context, *, after: str = "", limit: int = 1_000) -> list[dict[str, Any]]:
    """What stands in the caller's labelled accounts, in order of label, those after label
    `after`."""
    if not 1 <= limit <= BALANCES_MAX:
        raise ProgramError("limit", f"limit is 1 to {BALANCES_MAX}")
    own = context.identity
    found = context.map(ACCOUNTS).scan(prefix=(own,), after=(own, after), limit=limit)
    return [
        {"account": label, "balance": _balance_of(context, number)[0]}
        for (_, label), number in found
    ]


@payments.query
def statement(
    context: Context, *, account: Account = OWN, after: int = 0, limit: int = 100
) -> list[dict[str, Any]]:
    """The account's movements in order, those after movement number `after`; 0: from the oldest
    that is kept.

    The newest 256 are kept. Every older one is in the ledger, and in the result that its sender can
    ask for.
    """
    if not 1 <= limit <= STATEMENT_MAX or after < 0:
        raise ProgramError("limit", f"limit is 1 to {STATEMENT_MAX}, after is 0 or more")
    number = _readable(context, account)
    if number is None:
        return []
    count = _balance_of(context, number)[1]
    gone = max(0, count - MOVEMENTS_KEPT)
    if 0 < after < gone:
        raise ProgramError(
            "no longer kept",
            f"ask after={gone}, or system.result for the ids of older ones: the ledger has them",
        )
    after = after or gone
    shown = range(max(after, gone) + 1, min(after + limit, count) + 1)
    return [_entry(context, number, sequence) for sequence in shown]


@payments.query
def supply(context: Context) -> int:
    """The sum of all that was issued."""
    return context.map(TOTALS).get("supply") or 0


def _open(context: Context, label: str) -> int:
    if not 1 <= len(label) <= LABEL_MAX or not is_name(label) or "/" in label:
        raise ProgramError(
            "label", f"a label has 1 to {LABEL_MAX} ASCII characters but /, or composed letters"
        )
    if context.map(ACCOUNTS).get((context.identity, label)) is not None:
        raise ProgramError("account exists", f"account {label} is open already")
    return _create(context, context.identity, label)


def _create(context: Context, owner: bytes, label: str) -> int:
    charge(context, 1, ACCOUNT_BYTES + len(label.encode()))
    totals = context.map(TOTALS)
    number = (totals.get("accounts") or 0) + 1
    totals.put("accounts", number)
    context.map(ACCOUNTS).put((owner, label), number)
    context.map(OWNERS).put(number, (owner, label))
    context.map(BALANCES).put(number, NOTHING)
    return number


def _issue(context: Context, to: Account, amount: int) -> int:
    if not context.has_role("issuer"):
        raise ProgramError("not the issuer", "only an identity with the issuer role may issue")
    _check_amount(amount)
    totals = context.map(TOTALS)
    total = (totals.get("supply") or 0) + amount
    if total > AMOUNT_MAX:
        raise ProgramError("overflow", f"no more than {AMOUNT_MAX} can be issued in all")
    totals.put("supply", total)
    target = _receiving(context, to)
    _enter(
        context.map(BALANCES),
        context.map(MOVEMENTS),
        target,
        _balance_of(context, target),
        context.height,
        amount,
        ISSUANCE,
        "",
    )
    return total


def _transfer(context: Context, to: Account, amount: int, source: str, memo: str) -> int:
    _check_amount(amount)
    if memo and (len(memo) > MEMO_MAX or not is_line(memo)):
        raise ProgramError(
            "memo", f"a memo is one line of at most {MEMO_MAX} characters, no controls"
        )
    accounts, balances = context.map(ACCOUNTS), context.map(BALANCES)
    movements, height = context.map(MOVEMENTS), context.height
    origin = accounts.get((context.identity, source))
    if origin is None and source:
        raise ProgramError("no such account", f"you have no account {source}")
    held = NOTHING if origin is None else balances.get(origin) or NOTHING
    if origin is None or held[0] < amount:
        raise ProgramError("insufficient", f"the balance is {held[0]}, {amount} is needed")
    target = _receiving(context, to)
    left = _enter(balances, movements, origin, held, height, -amount, target, memo)
    held = balances.get(target) or NOTHING
    arrived = _enter(balances, movements, target, held, height, amount, origin, memo)
    return arrived if target == origin else left


def _receiving(context: Context, to: Account) -> int:
    owner, label = to
    number: int | None = context.map(ACCOUNTS).get((owner or context.identity, label))
    if number is not None:
        return number
    if label:
        raise ProgramError("no such account", f"the receiver has no account {label}")
    return _create(context, owner or context.identity, "")


def _enter(
    balances: OrderedMap[int, tuple[int, int]],
    movements: OrderedMap[tuple[int, int], tuple[int, int, int, str, int]],
    number: int,
    held: tuple[int, int],
    height: int,
    amount: int,
    other: int,
    memo: str,
) -> int:
    """Add a movement to an account that holds `held`; gives its new balance. The maps come from the
    caller: a payment enters two movements."""
    balance, sequence = held[0] + amount, held[1] + 1
    if not 0 <= balance <= AMOUNT_MAX:
        raise ProgramError("overflow", "the balance would leave its range")
    balances.put(number, (balance, sequence))
    movements.put((number, sequence % MOVEMENTS_KEPT), (height, amount, other, memo, balance))
    return balance


def _check_amount(amount: int) -> None:
    if not 1 <= amount <= AMOUNT_MAX:
        raise ProgramError("amount", f"an amount is 1 to {AMOUNT_MAX}")


def _readable(context: Context, account: Account) -> int | None:
    owner, label = account[0] or context.identity, account[1]
    if owner != context.identity and not context.has_role("auditor"):
        raise ProgramError("not the owner", "only its owner or an auditor may ask about an account")
    number = context.map(ACCOUNTS).get((owner, label))
    if number is None and label:
        raise ProgramError("no such account", f"there is no account {label}")
    return number


def _balance_of(context: Context, number: int) -> tuple[int, int]:
    held: tuple[int, int] = context.map(BALANCES).get(number) or NOTHING
    return held


def _entry(context: Context, number: int, sequence: int) -> dict[str, Any]:
    entry = context.map(MOVEMENTS).get((number, sequence % MOVEMENTS_KEPT))
    if entry is None:
        raise KeyError(sequence)
    height, amount, other, memo, held = entry
    own, others = _written(context, number), None if other == ISSUANCE else _written(context, other)
    return {
        "sequence": sequence,
        "height": height,
        "amount": abs(amount),
        "from": own if amount < 0 else others,
        "to": others if amount < 0 else own,
        "memo": memo,
        "balance": held,
    }


def _written(context: Context, number: int) -> str:
    owner, label = context.map(OWNERS).get(number) or (b"", "")
    return f"{digest_text(owner)}/{label}" if label else digest_text(owner)
