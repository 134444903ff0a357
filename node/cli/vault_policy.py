"""`strongroom vault policy check | explain | diff | import`: release policies, looked at offline.

Owns options, words, JSON and exit codes; the judge is the enclave's own (release_policy.py). Knows
of no cluster: every command works on files alone.
"""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.node.terminal.commands import JsonOption, fail, guarded
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, note, say

if TYPE_CHECKING:
    from strongroom.enclave.attestation.release_policy import Line, ReleasePolicy
    from strongroom.enclave.attestation.vocabulary import Claim

CLAIMS_FILE_BYTES_MAX = 64 * 1024
MARKS = {"holds": "+", "does not hold": "-", "missing": "?"}

policy_app = typer.Typer(
    name="policy",
    no_args_is_help=True,
    help="Release policies: what a room must show before it is given a key (offline).",
)

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A release policy (JSON); - reads standard input.")
]


@policy_app.command()
@guarded
def check(file: FileArgument, as_json: JsonOption = False) -> None:
    """Check that a file is a release policy, as the ledger will when a key is made; says on stderr
    what you may not have meant.

    Exit 0: it is one. Exit 1: it is refused, with the place and the reason.

    Example: strongroom vault policy check policy.json
    """
    from strongroom.enclave.attestation.release_policy import (
        POLICY_BYTES_MAX,
        PolicyRefused,
        ReleasePolicy,
    )
    from strongroom.enclave.outside.policy_advice import advise

    try:
        policy = ReleasePolicy.parse(_read(file, POLICY_BYTES_MAX))
    except PolicyRefused as error:
        fail(str(error), ExitCode.NO, error)
    canonical = policy.encode()
    advice = advise(policy)
    document = {
        "ok": True,
        "conditions": len(policy.conditions),
        "bytes": len(canonical),
        "policy": json.loads(canonical),
        "advice": advice,
    }
    emit(document, as_json, lambda: say(_size(policy)))
    for sentence in advice:
        note(f"note: {sentence}")


