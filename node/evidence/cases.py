"""Files of cases (`verify evidence --cases`) and of policies (`--policy`): from paths and JSON to
pieces and demands.

Owns what a case may say. Its files are its trust anchors too (`root`, `jwks`, `key`, `keys`): who
writes the case is who decides whom to believe. Paths are relative to the file that names them.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from strongroom.consensus.errors import AttestationError, OperatorFault
from strongroom.node.evidence.demands import TIME_MAX, Demands, read_demands
from strongroom.node.evidence.detection import ROLES, detect
from strongroom.node.evidence.judging import judge
from strongroom.node.evidence.pieces import FILE_BYTES_MAX, Piece
from strongroom.node.evidence.reasons import CannotJudge, Reason, Unjudged, refuse
from strongroom.node.evidence.strict import decode_json
from strongroom.node.evidence.verdict import Answer, Verdict

CASES_MAX = 10_000
CASES_BYTES_MAX = 16 * 1024 * 1024
STRICT = "strict"
"""A policy of this name needs no file: every conditional status is bad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One piece of evidence, and what is expected of it."""

    id: str
    kind: str
    expected: str
    paths: Mapping[str, Path]
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """A policy, and the files that it names."""

    demands: Demands
    kind: str | None = None
    paths: Mapping[str, Path] = field(default_factory=dict)
    has_time: bool = False
    """It names a time, or that there is none."""


def read_cases(path: Path) -> list[Case]:
    """Read a file of cases.

    Raises:
        OperatorFault: missing, or not of this form.
    """
    document = _read_json(path, CASES_BYTES_MAX)
    entries = document.get("cases") if isinstance(document, dict) else document
    if type(entries) is not list or len(entries) > CASES_MAX:
        raise OperatorFault(f"{path}: expected a list of at most {CASES_MAX} cases under 'cases'")
    cases = [_case(entry, path) for entry in entries]
    if len({case.id for case in cases}) != len(cases):
        raise OperatorFault(f"{path}: two cases have one id")
    return cases


def _case(entry: Any, path: Path) -> Case:
    texts = [
        entry.get(name) if isinstance(entry, dict) else None for name in ("id", "kind", "verdict")
    ]
    files = entry.get("files") if isinstance(entry, dict) else None
    if not all(type(text) is str for text in texts) or type(files) is not dict:
        raise OperatorFault(f"{path}: a case needs id, kind, verdict and files: {str(entry)[:80]}")
    named = dict(files)
    if type(entry.get("endorsement")) is str:
        named["endorsement"] = entry["endorsement"]
    paths = _paths(named, path)
    return Case(
        id=str(texts[0]), kind=str(texts[1]), expected=str(texts[2]), paths=paths, document=entry
    )


def judge_case(case: Case, base: Demands) -> Verdict:
    """Judge a case under a policy; the case's own time, or none, counts."""
    try:
        return judge(Piece(case.kind, read_files(case.paths)), _demands(case, base))
    except CannotJudge as error:
        return Verdict(Answer.CANNOT_CHECK, error.reason, str(error))
    except AttestationError as error:
        return Verdict(Answer.BAD, error.reason, str(error))


def _demands(case: Case, base: Demands) -> Demands:
    demands = replace(base, time=None)
    moment = case.document.get("time")
    if moment is not None:
        if type(moment) is not int or not 0 <= moment <= TIME_MAX:
            raise CannotJudge(Unjudged.POLICY, f"{moment!r} is no time: Unix seconds are expected")
        demands = replace(demands, time=moment)
    label = case.document.get("header_key")
    if type(label) is str and label not in demands.header_keys:
        demands = replace(demands, header_keys=(*demands.header_keys, label))
    return read_demands(case.document.get("policy", {}), demands)


def read_files(paths: Mapping[str, Path]) -> dict[str, bytes]:
    """The files' bytes, by role.

    Raises:
        CannotJudge: one is missing.
        AttestationError: ``too-large``.
    """
    found = {}
    for role, path in paths.items():
        try:
            with path.open("rb") as file:
                found[role] = file.read(FILE_BYTES_MAX + 1)
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise CannotJudge(
                Unjudged.MISSING_FILE, f"cannot read {role} {path}: {words}"
            ) from None
        if len(found[role]) > FILE_BYTES_MAX:
            refuse(Reason.TOO_LARGE, f"{role}: over {FILE_BYTES_MAX} bytes")
    return found


def read_policy(text: str | None) -> PolicyFile:
    """The policy that is called `strict`, or the one in a JSON file, or the default.

    Raises:
        OperatorFault: no such file, or not a policy.
    """
    if text is None or text == STRICT:
        return PolicyFile(demands=Demands(strict=text == STRICT))
    path = Path(text)
    document = _read_json(path, FILE_BYTES_MAX)
    if not isinstance(document, dict):
        raise OperatorFault(f"{path}: a policy is a JSON object; see node/evidence/README.md")
    kind, files = document.get("kind"), document.get("files", {})
    if type(files) is not dict or not (kind is None or type(kind) is str):
        raise OperatorFault(f"{path}: 'kind' is a text and 'files' an object of paths")
    try:
        demands = read_demands(document, Demands(), ignore=("kind", "files"))
    except CannotJudge as error:
        raise OperatorFault(f"{path}: {error}; see node/evidence/README.md") from None
    return PolicyFile(
        demands=demands, kind=kind, paths=_paths(files, path), has_time="time" in document
    )


def _paths(files: Mapping[Any, Any], beside: Path) -> dict[str, Path]:
    if not all(type(role) is str and type(name) is str for role, name in files.items()):
        raise OperatorFault(f"{beside}: a file is named by something else than a path")
    return {role: beside.parent / name for role, name in files.items()}


def _read_json(path: Path, size_max: int) -> Any:
    try:
        with path.open("rb") as file:
            data = file.read(size_max + 1)
    except OSError as error:
        raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
    try:
        return decode_json(data, str(path), size_max=size_max)
    except AttestationError as error:
        raise OperatorFault(f"{path}: {error}") from None


def judge_file(path: Path, policy: PolicyFile, *, pinned: bool) -> tuple[str | None, Verdict]:
    """Judge one piece of evidence under a policy: its kind, as detected or as the policy says, and
    the verdict.

    Args:
        path: the piece; what it is judged with, the policy names.
        policy: without a time of its own, now counts.
        pinned: there is a policy; without one there is no verdict.
    """
    kind = policy.kind
    try:
        data = read_files({"evidence": path})["evidence"]
        found = detect(data) if kind is None else (kind, ROLES.get(kind, "evidence"))
        if found is None:
            raise CannotJudge(
                Unjudged.UNKNOWN_KIND, f"{path}: no kind of evidence that is known here"
            )
        kind, role = found
        if not pinned:
            raise CannotJudge(
                Unjudged.NO_POLICY,
                "no policy: say with --policy what is demanded and whom to believe",
            )
        demands = (
            policy.demands if policy.has_time else replace(policy.demands, time=int(time.time()))
        )
        return kind, judge(Piece(kind, {**read_files(policy.paths), role: data}), demands)
    except CannotJudge as error:
        return kind, Verdict(Answer.CANNOT_CHECK, error.reason, str(error))
    except AttestationError as error:
        return kind, Verdict(Answer.BAD, error.reason, str(error))
