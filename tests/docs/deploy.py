"""Reading the files of docs/deploy: YAML, and a chart's templates, as far as ours go."""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "docs" / "deploy"
CHART = DEPLOY / "helm" / "strongroom-node"

_CONTROL = re.compile(r"\{\{- (if|range|end)(?: (\S+))? \}\}")
_WORDS = re.compile(r"\{\{-? *(if|range|end|else|with|define|include|template|fail|tpl)\b")
_LOOKUP = re.compile(r"\.Values((?:\.[A-Za-z]+)+)|(\.)")


class TemplateRefused(Exception):
    """A template goes beyond lookups, `if`, `range` and `toYaml`, or asks for what is not there."""


def render(template: str, values: Mapping[str, Any]) -> str:
    """What Helm makes of a template that uses nothing else.

    Raises:
        TemplateRefused: it does.
    """
    return "\n".join(_block(template.split("\n"), values, None))


def _block(lines: Sequence[str], values: Mapping[str, Any], item: Any) -> Iterator[str]:
    at = 0
    while at < len(lines):
        word = _CONTROL.fullmatch(lines[at])
        if word is None:
            if _WORDS.search(lines[at]):
                raise TemplateRefused(lines[at].strip())
            yield from _line(lines[at], values, item)
            at += 1
            continue
        if word[1] == "end":
            raise TemplateRefused("`end` of nothing")
        found, end = _look(word[2] or "", values, item), _end_of(lines, at)
        if word[1] == "range" and not isinstance(found, list):
            raise TemplateRefused(f"range over {word[2]}, which is no list")
        for one in found if word[1] == "range" else [item] if found else []:
            yield from _block(lines[at + 1 : end], values, one)
        at = end + 1


def _end_of(lines: Sequence[str], begin: int) -> int:
    depth = 0
    for at, line in enumerate(lines[begin:], begin):
        word = _CONTROL.fullmatch(line)
        depth += 0 if word is None else -1 if word[1] == "end" else 1
        if depth == 0:
            return at
    raise TemplateRefused("no `end`")


def _line(line: str, values: Mapping[str, Any], item: Any) -> Iterator[str]:
    whole = re.fullmatch(r"\{\{ toYaml (\S+) \| indent (\d+) \}\}", line)
    if whole is not None:
        pad = " " * int(whole[2])
        yield from (pad + one for one in to_yaml(_look(whole[1], values, item)).split("\n"))
        return

    def put(match: re.Match[str]) -> str:
        value = _look(match[1], values, item)
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise TemplateRefused(f"{match[0]} is no text and no number")
        return str(value)

    made = re.sub(r"\{\{ (\S+) \}\}", put, line)
    if "{{" in made:
        raise TemplateRefused(line.strip())
    yield made


def _look(path: str, values: Mapping[str, Any], item: Any) -> Any:
    found = _LOOKUP.fullmatch(path)
    if found is None:
        raise TemplateRefused(f"{path!r} is no lookup of .Values")
    if found[2]:
        return item
    at: Any = values
    for name in found[1][1:].split("."):
        if not isinstance(at, Mapping) or name not in at:
            raise TemplateRefused(f"{path}: values.yaml has no {name}")
        at = at[name]
    return at


def to_yaml(value: Any) -> str:
    """As the function of that name."""
    text: str = import_module("yaml").safe_dump(value, default_flow_style=False)
    return text.rstrip("\n")
