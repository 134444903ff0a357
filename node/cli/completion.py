"""`strongroom completion SHELL`: what lets a shell complete words.

Owns where the scripts lie. They are written from the commands by `./scripts/reference`; what they
ask at a TAB is answered by completion_answers.py.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.printing import emit, say

FOLDER = Path(__file__).with_name("completions")


class Shell(StrEnum):
    """Whose words are completed."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


SHELLS = tuple(shell.value for shell in Shell)


def register(app: typer.Typer) -> None:
    """Mount this command."""
    app.command("completion")(completion)


@guarded
def completion(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="For which shell.")],
    as_json: JsonOption = False,
) -> None:
    """Print what lets a shell complete words: bash, zsh or fish.

    bash and zsh: source <(strongroom completion bash), in .bashrc; fish: strongroom completion fish
    | source, in config.fish.

    Example: strongroom completion bash > ~/.local/share/bash-completion/completions/strongroom
    """
    script = (FOLDER / f"strongroom.{shell}").read_text()
    emit({"shell": shell.value, "script": script}, as_json, lambda: say(script.removesuffix("\n")))
