"""`strongroom node join`: a node comes to a service that runs.

Owns options and words. From an operator's own folder: node/cluster/arriving.py; into a local
cluster's folder: node/membership/joining.py.
"""

from typing import Annotated

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.node.cli.common import DEFAULT_DIR, DirectoryOption
from strongroom.node.cli.found_given import party_of
from strongroom.node.cli.node import address_option, node_app
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.commands import run as run_to_end
from strongroom.node.terminal.printing import emit, say

OPTIONS_OF_A_CLUSTER = ("--operator", "--region", "--rpc", "--peer")


@node_app.command()
@guarded
def join(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The node's, and its folder's in DIR.")
    ],
    pin: Annotated[
        str | None,
        typer.Option("--pin", metavar="PIN", help="The service's, for a node of `node init`."),
    ] = None,
    door: Annotated[
        str | None,
        typer.Option("--at", metavar="HOST:PORT", help="Where one of its nodes serves clients."),
    ] = None,
    operator: Annotated[
        str | None, typer.Option(metavar="NAME", help="Local cluster: who runs it.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="R", help="Local cluster: where it stands.")
    ] = None,
    rpc: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Local cluster: where clients connect.")
    ] = None,
    peer: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Local cluster: where nodes connect.")
    ] = None,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Prepare a node that is to join a running service, and print what members must allow before.

    With --pin and --at: a node of `node init --operator`, in its organisation's folder DIR.
    Without: a new node of the local cluster in DIR.

    Example: strongroom node join n5 --dir bank5 --pin sr1-… --at ledger.bank1.example:7400

    Example: strongroom node join n4 --operator bank4 --region zurich --rpc 127.0.0.1:7404 --peer
    127.0.0.1:7414
    """
    if pin is not None and door is not None:
        from strongroom.node.cluster.arriving import arrive

        party = party_of(directory, name)
        arrived = run_to_end(arrive(party, door=address_option("--at", door), pin=pin))
        card = arrived.card
        told: dict[str, str | bytes] = {
            "operator": card.operator,
            "operator_key": card.operator_key,
            "chip": card.chip_id,
            "measurement": card.measurement,
            "region": card.region,
        }
        _tell(name, str(party.layout.config), told, arrived.changes, as_json)
        return
    if pin is not None or door is not None:
        raise ClientFault("--pin and --at go together: whose service, and where it is asked")
    if operator is None or region is None or rpc is None or peer is None:
        raise ClientFault(
            f"a local cluster's node needs {', '.join(OPTIONS_OF_A_CLUSTER)}; one of `node init` "
            "needs --pin and --at"
        )
    from strongroom.node.cluster.cluster import open_cluster
    from strongroom.node.cluster.growth import peers_of
    from strongroom.node.membership.joining import prepare_joiner

    cluster = open_cluster(directory)
    prepared = run_to_end(
        prepare_joiner(
            cluster.layout,
            name=name,
            operator=operator,
            region=region,
            rpc=address_option("--rpc", rpc),
            peer=address_option("--peer", peer),
            peers=peers_of(cluster.members),
        )
    )
    changes = (
        f"allow_operator operator={operator} key={prepared.operator_key.hex()}",
        f"allow_chip operator={operator} chip={prepared.chip_id.hex()}",
    )
    shown: dict[str, str | bytes] = {
        "operator": operator,
        "operator_key": prepared.operator_key,
        "chip": prepared.chip_id,
        "measurement": prepared.measurement,
        "region": region,
    }
    _tell(name, str(prepared.layout.config), shown, changes, as_json)


def _tell(
    name: str,
    config: str,
    told: dict[str, str | bytes],
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    proposals = [f"gov propose {change}" for change in changes]
    shown = {key: one.hex() if isinstance(one, bytes) else one for key, one in told.items()}
    document = {"name": name, "config": config, **shown, "proposals": proposals}

    def human() -> None:
        say(f"{name} is prepared; members must allow, unless they have:")
        for line in proposals:
            say(f"  strongroom {line} --as MEMBER")
        say(f"in force must be, too: region {shown['region']}, code {shown['measurement']}")
        say(f"then: strongroom node run --config {config}")

    emit(document, as_json, human)
