"""Every explorer table within 80 columns, also where names have 64 bytes; wider terminals use their
width; `--field` prints one field."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from strongroom.consensus.errors import ClientFault
from strongroom.node.cli import (
    admin_tables,
    explorer_rooms,
    explorer_tables,
    explorer_users,
    governance_tables,
    people,
    people_issuers,
    recover_tables,
    residency,
    rooms_tables,
    vault_tables,
)
from strongroom.node.cli.main import make_app
from strongroom.node.terminal.printing import field_of

NAMES = ("n" * 64, "東" * 21 + "x", "long name in words " * 3 + "and more", "n0")
ID = "5a" * 32


def block(name: str, height: int = 1_204_117) -> dict[str, Any]:
    return {
        "height": height,
        "hash": ID,
        "parent": ID,
        "epoch": 1,
        "view": 1_310_220,
        "proposer": name,
        "time_ms": 1_796_000_000_000,
        "count": 14_000,
        "bytes": 4_194_304,
        "batches": [
            {"lane": 0, "sequence": 9, "count": 400, "size": 131_220, "digest": ID, "origin": name}
        ],
        "transactions": [
            {
                "index": 13_999,
                "id": ID,
                "kind": "opening",
                "size": 4_000,
                "status": "no room",
                "opened": {"ok": True, "result": {"memo": name}},
            }
        ],
        "anchor": {"height": height - 1, "root": ID},
        "outcome_root": ID,
        "certificate": {"view": 1, "kind": "finalize", "signers": [name] * 3},
    }


def status(name: str) -> dict[str, Any]:
    row = {"node": name, "state": "voting", "height": 1_204_117, "executed": 1_204_117}
    row |= {"view": 1, "leader": name, "peers": 3, "endpoint": f"https://{name}:7400"}
    return {
        "name": name,
        "service": "sr1-" + "k" * 52,
        "simulated": True,
        "height": 1,
        "executed": 1,
        "epoch": 1,
        "executing": 4,
        "members": 4,
        "quorum": 3,
        "alarm": f"{name}: the disk is full",
        "alarms": [{"kind": "emergency", "subject": ID, "words": name}],
        "nodes": [row],
    }


def node(name: str) -> dict[str, Any]:
    return {
        "index": 0,
        "name": name,
        "status": "validator",
        "operator": name,
        "region": name,
        "verdict": "good (SIMULATED)",
        "offence": None,
        "boot": 12,
        "height": 1_204_117,
        "executes": True,
        "view": 1_310_220,
        "endpoint": f"https://{name}:7400",
        "connected": False,
    }


def proposal(name: str) -> dict[str, Any]:
    return {
        "id": ID[:32],
        "digest": ID,
        "status": "active",
        "yes": 3,
        "no": 0,
        "missing": 0,
        "needed": 3,
        "expires_ms": 1_796_000_000_000,
        "activates_ms": None,
        "proposed_ms": 1_796_000_000_000,
        "proposer": name,
        "change": "set_program_regions",
        "note": name,
        "changes": [{"change": "allow_node", "arguments": {"name": name, "key": ID}}],
        "ballots": [{"member": name, "yes": True}],
    }


def grant(name: str) -> dict[str, Any]:
    times = ("decided_ms", "until_ms", "closed_ms", "review_by_ms", "asked_ms")
    words = ("approvals", "denials", "revocations", "reviews")
    return {
        **dict.fromkeys(times, 1_796_000_000_000),
        **{one: [{"member": name, "time_ms": 1_796_000_000_000}] for one in words},
        "id": ID[:32],
        "status": "approved",
        "kind": "emergency",
        "operator": name,
        "operations": ["diagnostics", "restart"],
        "nodes": [name],
        "needed": 2,
    }


def access(name: str) -> dict[str, Any]:
    return {
        "grants": [grant(name)],
        "events": [
            {"kind": "start", "subject": name, "time_ms": 1, "height": 12, "words": name * 2}
        ],
        "alarms": [{"kind": "start", "subject": name, "words": name}],
        "approvals_needed": 2,
        "upgrades_need_grants": True,
        "regions": [name],
    }


def member(name: str) -> dict[str, Any]:
    roles = [{"program": "payments", "role": "issuer", "identity": ID}] * 3
    return {"name": name, "public": ID, "weight": 1, "roles": roles}


def users(name: str) -> dict[str, Any]:
    return {
        "open": True,
        "members": 4,
        "voting": 4,
        "by_vote": 2,
        "issuers": [f"https://{name}/realms/one", "https://issuer.example"],
        "roles": [{"program": "payments", "role": "issuer", "identity": ID}],
        "limits": {"sessions_per_identity": 4, "users_per_member": 1_000},
    }


def recovery(name: str) -> dict[str, Any]:
    generation = {
        "number": 12,
        "active": True,
        "current": False,
        "held": [name],
        "bad": [],
        "missing": [],
        "needed": 2,
        "maker": name,
        "time_ms": 1_796_000_000_000,
        "threshold": 2,
        "checks": 3,
        "checks_needed": 2,
        "epochs": [0, 12],
    }
    return {
        "threshold": 2,
        "epoch": 1,
        "members": [{"member": name, "recovery_key": ID, "in_token": True}],
        "generations": [generation, {**generation, "active": False}],
        "alarms": [],
        "now": f"{name} and {name} would bring it back; the shares were checked by {name}",
    }


def standing(name: str) -> dict[str, Any]:
    return {"issuer": f"https://{name}/one", "region": name, "until_ms": 1_796_000_000_000}


def key(name: str) -> dict[str, Any]:
    return {
        "key": name,
        "owner": f"id:{ID}",
        "version": 12,
        "state": "suspended",
        "custody": "ledger",
        "quantity": 1_000_000,
        "used": 999_999,
        "reserved": 999_999,
        "leases": 1_000,
    }


def lease(name: str) -> dict[str, Any]:
    return {
        "lease": bytes(16),
        "key": name,
        "version": 12,
        "state": "lapsed",
        "room": name,
        "boot": 100,
        "used": 999_999,
        "reserved": 999_999,
        "pieces_given": 100_000,
        "until_ms": 1_796_000_000_000,
    }


def custodian(name: str) -> dict[str, Any]:
    return {
        "custodian": f"id:{ID}",
        "customer": name,
        "endpoint": f"https://{name}:7443#sha256={ID}",
        "released_ms": 1_796_000_000_000,
        "keys": [key(name), key("k")],
    }


def clean_room(name: str) -> dict[str, Any]:
    return {
        "room": bytes.fromhex(ID),
        "name": name,
        "state": "open",
        "joined": True,
        "contracts": 1_000,
        "jobs": 100_000,
    }


def contract(name: str) -> dict[str, Any]:
    return {
        "contract": bytes.fromhex(ID),
        "name": name,
        "profile": "statistics",
        "state": "proposed",
        "votes": 12,
        "runs": 1_000,
        "runs_max": 1_000,
        "purpose": name,
    }


def job(name: str) -> dict[str, Any]:
    executor = {
        "rank": 0,
        "operator": name,
        "region": name,
        "asked": True,
        "taken_ms": 1_796_000_000_000,
        "reported_ms": 1_796_000_000_000,
        "report": bytes.fromhex(ID),
    }
    return {
        "job": bytes.fromhex(ID),
        "contract": bytes.fromhex(ID),
        "state": "failed",
        "why": name,
        "caller": f"id:{ID}",
        "deadline_ms": 1_796_000_000_000,
        "result": bytes.fromhex(ID),
        "inputs": [{"alias": name, "owner": f"id:{ID}", "data": name, "version": 12}],
        "executors": [executor],
        "outputs": [
            {
                "output": name,
                "recipient": bytes.fromhex(ID),
                "chunks": 100_000,
                "root": bytes.fromhex(ID),
            }
        ],
    }


def happened(name: str) -> dict[str, Any]:
    event = {
        "number": 100_000,
        "height": 1_204_117,
        "time_ms": 1_796_000_000_000,
        "what": "refused",
        "who": f"id:{ID}",
        "about": bytes.fromhex(ID),
        "detail": name,
    }
    return {"events": [event], "total": 100_000, "head": bytes.fromhex(ID)}


def residency_report(name: str) -> dict[str, Any]:
    opens = {
        "node": name,
        "role": "validator",
        "operator": name,
        "region": name,
        "country": "CH",
        "since_height": 1_204_117,
        "evidence": ID,
    }
    later = {"region": name, "country": None, "nodes": [name, name]}
    return {
        "verdict": "valid",
        "reason": f"up to height 1, 2 epochs, keys could be opened in {name} (CH)",
        "epochs": [{"epoch": 1, "keys": [opens], "later": [later], "recovered_by": [name] * 3}],
        "ciphertext": [later],
        "operators": [{"operator": name, "regions": [name], "keys": [ID]}],
        "rules": [{"height": 12, "change": "allow_region", "arguments": {"region": name}}],
        "limits": [name * 2],
    }


def issuer(name: str) -> dict[str, Any]:
    return {
        "issuer": f"https://{name}/realms/one",
        "audience": name,
        "claim": name,
        "regions": [{"value": name, "region": name}],
        "guests": {"claim": name, "guest": name, "region": name},
        "life_ms": 600_000,
        "observed": True,
        "keys": [{"kid": name, "algorithm": "RS256", "thumbprint": ID, "by": name}],
        "seen": [{"operators": [name, name], "digest": ID}],
        "removed": [ID, ID],
    }


SCREENS: dict[str, Callable[[str], None]] = {
    "status": lambda name: explorer_tables.show_status(status(name)),
    "blocks": lambda name: explorer_tables.show_blocks([block(name), block("n1")]),
    "block": lambda name: explorer_tables.show_block(block(name)),
    "tx": lambda name: explorer_tables.show_transaction(
        {
            "id": ID,
            "status": "final",
            "height": 1,
            "index": 0,
            "result": "QUJD" * 200,
            "envelope": {"kind": "public", "signer": ID, "action": "gov.vote", "sealed": "x" * 400},
            "opened": {"ok": False, "error": {"code": "insufficient", "message": name * 3}},
        }
    ),
    "found": lambda name: explorer_tables.show_found(
        [{"kind": "member", "id": name, "words": f"key {ID}", "command": f"strongroom {ID} {name}"}]
    ),
    "verdict": lambda name: explorer_tables.show_verdict({"verdict": "valid", "reason": name * 3}),
    "nodes": lambda name: governance_tables.show_nodes([node(name), node("n1")]),
    "members": lambda name: governance_tables.show_members([member(name)]),
    "proposals": lambda name: governance_tables.show_proposals([proposal(name)]),
    "proposal": lambda name: governance_tables.show_proposal(proposal(name)),
    "epochs": lambda name: governance_tables.show_epochs(
        [
            {
                "epoch": 1,
                "reason": name,
                "height": 1_204_117,
                "time_ms": 1_796_000_000_000,
                "members": [name] * 4,
                "quorum": 3,
                "key_digest": ID,
            }
        ]
    ),
    "regions": lambda name: governance_tables.show_regions(
        [
            {
                "region": name,
                "country": "CH",
                "basis": 2,
                "nodes_allowed": True,
                "nodes": [name, "n1"],
            }
        ]
    ),
    "region-rules": lambda name: governance_tables.show_region_rules(
        [{"program": "payments", "places": [name], "regions": [name], "issuers": [name]}]
    ),
    "access": lambda name: admin_tables.show_access(access(name)),
    "users": lambda name: explorer_users.show(users(name)),
    "recovery": lambda name: recover_tables.show_recovery(recovery(name)),
    "keys": lambda name: vault_tables.show_keys([key(name), key("k")]),
    "leases": lambda name: vault_tables.show_leases([lease(name), lease("k")]),
    "custodians": lambda name: vault_tables.show_custodians([custodian(name)]),
    "rooms": lambda name: rooms_tables.show_rooms([clean_room(name)]),
    "contracts": lambda name: rooms_tables.show_contracts([contract(name)]),
    "jobs": lambda name: rooms_tables.show_jobs([job(name)]),
    "job": lambda name: explorer_rooms._show_job(
        {"job": job(name), "contract": contract(name), "happened": happened(name)}
    ),
    "residency": lambda name: residency._show_residency(residency_report(name)),
    "issuer": lambda name: people_issuers._show(issuer(name)),
    "person": lambda name: people._show_standing(standing(name)),
}


@pytest.mark.parametrize("name", NAMES, ids=["ascii", "wide", "words", "short"])
@pytest.mark.parametrize("screen", sorted(SCREENS))
def test_no_table_is_wider_than_80_columns(
    screen: str, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    SCREENS[screen](name)
    captured = capsys.readouterr()
    assert captured.out
    for line in captured.out.splitlines():
        assert cell_len(line) <= 80, line


@pytest.mark.parametrize("screen", ["block", "members", "tx"])
def test_an_id_stays_in_one_piece_at_80_columns(
    screen: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    SCREENS[screen](NAMES[0])
    assert ID in capsys.readouterr().out


@pytest.mark.parametrize("screen", sorted(SCREENS))
def test_a_wide_terminal_shows_every_column(
    screen: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    SCREENS[screen]("a-name-of-some-length")
    captured = capsys.readouterr()
    assert "left out" not in captured.err
    monkeypatch.setenv("COLUMNS", "80")
    SCREENS[screen]("a-name-of-some-length")
    narrow = capsys.readouterr()
    heads = captured.out.split()[:12] if screen == "nodes" else []
    for word in set(heads) - {"offence"}:  # nobody has one
        assert word in narrow.out or word in narrow.err, word


def test_what_is_left_out_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    governance_tables.show_nodes([node("n1")])
    assert "left out at 80 columns: endpoint, boot" in capsys.readouterr().err


def test_a_field_is_found_by_names_and_positions() -> None:
    document = {"anchor": {"height": 7}, "signers": ["n0", "n1"], "none": None}
    assert field_of(document, "anchor.height") == [7]
    assert field_of(document, "signers.1") == ["n1"]
    assert field_of([document, document], "anchor.height") == [7, 7]
    assert field_of([document, document], "1.anchor.height") == [7]
    assert field_of([], "anchor") == []
    for path, words in (
        ("ancor", "there are anchor, signers, none"),
        ("signers.2", "2 entries"),
        ("anchor.height.x", "anchor.height has no fields"),
        ("none.x", "none has no fields"),
    ):
        with pytest.raises(ClientFault, match=words):
            field_of(document, path)


def test_every_explorer_command_takes_a_field_and_those_about_public_things_files() -> None:
    import typer.main

    explorer: Any = typer.main.get_command(make_app("explorer"))
    sealed = {"keys", "leases", "custodians", "rooms", "room", "contracts", "job"}
    for name, command in explorer.commands["explorer"].commands.items():
        options = {one for parameter in command.params for one in parameter.opts}
        if name not in {"watch", "web"}:
            assert "--field" in options, name
        assert ("--from-ledger" in options) == (name not in sealed), name


def test_a_field_of_a_command_is_printed_bare(monkeypatch: pytest.MonkeyPatch) -> None:
    from strongroom.node.cli import explorer_users as module

    async def told(*_: object) -> dict[str, Any]:
        return users("\x1b[2J")

    monkeypatch.setattr(module, "ask", told)

    def run(*more: str) -> Any:
        return CliRunner().invoke(make_app("explorer"), ["explorer", "users", *more])

    assert run("--field", "members").stdout == "4\n"
    assert run("--field", "issuers.0").stdout == "https://\\x1b[2J/realms/one\n"
    assert json.loads(run("--field", "limits", "--json").stdout) == users("")["limits"]
    wrong = run("--field", "member")
    assert wrong.exit_code == 2
    assert "there are open, members" in wrong.stderr
