"""The argument of PROTOCOL §8, for all n and all schedules, as small queries to z3.

Each lemma is proved by refuting its negation (unsat), and each rule that it needs is dropped once:
then z3 must answer with a counterexample (sat). The guard's rules are read from its table, the
sizes from Quorum, so a bug there is found here. Sets of members are counted by the cells of their
Venn diagram; a certificate pair is reduced by `INTERSECTION` to one honest member's own history, in
which times say what came first.
"""

from collections.abc import Iterator
from itertools import permutations

import pytest
import z3

from strongroom.consensus import safety
from strongroom.consensus.quorum import Quorum
from strongroom.consensus.statements import Kind

EXCLUDED_BY = {(kind, other) for kind, others in safety._EXCLUDED_BY.items() for other in others}
MEMBERS_COMPARED = 300
LEMMA_RULES = [
    (Kind.NOTARIZE, Kind.NOTARIZE),
    (Kind.NULLIFY, Kind.FINALIZE),
    (Kind.FINALIZE, Kind.NULLIFY),
]
"""Of the guard's rules (kind, what must not have been said before) those that the lemmas rest
on."""


def holds(*claims: z3.BoolRef) -> bool:
    """Can no world meet all of these? The claims are premises and a negated conclusion."""
    solver = z3.Solver()
    solver.add(*claims)
    answer = solver.check()
    assert answer != z3.unknown
    return bool(answer == z3.unsat)


# --- quorums, for all n ---------------------------------------------------------------------------

n, f, q = z3.Ints("n f q")
CELLS = {
    (honest, in_a, in_b): z3.Int(f"{'honest' if honest else 'liars'}_{int(in_a)}{int(in_b)}")
    for honest in (True, False)
    for in_a in (True, False)
    for in_b in (True, False)
}
"""How many members are honest or not, in quorum A or not, in quorum B or not."""


def count(
    honest: bool | None = None, in_a: bool | None = None, in_b: bool | None = None
) -> z3.ArithRef:
    wanted = (honest, in_a, in_b)
    return z3.Sum(
        [
            size
            for cell, size in CELLS.items()
            if all(w is None or w == c for w, c in zip(wanted, cell, strict=True))
        ]
    )


def sizes(less: int = 0) -> list[z3.BoolRef]:
    """n members, at most f of them liars, quorums of q − less."""
    return [
        n >= 1,
        f == (n - 1) / 3,
        q == (n + f) / 2 + 1 - less,
        *(size >= 0 for size in CELLS.values()),
        count() == n,
        count(honest=False) <= f,
    ]


def two_quorums() -> list[z3.BoolRef]:
    return [count(in_a=True) >= q, count(in_b=True) >= q]


def test_the_sizes_of_the_proof_are_those_of_the_source() -> None:
    for members in range(1, MEMBERS_COMPARED):
        real = Quorum(members)
        assert holds(
            *sizes(),
            n == members,
            z3.Or(f != real.faults, q != real.size, n - q + 1 != real.blocking),
        )


def test_intersection_two_quorums_share_an_honest_member() -> None:
    assert holds(*sizes(), *two_quorums(), count(True, True, True) == 0)


def test_intersection_fails_with_quorums_one_smaller() -> None:
    assert not holds(*sizes(less=1), *two_quorums(), count(True, True, True) == 0)


def test_two_contradicting_quorums_name_more_than_f_culprits() -> None:
    assert holds(*sizes(), *two_quorums(), count(in_a=True, in_b=True) <= f)


def test_a_quorum_has_an_honest_member_and_honest_members_have_a_quorum() -> None:
    assert holds(*sizes(), count(in_a=True) >= q, count(True, True) == 0)
    assert holds(*sizes(), count(honest=True) < q)


def test_without_a_blocking_set_a_quorum_remains_and_with_one_none_does() -> None:
    assert holds(*sizes(), count(in_a=True) < n - q + 1, count(in_a=False) < q)
    assert holds(*sizes(), count(in_a=True) >= n - q + 1, count(in_a=False) >= q)


# --- L1 to L3: what one honest member says in one view --------------------------------------------

Digests = z3.IntSort()


def history(
    said: list[tuple[Kind, z3.ArithRef]], rules: set[tuple[Kind, Kind]]
) -> Iterator[z3.BoolRef]:
    """One honest member said all of this in one view, in some order that the rules allow."""
    times = [z3.Int(f"time_{number}") for number in range(len(said))]
    for one, two in permutations(range(len(said)), 2):
        same = said[one][1] == said[two][1] if said[one][0] == said[two][0] else z3.BoolVal(False)
        yield (times[one] == times[two]) == same
        if (said[two][0], said[one][0]) in rules:
            yield z3.Or(same, z3.Not(times[one] < times[two]))


d, e, nothing = z3.Ints("d e nothing")


def l1(rules: set[tuple[Kind, Kind]]) -> bool:
    """Two N certificates of one view share an honest signer, who said both."""
    return holds(*history([(Kind.NOTARIZE, d), (Kind.NOTARIZE, e)], rules), d != e)


