"""What the measuring scripts are given: whole numbers."""

import argparse
import sys


def at_least_one(text: str) -> int:
    """A whole number from 1 on, underscores and commas allowed.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    digits = text.replace("_", "").replace(",", "")
    if not (digits.isascii() and digits.isdigit() and int(digits)):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(digits)


def given_sizes(command: str, doc: str | None, *names: str) -> list[int]:
    """The numbers on the command line; ends the process with what is wrong with them.

    Args:
        command: as the user calls it.
        doc: what it does.
        names: of the numbers, at most so many may be given.
    """
    parser = argparse.ArgumentParser(
        prog=command, description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in names:
        parser.add_argument(name, type=at_least_one, nargs="?")
    found = parser.parse_args(sys.argv[1:])
    return [value for name in names if (value := getattr(found, name)) is not None]
