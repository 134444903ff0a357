"""node/cli/completions/ from the code: what bash, zsh and fish complete.

Owns the tables of words, options and kinds of values; how a shell walks them stands in
completion_engines/. `./scripts/reference` writes the files; a test compares.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import typer.main

from strongroom.enclave.governance.changes import CHANGES
from strongroom.enclave.programs import PROGRAMS
from strongroom.node.cli.completion import FOLDER, SHELLS
from strongroom.node.cli.main import make_app

ENGINES = Path(__file__).with_name("completion_engines")
REPEATED = "+"
"""Behind the kind of a last argument that may stand more than once."""
_KINDS = {
    "DIR": "dir",
    "EVENTS": "file",
    "EVIDENCE": "file",
    "FILE": "file",
    "FILE.svg": "file",
    "FILE.toml": "file",
    "FOLDER": "dir",
    "H": "words,latest",
    "HEIGHT": "words,latest",
    "KEY=VALUE": "arguments",
    "MEMBER": "identity",
    "NEW": "file",
    "NODE": "node",
    "OFFER": "file",
    "OLD": "file",
    "OWNER": "identity",
    "PROGRAM": "file",
    "PROGRAM.QUERY": "query",
    "PROGRAM.TRANSACTION": "transaction",
    "REPORT": "file",
    "ROWS.csv": "file",
    "SHARE": "file",
    "TXID": "id",
    "USER": "identity",
}
"""What is completed, by the words that stand for a value in help; anything else is not."""
_BY_PLACE = {
    ("explorer tx", "id"): "id",
    ("gov propose", "words"): "change",
    ("gov simulate", "words"): "change",
    ("keys show", "name"): "identity",
    ("query", "--at-least"): "none",
}


class Option(NamedTuple):
    """An option: one of its names, what it takes (nothing: a flag), its help."""

    name: str
    kind: str | None
    help: str


class Words(NamedTuple):
    """What may stand behind the words of one command or group."""

    path: str
    subs: list[tuple[str, str]]
    """(word, help)."""
    options: list[Option]
    arguments: list[str]
    """Kinds by position."""


def tables() -> list[Words]:
    """Of every group and command, the root first."""
    return list(_walk(typer.main.get_command(make_app()), ""))


def scripts() -> dict[str, str]:
    """The text of each shell's file, by its name."""
    found = tables()
    made = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    return {
        f"strongroom.{shell}": (ENGINES / f"strongroom.{shell}")
        .read_text()
        .replace("#TABLES\n", made[shell](found), 1)
        for shell in SHELLS
    }


def write() -> None:
    """Write all of them."""
    for name, text in scripts().items():
        (FOLDER / name).write_text(text)


def are_written() -> bool:
    """Do the files say what the code says?"""
    return all((FOLDER / name).read_text() == text for name, text in scripts().items())


# --- what there is ---


def _walk(command: Any, path: str) -> Iterator[Words]:
    children = {
        name: child for name, child in getattr(command, "commands", {}).items() if not child.hidden
    }
    options, arguments = [Option("--help", None, "Show what it does, and its options.")], []
    for parameter in command.params:
        if parameter.hidden or parameter.name == "help":
            continue
        kind = _kind(parameter, path)
        if parameter.param_type_name == "argument":
            arguments.append(kind + (REPEATED if parameter.nargs == -1 else ""))
        else:
            taken = None if parameter.is_flag else kind
            options += [Option(name, taken, _line(parameter.help)) for name in parameter.opts]
    subs = [(name, _line(child.help)) for name, child in children.items()]
    yield Words(path, subs, options, arguments)
    for name, child in children.items():
        yield from _walk(child, f"{path} {name}".strip())


def _kind(parameter: Any, path: str) -> str:
    for name in (parameter.name, *parameter.opts):
        if (path, name) in _BY_PLACE:
            return _BY_PLACE[path, name]
    if "--as" in parameter.opts:
        return "identity"
    choices = _choices(parameter.type_descriptor.annotation)
    if choices:
        return f"words,{','.join(choices)}"
    shown = (parameter.metavar or "").replace("[", "").replace("]", "").replace("...", "").split()
    metavar = shown[0] if shown else ""
    words = [one for one in metavar.split("|") if one.islower()]
    if words:
        return f"words,{','.join(words)}"
    return _KINDS.get(metavar, "none")


def _choices(annotation: Any) -> list[str]:
    for one in (annotation, *get_args(annotation)):
        members = getattr(one, "__members__", None)
        if members is not None:
            return [str(member.value) for member in members.values()]
    return []


