"""The load balancer: it listens where its configuration says, and obeys a new one on an order."""

import asyncio
import dataclasses
import json
import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sandbox.load_balancer.balancer import Balancer
from sandbox.load_balancer.client import ClientConnection
from sandbox.load_balancer.config import Listener, LoadBalancerConfig, TlsProxy, admin_file, config_file
from sandbox.load_balancer.proxy import serve
from sandbox.ports import HOST
from sandbox.processes import ProcessIdentity
from sandbox.tls_proxy import serve as serve_tls

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Socket:
    """What of a listener cannot change while it listens."""

    port: int
    certificate: str
    private_key: str

    @classmethod
    def of(cls, listener: Listener) -> "_Socket":
        return cls(listener.port, listener.certificate, listener.private_key)

    def context(self) -> ssl.SSLContext | None:
        return _tls(self.certificate, self.private_key) if self.certificate else None


class LoadBalancer:
    """All load balancers and TLS proxies of a sandbox.

    Attributes
    ----------
    state_dir
        The sandbox's state directory: the configuration is read there.
    """

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self._balancer = Balancer()
        self._listeners: dict[_Socket, asyncio.Server] = {}
        self._tls_proxies: dict[TlsProxy, asyncio.Server] = {}
        self._errors: dict[int, str] = {}
        self._version = 0
        self._lock = asyncio.Lock()

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until `stopping` is set."""
        admin = await asyncio.start_server(self._take_orders, HOST, 0)
        # In this order: a configuration that is written before the port is known is read below, a later one
        # is followed by an order.
        port = admin.sockets[0].getsockname()[1]
        ProcessIdentity.current().save(admin_file(self.state_dir), port=port)
        await self._apply()
        await stopping.wait()
        admin_file(self.state_dir).unlink(missing_ok=True)
        for server in (admin, *self._listeners.values(), *self._tls_proxies.values()):
            server.close()
        self._balancer.apply(LoadBalancerConfig())

    async def _take_orders(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer each line, which is "apply" or "status", with a line of JSON."""
        while order := (await reader.readline()).strip():
            if order == b"apply":
                await self._apply()
            writer.write(json.dumps(self._status()).encode() + b"\n")
            await writer.drain()
        writer.close()

    def _status(self) -> dict[str, Any]:
        return {
            "state_dir": str(self.state_dir),
            "version": self._version,
            "in_flight": self._balancer.in_flight(),
            "errors": self._errors,
        }

    async def _apply(self) -> None:
        """Obey the configuration file."""
        async with self._lock:
            config = LoadBalancerConfig.load(config_file(self.state_dir))
            self._balancer.apply(config)
            self._errors = await self._listen(config) | await self._terminate_tls(config)
            self._version = config.version

    async def _listen(self, config: LoadBalancerConfig) -> dict[int, str]:
        wanted = {_Socket.of(each) for each in config.listeners.values()}
        for unwanted in self._listeners.keys() - wanted:
            self._listeners.pop(unwanted).close()
        errors = {}
        for socket in wanted - self._listeners.keys():
            port = socket.port
            try:
                self._listeners[socket] = await asyncio.start_server(
                    self._accept(port), HOST, port, backlog=1024, ssl=socket.context()
                )
            except OSError as error:
                errors[port] = f"cannot listen on port {port}: {_reason(error)}"
                _logger.error(errors[port])  # noqa: TRY400 - the message says it all
        return errors

    async def _terminate_tls(self, config: LoadBalancerConfig) -> dict[int, str]:
        wanted = set(config.tls_proxies.values())
        for proxy in self._tls_proxies.keys() - wanted:
            self._tls_proxies.pop(proxy).close()
        errors = {}
        for proxy in wanted - self._tls_proxies.keys():
            try:
                context = _tls(proxy.certificate, proxy.private_key)
                self._tls_proxies[proxy] = await serve_tls(proxy.port, proxy.upstream_port, context)
            except OSError as error:
                errors[proxy.port] = f"cannot end TLS on port {proxy.port}: {_reason(error)}"
                _logger.error(errors[proxy.port])  # noqa: TRY400 - the message says it all
        return errors

    def _accept(self, port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await serve(ClientConnection(reader, writer), port, self._balancer)

        return accept


def _tls(certificate: str, private_key: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, private_key)
    return context


def _reason(error: OSError) -> str:
    """Return what is wrong, without asyncio's words around it."""
    if isinstance(error, ssl.SSLError) or error.errno is None:
        return str(error)
    return os.strerror(error.errno)
