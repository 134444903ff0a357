"""Release policies of Azure, taken over into ours: names by tables, all else refused by name.

Owns the tables and how wide a form of Azure's files is read. What it makes is parsed by
release_policy.py like any other. Not measured: an owner imports, looks at the result, and stores
that.
"""

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Any

from strongroom.enclave.attestation.release_condition import OPERATORS, PolicyRefused
from strongroom.enclave.attestation.release_policy import AUTHORITY, VERSION, ReleasePolicy
from strongroom.enclave.attestation.strict_json import Json, NotStrictJson, read_json
from strongroom.enclave.outside.policy_advice import HEX_BYTES

AZURE_BYTES_MAX = 64 * 1024
"""Of a file to import; what comes out is bound like every policy."""
KIND = "snp"
"""The one kind of authority whose claims have a table: attestation of SEV-SNP guests."""
WITHIN = "x-ms-isolation-tee."
"""Before the names of a guest's hardware, where a token speaks of guest and hardware."""
GRAMMAR = {
    name.lower(): name for name in ("version", "anyOf", "allOf", "authority", "claim", *OPERATORS)
}
"""Azure's pages write `anyof` and `anyOf`."""
RENAMED = {
    "x-ms-sevsnpvm-launchmeasurement": "measurement",
    "x-ms-sevsnpvm-hostdata": "hostdata",
    "x-ms-sevsnpvm-chipid": "ueid",
    "x-ms-sevsnpvm-bootloader-svn": "snp.reported.bootloader",
    "x-ms-sevsnpvm-tee-svn": "snp.reported.tee",
    "x-ms-sevsnpvm-snpfw-svn": "snp.reported.snp",
    "x-ms-sevsnpvm-microcode-svn": "snp.reported.microcode",
}
"""Azure's claim → ours of the same meaning."""

DEBUG_OFF = [
    "disabled",
    "disabled-since-boot",
    "disabled-permanently",
    "disabled-fully-and-permanently",
]
"""Values of EAT's dbgstat (RFC 9711, 4.2.9) under which nobody debugs."""
BECOMES: dict[str, tuple[str | bool, dict[str, Any]]] = {
    "x-ms-attestation-type": ("sevsnpvm", {"claim": "simulated", "equals": False}),
    "x-ms-sevsnpvm-is-debuggable": (False, {"claim": "dbgstat", "in": DEBUG_OFF}),
    "x-ms-sevsnpvm-migration-allowed": (False, {"claim": "simulated", "exists": True}),
}
"""Azure's claim, the one value that can be asked of it here, and the condition that asks for it.
Evidence of a guest that may migrate is refused before any policy is asked: a condition that always
holds stands for it."""
INSTEAD: Mapping[str, str] = {
    "x-ms-compliance-status": "it is the verdict of Azure's own service; "
    "ask for measurement and snp.committed.* yourself",
    "x-ms-policy-hash": "it names a policy of Azure's service; there is none here",
    "x-ms-sevsnpvm-reportdata": "each room's differs; evidence binds it to the room's keys",
}
"""Why a claim has nothing of ours for it."""

Replacements = Mapping[str, Mapping[str, Any]]


def import_azure(
    text: bytes, *, authorities: Mapping[str, str], instead: Replacements | None = None
) -> ReleasePolicy:
    """Take over a policy of Azure: the JSON that a user writes, or what the service shows of it
    (`encodedPolicy` or `data`, in base64).

    Args:
        text: The file.
        authorities: Each authority's URL, and KIND.
        instead: Condition of ours for each claim of Azure that has no table.

    Raises:
        PolicyRefused: something cannot be taken over; the message names all such claims.
    """
    policy = _object(_unwrapped(text), "the whole")
    _Import(authorities, instead or {}).check_names(policy)
    made = _Import(authorities, instead or {}).policy(policy)
    return ReleasePolicy.parse(json.dumps(made, ensure_ascii=False, separators=(",", ":")))