def l2(rules: set[tuple[Kind, Kind]]) -> bool:
    """X and F certificates of one view share an honest signer, who said both."""
    return holds(*history([(Kind.NULLIFY, nothing), (Kind.FINALIZE, d)], rules))


def test_L1_one_notarized_digest_per_view() -> None:
    assert l1(EXCLUDED_BY)


def test_L2_a_view_is_never_both_nullified_and_final() -> None:
    assert l2(EXCLUDED_BY)


@pytest.mark.parametrize(
    "rule", LEMMA_RULES, ids=lambda rule: f"{rule[0].name} after {rule[1].name}"
)
def test_each_guard_rule_dropped_is_refuted(rule: tuple[Kind, Kind]) -> None:
    assert rule in EXCLUDED_BY
    assert not (l1(EXCLUDED_BY - {rule}) and l2(EXCLUDED_BY - {rule}))


def test_L3_what_is_final_is_notarized() -> None:
    held, notarized = z3.Bools("held notarized")
    r7 = held == z3.BoolVal(True)
    assert holds(r7, z3.Implies(held, notarized), z3.Not(notarized))
    assert not holds(z3.Implies(held, notarized), z3.Not(notarized))


def test_one_final_digest_per_view_rests_on_L1_and_L3_and_on_the_guard_again() -> None:
    """A second F is excluded twice over: the guard's own rule for it may go, or R7's certificate,
    not both."""
    both = [(Kind.FINALIZE, d), (Kind.FINALIZE, e)]
    notarized = z3.Function("notarized", Digests, z3.BoolSort())
    r7 = [notarized(d), notarized(e), z3.Implies(z3.And(notarized(d), notarized(e)), d == e)]
    without = EXCLUDED_BY - {(Kind.FINALIZE, Kind.FINALIZE)}
    assert holds(*history(both, EXCLUDED_BY), d != e)
    assert holds(*history(both, without), *r7, d != e)
    assert not holds(*history(both, without), d != e)


# --- L4, T1, T2: chains over views ----------------------------------------------------------------

a, v, w, c, p = z3.Ints("a v w c p")
N = z3.Function("N", z3.IntSort(), Digests, z3.BoolSort())
X = z3.Function("X", z3.IntSort(), z3.BoolSort())
F = z3.Function("F", z3.IntSort(), Digests, z3.BoolSort())
parent = z3.Function("parent", Digests, Digests)
below = z3.Function("below", Digests, Digests, z3.BoolSort())
"""below(x, y): y is x or an ancestor of x."""
terminal = z3.Function("terminal", Digests, z3.BoolSort())

L4 = {
    "the parent is notarized, or the anchor of view 0": z3.Or(w == 0, N(w, p)),
    "its view is earlier": z3.And(w >= 0, w < v),
    "every view between is nullified": z3.Implies(z3.And(w < a, a < v), X(a)),
    "the block is a child of it, or it again": z3.Or(parent(c) == p, c == p),
}
"""What an honest signer of N(v, c) has checked (R5), the view between being the one that matters:
a."""
STEP = {
    "L1 in view a": z3.Implies(z3.And(N(a, d), N(a, c), v == a), c == d),
    "L2 in view a": z3.Not(z3.And(X(a), F(a, d))),
    "L3 in view a": z3.Implies(F(a, d), N(a, d)),
    "induction: notarized from a to before v": z3.Implies(
        z3.And(a <= w, w < v, N(w, p)), below(p, d)
    ),
}
ANCESTRY = [below(d, d), z3.Implies(z3.And(parent(c) == p, below(p, d)), below(c, d))]


def step(*but: str) -> bool:
    """F(a, d) and N(v, c) with v ≥ a, and yet c does not stand on d."""
    rules = [rule for name, rule in (L4 | STEP).items() if name not in but]
    return holds(*rules, *ANCESTRY, a >= 1, v >= a, F(a, d), N(v, c), z3.Not(below(c, d)))


def test_T1_every_block_notarized_from_a_final_view_on_stands_on_the_final_block() -> None:
    assert step()


@pytest.mark.parametrize("rule", [*L4, *STEP])
def test_T1_needs_every_rule_of_its_step(rule: str) -> None:
    assert not step(rule)


def test_T2_two_final_blocks_lie_on_one_chain() -> None:
    l3, t1 = z3.Implies(F(v, c), N(v, c)), z3.Implies(z3.And(F(a, d), N(v, c), v >= a), below(c, d))
    claim = [F(a, d), F(v, c), v >= a, z3.Not(below(c, d))]
    assert holds(l3, t1, *claim)
    assert not holds(l3, *claim)
    assert not holds(t1, *claim)


def test_nothing_extends_a_terminal_block_inside_its_epoch() -> None:
    l4 = [rule for name, rule in L4.items() if name != "every view between is nullified"]
    r6 = z3.Implies(parent(c) == p, z3.Not(terminal(p)))
    assert holds(*l4, r6, N(v, c), terminal(p), c != p)
    assert not holds(*l4, N(v, c), terminal(p), c != p)
