"""An independent replay of transfers in plain Python, to compare the ledger's end state with.

Owns the rules once more, from INTERFACES alone, on purpose: it imports nothing of the program that
it checks.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from strongroom.enclave.programs.payments import AMOUNT_MAX as AMOUNT_MAX
from strongroom.node.demo.table import Transfer


@dataclass(slots=True)
class PlainLedger:
    """Balances in a dict."""

    balances: dict[str, int]
    done: int = 0
    failed: int = 0
    outcomes: list[bool] = field(default_factory=list)
    """Of each transfer in order: did it take effect?"""

    def apply(self, transfers: Iterable[Transfer]) -> None:
        """Every transfer in order; one that cannot be done changes nothing, and the next is
        tried."""
        for transfer in transfers:
            took_effect = self._transfer(transfer)
            self.outcomes.append(took_effect)
            self.done += took_effect
            self.failed += not took_effect

    def _transfer(self, transfer: Transfer) -> bool:
        source, target, amount = transfer.source, transfer.target, transfer.amount
        if (
            not 1 <= amount <= AMOUNT_MAX
            or source not in self.balances
            or target not in self.balances
        ):
            return False
        if self.balances[source] < amount:
            return False
        if source != target and self.balances[target] + amount > AMOUNT_MAX:
            return False
        self.balances[source] -= amount
        self.balances[target] += amount
        return True


def enough_for_all(transfers: Iterable[Transfer]) -> dict[str, int]:
    """Opening balances with which every transfer of a valid amount can be paid: what each account
    pays in all."""
    opening: dict[str, int] = {}
    for transfer in transfers:
        opening.setdefault(transfer.source, 0)
        opening.setdefault(transfer.target, 0)
        if 1 <= transfer.amount <= AMOUNT_MAX:
            opening[transfer.source] += transfer.amount
    return opening


def in_id_order(accounts: Iterable[str]) -> list[str]:
    """Numeric ids by number, then all others by text."""
    return sorted(
        accounts, key=lambda name: (0, int(name), name) if _is_number(name) else (1, 0, name)
    )


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()
