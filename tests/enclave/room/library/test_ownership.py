"""The ownership filter: a row goes to bank B only if its account is in B's own data (ROOMS §5)."""

import pytest

pytest.importorskip("numpy", reason="the extra `rooms` is not installed")

from tests.enclave.room.library.public_sets import table_of
from tests.enclave.room.library.test_round_trips import search, transfer

from strongroom.enclave.room.library.ownership import Claim, Ownership, divide
from strongroom.enclave.room.library.shapes import ProgramRefused, Table

OUTPUT = Table.of({"ring": [1, 1, 2], "bank": ["A", "B", "B"], "account": ["x", "y", "z"]})
ACCOUNTS = {
    "a": Table.of({"bank": ["A", "A"], "account": ["x", "w"]}),
    "b": Table.of({"bank": ["B"], "account": ["y"]}),
}


def rule(codes: dict[str, frozenset[str]] | None = None) -> Ownership:
    claims = {
        owner: (
            Claim(
                alias=owner,
                columns=("bank", "account"),
                codes=(codes or {}).get(owner, frozenset()),
            ),
        )
        for owner in ("a", "b")
    }
    return Ownership(columns=("bank", "account"), claims=claims)


def accounts(table: Table) -> list[object]:
    return list(table.columns["account"])


def test_each_owner_gets_rows_about_what_is_its_own() -> None:
    parts = divide(rule(), OUTPUT, ACCOUNTS)
    assert {owner: accounts(part) for owner, part in parts.items()} == {"a": ["x"], "b": ["y"]}
    assert list(parts["a"].columns["ring"]) == [1]


def test_what_nobody_owns_goes_to_nobody() -> None:
    parts = divide(rule(), OUTPUT, ACCOUNTS)
    assert "z" not in [one for part in parts.values() for one in accounts(part)]


def test_an_account_of_the_same_name_at_another_bank_is_another_account() -> None:
    output = Table.of({"bank": ["B"], "account": ["x"]})
    assert not any(part.rows for part in divide(rule(), output, ACCOUNTS).values())


def test_what_two_owners_claim_goes_to_neither() -> None:
    greedy = {**ACCOUNTS, "b": Table.of({"bank": ["B", "A"], "account": ["y", "x"]})}
    parts = divide(rule(), OUTPUT, greedy)
    assert {owner: accounts(part) for owner, part in parts.items()} == {"a": [], "b": ["y"]}


def test_an_owner_that_claims_another_banks_account_gets_nothing_and_takes_nothing() -> None:
    greedy = {**ACCOUNTS, "b": Table.of({"bank": ["B", "A"], "account": ["y", "x"]})}
    codes = {"a": frozenset({"A"}), "b": frozenset({"B"})}
    parts = divide(rule(codes), OUTPUT, greedy)
    assert {owner: accounts(part) for owner, part in parts.items()} == {"a": ["x"], "b": ["y"]}


def test_a_row_without_a_name_goes_to_nobody() -> None:
    output = Table.of({"bank": ["A", "A"], "account": [None, "None"]})
    claimed = {**ACCOUNTS, "a": Table.of({"bank": ["A"], "account": [None]})}
    assert not any(part.rows for part in divide(rule(), output, claimed).values())


def test_a_rule_that_does_not_fit_gives_nobody_anything() -> None:
    for columns, tables in (
        (("bank", "iban"), ACCOUNTS),
        (("account",), ACCOUNTS),
        ((), ACCOUNTS),
        (("bank", "account"), {"a": ACCOUNTS["a"]}),
    ):
        broken = Ownership(columns=columns, claims=rule().claims)
        with pytest.raises(ProgramRefused, match="ownership"):
            divide(broken, OUTPUT, tables)


def test_banks_get_alerts_for_their_own_accounts_alone() -> None:
    a = [transfer("A1", "B1", 1), transfer("C1", "A1", 3)]
    b = [transfer("A1", "B1", 1), transfer("B1", "C1", 2)]
    alerts = search({"a": a, "b": b})["alerts"]
    assert isinstance(alerts, Table)
    assert alerts.rows == 3
    own = {
        owner: tuple(
            Claim(
                alias=owner,
                columns=(f"{side}_bank", f"{side}_account"),
                codes=frozenset({owner.upper()}),
            )
            for side in ("from", "to")
        )
        for owner in ("a", "b")
    }
    tables = {"a": table_of(a), "b": table_of(b)}
    parts = divide(Ownership(columns=("bank", "account"), claims=own), alerts, tables)
    assert accounts(parts["a"]) == ["A1"]
    assert accounts(parts["b"]) == ["B1"]
