"""`strongroom custodian …`: the customer's own process beside an HSM.

Owns options and words of these commands, and loads nothing else, so that their help is quick; those
about an owner's keys: custodian_keys.py. What they do: custodian_device.py, custodian_service.py,
custodian_journal.py.
"""

from pathlib import Path
from typing import Annotated

import typer

from strongroom.node.cli import custodian_keys
from strongroom.node.cli.common import (
    TIMEOUT_SECONDS,
    PinDescriptorOption,
    PinFileOption,
    TimeoutOption,
)
from strongroom.node.cli.custodian_keys import DEFAULT_DIR, FolderOption
from strongroom.node.custodian.token_words import Form
from strongroom.node.terminal.commands import JsonOption, guarded

custodian_app = typer.Typer(
    name="custodian",
    no_args_is_help=True,
    help="The customer's process beside an HSM: halves of split keys for rooms with live leases.",
)
ENTRIES_SHOWN = 50


@custodian_app.command()
@guarded
def init(
    customer: Annotated[str, typer.Option("--customer", metavar="NAME", help="Whose HSM it is.")],
    module: Annotated[
        Path, typer.Option("--module", metavar="FILE", help="The vendor's PKCS#11 module.")
    ],
    token: Annotated[str, typer.Option("--token", metavar="LABEL", help="The token's label.")],
    folder: FolderOption = DEFAULT_DIR,
    serial: Annotated[
        str, typer.Option("--serial", help="Its serial number, where two have one label.")
    ] = "",
    form: Annotated[
        Form | None,
        typer.Option("--form", help="How halves are made; by default as the token can."),
    ] = None,
    label: Annotated[str, typer.Option("--label", help="The key's label.")] = "strongroom",
    service: Annotated[
        Path | None, typer.Option("--service", metavar="FILE", help="The service.json.")
    ] = None,
    identity: Annotated[
        str, typer.Option("--as", metavar="NAME", help="The custodian's identity.")
    ] = "custodian",
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where rooms ask.")
    ] = "",
    variables: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME=VALUE", help="A variable that the module wants."),
    ] = None,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key inside the HSM that never leaves it, and the custodian's folder.

    Example: strongroom custodian init --customer "Acme Toys" --module
    /usr/lib/softhsm/libsofthsm2.so --token acme --pin-file pin
    """
    from strongroom.node.cli import custodian_device

    custodian_device.init(
        customer,
        module,
        token,
        folder,
        serial,
        form,
        label,
        service,
        identity,
        listen,
        variables,
        pin_file,
        pin_fd,
        as_json,
    )


@custodian_app.command()
@guarded
def check(
    folder: FolderOption = DEFAULT_DIR,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the HSM can do, and whether its key is the one that `init` made.

    Example: strongroom custodian check --dir custodian --pin-file pin
    """
    from strongroom.node.cli import custodian_device

    custodian_device.check(folder, pin_file, pin_fd, as_json)


@custodian_app.command()
@guarded
def announce(
    endpoint: Annotated[
        str, typer.Argument(metavar="URL", help="https://HOST:PORT; '' for nowhere.")
    ],
    folder: FolderOption = DEFAULT_DIR,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    as_json: JsonOption = False,
) -> None:
    """Say on the ledger where rooms ask this custodian, and under which certificate.

    Behind a proxy with a certificate of its own, put #sha256=HEX of that one at the end of the URL.

    Example: strongroom custodian announce https://custodian.acme.example:7443
    """
    from strongroom.node.cli import custodian_service

    custodian_service.announce(endpoint, folder, timeout, as_json)


@custodian_app.command("run")
@guarded
def run_(
    folder: FolderOption = DEFAULT_DIR,
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Instead of the settings'.")
    ] = "",
    plain: Annotated[
        bool, typer.Option("--plain", help="HTTP without TLS, for a proxy that has its own.")
    ] = False,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    as_json: JsonOption = False,
) -> None:
    """Answer rooms until Ctrl-C: a half for each live lease, on record first.

    Example: strongroom custodian run --dir custodian --pin-file pin
    """
    from strongroom.node.cli import custodian_service

    custodian_service.run_(folder, listen, plain, pin_file, pin_fd, timeout, as_json)


@custodian_app.command()
@guarded
def journal(
    folder: FolderOption = DEFAULT_DIR,
    after: Annotated[int, typer.Option("--after", min=0, help="Show entries after this one.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = ENTRIES_SHOWN,
    compare: Annotated[
        bool, typer.Option("--compare", help="Look for every release that the ledger has.")
    ] = False,
    keys: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="OWNER/NAME", help="Also of a key that is not in it."),
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    as_json: JsonOption = False,
) -> None:
    """Verify the whole journal, and show it.

    Example: strongroom custodian journal --after 100 --json
    """
    from strongroom.node.cli import custodian_journal

    custodian_journal.journal(folder, after, limit, compare, keys, timeout, as_json)


custodian_keys.register(custodian_app)