def _line(text: str | None) -> str:
    """The first sentence, on one line."""
    words = " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())
    return words.split(". ")[0].split(": ")[0].rstrip(".")


def _operations(which: str) -> list[str]:
    return sorted(
        f"{program.name}.{name}"
        for program in PROGRAMS.values()
        for name in getattr(program, which)
    )


def _arguments() -> Iterator[tuple[str, list[str]]]:
    """(operation, names of its arguments with `=`)."""
    for program in PROGRAMS.values():
        for operation in (*program.transactions.values(), *program.queries.values()):
            names = [f"{name}=" for name in inspect.signature(operation.function).parameters]
            if len(names) > 1:
                yield f"{program.name}.{operation.name}", names[1:]


# --- as each shell reads it ---


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _bash(found: list[Words]) -> str:
    lines = [
        "# Words behind a command: subs, options (NAME=KIND where a value follows), arguments.\n"
    ]
    lines.append("__strongroom_table() {\n    subs='' opts='' args=''\n    case $1 in\n")
    for one in found:
        options = " ".join(
            name if kind is None else f"{name}={kind}" for name, kind, _ in one.options
        )
        subs = " ".join(name for name, _ in one.subs)
        lines.append(f"        {_quoted(one.path)})\n")
        if subs:
            lines.append(f"            subs={_quoted(subs)}\n")
        lines.append(f"            opts={_quoted(options)}\n")
        lines.append(f"            args={_quoted(' '.join(one.arguments))} ;;\n")
    lines.append("    esac\n}\n\n")
    for name, words in _lists():
        lines.append(f"__sr_{name}={_quoted(' '.join(words))}\n")
    lines.append("\n# Arguments of an operation.\n__strongroom_arguments() {\n    words=''\n")
    lines.append("    case $1 in\n")
    for operation, names in _arguments():
        lines.append(f"        {operation}) words={_quoted(' '.join(names))} ;;\n")
    return "".join([*lines, "    esac\n}\n"])


def _zsh(found: list[Words]) -> str:
    lines = ["# Words behind a command: subs, options (NAME=KIND:HELP or NAME:HELP), arguments.\n"]
    lines.append("__strongroom_table() {\n    subs=() opts=() args=()\n    case $1 in\n")
    for one in found:
        lines.append(f"        ({_quoted(one.path)})\n")
        for name, help in one.subs:
            lines.append(f"            subs+=({_quoted(f'{name}:{help}')})\n")
        for name, kind, help in one.options:
            shown = name if kind is None else f"{name}={kind}"
            lines.append(f"            opts+=({_quoted(f'{shown}:{help}')})\n")
        lines.append(f"            args=({' '.join(one.arguments)}) ;;\n")
    lines.append("    esac\n}\n\n")
    for name, words in _lists():
        lines.append(f"typeset -ga __sr_{name}=({' '.join(words)})\n")
    lines.append("\n# Arguments of an operation.\n__strongroom_arguments() {\n    names=()\n")
    lines.append("    case $1 in\n")
    for operation, names in _arguments():
        lines.append(f"        ({operation}) names=({' '.join(map(_quoted, names))}) ;;\n")
    return "".join([*lines, "    esac\n}\n"])


def _fish(found: list[Words]) -> str:
    lines = ["# Words behind a command: NAME, a tab, HELP; options have their KIND between.\n"]
    lines.append("function __strongroom_table\n    set -g __sr_subs\n    set -g __sr_opts\n")
    lines.append('    set -g __sr_args\n    switch "$argv[1]"\n')
    for one in found:
        lines.append(f"        case {_fish_quoted(one.path)}\n")
        for name, help in one.subs:
            lines.append(f"            set -a __sr_subs {name}\\t{_fish_quoted(help)}\n")
        for name, kind, help in one.options:
            lines.append(
                f"            set -a __sr_opts {name}\\t{kind or ''}\\t{_fish_quoted(help)}\n"
            )
        if one.arguments:
            lines.append(f"            set -a __sr_args {' '.join(one.arguments)}\n")
    lines.append("    end\nend\n\n")
    for name, words in _lists():
        lines.append(f"set -g __sr_{name} {' '.join(words)}\n")
    lines.append("\n# Arguments of an operation.\nfunction __strongroom_arguments\n")
    lines.append('    switch "$argv[1]"\n')
    for operation, names in _arguments():
        lines.append(f"        case {operation}\n            printf '%s\\n' {' '.join(names)}\n")
    return "".join([*lines, "    end\nend\n"])


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _lists() -> list[tuple[str, list[str]]]:
    return [
        ("transactions", _operations("transactions")),
        ("queries", _operations("queries")),
        ("changes", sorted(CHANGES)),
    ]
