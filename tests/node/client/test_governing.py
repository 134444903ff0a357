"""`gov …` and the public tables of the explorer: signed in the open, proven by receipts, simulated
by the rules."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.fixtures import key_named
from tests.node.client.ledger import Service
from tests.node.client.test_commands import shell

from strongroom.consensus import codec
from strongroom.consensus.errors import ReceiptInvalid
from strongroom.enclave.execution.public_work import PublicWork
from strongroom.enclave.governance.document import Document as PublicState
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.node.client.audit.reader import Reader
from strongroom.node.client.errors import NotTrusted
from strongroom.node.client.governing import Member, find_proposal, read_public_state
from strongroom.node.client.trust.service import load_service
from strongroom.node.ledger.place import Place

LIMIT = ("set_limit", "name=grace_ms", "value=5000")
REGION = ("allow_region", "region=us-east")


async def test_a_proposal_is_accepted_by_more_than_half_and_every_step_is_proven(
    tmp_path: Path,
) -> None:
    async with shell(tmp_path) as run:
        proposed = await run.json("gov", "propose", *REGION, "--as", "member0")
        assert (proposed["ok"], proposed["status"]) == (True, "open")
        id = proposed["proposal"]
        assert (await run.json("gov", "vote", id[:8], "yes", "--as", "member1"))["status"] == "open"
        assert (await run.json("gov", "vote", id, "yes", "--as", "member2"))["status"] == "accepted"
        document = await run.json("gov", "show", id)
        assert (document["change"], document["arguments"]) == (
            "allow_region",
            {"region": "us-east"},
        )
        assert (document["yes"], document["no"]) == (3, 0)
        assert document["activates_ms"] - document["decided_ms"] == 3_600_000
        assert [one["id"] for one in await run.json("gov", "show")] == [id]
        assert [one["id"] for one in await run.json("explorer", "proposals")] == [id]
        assert "us-east" in (await run("gov", "show")).stdout
        assert "takes effect" in (await run("gov", "show", id)).stdout


async def test_a_proposal_for_which_its_block_had_no_room_is_ordered_again_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T11: what others say in a block is not the end of a member's word."""
    refused: list[str] = []

    def in_a_full_block(self: PublicWork, action: str, size: int) -> bool:
        if len(refused) < 3:
            refused.append(action)
            return False
        return True

    monkeypatch.setattr(PublicWork, "take", in_a_full_block)
    async with shell(tmp_path) as run:
        proposed = await run.json("gov", "propose", *REGION, "--as", "member0")
        assert (proposed["ok"], proposed["status"]) == (True, "open")
        assert refused == ["propose"] * 3


async def test_what_governance_refuses_is_exit_1_with_its_code(tmp_path: Path) -> None:
    """T43."""
    async with shell(tmp_path) as run:
        id = (await run.json("gov", "propose", *REGION, "--as", "member0"))["proposal"]
        again = await run.json("gov", "vote", id, "no", "--as", "member0", code=1)
        assert (again["ok"], again["error"]["code"]) == (False, "twice")
        assert (await run.json("gov", "vote", id, "yes", "--as", "alice", code=1))["error"][
            "code"
        ] == "not-a-member"
        assert (await run.json("gov", "withdraw", id, "--as", "member1", code=1))["ok"] is False
        assert (await run.json("gov", "withdraw", id, "--as", "member0"))["status"] == "withdrawn"
        result = await run("gov", "vote", id, "maybe", "--as", "member1")
        assert result.exit_code == 2
        for wrong in (
            ("nonsense",),
            ("allow_region",),
            ("allow_region", "region=a b"),
            ("rotate", "compromised=perhaps"),
        ):
            result = await run("gov", "propose", *wrong, "--as", "member0")
            assert result.exit_code == 2, result.output
        assert (await run("gov", "show", "ffff")).exit_code == 1


