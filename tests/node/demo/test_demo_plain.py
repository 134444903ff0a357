"""The independent replay: the rules of INTERFACES in plain Python."""

from strongroom.node.demo.plain import AMOUNT_MAX, PlainLedger, enough_for_all, in_id_order
from strongroom.node.demo.table import Transfer


def test_an_overdraft_or_an_amount_below_one_fails_and_the_run_goes_on() -> None:
    ledger = PlainLedger({"a": 10, "b": 0})
    ledger.apply(
        [
            Transfer("a", "b", 11),
            Transfer("a", "b", 0),
            Transfer("a", "b", -5),
            Transfer("a", "b", 10),
        ]
    )
    assert (ledger.balances, ledger.done, ledger.failed) == ({"a": 0, "b": 10}, 1, 3)
    assert ledger.outcomes == [False, False, False, True]


def test_order_decides_whether_a_transfer_can_be_paid() -> None:
    first, second = Transfer("a", "b", 5), Transfer("b", "c", 5)
    ordered, swapped = PlainLedger({"a": 5, "b": 0, "c": 0}), PlainLedger({"a": 5, "b": 0, "c": 0})
    ordered.apply([first, second])
    swapped.apply([second, first])
    assert ordered.balances == {"a": 0, "b": 0, "c": 5}
    assert swapped.balances == {"a": 0, "b": 5, "c": 0}


def test_unknown_accounts_too_large_amounts_and_overflow_fail() -> None:
    ledger = PlainLedger({"a": AMOUNT_MAX, "b": AMOUNT_MAX})
    ledger.apply(
        [
            Transfer("a", "x", 1),
            Transfer("x", "a", 1),
            Transfer("a", "b", AMOUNT_MAX + 1),
            Transfer("a", "b", 1),
        ]
    )
    assert (ledger.done, ledger.failed) == (0, 4)


def test_paying_oneself_needs_the_money_and_changes_nothing() -> None:
    ledger = PlainLedger({"a": AMOUNT_MAX})
    ledger.apply([Transfer("a", "a", AMOUNT_MAX)])
    assert (ledger.balances, ledger.done) == ({"a": AMOUNT_MAX}, 1)


def test_enough_for_all_lets_every_valid_transfer_pass() -> None:
    transfers = [
        Transfer("a", "b", 5),
        Transfer("b", "a", 7),
        Transfer("a", "c", 1),
        Transfer("c", "a", -1),
    ]
    ledger = PlainLedger(enough_for_all(transfers))
    assert ledger.balances == {"a": 6, "b": 7, "c": 0}
    ledger.apply(transfers)
    assert ledger.outcomes == [True, True, True, False]


def test_accounts_are_listed_by_number_and_then_by_name() -> None:
    assert in_id_order(["10", "9", "b", "a", "100", "0"]) == ["0", "9", "10", "100", "a", "b"]
