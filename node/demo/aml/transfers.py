"""Transfers of some banks, made by a seed: ordinary payments, and rings planted among them.

Owns what is made. Ordinary money flows one way (wages, shopping), so that what comes back, or is
gathered, was planted. Knows no ledger; public.py reads real sets into the same shapes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

DAY = 86_400
START = 1_790_000_000
DAYS = 60
CHANNELS = (("card", 60), ("wire", 30), ("cash desk", 10))
RARE_CHANNEL = "bullion dealer"
RARE_CUSTOMERS = 3
"""Fewer than the k that owners demand: nobody may be told that this channel exists."""


class Transfer(NamedTuple):
    """One payment; an account is a bank and a number."""

    from_bank: str
    from_account: str
    to_bank: str
    to_account: str
    time: int
    amount: int
    """In cents."""
    channel: str


COLUMNS = Transfer._fields
ROUND_TRIP, SCATTER_GATHER = "round trip", "scatter-gather"


@dataclass(frozen=True, slots=True)
class Planted:
    """Something that was hidden among the payments."""

    kind: str
    """ROUND_TRIP or SCATTER_GATHER."""
    transfers: tuple[Transfer, ...]

    @property
    def banks(self) -> set[str]:
        """Through which it goes."""
        return {one for row in self.transfers for one in (row.from_bank, row.to_bank)}

    @property
    def accounts(self) -> set[tuple[str, str]]:
        """All its accounts."""
        return {end for row in self.transfers for end in ends_of(row)}


@dataclass(frozen=True, slots=True)
class Expected:
    """How much of one kind must be found; None: it is not known beforehand."""

    pooled: int
    hits: int
    """Of those that were planted."""
    alone: int | None = None
    """By members one by one, united."""
    alone_hits: int | None = None


@dataclass(frozen=True, slots=True)
class World:
    """All that happened, and who sees what of it."""

    members: tuple[str, ...]
    """Owners in the clean room; made banks are members under their own code."""
    transfers: tuple[Transfer, ...]
    planted: tuple[Planted, ...]
    member_of: Callable[[str], str]
    """Bank → member."""
    quiet: dict[str, str]
    """By member: an account with ordinary payments within the member alone."""
    expected: dict[str, Expected]
    """By kind."""

    def of(self, member: str) -> list[Transfer]:
        """What one member sees: payments from and to accounts of its own."""
        owner = self.member_of
        return [
            row for row in self.transfers if member in (owner(row.from_bank), owner(row.to_bank))
        ]

    def accounts(self, member: str) -> list[tuple[str, str]]:
        """A member's own accounts."""
        ends = {end for row in self.of(member) for end in ends_of(row)}
        return sorted(end for end in ends if self.member_of(end[0]) == member)


def ends_of(row: Transfer) -> tuple[tuple[str, str], tuple[str, str]]:
    """Payer and payee."""
    return (row.from_bank, row.from_account), (row.to_bank, row.to_account)


def make_world(
    banks: Sequence[str],
    seed: int,
    *,
    people: int = 150,
    payments: int = 3_000,
    rings: int = 8,
    scatters: int = 4,
) -> World:
    """The same world for the same arguments.

    Args:
        banks: their codes.
        seed: of all that is chosen.
        people: of each bank.
        payments: ordinary ones, of all banks together.
        rings: round trips through several banks; beside them one within each bank.
        scatters: scatter-gathers through several banks.
    """
    maker = _Maker(Random(seed), tuple(banks))
    quiet = {bank: maker.account(bank) for bank in banks}
    customers = [(bank, maker.account(bank)) for bank in banks for _ in range(people)]
    rows = [*maker.ordinary(customers, payments), *maker.quiet(quiet), *maker.rare()]
    planted = [
        *(maker.round_trip(3 + number % 4) for number in range(rings)),
        *(maker.local_round_trip(bank) for bank in banks),
        *(maker.scatter_gather(3 + number % 3) for number in range(scatters)),
    ]
    rows += [row for one in planted for row in one.transfers]
    rows.sort()
    expected = {
        ROUND_TRIP: Expected(rings + len(banks), rings + len(banks), len(banks), len(banks)),
        SCATTER_GATHER: Expected(scatters, scatters, 0, 0),
    }
    return World(tuple(banks), tuple(rows), tuple(planted), lambda bank: bank, quiet, expected)


