"""One connection: bytes to requests (parsed by llhttp) and responses to bytes, one after the other, within bounds.

A request is taken only as far as somebody may send it: who brings no credentials is answered before his body is read;
heads, bodies and all bodies together are bounded, and so is the time for each. Pipelined requests wait for the response
to the one before; idle connections cost a socket and nothing else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import httptools

from slurmpy.rpc.log import log

from .http import ALL_BODIES, MAX_BODY, MAX_HEAD, Request, Response, text

if TYPE_CHECKING:
    from .limits import Limits

#: seconds for a head, from the first byte on; for the start of a body; without progress of a response
TIME = 30.0
#: bytes a second that a body must bring on average after that
SLOWEST = 1024
#: seconds that a connection may be idle
IDLE = 60.0
#: seconds to take what is still under way to us at the end, so that no reset overtakes our last words
LINGER = 2.0
#: requests that wait on a connection; until they are done, no more is read
PIPELINED = 16


class Handler(Protocol):
    """The application."""

    def admit(self, request: Request) -> Response | None:
        """Sees a request without its body; what it answers, if anything, refuses it."""

    async def answer(self, request: Request) -> Response: ...


class Connection(asyncio.Protocol):
    def __init__(self, handler: Handler, limits: Limits) -> None:
        self.handler = handler
        self.limits = limits
        self.transport: Any = None
        self._parser: Any = None
        self._waiting: deque[Request | Response] = deque()  # a Response answers a request that is not taken
        self.task: asyncio.Task[None] | None = None
        self._current: Request | None = None
        self._head = 0  # bytes of the present head
        self._raw = 0  # bytes of the present body, with what frames it
        self._in_head = self._in_body = False
        self._held = 0  # bytes that count among all bodies
        self._refused = self._ended = self._stopping = False
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._began = 0.0
        self._writable: asyncio.Event | None = None
        self.on_end: Callable[[], None] | None = None

    # -- asyncio's calls -------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._new_parser()
        self.limits.opened(self)
        self._set_time(IDLE)

    def _new_parser(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        # the manual page's own example ends its head with a bare line feed
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True, lenient_optional_cr_before_lf=True)

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = self._refused = True
        self.limits.closed(self)
        self._hold(-self._held)
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.task is not None:
            self.task.cancel()
        if self._writable is not None:
            self._writable.set()
        self._parser = self._current = None
        if self.on_end is not None:
            self.on_end()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        loop_time = asyncio.get_running_loop().time()
        if not self._in_head and not self._in_body:
            self._begin(loop_time)
        rest = memoryview(data)
        while len(rest) and not self._refused:
            piece = rest[: MAX_HEAD - self._head] if self._in_head else rest
            rest = rest[len(piece) :]
            heads = self._in_head
            if heads:
                self._head += len(piece)
            elif self._in_body:
                self._raw += len(piece)
            try:
                self._parser.feed_data(piece)
            except httptools.HttpParserUpgrade:
                self._refuse(Response(405))
            except httptools.HttpParserError:
                self._refuse(Response(400))
            if heads and self._in_head and self._head >= MAX_HEAD:
                self._refuse(Response(400))
        if self._in_body and not self._refused:
            if self._raw > 2 * MAX_BODY:
                self._refuse(Response(413))
            self._deadline = self._began + TIME + self._raw / SLOWEST
        if len(self._waiting) > PIPELINED:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Who has said all he had to say may still want to hear: the connection ends after the last answer."""
        self._ended = True
        if self.task is None:
            self._finish()
        return self.transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    # -- the parser's calls ----------------------------------------------------------------------------------------

    def _begin(self, now: float) -> None:
        self._in_head, self._head, self._began = True, 0, now
        if self.task is None:
            self._set_time(TIME)
        self._deadline = now + TIME

    def on_message_begin(self) -> None:
        if not self._in_head:  # pipelined: its head began within the piece that is being parsed
            self._begin(asyncio.get_running_loop().time())
        self._current = Request(self, "", b"", "1.1")

    def on_url(self, url: bytes) -> None:
        if self._current is not None:
            self._current.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head and self._current is not None:  # what comes after a body is none of the headers
            self._current.add_header(name, value)

    def on_headers_complete(self) -> None:
        request = self._current
        if request is None or self._refused:
            return
        self._in_head, self._in_body, self._raw = False, True, 0
        request.method = self._parser.get_method().decode("latin-1")
        request.version = self._parser.get_http_version()
        if request.version not in ("1.0", "1.1") or request.method == "CONNECT":
            self._refuse(Response(400))
            return
        if self._parser.should_upgrade():
            self._refuse(Response(405))
            return
        length = request.headers.get("content-length", "0")
        expects = request.headers.get("expect", "").lower()
        refusal: Response | None = None
        if expects not in ("", "100-continue"):
            refusal = Response(417)
        elif request.headers.get("content-encoding", "identity").lower() != "identity":
            refusal = Response(406)
        else:
            refusal = self.handler.admit(request)
            if refusal is None and int(length) > MAX_BODY:
                refusal = text(413, "The body is too large")
        if refusal is not None:
            self._refuse(refusal)
        elif expects and not self._waiting and self.task is None:
            self.transport.write(Response(100, close=False).head(request.version))

    def on_body(self, data: bytes) -> None:
        request = self._current
        if request is None or self._refused:
            return
        if len(request.body) + len(data) > MAX_BODY:
            self._refuse(text(413, "The body is too large"))
        elif self.limits.bodies + len(data) > ALL_BODIES:
            self._refuse(text(503, "Too much is being sent at a time"))
        else:
            self._hold(len(data))
            request.body += data

    def _hold(self, size: int) -> None:
        self._held += size
        self.limits.bodies += size

    def on_message_complete(self) -> None:
        request, self._current = self._current, None
        self._in_head = self._in_body = False
        if request is None or self._refused:
            return
        if request.version == "1.0" or not self._parser.should_keep_alive():
            self._refused = True  # the last one
            self._ended = True
        self._wait_for(request)

    def _refuse(self, response: Response) -> None:
        """The present request is answered in its turn with that, and nothing more is read."""
        if not self._refused:
            self._refused = self._ended = True
            self._in_head = self._in_body = False
            if self._current is not None:
                self._hold(-len(self._current.body))
                self._current = None
            self._wait_for(response)

    # -- answers ---------------------------------------------------------------------------------------------------

    def _wait_for(self, entry: Request | Response) -> None:
        self._waiting.append(entry)
        if self.task is None:
            self._clear_time()
            self.task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting:
                entry = self._waiting.popleft()
                if isinstance(entry, Response):
                    await self._send(entry, "1.1", True)
                    break
                async with self.limits.connections:
                    async with self.limits.threads:
                        response = await self.handler.answer(entry)
                    self._hold(-len(entry.body))
                    entry.body = bytearray()
                    last = response.close or self._stopping or (self._ended and not self._waiting)
                    await self._send(response, entry.version, last)
                if response.close or self._stopping:
                    self._refused = self._ended = True
                    self._waiting.clear()
                elif not self._waiting:
                    self.transport.resume_reading()
        except (ConnectionError, TimeoutError, asyncio.CancelledError) as error:
            if isinstance(error, TimeoutError):
                log.debug(f"[{self.source}] takes nothing of its answer")
            self.transport.abort()
            return
        except Exception as error:
            log.exception(f"[{self.source}]", error)
            self.transport.abort()
            return
        finally:
            self.task = None
        if self._ended:
            self._finish()
        elif self._in_head or self._in_body:
            self._set_time(max(self._deadline - asyncio.get_running_loop().time(), 0.0))
        else:
            self._set_time(IDLE)

    async def _send(self, response: Response, version: str, last: bool) -> None:
        content = response.content
        head = response.head(version, last)
        if content is None or isinstance(content, bytes):
            self.transport.write(head + content if content and not response.hollow else head)
            await self._drain()
            return
        chunked = response.chunked(version)
        if not chunked:
            self._refused = self._ended = True
        self.transport.write(head)
        async for piece in content:
            if piece:
                self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                await self._drain()
        if chunked:
            self.transport.write(b"0\r\n\r\n")

    async def _drain(self) -> None:
        if self._writable is not None:
            async with asyncio.timeout(TIME):
                await self._writable.wait()
        if self.transport.is_closing():
            raise ConnectionError

    def _finish(self) -> None:
        """Ends what we say and waits a little for the other side to do the same."""
        self._refused = self._ended = True
        if self.transport.is_closing():
            return
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.transport.resume_reading()
        self._set_time(LINGER)

    # -- time ------------------------------------------------------------------------------------------------------

    def _set_time(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + seconds
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._time_is_over)

    def _clear_time(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_is_over(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        if self._deadline > loop.time() + 0.01:  # what has come since has moved it
            self._timer = loop.call_at(self._deadline, self._time_is_over)
        elif self._refused or not (self._in_head or self._in_body):
            self.transport.close()
        else:
            self._refuse(text(408, "The request takes too long"))

    # -- the server's calls ----------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        return self.task is None and not self._in_head and not self._in_body

    def stop(self) -> None:
        """No more requests; what is being answered is answered."""
        self._stopping = True
        if self.task is None and not self.transport.is_closing():
            self.transport.close()

    def abort(self) -> None:
        self.transport.abort()

    @property
    def socket(self) -> Any:
        """The connection's socket; None where there is none (a pipe)."""
        return self.transport.get_extra_info("socket")

    @property
    def source(self) -> str:
        """Where a request comes from, as answers and logs tell it."""
        given: str | None = self.transport.get_extra_info("slurm_source")
        if given is not None:
            return given
        connection = self.socket
        number = connection.fileno()
        peer = self.transport.get_extra_info("peername")
        if not isinstance(peer, tuple):
            return f"unix:(fd:{number})"
        host, port = peer[:2]
        return f"[{'localhost' if host in ('127.0.0.1', '::1', '::ffff:127.0.0.1') else host}]:{port}(fd:{number})"
