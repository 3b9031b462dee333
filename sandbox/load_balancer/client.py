"""A client's connection to the load balancer."""

import asyncio
import socket
import struct

import h11

_READ_SIZE = 65536
_MAX_HEAD = 65536  # bytes: the header fields that an Application Load Balancer takes, all together


class ClientGoneError(Exception):
    """The client has hung up."""


class ClientConnection:
    """HTTP/1.1 with a client, as its server.

    Attributes
    ----------
    address
        The client's IP address.
    http
        The protocol's state on this connection.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self.address = str(writer.get_extra_info("peername")[0])
        self._reader = reader
        self._writer = writer

    @property
    def is_idle(self) -> bool:
        """Whether the last request was read and answered to the end."""
        return self.http.our_state is h11.DONE and self.http.their_state is h11.DONE

    async def next_event(self) -> h11.Event:
        """Return the next part of a request, having asked for it if the client waits to be asked.

        Raises
        ------
        ClientGoneError
            When the client hangs up in the middle of a request.
        h11.RemoteProtocolError
            When what it sends is not HTTP.
        """
        while True:
            event = self.http.next_event()
            if isinstance(event, h11.Event):
                return event
            if self.http.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            self.http.receive_data(await self.read())

    async def read(self) -> bytes:
        """Receive bytes; none means that the client has ended what it sends.

        Raises
        ------
        ClientGoneError
            When the connection is broken.
        """
        try:
            return await self._reader.read(_READ_SIZE)
        except OSError as error:
            raise ClientGoneError from error

    async def write(self, data: bytes) -> None:
        """Send bytes, waiting while the client is slow to take them.

        Raises
        ------
        ClientGoneError
            When the connection is broken.
        """
        self._writer.write(data)
        try:
            await self._writer.drain()
        except OSError as error:
            raise ClientGoneError from error

    async def send(self, *events: h11.Event) -> None:
        """Send parts of a response.

        Raises
        ------
        ClientGoneError
            When the connection is broken.
        """
        await self.write(b"".join(self.http.send(event) or b"" for event in events))

    def end_stream(self) -> None:
        """Say that nothing more will be sent."""
        if self._writer.can_write_eof() and not self._writer.is_closing():
            self._writer.write_eof()

    def abort(self) -> None:
        """Break the connection, the only sign for a client that half a response is not the whole."""
        sock: socket.socket | None = self._writer.get_extra_info("socket")
        if sock is not None and not self._writer.is_closing():
            # A reset: to a client of HTTP/1.0 an orderly end would be the end of the body.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        """Hang up when all is sent."""
        self._writer.close()
