"""`strongroom verify page`: the checker of receipts as one HTML file, for who has no command line.

Owns the options and words of this command; the page is web/one_file.py's.
"""

from pathlib import Path
from typing import Annotated

import typer

from strongroom.consensus.errors import OperatorFault
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.printing import emit, say


@guarded
def verify_page(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where to.")
    ] = Path("check.html"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a page that checks receipts in a browser, offline, as verify receipt does.

    It prints the file's SHA-256: give that on by another way than the file.

    Example: strongroom verify page -o check.html
    """
    from strongroom.node.machine.durable_files import write_out
    from strongroom.node.web.one_file import page, page_hash

    if output.is_dir():
        raise OperatorFault(f"{output} is a folder: name a file in it with -o")
    if output.is_file() and not force:
        raise OperatorFault(f"{output} is there already: --force replaces it")
    write_out(output.absolute(), page())
    document = {"file": str(output), "bytes": len(page()), "sha256": page_hash()}

    def human() -> None:
        say(f"{output}: checks receipts in a browser, without any network")
        say(f"SHA-256 {page_hash()}")

    emit(document, as_json, human)
