"""`strongroom users …` and `explorer users`, on a service in this process."""

import json
from pathlib import Path

import pytest
from tests.enclave.chain import person
from tests.enclave.fixtures import make_cluster_genesis
from tests.node.client import ledger
from tests.node.client.test_commands import shell
from tests.node.client.turning import founded_as

from strongroom.enclave.programs import PROGRAM_NAMES

LIMITS = {"activation_delay_ms": 0, "users_per_member": 3}
AS = ("--as", "member0")


@pytest.fixture(autouse=True)
def _founded(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = make_cluster_genesis(4, programs=PROGRAM_NAMES, limits=LIMITS)
    monkeypatch.setattr(ledger, "TurningChain", founded_as(cluster))


def id_of(who: str) -> str:
    return f"id:{person(who).id.hex()}"


async def test_a_member_brings_users_by_name_id_and_file_lists_and_dismisses_them(
    tmp_path: Path,
) -> None:
    async with shell(tmp_path) as run:
        file = tmp_path / "users.txt"
        file.write_text(f"# of the branch\n{id_of('ann')}  # ann\n\nalice\n")
        brought = await run.json("users", "bring", "alice", "--file", str(file), *AS)
        assert brought["users"] == brought["result"]["users"] == 2, "twice is once"
        listed = await run.json("users", "list", *AS)
        assert sorted(listed) == sorted([id_of("ann"), id_of("alice")])
        assert await run.json("users", "list", "--as", "alice") == []
        gone = await run.json("users", "dismiss", id_of("ann"), *AS)
        assert gone["result"] == {"users": 1}
        refused = await run.json("users", "dismiss", id_of("ann"), *AS, code=1)
        assert refused["error"]["code"] == "not yours"
        many = [id_of(f"u{number}") for number in range(4)]
        assert (await run.json("users", "bring", *many, *AS, code=1))["error"]["code"] == "quota"
        assert (await run("users", "bring", *AS)).exit_code == 2
        assert (await run("users", "bring", "nobody", *AS)).exit_code == 2


async def test_who_may_not_is_told_so(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        refused = await run.json("users", "bring", id_of("eve"), "--as", "alice", code=1)
        assert refused["error"]["code"] == "not a member"


async def test_each_sees_his_own_standing_and_a_member_what_its_people_did_together(
    tmp_path: Path,
) -> None:
    async with shell(tmp_path) as run:
        await run.json("users", "bring", "alice", *AS)
        own = await run.json("users", "standing", "--as", "alice")
        assert own["together"] is None
        told = (await run("users", "standing", "--as", "alice")).stdout
        assert "entries" in told
        member = await run.json("users", "standing", *AS)
        assert (member["users"], member["users_max"]) == (1, 3)
        assert member["roles"] == ["payments.issuer"]
        shown = (await run("users", "standing", *AS)).stdout
        assert "1 of 3" in shown
        assert "together" in shown
        asked = await run.json("users", "issuer", "https://a.test", *AS)
        assert (asked["admitting"], asked["entries"]) == (False, 0)
        refused = await run("users", "issuer", "https://a.test", "--as", "alice")
        assert refused.exit_code == 1


async def test_everybody_sees_roles_limits_and_numbers_and_nothing_of_whom_members_brought(
    tmp_path: Path,
) -> None:
    async with shell(tmp_path) as run:
        before = await run.json("explorer", "users")
        await run.json("users", "bring", "alice", id_of("ann"), *AS)
        after = await run.json("explorer", "users")
        assert before == after, "a sealed word shows nothing, not even that there are more"
        assert after["by_vote"] == 0
        assert after["issuers"] == []
        assert [one["role"] for one in after["roles"]] == ["issuer"]
        assert after["limits"]["users_per_member"] == 3
        assert after["limits"]["entries_per_sponsor"] == 10_000_000
        assert person("alice").id.hex() not in json.dumps(after)
        shown = (await run("explorer", "users")).stdout
        assert "sealed" in shown
        assert "users_per_member" in shown