class _Import:
    """One policy's way into ours. Its depth is bound by read_json's."""

    def __init__(self, authorities: Mapping[str, str], instead: Replacements) -> None:
        self._authorities = {url.rstrip("/"): kind for url, kind in authorities.items()}
        self._instead = {_bare(name): dict(condition) for name, condition in instead.items()}

    def check_names(self, policy: dict[str, Json]) -> None:
        """Refuse, all at once, the claims that nothing stands for."""
        known = {*RENAMED, *BECOMES, *self._instead}
        unknown = [name for name in dict.fromkeys(_claims(policy)) if _bare(name) not in known]
        if unknown:
            reasons = [
                f"{name} ({INSTEAD.get(_bare(name), 'nothing in the vocabulary stands for it')})"
                for name in unknown
            ]
            raise PolicyRefused(
                "its claims",
                f"cannot be taken over: {'; '.join(reasons)}. Give a condition of ours for it with "
                "--instead CLAIM=CONDITION",
            )

    def policy(self, value: dict[str, Json]) -> dict[str, Any]:
        """The whole, its keys as ours are written."""
        rest = {name: inner for name, inner in value.items() if name not in ("version", "anyOf")}
        if value.get("version") != VERSION or rest:
            raise PolicyRefused(
                "version", f'expected {{"version": "{VERSION}", "anyOf": […]}}, nothing else'
            )
        members = _list(value.get("anyOf"), "anyOf")
        made = [self._authority(one, f"anyOf[{at}]") for at, one in enumerate(members)]
        return {"version": VERSION, "anyOf": made}

    def _authority(self, value: Json, path: str) -> dict[str, Any]:
        parts = _object(value, path)
        url = parts.pop("authority", "")
        kind = self._authorities.get(url.rstrip("/")) if isinstance(url, str) else None
        if kind != KIND:
            raise PolicyRefused(
                f"{path}.authority",
                f"say what {url or 'it'} vouches for: --authority {url or 'URL'}={KIND}"
                if kind is None
                else f"{kind} has no table of names: only {KIND} has",
            )
        return {"authority": AUTHORITY, **self._group(parts, path)}

    def _group(self, value: dict[str, Json], path: str) -> dict[str, Any]:
        if set(value) not in ({"allOf"}, {"anyOf"}):
            raise PolicyRefused(path, "expected one allOf or anyOf")
        [(name, members)] = value.items()
        made = []
        for at, one in enumerate(_list(members, f"{path}.{name}")):
            where = f"{path}.{name}[{at}]"
            parts = _object(one, where)
            named = "claim" in parts
            made.append(self._condition(parts, where) if named else self._group(parts, where))
        return {name: made}

    def _condition(self, value: dict[str, Json], path: str) -> dict[str, Any]:
        name = _bare(str(value["claim"]))
        if name in self._instead:
            return self._instead[name]
        operators = [key for key in value if key != "claim"]
        if len(operators) != 1:
            raise PolicyRefused(path, "expected one operator beside the claim")
        operator, literal = operators[0], value[operators[0]]
        if name in BECOMES:
            asked, condition = BECOMES[name]
            return _become(name, operator, literal, asked, condition, path)
        ours = RENAMED[name]
        if ours in HEX_BYTES and operator != "exists":
            size = HEX_BYTES[ours]
            if isinstance(literal, list):
                literal = [_hex(one, size, path) for one in literal]
            else:
                literal = _hex(literal, size, path)
        return {"claim": ours, operator: literal}


def _become(
    name: str,
    operator: str,
    literal: Json,
    asked: str | bool,
    condition: dict[str, Any],
    path: str,
) -> dict[str, Any]:
    if isinstance(asked, bool) and literal in ("true", "false"):
        literal = literal == "true"
    same = type(literal) is type(asked) and literal == asked
    opposite = isinstance(asked, bool) and type(literal) is bool and literal is not asked
    if (operator == "equals" and same) or (operator == "notEquals" and opposite):
        return condition
    raise PolicyRefused(
        path, f"of {name} only `equals {json.dumps(asked)}` can be asked: no other room gets a key"
    )


def _hex(literal: Json, size: int, path: str) -> str:
    try:
        value = bytes.fromhex(literal) if isinstance(literal, str) else b""
    except ValueError:
        value = b""
    if len(value) != size:
        raise PolicyRefused(path, f"expected {2 * size} hex digits")
    return value.hex()


def _bare(name: str) -> str:
    return name.removeprefix(WITHIN)


def _claims(value: Json) -> list[str]:
    """Every claim that a policy names, in its order."""
    if isinstance(value, dict):
        parts = {GRAMMAR.get(name.lower(), name): inner for name, inner in value.items()}
        own = [str(parts["claim"])] if "claim" in parts else []
        return own + [name for inner in parts.values() for name in _claims(inner)]
    return [name for inner in value for name in _claims(inner)] if isinstance(value, list) else []


def _object(value: Json, path: str) -> dict[str, Json]:
    """An object, its keys written as in our grammar."""
    if not isinstance(value, dict):
        raise PolicyRefused(path, "expected an object")
    made = {GRAMMAR.get(name.lower(), name): inner for name, inner in value.items()}
    if len(made) < len(value):
        raise PolicyRefused(path, "a name stands twice, in capitals and small")
    return made


def _list(value: Json | None, path: str) -> list[Json]:
    if not isinstance(value, list) or not value:
        raise PolicyRefused(path, "expected a list that is not empty")
    return value


def _unwrapped(text: bytes) -> Json:
    """The policy itself, also where the service's answer is around it."""
    value = _read(text)
    if isinstance(value, dict) and "version" not in value:
        packed = value.get("encodedPolicy", value.get("data"))
        if isinstance(packed, str):
            try:
                padded = packed.translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
                return _read(b64decode(padded + "=" * (-len(padded) % 4), validate=True))
            except (Base64Error, ValueError):
                raise PolicyRefused("the encoded policy", "it is not base64") from None
    return value


def _read(text: bytes) -> Json:
    if len(text) > AZURE_BYTES_MAX:
        raise PolicyRefused("its text", f"more than {AZURE_BYTES_MAX} bytes")
    try:
        return read_json(text.decode("utf-8-sig"))
    except UnicodeError:
        raise PolicyRefused("its text", "expected UTF-8") from None
    except NotStrictJson as error:
        raise PolicyRefused(f"character {error.at}", error.why) from None
