"""`strongroom explorer nodes | members | proposals | epochs | regions | region-rules | recovery |
grants`: who takes part, who governs, since when, and where; from where people may call; who could
bring a dead service back; who had privileged access.

Owns options and JSON of these commands. Documents are the word of one node, but for `epochs`, which
are checked against the pin; what a vote decided, a receipt proves (cli/gov.py).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.node.cli.common import DEFAULT_DIR, DirectoryOption
from strongroom.node.cli.explorer_source import LedgerOption, ask, source
from strongroom.node.terminal.commands import FieldOption, JsonOption, guarded, run
from strongroom.node.terminal.printing import emit

if TYPE_CHECKING:
    from strongroom.enclave.governance.document import Document
    from strongroom.enclave.governance.rules import Rules


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    for command in (nodes, members, proposals, epochs, regions, recovery, grants):
        app.command()(command)
    app.command("region-rules")(region_rules)


@guarded
def nodes(
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Validators and other registered nodes, with the verdict over each one's evidence, and proven
    offences.

    Example: strongroom explorer nodes
    """
    from strongroom.node.cli import governance_tables

    found = run(ask(directory, ledger, "service_nodes"))
    emit(found, as_json, lambda: governance_tables.show_nodes(found))


@guarded
def members(
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """The members who govern, and their roles in programs.

    Example: strongroom explorer members
    """
    from strongroom.node.cli import governance_tables

    found = run(ask(directory, ledger, "service_members"))
    emit(found, as_json, lambda: governance_tables.show_members(found))


@guarded
def proposals(
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Members' proposals, newest first.

    Example: strongroom explorer proposals
    """
    from strongroom.node.cli import governance_tables

    found = run(ask(directory, ledger, "governance_proposals"))
    emit(found, as_json, lambda: governance_tables.show_proposals(found))


@guarded
def epochs(
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """The succession of epochs: checked link by link against the pin.

    Example: strongroom explorer epochs
    """
    from strongroom.node.cli import governance_tables

    found = run(_epochs(directory, ledger))
    emit(found, as_json, lambda: governance_tables.show_epochs(found))


@guarded
def regions(
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Regions that members know: in which country each lies, whether nodes may stand there, which
    do. No silicon says where it stands: an operator names his region (basis 2, an endorsement).

    Example: strongroom explorer regions
    """
    from strongroom.node.cli import governance_tables

    found = run(_regions(directory, ledger))
    emit(found, as_json, lambda: governance_tables.show_regions(found))


@guarded
def region_rules(
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """From where people may call, as members voted: which regions each rule stands for now, and
    which issuers speak of them. A person's region is its issuer's word.

    Example: strongroom explorer region-rules
    """
    from strongroom.node.cli import governance_tables

    found = run(_region_rules(directory, ledger))
    emit(found, as_json, lambda: governance_tables.show_region_rules(found))


async def _region_rules(directory: Path, ledger: Path | None) -> list[dict[str, Any]]:
    from strongroom.node.client.governing import read_public_state

    async with source(directory, ledger) as reader:
        rules = (await read_public_state(reader)).member_rules()
    return rule_documents(rules)


def rule_documents(rules: "Rules") -> list[dict[str, Any]]:
    """A rule of regions each, with whom it lets call."""
    from strongroom.enclave.governance.region_changes import met

    def speaking(regions: frozenset[str]) -> list[str]:
        return [
            issuer.url
            for issuer in rules.issuers.entries
            if not regions.isdisjoint({region for _, region in issuer.regions})
            or (issuer.guests is not None and issuer.guests.region in regions)
        ]

    return [
        {
            "program": program,
            "places": list(places),
            "regions": sorted(met(rules, program)),
            "issuers": speaking(met(rules, program)),
        }
        for program, places in rules.program_regions
    ]


@guarded
def recovery(
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Who holds shares of the key to the ledger, which generations there are, and what is wrong.

    Example: strongroom explorer recovery
    """
    from strongroom.node.cli import recover_tables

    document = run(_recovery(directory, ledger))
    emit(document, as_json, lambda: recover_tables.show_recovery(document))


async def _recovery(directory: Path, ledger: Path | None) -> dict[str, Any]:
    from strongroom.node.client.governing import read_public_state
    from strongroom.node.client.recovering import recovery_document

    async with source(directory, ledger) as reader:
        return recovery_document(await read_public_state(reader))


@guarded
def grants(
    id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One grant whole; all without.")
    ] = None,
    ledger: LedgerOption = None,
    field: FieldOption = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Privileged access: who asked for what, who agreed, what was begun, events and alarms.

    Example: strongroom explorer grants
    """
    from strongroom.node.cli.admin import show_access

    show_access(run(_public_state(directory, ledger)), id, as_json)


async def _public_state(directory: Path, ledger: Path | None) -> "Document":
    from strongroom.node.client.governing import read_public_state

    async with source(directory, ledger) as reader:
        return await read_public_state(reader)


async def _regions(directory: Path, ledger: Path | None) -> list[dict[str, Any]]:
    from strongroom.enclave.attestation.room_evidence import ENDORSED

    async with source(directory, ledger) as reader:
        policy = await reader.ask("service_policy")
        nodes = await reader.ask("service_nodes")
    countries = {one["region"]: one["country"] for one in policy["countries"]}
    standing = [one for one in nodes if one["status"] != "removed"]
    return [
        {
            "region": region,
            "country": countries.get(region),
            "basis": ENDORSED if region in countries else None,
            "nodes_allowed": region in policy["regions"],
            "nodes": sorted(one["name"] for one in standing if one["region"] == region),
        }
        for region in sorted({*countries, *policy["regions"]})
    ]


async def _epochs(directory: Path, ledger: Path | None) -> list[dict[str, Any]]:
    from strongroom.consensus.types import Epoch
    from strongroom.node.client.audit.chain import check_epochs

    async with source(directory, ledger) as reader:
        _, known = await check_epochs(reader.ask_all, reader.service.pin)
        told = {one["epoch"]: one for one in await reader.ask("service_epochs", **{"from": 0})}
    shown = []
    for number in map(Epoch, range(known.newest.epoch + 1)):
        description, anchor = known.description(number), known.anchor_of(number)
        if description is None or anchor is None:
            continue
        shown.append(
            {
                "epoch": number,
                "reason": told.get(number, {}).get("reason"),
                "height": anchor.height,
                "time_ms": anchor.time_ms,
                "members": [one.node_key.hex() for one in description.validators],
                "quorum": description.quorum.size,
                "key_digest": description.public_key_digest.hex(),
                "digest": description.digest.hex(),
            }
        )
    return shown
