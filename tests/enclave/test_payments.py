"""Payments: the rules, one by one, and all together against a plain model (T12)."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.enclave.chain import Chain, person

from strongroom.enclave.formats.envelope import transaction_id
from strongroom.enclave.programs.payments import AMOUNT_MAX, MOVEMENTS, MOVEMENTS_KEPT


@pytest.fixture
def chain() -> Chain:
    chain = Chain()
    chain.once("member0", "payments.issue", to="alice", amount=100)
    return chain


def test_every_identity_has_a_default_account(chain: Chain) -> None:
    assert chain.ask("carol", "payments.balance") == 0
    assert chain.once("alice", "payments.transfer", to="carol", amount=5).value == {"balance": 95}
    assert chain.ask("carol", "payments.balance") == 5


def test_only_the_issuer_issues(chain: Chain) -> None:
    assert chain.once("alice", "payments.issue", to="alice", amount=5).code == "not the issuer"
    assert (
        chain.once("alice", "payments.issue_many", issues=[["alice", 5]]).code == "not the issuer"
    )
    assert chain.once("member0", "payments.issue", to="bob", amount=5).value == {"supply": 105}
    assert chain.ask("alice", "payments.supply") == 105


@pytest.mark.parametrize("amount", [0, -1, AMOUNT_MAX + 1, -(2**63)])
def test_amounts_are_1_to_2_63_less_1(chain: Chain, amount: int) -> None:
    assert chain.once("alice", "payments.transfer", to="bob", amount=amount).code == "amount"
    assert chain.once("member0", "payments.issue", to="bob", amount=amount).code == "amount"


def test_no_more_is_issued_than_an_integer_holds(chain: Chain) -> None:
    assert chain.once("member0", "payments.issue", to="bob", amount=AMOUNT_MAX).code == "overflow"
    assert chain.once("member0", "payments.issue", to="bob", amount=AMOUNT_MAX - 100).value == {
        "supply": AMOUNT_MAX
    }
    assert chain.once("bob", "payments.transfer", to="alice", amount=AMOUNT_MAX - 100).value == {
        "balance": 0
    }
    assert chain.ask("alice", "payments.balance") == AMOUNT_MAX


def test_an_overdraft_is_refused_whole(chain: Chain) -> None:
    result = chain.once("alice", "payments.transfer", to="bob", amount=101)
    assert (result.code, result.message) == ("insufficient", "the balance is 100, 101 is needed")
    assert chain.once("dave", "payments.transfer", to="bob", amount=1).code == "insufficient"
    assert chain.ask("alice", "payments.balance") == 100
    assert chain.ask("bob", "payments.statement") == []


def test_further_accounts_are_opened_by_their_owner(chain: Chain) -> None:
    assert chain.once("alice", "payments.open", account="4711").value == {"account": "4711"}
    assert chain.once("alice", "payments.open", account="4711").code == "account exists"
    assert chain.once("bob", "payments.open", account="4711").ok  # labels are each owner's own
    for label in ("", "x" * 65, "a/b", "a\nb"):
        assert chain.once("alice", "payments.open", account=label).code == "label"
    assert chain.once("alice", "payments.transfer", to="/4711", amount=7).value == {"balance": 93}
    assert chain.once(
        "alice", "payments.transfer", to="bob/4711", amount=2, source="4711"
    ).value == {"balance": 5}
    assert chain.ask("bob", "payments.balance", account="/4711") == 2
    assert (
        chain.once("alice", "payments.transfer", to="bob/4712", amount=2).code == "no such account"
    )
    assert (
        chain.once("alice", "payments.transfer", to="bob", amount=2, source="4712").code
        == "no such account"
    )


def test_open_many_and_issue_many_are_all_or_none(chain: Chain) -> None:
    assert (
        chain.once("member0", "payments.open_many", accounts=["1", "2", "1"]).code
        == "account exists"
    )
    assert chain.refusal("member0", "payments.balance", account="/1") == "no such account"
    labels = [str(number) for number in range(1000)]
    assert chain.once("member0", "payments.open_many", accounts=labels).value == {"opened": 1000}
    issues = [[f"/{label}", 10] for label in labels]
    assert (
        chain.once("member0", "payments.issue_many", issues=[*issues[:-1], ["/x", 1]]).code
        == "no such account"
    )
    assert chain.ask("member0", "payments.supply") == 100
    assert chain.once("member0", "payments.issue_many", issues=issues).value == {"supply": 10_100}
    assert chain.ask("member0", "payments.balance", account="/999") == 10


def test_transfer_many_is_all_or_nothing(chain: Chain) -> None:
    assert (
        chain.once("alice", "payments.transfer_many", transfers=[["bob", 60], ["carol", 41]]).code
        == "insufficient"
    )
    assert chain.ask("bob", "payments.balance") == 0
    result = chain.once(
        "alice", "payments.transfer_many", transfers=[["bob", 60, "", "rent"], ["carol", 40]]
    )
    assert result.value == {"transfers": 2}
    assert chain.ask("alice", "payments.balance") == 0
    assert chain.ask("bob", "payments.statement")[0]["memo"] == "rent"


def test_a_thousand_transfers_fit_the_budget(chain: Chain) -> None:
    chain.once("member0", "payments.issue", to="alice", amount=10_000)
    result = chain.once("alice", "payments.transfer_many", transfers=[["bob", 1]] * 1000)
    assert result.value == {"transfers": 1000}


def test_a_statement_tells_every_movement_in_order_and_in_pages(chain: Chain) -> None:
    alice, bob = (f"id:{person(name).id.hex()}" for name in ("alice", "bob"))
    chain.once("alice", "payments.open", account="s")
    chain.once("alice", "payments.transfer", to="bob", amount=30, memo="one")
    chain.once("bob", "payments.transfer", to="alice/s", amount=10, memo="two")
    assert chain.ask("alice", "payments.statement") == [
        {
            "sequence": 1,
            "height": 1,
            "amount": 100,
            "from": None,
            "to": alice,
            "memo": "",
            "balance": 100,
        },
        {
            "sequence": 2,
            "height": 3,
            "amount": 30,
            "from": alice,
            "to": bob,
            "memo": "one",
            "balance": 70,
        },
    ]
    assert chain.ask("alice", "payments.statement", account="/s") == [
        {
            "sequence": 1,
            "height": 4,
            "amount": 10,
            "from": bob,
            "to": f"{alice}/s",
            "memo": "two",
            "balance": 10,
        }
    ]
    assert [e["sequence"] for e in chain.ask("bob", "payments.statement", after=1)] == [2]
    assert [e["sequence"] for e in chain.ask("bob", "payments.statement", limit=1)] == [1]
    assert chain.ask("bob", "payments.statement", after=2) == []
    for wrong in ({"limit": 0}, {"limit": 1001}, {"after": -1}):
        assert chain.refusal("bob", "payments.statement", **wrong) == "limit"


def test_a_transfer_to_the_same_account_leaves_the_balance(chain: Chain) -> None:
    assert chain.once("alice", "payments.transfer", to="alice", amount=40).value == {"balance": 100}
    assert chain.once("alice", "payments.transfer", to="alice", amount=101).code == "insufficient"
    assert [e["balance"] for e in chain.ask("alice", "payments.statement")] == [100, 60, 100]


def test_only_the_owner_or_an_auditor_may_ask(chain: Chain) -> None:
    for query in ("payments.balance", "payments.statement"):
        assert chain.refusal("bob", query, account="alice") == "not the owner"
        assert chain.refusal("member0", query, account="alice/whatever") == "not the owner"
        assert chain.ask("auditor", query, account="alice")
    assert (
        chain.refusal("auditor", "payments.balance", account="alice/whatever") == "no such account"
    )


@pytest.mark.parametrize("memo", ["\x1b[2Jpaid", "\x9b2J", "two\nlines", "\u202epaid"])
def test_T72_a_memo_is_one_line_that_repaints_nothing(chain: Chain, memo: str) -> None:
    assert chain.once("member0", "payments.issue", to="alice", amount=5).ok
    assert chain.once("alice", "payments.transfer", to="bob", amount=1, memo=memo).code == "memo"
    assert chain.once("alice", "payments.transfer", to="bob", amount=1, memo="Žluťoučký kůň 🫨").ok


@pytest.mark.parametrize("label", ["\U0001fae8", "e\u0301", "\u00a0", "\x1b[2J", "a/b", ""])
def test_T72_a_label_follows_the_closed_rule_of_names(chain: Chain, label: str) -> None:
    assert chain.once("alice", "payments.open", account=label).code == "label"
    assert chain.once("alice", "payments.open_many", accounts=["spare", label]).code == "label"


def test_a_long_memo_is_refused(chain: Chain) -> None:
    assert chain.once("alice", "payments.transfer", to="bob", amount=1, memo="é" * 256).ok
    assert (
        chain.once("alice", "payments.transfer", to="bob", amount=1, memo="x" * 257).code == "memo"
    )


class Bank(RuleBasedStateMachine):
    """T12: random payments, many to a block, dependent on each other, against a dict; a replica
    applies write sets."""

    people = st.sampled_from(["alice", "bob", "carol"])
    accounts = st.sampled_from(["", "x", "y"])
    amounts = st.integers(-1, 120)

    @initialize()
    def start(self) -> None:
        self.chain = Chain()
        self.replica = self.chain.new_executor(1)
        self.sessions = {
            name: self.chain.session(name) for name in ("alice", "bob", "carol", "member0")
        }
        self.applied = 0
        self.balances: dict[tuple[str, str], int] = {}
        self.waiting: list[tuple[str, int, bytes, str]] = []

    def send(self, who: str, name: str, expected: str, **arguments: Any) -> None:
        sequence, envelope = self.sessions[who].seal_call(self.chain.call(name, **arguments))
        self.waiting.append((who, sequence, envelope, expected))

    @rule(who=people, label=accounts)
    def open(self, who: str, label: str) -> None:
        expected = (
            "label" if not label else "account exists" if (who, label) in self.balances else ""
        )
        if not expected:
            self.balances[who, label] = 0
        self.send(who, "payments.open", expected, account=label)

    @rule(to=people, label=accounts, amount=amounts)
    def issue(self, to: str, label: str, amount: int) -> None:
        expected = (
            "amount"
            if amount < 1
            else "no such account"
            if label and (to, label) not in self.balances
            else ""
        )
        if not expected:
            self.balances[to, label] = self.balances.get((to, label), 0) + amount
        self.send("member0", "payments.issue", expected, to=f"{to}/{label}", amount=amount)

    @rule(who=people, source=accounts, to=people, label=accounts, amount=amounts)
    def transfer(self, who: str, source: str, to: str, label: str, amount: int) -> None:
        expected = self.model(who, source, to, label, amount, self.balances)
        self.send(
            who, "payments.transfer", expected, source=source, to=f"{to}/{label}", amount=amount
        )

    @rule(
        who=people,
        moves=st.lists(st.tuples(accounts, people, accounts, st.integers(0, 60)), max_size=4),
    )
    def transfer_many(self, who: str, moves: list[tuple[str, str, str, int]]) -> None:
        tried = dict(self.balances)
        failed = [
            code
            for source, to, label, amount in moves
            if (code := self.model(who, source, to, label, amount, tried))
        ]
        if not failed:
            self.balances = tried
        rows = [[f"{to}/{label}", amount, source] for source, to, label, amount in moves]
        self.send(who, "payments.transfer_many", failed[0] if failed else "", transfers=rows)

    def model(
        self,
        who: str,
        source: str,
        to: str,
        label: str,
        amount: int,
        balances: dict[tuple[str, str], int],
    ) -> str:
        if amount < 1:
            return "amount"
        if source and (who, source) not in balances:
            return "no such account"
        if balances.get((who, source), 0) < amount:
            return "insufficient"
        if label and (to, label) not in balances:
            return "no such account"
        balances[who, source] -= amount
        balances[to, label] = balances.get((to, label), 0) + amount
        return ""

    @rule(split=st.integers(1, 3))
    def block(self, split: int) -> None:
        sealed = [envelope for _, _, envelope, _ in self.waiting]
        batches = [sealed[at : at + split] for at in range(0, len(sealed), split)]
        outcome = self.chain.commit_lanes({0: batches} if sealed else {})
        for position, (who, sequence, envelope, expected) in enumerate(self.waiting):
            result = self.sessions[who].open_result(
                sequence, transaction_id(envelope), outcome.result_at(position)
            )
            assert result.code == expected
        self.waiting.clear()
        while self.applied < len(self.chain.outcomes):
            self.replica.apply(
                self.chain.blocks[self.applied].header, self.chain.outcomes[self.applied]
            )
            self.applied += 1
        assert self.replica.state_digest() == self.chain.executor.state_digest()
        assert self.replica.root == self.chain.executor.root

    @invariant()
    def balances_are_the_models(self) -> None:
        if self.waiting:
            return
        for who, label in self.balances:
            asked = self.chain.ask(who, "payments.balance", account=f"/{label}")
            assert asked == self.balances[who, label]


TestBank = Bank.TestCase
TestBank.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def test_a_statement_shows_the_newest_256_movements_and_says_where_the_older_ones_are(
    chain: Chain,
) -> None:
    chain.once("member0", "payments.issue_many", issues=[["bob", 1]] * (MOVEMENTS_KEPT + 44))

    def sequences(**arguments: int) -> list[int]:
        return [entry["sequence"] for entry in chain.ask("bob", "payments.statement", **arguments)]

    assert sequences() == list(range(45, 145)), "without `after`, from the oldest that is kept"
    assert sequences(limit=1000) == list(range(45, 301))
    assert sequences(after=44, limit=2) == [45, 46]
    for after in (1, 34, 40, 43):
        assert (
            chain.refusal("bob", "payments.statement", after=after, limit=10) == "no longer kept"
        ), "no silent gap"
    assert sequences(after=298) == [299, 300]
    assert sequences(after=300) == []
    assert [
        entry["balance"] for entry in chain.ask("bob", "payments.statement", after=44, limit=2)
    ] == [45, 46]
    assert chain.refusal("bob", "payments.statement", after=34, limit=10) == "no longer kept"


def test_an_account_costs_no_more_memory_after_its_256th_movement(chain: Chain) -> None:
    chain.once("member0", "payments.issue_many", issues=[["bob", 1]] * MOVEMENTS_KEPT)
    movements = chain.executor._runner.state.maps[MOVEMENTS]
    before = sum(1 for _ in movements.items())
    chain.once("member0", "payments.issue_many", issues=[["bob", 1]] * 500)
    assert sum(1 for _ in movements.items()) == before