async def test_names_of_the_folder_stand_for_identities_and_keys(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        grant = ("grant", "program=payments", "role=auditor", "identity=bob")
        id = (await run.json("gov", "propose", *grant, "--as", "member0"))["proposal"]
        document = await run.json("gov", "show", id)
        assert document["arguments"]["identity"] == Identity(key_named("bob")).id.hex()
        id = (
            await run.json("gov", "propose", "add_member", "name=bob", "key=bob", "--as", "member0")
        )["proposal"]
        document = await run.json("gov", "show", id)
        assert document["arguments"] == {"name": "bob", "key": key_named("bob").public.hex()}


async def test_several_changes_are_proposed_simulated_and_shown_with_what_is_missing(
    tmp_path: Path,
) -> None:
    file = tmp_path / "changes.toml"
    file.write_text(
        """
        [[changes]]
        change = "allow_region"
        region = "us-east"
        [[changes]]
        change = "set_threshold"
        class = "code"
        threshold = "unanimous"
        """
    )
    words = (*REGION, "set_threshold", "class=code", "threshold=unanimous")
    async with shell(tmp_path) as run:
        from_file = await run.json("gov", "simulate", "--file", str(file))
        assert from_file == await run.json("gov", "simulate", *words)
        assert [one["thing"] for one in from_file["differences"]] == [
            "threshold code",
            "region us-east",
        ]
        proposed = await run.json(
            "gov", "propose", "--file", str(file), "--lifetime", "3600", "--as", "member0"
        )
        id = proposed["proposal"]
        shown = await run.json("gov", "show", id)
        assert [one["change"] for one in shown["changes"]] == ["allow_region", "set_threshold"]
        assert (shown["needed"], shown["missing"], shown["yes"]) == (3, 2, 1)
        assert shown["expires_ms"] - shown["proposed_ms"] == 3_600_000
        simulated = await run.json("gov", "simulate", "--proposal", id)
        assert (simulated["missing"], simulated["not_voted"]) == (
            2,
            ["member1", "member2", "member3"],
        )
        text = (await run("gov", "simulate", "--proposal", id)).stdout
        assert "2 are missing" in text
        assert "class nodes asks for majority: 3 of 4" in text
        assert "majority: 3 of 4" in text
        text = (await run("gov", "show", id)).stdout
        assert "2 of 3" in text
        assert "expires" in text
        for name in ("member1", "member2"):
            done = await run.json("gov", "vote", id, "yes", "--as", name)
        assert done["status"] == "accepted"
        shown = await run.json("gov", "show", id)
        assert (shown["missing"], shown["expires_ms"]) == (0, None)
        for wrong in (
            ("propose", "--file", str(file), *REGION, "--as", "member0"),
            ("propose", "--as", "member0"),
            ("propose", *REGION, "--lifetime", "0", "--as", "member0"),
            ("simulate",),
            ("simulate", "--proposal", id, *REGION),
        ):
            assert (await run("gov", *wrong)).exit_code == 2, wrong
        members = await run.json("explorer", "members")
        assert [one["weight"] for one in members] == [1] * 4


async def test_a_simulation_says_who_must_agree_and_what_would_lock_everybody_out(
    tmp_path: Path,
) -> None:
    """T43, T44: nothing is sent."""
    async with shell(tmp_path) as run:
        document = await run.json("gov", "simulate", *LIMIT)
        assert (document["ok"], document["votes_needed"], document["members"]) == (True, 3, 4)
        assert document["delay_ms"] == 3_600_000
        document = await run.json("gov", "simulate", "forbid_region", "region=eu-west", code=1)
        assert (document["ok"], document["error"]["code"]) == (False, "lock-out")
        assert "3 of 4 members" in (await run("gov", "simulate", *LIMIT)).stdout
        assert run.service.payments() == 0


async def test_T43_a_node_cannot_have_a_member_vote_on_another_change_than_it_shows(
    tmp_path: Path,
) -> None:
    async with shell(tmp_path) as run:
        id = (await run.json("gov", "propose", *LIMIT, "--as", "member0"))["proposal"]

        def disguise(state: PublicState) -> PublicState:
            (proposal,) = state.proposals
            return state._replace(
                proposals=(
                    proposal._replace(changes=(("allow_region", (("region", "us-east"),)),)),
                )
            )

        for node in run.service.nodes:
            node.doctor_state = disguise
        assert (await run("gov", "vote", id, "yes", "--as", "member1")).exit_code == 1
        async with Reader(load_service(tmp_path)) as reader:
            state = await read_public_state(reader)
            with pytest.raises(NotTrusted):
                find_proposal(state, id)
            (shown,) = state.proposals
            with pytest.raises(Exception, match="another change"):
                await Member(reader, Identity(key_named("member1"))).vote(shown, yes=True)


async def test_a_result_that_no_quorum_certified_is_not_believed(tmp_path: Path) -> None:
    """P2: the node says that the proposal was taken."""
    async with shell(tmp_path) as run:

        def lie(_envelope: bytes, place: Place) -> Place:
            return replace(place, result=codec.encode((True, ("ab" * 16, "accepted"))))

        run.service.orderer.doctor = lie
        async with Reader(load_service(tmp_path)) as reader:
            with pytest.raises(ReceiptInvalid):
                await Member(reader, Identity(key_named("alice"))).withdraw("ab" * 16)


async def test_the_explorer_checks_the_succession_of_epochs_against_the_pin(tmp_path: Path) -> None:
    """T41."""
    async with shell(tmp_path) as run:
        for _ in range(2):
            run.service.orderer.turn()
        found = await run.json("explorer", "epochs")
        assert [one["epoch"] for one in found] == [0, 1, 2]
        assert [len(one["members"]) for one in found] == [4, 4, 4]
        assert "quorum" in (await run("explorer", "epochs")).stdout
        assert (await run.json("explorer", "verify", str(run.service.orderer.height)))["epoch"] == 2
        assert (await run.json("explorer", "verify", "1"))["verdict"] == "valid"
        forge(run.service)
        assert (await run("explorer", "epochs", "--json")).exit_code == 1
        assert (await run.json("explorer", "verify", "1", code=1))["verdict"] == "forged"


def forge(service: Service) -> None:
    """Every node shows epoch 2 as if it were epoch 1."""
    entry = service.nodes[0].service_epochs(2)
    for node in service.nodes:
        node.epochs = entry


async def test_members_are_shown_with_their_roles(tmp_path: Path) -> None:
    async with shell(tmp_path) as run:
        found: list[dict[str, Any]] = await run.json("explorer", "members")
        assert [one["name"] for one in found] == ["member0", "member1", "member2", "member3"]
        assert found[0]["public"] == key_named("member0").public.hex()
        assert [role["role"] for role in found[0]["roles"]] == ["issuer"]
        assert "payments/issuer" in (await run("explorer", "members")).stdout