class _Maker:
    """Chooses."""

    def __init__(self, random: Random, banks: tuple[str, ...]) -> None:
        self._random, self._banks = random, banks
        self._given: set[str] = set()

    def account(self, bank: str) -> str:
        """A number that no other account has, and that is told from chance wherever it stands."""
        while True:
            number = f"{bank.upper()}-{self._random.getrandbits(40):010X}"
            if number not in self._given:
                self._given.add(number)
                return number

    def ordinary(self, customers: list[tuple[str, str]], payments: int) -> Iterator[Transfer]:
        """Wages, shopping, suppliers: each between accounts of its own kind, so that nothing of it
        comes back or is gathered."""
        random = self._random
        places = [[(bank, self.account(bank)) for bank in self._banks for _ in range(4)]]
        places += [[(bank, self.account(bank)) for bank in self._banks for _ in range(9)]]
        half = len(customers) // 2
        flows = ((places[0], customers[:half]), (customers[half:], places[1]))
        names, weights = [name for name, _ in CHANNELS], [weight for _, weight in CHANNELS]
        for _ in range(payments):
            kind = random.choices((0, 1), (25, 75))[0]
            payers, payees = flows[kind]
            amount = int(random.lognormvariate(10.0 - 2 * kind, 0.8)) + 100
            yield self._row(
                random.choice(payers),
                random.choice(payees),
                self._moment(),
                amount,
                random.choices(names, weights)[0],
            )

    def quiet(self, quiet: dict[str, str]) -> Iterator[Transfer]:
        """An account of each bank that pays a few bills within it, and does nothing else."""
        for bank, account in quiet.items():
            biller = (bank, self.account(bank))
            for _ in range(5):
                yield self._row((bank, account), biller, self._moment(), 4_900, "card")

    def rare(self) -> Iterator[Transfer]:
        """A few customers of a channel that hardly anybody uses."""
        for number in range(RARE_CUSTOMERS):
            bank = self._banks[number % len(self._banks)]
            payer, dealer = (bank, self.account(bank)), (bank, self.account(bank))
            yield self._row(payer, dealer, self._moment(), 950_000, RARE_CHANNEL)

    def round_trip(self, hops: int) -> Planted:
        """Money that comes back within ten days, through at least two banks, a little less each
        time."""
        return self._round(self._across(hops))

    def local_round_trip(self, bank: str) -> Planted:
        """One that its bank finds alone."""
        return self._round([(bank, self.account(bank)) for _ in range(3)])

    def _round(self, ends: list[tuple[str, str]]) -> Planted:
        moment, amount = self._moment(), self._random.randrange(400_000, 900_000)
        rows = []
        for at, payer in enumerate(ends):
            payee = ends[(at + 1) % len(ends)]
            moment += self._random.randrange(3_600, 30 * 3_600)
            rows.append(self._row(payer, payee, moment, amount, "wire"))
            amount = amount * self._random.randrange(90, 99) // 100
        return Planted(ROUND_TRIP, tuple(rows))

    def scatter_gather(self, between: int) -> Planted:
        """One account pays another over several between them."""
        payer, payee, *middle = self._across(between + 2)
        begun, share = self._moment(), self._random.randrange(90_000, 250_000)
        rows = []
        for one in middle:
            out = begun + self._random.randrange(60, 3 * DAY)
            back = out + self._random.randrange(3_600, 4 * DAY)
            rows.append(self._row(payer, one, out, share, "wire"))
            rows.append(self._row(one, payee, back, share * 97 // 100, "wire"))
        return Planted(SCATTER_GATHER, tuple(sorted(rows, key=lambda row: row.time)))

    def _across(self, count: int) -> list[tuple[str, str]]:
        """New accounts, each at another bank than the one before."""
        first = self._random.randrange(len(self._banks))
        ends = []
        for at in range(count):
            bank = self._banks[(first + at) % len(self._banks)]
            ends.append((bank, self.account(bank)))
        return ends

    def _moment(self) -> int:
        return START + self._random.randrange((DAYS - 15) * DAY)

    def _row(
        self,
        payer: tuple[str, str],
        payee: tuple[str, str],
        time: int,
        amount: int,
        channel: str,
    ) -> Transfer:
        return Transfer(*payer, *payee, time, amount, channel)
