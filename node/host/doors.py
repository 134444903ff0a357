"""The sockets of one node: for peers, for clients, and for health.

Owns where they listen and how many connections each may have, by what the descriptors of this
process allow. What is said there is links' and the front door's.
"""

import ssl
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import structlog
from aiohttp import web

from strongroom.consensus.errors import OperatorFault
from strongroom.node import tls
from strongroom.node.api.service import Service
from strongroom.node.config import Limits, NodeConfig
from strongroom.node.machine.descriptors import divide, raise_limit
from strongroom.node.machine.durable_files import write_atomic
from strongroom.node.machine.listening import Listener
from strongroom.node.network.links import PEER_CONNECTIONS_MAX, Links
from strongroom.node.rpc import app_keys as keys
from strongroom.node.rpc.blobs import Chunks
from strongroom.node.rpc.door import Door
from strongroom.node.rpc.http import make_app, serve
from strongroom.node.rpc.limits import RpcLimits
from strongroom.node.rpc.monitoring import make_health_app
from strongroom.node.rpc.site import bounds_of
from strongroom.node.web import pages

log = structlog.get_logger()


class Doors:
    """Closed until `open`; `answer_no_more` ends clients' requests, `close` all that is left."""

    def __init__(self, config: NodeConfig, links: Links) -> None:
        self._config, self._links = config, links
        self._peers: Listener | None = None
        self._clients: list[web.AppRunner] = []
        self._app: web.Application | None = None
        """The clients' front door, once it is open."""
        self._context: ssl.SSLContext | None = None
        """Of both doors with TLS, once they are open."""

    async def open(
        self,
        service: Service,
        policy: Door,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        chunks: Chunks,
    ) -> None:
        """Listen: for peers first, then for clients.

        Raises:
            OperatorFault: an address is taken, or none of this machine.
        """
        config = self._config
        self.renew()
        context = tls.server_context(config.layout.tls_certificate, config.layout.tls_key)
        self._context = context
        bounds, peers_max = self._bounds(config.limits)
        where = config.peer
        try:
            self._peers = await self._links.listen(config.peer, context, spawn, peers_max)
            hosts = (config.name, config.rpc.host, config.told_rpc.host, *config.hosts)
            plain = (one.host for one in (config.health, config.metrics) if one is not None)
            hosts = (*hosts, *plain)
            where = config.rpc
            self._app = app = make_app(service, bounds, policy, hosts=hosts, chunks=chunks)
            if config.web:
                pages.mount(app, lambda: {"from": "node", "node": config.name})
            self._clients = [await serve(app, config.rpc.host, config.rpc.port, context)]
            if config.health is not None:
                where, health = config.health, make_health_app(app)
                self._clients.append(
                    await serve(health, config.health.host, config.health.port, None)
                )
            if config.metrics is not None:
                where, metrics = config.metrics, make_health_app(app, health=False)
                self._clients.append(
                    await serve(metrics, config.metrics.host, config.metrics.port, None)
                )
        except OSError as error:
            raise OperatorFault(
                f"cannot listen on {where}: {error.strerror}; `strongroom node run --check` "
                "says who has it"
            ) from None

    def limit(self, limits: Limits) -> None:
        """From now on clients' door has these bounds, as far as descriptors allow; whoever is in
        stays."""
        if self._app is not None:
            self._app[keys.LIMITS].become(self._bounds(limits)[0])
            for site in self._app[keys.SITES]:
                site.listener.bounds = bounds_of(self._app[keys.LIMITS])

    def _bounds(self, limits: Limits) -> tuple[RpcLimits, int]:
        """These bounds, lowered to what the descriptors of this process allow; how many connections
        peers may have."""
        descriptors = raise_limit()
        shares = divide(descriptors, clients=limits.connections_max, peers=PEER_CONNECTIONS_MAX)
        if shares.clients < limits.connections_max:
            log.warning("node.connections_lowered", descriptors=descriptors, clients=shares.clients)
        bounds = RpcLimits(
            connections_max=shares.clients,
            address_connections_max=max(1, shares.clients // 4),
            websockets_max=max(1, shares.clients - shares.clients // 16),
            refused_max=shares.refused,
            body_bytes_max=limits.request_bytes_max,
        )
        return bounds, shares.peers

    def renew(self) -> None:
        """Renew the certificate when that is due: the key stays, links and clients go on, whoever
        connects from now on sees the new one. What keeps it from being renewed is said, and tried
        again."""
        files = self._config.layout
        try:
            certificate = files.tls_certificate.read_bytes()
            if datetime.now(UTC) < tls.renewal_due(certificate):
                return
            made = tls.renewed(certificate, files.tls_key.read_bytes())
            write_atomic(files.tls_certificate, made, mode=0o644)
            if self._context is not None:
                self._context.load_cert_chain(files.tls_certificate, files.tls_key)
        except (OperatorFault, OSError) as error:
            log.error("certificate.not_renewed", reason=str(error))
        else:
            log.info("certificate.renewed", until=str(tls.valid_until(made)))

    async def answer_no_more(self) -> None:
        """Clients' requests end, and no further one is taken."""
        for runner in self._clients:
            await runner.cleanup()

    def close(self) -> None:
        """No peer comes in any more."""
        if self._peers is not None:
            self._peers.close()