@policy_app.command()
@guarded
def explain(
    file: FileArgument,
    claims: Annotated[
        Path | None,
        typer.Option("--claims", metavar="FILE", help="A JSON object: claim → value."),
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", metavar="FILE", help="A room's evidence, its bytes."),
    ] = None,
    operator: Annotated[
        str | None,
        typer.Option("--operator", help="With --evidence: the operator's governed name."),
    ] = None,
    country: Annotated[
        str, typer.Option("--country", help="With --evidence: country of the room's region.")
    ] = "",
    age_ms: Annotated[
        int, typer.Option("--age-ms", min=0, help="With --evidence: claim evidence-age-ms.")
    ] = 0,
    time_ms: Annotated[
        int | None,
        typer.Option(
            "--time-ms", min=0, help="With --evidence: when certificates must be valid (now)."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge claims, or a room's evidence, by a policy as a dry run, and print each condition:
    + holds, - does not, ? the claim is missing.

    Exit 0: a room with these claims would be given the key. Exit 1: it would not.

    Example: strongroom vault policy explain policy.json --claims claims.json
    """
    from strongroom.enclave.attestation.evidence import EVIDENCE_BYTES_MAX
    from strongroom.enclave.attestation.release_policy import POLICY_BYTES_MAX, ReleasePolicy
    from strongroom.node.cli.vault_policy_claims import NOT_JUDGED, claims_of_evidence, read_claims

    policy = ReleasePolicy.parse(_read(file, POLICY_BYTES_MAX))
    if claims is not None and evidence is None:
        _tell(policy, read_claims(_read(claims, CLAIMS_FILE_BYTES_MAX)), as_json)
    elif evidence is not None and claims is None:
        shown = claims_of_evidence(
            _read(evidence, EVIDENCE_BYTES_MAX),
            time_ms=time.time_ns() // 1_000_000 if time_ms is None else time_ms,
            age_ms=age_ms,
            operator=operator,
            country=country,
        )
        note(f"note: {NOT_JUDGED}")
        _tell(policy, shown, as_json)
    else:
        raise ClientFault("give the claims: either --claims FILE or --evidence FILE")


@policy_app.command()
@guarded
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The policy as it is.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The policy as it would be.")],
    as_json: JsonOption = False,
) -> None:
    """Show claims that NEW would release and OLD would not, and the other way round; exact, for
    all claims (needs the extra `policy`: z3).

    Exit 0: NEW releases nothing that OLD does not. Exit 1: it does, and an example is shown.

    Example: strongroom vault policy diff old.json new.json
    """
    from strongroom.enclave.attestation.release_policy import POLICY_BYTES_MAX, ReleasePolicy
    from strongroom.enclave.outside.policy_diff import Undecided, newly_released

    before = ReleasePolicy.parse(_read(old, POLICY_BYTES_MAX))
    after = ReleasePolicy.parse(_read(new, POLICY_BYTES_MAX))
    try:
        looser, tighter = newly_released(before, after), newly_released(after, before)
    except Undecided as error:
        fail(str(error), ExitCode.CANNOT_CHECK, error)
    document = {
        "loosens": looser is not None,
        "tightens": tighter is not None,
        "released_by_new_alone": looser,
        "released_by_old_alone": tighter,
    }
    emit(document, as_json, lambda: _show_difference(before, after, looser, tighter))
    if looser is not None:
        raise typer.Exit(int(ExitCode.NO))


@policy_app.command("import")
@guarded
def import_policy(
    file: FileArgument,
    authority: Annotated[
        list[str] | None,
        typer.Option("--authority", metavar="URL=snp", help="What an authority vouches for."),
    ] = None,
    instead: Annotated[
        list[str] | None,
        typer.Option(
            "--instead",
            metavar="CLAIM=CONDITION",
            help="A condition of ours (JSON) for a claim of Azure that has no counterpart.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Take over a policy of Azure Secure Key Release: prints ours on stdout.

    Claims of Azure are renamed by a table; one that nothing stands for is refused by its name.

    Example: strongroom vault policy import azure.json --authority https://my.attest.azure.net=snp
    """
    from strongroom.enclave.outside.policy_import import AZURE_BYTES_MAX, import_azure
    from strongroom.node.cli.vault_policy_claims import json_of

    authorities = dict(_authority(one) for one in authority or [])
    replacements = {}
    for one in instead or []:
        claim, text = _pair(one, "--instead CLAIM=CONDITION")
        condition = json_of(text.encode("utf-8", "replace"), f"--instead {claim}")
        if not isinstance(condition, dict):
            raise ClientFault(f'--instead {claim}: give a condition, {{"claim": …, "equals": …}}')
        replacements[claim] = condition
    policy = import_azure(
        _read(file, AZURE_BYTES_MAX), authorities=authorities, instead=replacements
    )
    document = json.loads(policy.encode())
    emit(
        {"ok": True, "policy": document},
        as_json,
        lambda: say(json.dumps(document, ensure_ascii=False, indent=2)),
    )
    note(f"{_size(policy)}; look at it before you use it: `strongroom vault policy check`")


def _tell(policy: "ReleasePolicy", claims: "dict[str, Claim]", as_json: bool) -> None:
    """Print what claims come to; exit 1 if the key is not given."""
    failure = policy.first_failure(claims)
    lines = policy.explain(claims)
    document = {
        "released": failure is None,
        "failure": failure,
        "conditions": [
            {"path": line.path, "condition": line.text, "verdict": line.verdict, "is": line.shown}
            for line in lines
        ],
    }
    emit(document, as_json, lambda: _show_lines(lines, failure))
    if failure is not None:
        raise typer.Exit(int(ExitCode.NO))


def _show_lines(lines: "list[Line]", failure: str | None) -> None:
    width = max(len(line.path) for line in lines)
    for line in lines:
        say(f"{MARKS[line.verdict]} {line.path:<{width}}  {line}")
    say("released" if failure is None else f"refused: {failure}")


def _show_difference(
    old: "ReleasePolicy",
    new: "ReleasePolicy",
    looser: "dict[str, Claim] | None",
    tighter: "dict[str, Claim] | None",
) -> None:
    if looser is None and tighter is None:
        say("both policies release for the same claims")
    if looser is not None:
        say("looser: NEW would release for these claims, OLD would not:")
        _show_example(looser, "OLD", old.first_failure(looser))
    elif tighter is not None:
        say("tighter: NEW releases nothing that OLD does not")
    if tighter is not None:
        say("OLD releases for these claims, NEW would not:")
        _show_example(tighter, "NEW", new.first_failure(tighter))


def _show_example(claims: "dict[str, Claim]", which: str, failure: str | None) -> None:
    for name, value in claims.items():
        say(f"  {name} = {json.dumps(value, ensure_ascii=False)}")
    say(f"  {which} says: {failure}")


def _size(policy: "ReleasePolicy") -> str:
    count = len(policy.conditions)
    return f"a release policy: {count} condition{'s' * (count != 1)}, {len(policy.encode())} bytes"


def _authority(text: str) -> tuple[str, str]:
    url, equals, kind = text.rpartition("=")
    if not url or not equals or not kind:
        raise ClientFault("expected --authority URL=snp")
    return url, kind


def _pair(text: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise ClientFault(f"expected {form}")
    return name, value


def _read(path: Path, most: int) -> bytes:
    """A file, or standard input for -; one byte more than is taken is enough to refuse it."""
    if str(path) == "-":
        return sys.stdin.buffer.read(most + 1)
    with path.open("rb") as file:
        return file.read(most + 1)
