"""Connections from the load balancer to targets."""

import asyncio
import errno
import socket

import h11

_CONNECT_TIMEOUT = 10.0  # seconds, as an Application Load Balancer's
_READ_SIZE = 65536


class UpstreamError(Exception):
    """A target gave no answer.

    Attributes
    ----------
    unread
        Whether the target's kernel threw the last written bytes away, so that its program never saw them.
    timed_out
        Whether it was too slow rather than broken.
    """

    def __init__(self, message: str, *, unread: bool = False, timed_out: bool = False) -> None:
        super().__init__(message)
        self.unread = unread
        self.timed_out = timed_out


class ConnectError(UpstreamError):
    """No connection to a target could be made, so that it certainly has not seen the request."""


class Upstream:
    """One connection to a target, used for one request after another.

    Attributes
    ----------
    http
        The protocol's state on this connection, as the client of the target.
    used
        Whether a request was answered on it before.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.http = h11.Connection(h11.CLIENT)
        self.used = False
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, host: str, port: int) -> "Upstream":
        """Open a connection.

        Raises
        ------
        ConnectError
            When it cannot be made.
        """
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                return cls(*await asyncio.open_connection(host, port))
        except TimeoutError:
            raise ConnectError("connection timed out", timed_out=True) from None
        except OSError as error:
            raise ConnectError(f"no connection: {error.strerror}") from error

    @property
    def reusable(self) -> bool:
        """Whether another request can be sent: nothing is under way, nothing is left over, no one hung up."""
        idle = self.http.our_state is h11.IDLE and self.http.trailing_data == (b"", False)
        return idle and not self._reader.at_eof() and not self._writer.is_closing()

    async def write(self, data: bytes) -> None:
        """Send bytes, waiting while the target is slow to take them.

        Raises
        ------
        UpstreamError
            When the target has hung up.
        """
        self._writer.write(data)
        try:
            await self._writer.drain()
        except OSError as error:
            raise UpstreamError("connection broke", unread=_is_reset(error)) from error

    async def read(self, timeout: float | None) -> bytes:
        """Receive bytes; none means that the target has ended what it sends.

        Raises
        ------
        UpstreamError
            When the connection breaks, or nothing comes within `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                data = await self._reader.read(_READ_SIZE)
        except TimeoutError:
            raise UpstreamError("no answer in time", timed_out=True) from None
        except OSError as error:
            raise UpstreamError("connection broke", unread=_is_reset(error)) from error
        if not data and self._was_refused():
            raise UpstreamError("connection was closed before the request came", unread=True)
        return data

    async def next_event(self, timeout: float) -> h11.Event:
        """Return the next part of the response.

        Raises
        ------
        UpstreamError
            When the connection breaks, the target is too slow or does not speak HTTP.
        """
        while True:
            event = self.buffered_event()
            if event is not None:
                return event
            data = await self.read(timeout)
            if not data and self.http.their_state is h11.SEND_RESPONSE:
                raise UpstreamError("connection was closed without an answer")
            try:
                self.http.receive_data(data)
            except h11.RemoteProtocolError as error:
                raise UpstreamError(f"not HTTP: {error}") from error

    def buffered_event(self) -> h11.Event | None:
        """Return the next part of the response if it is here already.

        Raises
        ------
        UpstreamError
            When the target hung up early or does not speak HTTP.
        """
        try:
            event = self.http.next_event()
        except h11.RemoteProtocolError as error:
            raise UpstreamError(f"not HTTP: {error}") from error
        return event if isinstance(event, h11.Event) else None

    def end_exchange(self) -> None:
        """Get ready for another request, if both sides have said all that they had to say."""
        if self.http.our_state is h11.DONE and self.http.their_state is h11.DONE:
            self.http.start_next_cycle()

    def end_stream(self) -> None:
        """Say that nothing more will be sent."""
        if self._writer.can_write_eof() and not self._writer.is_closing():
            self._writer.write_eof()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    def _was_refused(self) -> bool:
        # A kernel answers bytes that came after the program had closed with a reset. The orderly close was
        # there first, so reading reports only that; EPIPE is what is left of the reset.
        sock: socket.socket | None = self._writer.get_extra_info("socket")
        if sock is None or sock.fileno() < 0:
            return False
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in {errno.EPIPE, errno.ECONNRESET}


def _is_reset(error: OSError) -> bool:
    """Return whether a failure is a reset, which a kernel sends for bytes that no one read."""
    return isinstance(error, ConnectionResetError | BrokenPipeError)
