"""Ends TLS in front of a server that has none of its own."""

import asyncio
import ssl
from contextlib import suppress

from sandbox.ports import HOST

_CHUNK = 65536


async def serve(port: int, upstream_port: int, context: ssl.SSLContext) -> asyncio.Server:
    """Listen with TLS on a loopback port and pass every connection on, in plain text, to another.

    Parameters
    ----------
    port, upstream_port
        Loopback ports to listen on and to connect to.
    context
        A server's context with its certificate.

    Returns
    -------
    asyncio.Server
        The server, already accepting; its owner closes it.

    Raises
    ------
    OSError
        When the port is taken.
    """

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(HOST, upstream_port)
        except OSError:
            writer.close()  # what a client sees of a server that is down
            return
        pumps = (_pump(reader, upstream_writer), _pump(upstream_reader, writer))
        tasks = [asyncio.ensure_future(pump) for pump in pumps]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            writer.close()
            upstream_writer.close()

    return await asyncio.start_server(accept, HOST, port, ssl=context)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
