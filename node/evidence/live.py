"""One running node, looked at by somebody who holds nothing but the service's pin.

Owns finding the node among the endpoints; what is checked stands in enclave/outside/trust.py, and
is what every client checks before its first seal: genesis, epochs, fresh evidence over a nonce of
ours, the TLS key of this very connection, a quorum for what is newest.
"""

import asyncio
from dataclasses import dataclass

import aiohttp

from strongroom.enclave.attestation.verifier import VerifiedEnclave
from strongroom.enclave.outside.trust import Trust, TrustedEpoch
from strongroom.node import tls
from strongroom.node.client.calls.connection import Connection
from strongroom.node.client.errors import Disconnected, NotTrusted, Unreachable
from strongroom.node.client.http import close_session, open_session
from strongroom.node.client.trust.service import Service

EXAMINE_SECONDS_MAX = 15.0


@dataclass(frozen=True, slots=True)
class Examined:
    """A node that passed."""

    endpoint: str
    enclave: VerifiedEnclave
    epoch: TrustedEpoch


async def examine(service: Service, pin: str, node: str) -> Examined:
    """Find a node by name and check it against a pin.

    Raises:
        Unreachable: it does not answer, or no quorum does (NoQuorum).
        NotTrusted, AttestationError: it shows something that does not hold.
        ClientFault: no pin, or no node of this name.
    """
    trust = Trust(pin)
    context = tls.client_context(service.ca)
    failures: list[str] = []
    http = open_session(None, aiohttp.ClientTimeout(total=None))
    try:
        for endpoint in _by_likelihood(service, node):
            try:
                async with asyncio.timeout(EXAMINE_SECONDS_MAX):
                    connection = await Connection.open(http, endpoint, context)
                    found = await _examine_at(connection, trust, node)
            except (Disconnected, TimeoutError) as error:
                failures.append(
                    f"{endpoint}: {str(error).removeprefix(f'{endpoint}: ') or 'no answer in time'}"
                )
                continue
            if found is not None:
                return found
    finally:
        await close_session(http)
    raise Unreachable(
        f"no node that answers is called {node!r}{': ' + '; '.join(failures) if failures else ''}"
    )


async def _examine_at(connection: Connection, trust: Trust, node: str) -> Examined | None:
    """Check the node at the other end, unless it says that it is another one."""
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(connection.run())
        try:
            said = await connection.ask("service_info", genesis=False)
            name = said.get("node") if isinstance(said, dict) else None
            if name is not None and name != node:
                return None
            enclave = await trust.admit(connection)
            if enclave.claims.node != node:
                if name is None:
                    return None
                raise NotTrusted(
                    "membership",
                    f"says that it is {node}; its evidence is that of {enclave.claims.node}",
                )
            if trust.epoch is None:
                raise NotTrusted("epochs", "shows no epoch")
            return Examined(connection.endpoint, enclave, trust.epoch)
        finally:
            await connection.close()
            reading.cancel()


def _by_likelihood(service: Service, node: str) -> list[str]:
    """The endpoints; of a node called n2, the third comes first."""
    endpoints = list(service.endpoints)
    place = (
        int(node[1:])
        if node[:1] == "n" and node[1:].isdecimal() and len(node) < 6
        else len(endpoints)
    )
    likely = endpoints[place : place + 1]
    return likely + [endpoint for endpoint in endpoints if endpoint not in likely]
