"""However many addresses strangers have, together they have one allowance, in equal shares; it
holds up neither organisations nor this machine's own programs (T31, T70)."""

from typing import Any

import aiohttp
import pytest
from tests.node.rpc.fake import Door, opened
from tests.node.rpc.test_bounds import request
from tests.node.rpc.test_door import BANK, POLICY

from strongroom.node.faults import Overloaded
from strongroom.node.rpc import app_keys as keys
from strongroom.node.rpc import weights
from strongroom.node.rpc.weights import (
    ACTIVE_SECONDS,
    BURST,
    LITTLE,
    NEWCOMERS_RATE,
    RATE,
    TOGETHER_BURST,
    Allowances,
    Payer,
    network_of,
)

DOCUMENT = 256 * 1024
TICK = 0.01


def taken(allowances: Allowances, payers: list[Payer], begin: float, seconds: float) -> list[int]:
    """Bytes that each was given that asks for a document whenever it may."""
    counts = [0] * len(payers)
    for tick in range(int(seconds / TICK)):
        now = begin + tick * TICK
        for index, payer in enumerate(payers):
            try:
                allowances.spend(payer, DOCUMENT, now)
            except Overloaded:
                continue
            counts[index] += DOCUMENT
    return counts


def strangers(count: int, first: int = 0) -> list[Payer]:
    return [Payer(f"192.0.{one // 250}.{one % 250}") for one in range(first, first + count)]


@pytest.mark.parametrize("addresses", [1, 2, 32, 100])
def test_T70_many_addresses_have_no_more_than_one_beyond_what_newcomers_are_given(
    addresses: int,
) -> None:
    seconds = 10.0
    total = sum(taken(Allowances(), strangers(addresses), 0.0, seconds))
    assert total <= TOGETHER_BURST + seconds * (RATE + NEWCOMERS_RATE) + DOCUMENT
    assert total >= seconds * RATE  # and they are not shut out either


def test_T70_addresses_that_are_used_once_each_have_one_allowance_together() -> None:
    allowances, seconds, total = Allowances(), 10.0, 0
    for tick in range(int(seconds / TICK)):
        total += sum(taken(allowances, strangers(5, 5 * tick), tick * TICK, TICK))
    assert total <= TOGETHER_BURST + seconds * (RATE + NEWCOMERS_RATE) + DOCUMENT
    new = Payer("203.0.113.9")
    allowances.charge(Payer("192.0.0.1"), DOCUMENT, seconds)
    with pytest.raises(Overloaded, match="no credential") as refused:
        allowances.check(new, seconds)
    wait = float(str(refused.value.data["retry_after_ms"])) / 1000
    with pytest.raises(Overloaded):
        allowances.check(new, seconds + wait - 0.002)
    allowances.check(new, seconds + wait)


def test_T70_who_asks_with_all_its_might_gets_no_more_than_who_asks_beside_it() -> None:
    allowances = Allowances()
    taken(allowances, strangers(1), 0.0, 20.0)  # one alone has used up what was saved
    first, second = taken(allowances, strangers(2), 20.0, 20.0)
    assert abs(first - second) <= LITTLE + 2 * DOCUMENT + NEWCOMERS_RATE * 20.0
    assert min(first, second) >= 0.9 * RATE * 20.0 / 2


def test_T70_who_asks_for_little_is_answered_while_others_use_up_all() -> None:
    allowances, refused = Allowances(), 0
    heavy, light = strangers(8), Payer("203.0.113.9")
    taken(allowances, heavy, 0.0, 12.0)
    for second in range(12, 40):
        try:
            allowances.spend(light, DOCUMENT, float(second))
        except Overloaded:
            refused += 1
        taken(allowances, heavy, float(second), 1.0)
    assert refused <= 28 // 4


def test_T70_organisations_and_this_machine_are_not_behind_strangers() -> None:
    allowances = Allowances()
    for payer in strangers(100):
        allowances.charge(payer, TOGETHER_BURST, 0.0)
    for payer in (Payer("192.0.0.1", "bank"), Payer("127.0.0.1"), Payer("::1")):
        allowances.check(payer, 0.0)
        assert allowances.wait_to_catch_up(payer, 0.0) == 0.0
        allowances.charge(payer, BURST + 1, 0.0)  # each has an allowance of its own, and no more
        with pytest.raises(Overloaded):
            allowances.check(payer, 0.0)
    with pytest.raises(Overloaded):
        allowances.check(Payer("127.0.0.2"), 0.0)
    assert allowances.wait_to_catch_up(Payer("127.0.0.2"), 0.0) > 0


def test_a_strangers_share_ends_soon_after_its_last_request() -> None:
    allowances, (first, second) = Allowances(), strangers(2)
    for payer in (first, second):
        allowances.charge(payer, BURST, 0.0)
    given = allowances.strangers.given(ACTIVE_SECONDS)
    assert given == ACTIVE_SECONDS * RATE / 2
    assert allowances.strangers.given(ACTIVE_SECONDS + 1.0) == given + RATE  # nobody is left


def test_one_owner_of_an_ipv6_network_is_one_stranger() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:0:1")
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8:0:2::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("192.0.2.1") != network_of("192.0.2.2")
    assert network_of("fe80::1%eth0") == network_of("fe80::2%eth0")
    assert not Payer(network_of("::1")).stranger
    assert not Payer(network_of("127.0.0.1")).stranger
    assert network_of("") == ""


async def ask_from(
    door: Door, address: str, body: object, headers: dict[str, str] | None = None
) -> Any:
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        http.post(f"{door.url}/rpc", json=body, headers=headers) as response,
    ):
        return await response.json()


async def test_T70_a_door_tells_strangers_together_when_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weights, "RATE", 1e-9)
    monkeypatch.setattr(weights, "NEWCOMERS_RATE", 1e-9)
    monkeypatch.setattr(weights, "TOGETHER_BURST", 64 * 1024)
    async with opened(policy=POLICY) as door:
        library = door.runner.app[keys.LIBRARY]
        library.allowances.strangers._saved = 20 * 1024
        asked = request("ledger_search", ["1"])  # 16 KiB
        codes = []
        for last in range(2, 7):
            reply = await ask_from(door, f"127.0.0.{last}", asked)
            assert isinstance(reply, dict)
            codes.append(reply.get("error", {}).get("code"))
        assert codes == [None, None, -32005, -32005, -32005]
        assert reply["error"]["data"]["retry_after_ms"] > 0
        batch = await ask_from(door, "127.0.0.9", [asked] * 50)
        assert isinstance(batch, dict)  # once for the whole batch
        assert batch["error"]["code"] == -32005
        own = await ask_from(door, "127.0.0.9", asked, BANK.header)
        assert isinstance(own, dict)
        assert "result" in own
        assert "result" in await door.call("node_status")  # of this machine
