"""HTTP/1.1 on loopback: one thread for a connection, one send for a response.

Only what API clients need: keep-alive, content lengths, chunks both ways, `Expect`. No TLS, no
compression, no pipelining guarantees.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote

from towline.sandbox.kubernetes.messages import Request, Response
from towline.sandbox.kubernetes.routes import refusal
from towline.sandbox.kubernetes.status import StatusError, bad_request, too_large

BODY_LIMIT = 3 * 1024 * 1024
_LINE_LIMIT = 65_536

_RESET = struct.pack("ii", 1, 0)


class ConnectionBroken(Exception):  # noqa: N818 - an order to the server, not an error
    """Raised by a handler to have the connection reset instead of an answer."""


Handler = Callable[[Request], Response]


class Server:
    """Accepts connections until it is stopped; `handler` must be safe to call from threads."""

    def __init__(self, handler: Handler, port: int = 0) -> None:
        self._handler = handler
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._stopping = False
        self._acceptor = threading.Thread(target=self._accept, name="sandbox-accept", daemon=True)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def start(self) -> None:
        self._acceptor.start()

    def stop(self) -> None:
        """Break all connections and wait for their threads."""
        with self._lock:
            self._stopping = True
            open_now = list(self._connections.items())
        # A listening socket is woken from accept() by a shutdown, which close() alone is not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection, _ in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if self._acceptor.is_alive():
            self._acceptor.join()
        for _, thread in open_now:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="sandbox-connection", daemon=True
            )
            with self._lock:
                if self._stopping:
                    connection.close()
                    return
                self._connections[connection] = thread
                # Started under the lock, so that stop() never joins an unstarted thread.
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection.makefile("rb") as stream:
                while self._serve_one(connection, stream):
                    pass
        except ConnectionBroken:
            # A lingering time of zero makes close() send a reset.
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._connections.pop(connection, None)
            connection.close()

    def _serve_one(self, connection: socket.socket, stream: BinaryIO) -> bool:
        """Serve one request; whether the connection can take another."""
        head = _read_head(stream)
        if head is None:
            return False
        try:
            if head.headers.get("expect", "").lower() == "100-continue":
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = _read_body(stream, head.headers)
        except StatusError as error:
            # What is left of the body stays unread, so the connection ends here.
            connection.sendall(_whole(refusal(error), keep=False))
            _drain(connection)
            return False
        response = self._handler(head.request(body))
        if response.stream is not None:
            self._send_stream(connection, response)
            return False
        keep = head.keep_alive and not self._stopping
        connection.sendall(_whole(response, keep=keep))
        return keep

    def _send_stream(self, connection: socket.socket, response: Response) -> None:
        connection.sendall(
            f"HTTP/1.1 200 OK\r\nContent-Type: {response.content_type}\r\n"
            "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
        )
        for part in response.stream or ():
            if part:
                connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
            elif _hung_up(connection):
                return
        connection.sendall(b"0\r\n\r\n")


@dataclass(frozen=True, slots=True)
class _Head:
    method: str
    target: str
    version: str
    headers: dict[str, str]

    @property
    def keep_alive(self) -> bool:
        wanted = self.headers.get("connection", "").lower()
        return wanted == "keep-alive" or (self.version == "HTTP/1.1" and wanted != "close")

    def request(self, body: bytes) -> Request:
        path, _, query = self.target.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True) if query else ()
        if "%" in path:
            path = unquote(path)
        return Request(self.method, path, dict(pairs), self.headers, body)


def _read_head(stream: BinaryIO) -> _Head | None:
    """The request line and the headers; None at the end of the connection."""
    line = stream.readline(_LINE_LIMIT)
    if not line.strip():
        return None
    method, target, version = line.decode("latin-1").split()
    headers: dict[str, str] = {}
    while True:
        line = stream.readline(_LINE_LIMIT)
        if line in {b"\r\n", b"\n", b""}:
            return _Head(method, target, version, headers)
        name, _, value = line.decode("latin-1").partition(":")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value


def _read_body(stream: BinaryIO, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return b"".join(_chunks(stream))
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise bad_request("invalid Content-Length")
    if int(length) > BODY_LIMIT:
        raise too_large(f"Request entity too large: limit is {BODY_LIMIT}")
    return stream.read(int(length)) if length != "0" else b""


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    total = 0
    while True:
        size = int(stream.readline(_LINE_LIMIT).partition(b";")[0], 16)
        total += size
        if total > BODY_LIMIT:
            raise too_large(f"Request entity too large: limit is {BODY_LIMIT}")
        if size == 0:
            while stream.readline(_LINE_LIMIT).strip():
                pass
            return
        yield stream.read(size)
        stream.readline(_LINE_LIMIT)


def _drain(connection: socket.socket) -> None:
    """Take in what is still coming, so that the client reads the answer and no reset."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(1.0)
    while connection.recv(_LINE_LIMIT):
        pass


def _hung_up(connection: socket.socket) -> bool:
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and not connection.recv(1, socket.MSG_PEEK)


def _whole(response: Response, *, keep: bool) -> bytes:
    phrase = HTTPStatus(response.status).phrase if response.status in _PHRASES else ""
    lines = [
        f"HTTP/1.1 {response.status} {phrase}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        *(f"{name}: {value}" for name, value in response.headers),
    ]
    if not keep:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + response.body


_PHRASES = frozenset(status.value for status in HTTPStatus)
