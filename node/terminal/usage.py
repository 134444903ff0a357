"""What is said of a command line that cannot be read: one sentence like any other error's, a
document with `--json`, exit status 2.

Owns these words. Which words and options there are is each command's.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import typer
from typer.core import TyperGroup

UsageError: Any = typer.BadParameter.__mro__[1]
"""click's, or the copy of it that typer brings: whichever typer raises."""
_USAGE = 2
"""`ExitCode.USAGE`, without loading what all other statuses are of."""
_SHOWS_HELP = "NoArgsIsHelpError"
_PLAINER = (
    (r"\. Did you mean (?:one of: )?'?([\w, '-]+?)'?\?$", r": did you mean \1?"),
    (r"Value error, ", ""),
    (r"Input should be a valid \w+, unable to parse string as (an? \w+)$", r"expected \1"),
    (r"Input should be ", "it must be "),
)
"""What the libraries say, and plainer words."""


class CommandLine(TyperGroup):
    """The root of all commands."""

    _as_json = False

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Read what stands before the first command."""
        self._as_json = "--json" in args
        make = super().make_context
        return self._told(lambda: make(info_name, args, parent, **extra))

    def invoke(self, ctx: Any) -> Any:
        """Read the rest, and run the command."""
        run = super().invoke
        return self._told(lambda: run(ctx))

    def _told(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except UsageError as error:
            if type(error).__name__ == _SHOWS_HELP:
                raise
            _tell(words_of(error), self._as_json)
            raise typer.Exit(_USAGE) from None


def _tell(words: str, as_json: bool) -> None:
    from strongroom.node.terminal.printing import emit, warn

    if as_json:
        with suppress(OSError, ValueError):
            emit({"ok": False, "error": {"code": "usage", "message": words}}, as_json)
    warn(f"error: {words}")


def words_of(error: Any) -> str:
    """What is wrong with a command line, and where it is told how it should be."""
    path = error.ctx.command_path if error.ctx is not None else "strongroom"
    what = _what(error)
    return f"{what}{' See' if what.endswith('?') else '; see'} `{path} --help`"


def _what(error: Any) -> str:
    kind = type(error).__name__
    if kind == "MissingParameter" and error.param is not None:
        param = error.param
        name = param.opts[0] if param.param_type_name == "option" else ""
        words = " ".join(part for part in (name, param.metavar or "") if part)
        meaning = f" ({param.help.rstrip('.')})" if getattr(param, "help", None) else ""
        return f"missing {words or param.name}{meaning}"
    if kind == "NoSuchOption":
        from strongroom.node.near_names import did_you_mean

        if re.fullmatch(r"-[0-9]", error.option_name) and _takes_height(error.ctx):
            return "a height is 0 or more, or latest: none is below 0"
        near = did_you_mean(error.option_name, _options(error.ctx))
        return f"no such option {error.option_name}{': ' if near else ''}{near}"
    text = str(error.format_message()).strip().rstrip(".")
    for said, plain in _PLAINER:
        text = re.sub(said, plain, text)
    return text[:1].lower() + text[1:] + _neighbours(text, error.ctx)


def _neighbours(text: str, context: Any) -> str:
    """All words of a group, when none of them is near to the one that it has not."""
    named = sorted(getattr(getattr(context, "command", None), "commands", ()))
    if not re.fullmatch(r"No such command '[^']*'", text) or context.parent is None:
        return ""
    return f": there are {', '.join(named)}"


def _takes_height(context: Any) -> bool:
    params = context.command.params if context is not None else ()
    return any(param.metavar == "H" for param in params)


def _options(context: Any) -> Sequence[str]:
    params = context.command.params if context is not None else ()
    return [name for param in params for name in param.opts if name.startswith("--")]
