"""Real gunicorn with its settings: limits, raw bytes, many at once, and Redis away and back."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.webhook.edge import DOCUMENTS, SECRET, mac, push
from towline.adapters.redis import connect
from towline.sandbox.processes import Processes, free_port, wait_for_port
from webhook.worker import REQUEST_SECONDS

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]

LIMIT = 25 * 1024**2
PATH = "/hooks/github"


class Front:
    """A running web process and its Redis, which a test may take away."""

    def __init__(self, folder: Path) -> None:
        self.port, self.redis_port = free_port(), free_port()
        self.processes = Processes(folder / "logs")
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "PORT": str(self.port),
            "TOWLINE_APPLICATIONS": str(folder / "documents.yaml"),
            "TOWLINE_DATA_DIR": str(folder / "data"),
            "TOWLINE_REDIS_URL": f"redis://:password@127.0.0.1:{self.redis_port}/0",
            "TOWLINE_GITHUB_SECRET": SECRET,
        }
        documents = DOCUMENTS.replace("FOLDER", str(folder))
        (folder / "documents.yaml").write_text(documents, encoding="utf-8")
        (folder / "vault-secret").write_text("another", encoding="ascii")
        (folder / "password").write_text("password", encoding="ascii")
        self.password_file = folder / "password"

    def start(self) -> None:
        self.start_redis()
        command = [sys.executable, "-m", "gunicorn", "--config", "python:webhook.gunicorn"]
        self.processes.start("web", [*command, "webhook.app:create_app()"], self.environment)
        wait_for_port(self.port, self.processes)

    def start_redis(self) -> None:
        command = [sys.executable, "-m", "towline.sandbox.broker", "--port", str(self.redis_port)]
        command += ["--password-file", str(self.password_file)]
        self.processes.start("broker", command, self.environment)
        self.wait(self._redis_answers)

    def _redis_answers(self) -> bool:
        with self.redis() as redis, suppress(RedisError):
            return bool(redis.ping())
        return False

    def redis(self) -> Redis:
        return connect(self.environment["TOWLINE_REDIS_URL"])

    def wait(self, true: Any, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def connection(self, timeout: float = 20.0) -> closing[http.client.HTTPConnection]:
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout))

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        with self.connection() as connection:
            connection.request(method, path, body, headers or {}, encode_chunked=False)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def deliver(self, body: bytes, *, delivery: str = "d", event: str = "push") -> Any:
        signed = {
            "X-Hub-Signature-256": f"sha256={mac(body, SECRET)}",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": delivery,
            "Content-Type": "application/json",
        }
        return self.ask("POST", PATH, body, signed)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    running = Front(tmp_path_factory.mktemp("front"))
    with running.processes:
        running.start()
        yield running


def _raw(front: Front, request: bytes, rest: Iterable[bytes] = ()) -> bytes:
    """The first line of the answer to bytes as they are; what can no longer be sent is left."""
    with socket.create_connection(("127.0.0.1", front.port), timeout=20) as connection:
        connection.sendall(request)
        with suppress(ConnectionError):
            for piece in rest:
                connection.sendall(piece)
        with suppress(ConnectionError):
            return connection.recv(4096).partition(b"\r\n")[0]
    return b""


def test_it_is_live_and_ready(front: Front) -> None:
    assert front.ask("GET", "/healthz")[0] == 200
    assert front.ask("GET", "/readyz") == (
        200,
        {"ready": True, "checks": {"redis": "ok", "documents": "ok"}},
    )


def test_a_ping_is_answered(front: Front) -> None:
    assert front.deliver(b"{}", event="ping") == (200, {"delivery": "d", "message": "pong"})


def test_the_signature_is_over_the_bytes_as_they_came(front: Front) -> None:
    payload = {**push("github"), "pusher": "Zoë \u2028 \u00a0"}
    for body in (
        json.dumps(payload).encode(),
        json.dumps(payload, ensure_ascii=False, indent=3).encode(),
        b"\r\n\t " + json.dumps(payload, ensure_ascii=False).encode() + b"\n\n",
    ):
        assert front.deliver(body)[0] == 202
        signature = {"X-Hub-Signature-256": f"sha256={mac(body.strip() + b' ', SECRET)}"}
        assert front.ask("POST", PATH, body, signature)[0] == 401


def test_a_chunked_body_is_verified_like_any_other(front: Front) -> None:
    body = json.dumps(push("github")).encode()
    headers = {
        "X-Hub-Signature-256": f"sha256={mac(body, SECRET)}",
        "X-GitHub-Event": "push",
        "Transfer-Encoding": "chunked",
    }
    pieces = [body[at : at + 50] for at in range(0, len(body), 50)]
    with front.connection() as connection:
        connection.request("POST", PATH, iter(pieces), headers, encode_chunked=True)
        assert connection.getresponse().status == 202


def test_a_body_that_declares_too_much_is_refused_before_it_is_sent(front: Front) -> None:
    request = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {LIMIT + 1}\r\n\r\n"
    assert b" 413 " in _raw(front, request.encode())


def test_a_chunked_body_is_refused_at_the_limit(front: Front) -> None:
    piece = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    request = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    endless = (piece for _ in range(40))
    assert b" 413 " in _raw(front, request.encode(), endless)


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: -1",
        "Content-Length: abc",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "X: " + "y" * 100_000,
        "\r\n".join(f"X-{number}: 1" for number in range(200)),
    ],
)
def test_a_request_that_is_none_is_refused(front: Front, lines: str) -> None:
    request = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n12345"
    status = _raw(front, request.encode()).split(b" ")
    assert len(status) < 2 or status[1].startswith(b"4") or status[1] == b"501"


def test_many_at_once_are_all_acknowledged_and_queue_one_task(front: Front) -> None:
    with front.redis() as redis:
        redis.flushall()
        body = json.dumps(push("github")).encode()
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda n: front.deliver(body, delivery=f"n-{n}"), range(300)))
        assert {status for status, _ in answers} == {202}
        assert {answer["delivery"] for _, answer in answers} == {f"n-{n}" for n in range(300)}
        assert redis.llen("push") == 1
        assert redis.hget("towline:1:repository:wanted", "git.example.com/shop/deploy") == "300"


def test_without_redis_nothing_is_acknowledged_and_when_it_is_back_all_is_well(
    front: Front,
) -> None:
    body = json.dumps(push("github")).encode()
    front.processes.kill("broker")
    with ThreadPoolExecutor(8) as pool:
        away = list(pool.map(lambda n: front.deliver(body, delivery=f"a-{n}"), range(16)))
    assert {status for status, _ in away} == {503}
    assert front.ask("GET", "/healthz")[0] == 200
    assert front.ask("GET", "/readyz")[0] == 503
    front.start_redis()
    assert front.deliver(body)[0] == 202
    assert front.ask("GET", "/readyz")[0] == 200
    with front.redis() as redis:
        assert redis.llen("push") == 1
    assert "Redis does not answer" in _log(front)


def test_slow_clients_are_answered_408_and_keep_others_out_for_no_longer(front: Front) -> None:
    """Some have sent half a body, some half a header; each holds a thread until then."""
    half = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx".encode()
    with ExitStack() as stack:
        began = time.monotonic()
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", front.port), timeout=30))
            for _ in range(12)
        ]
        for number, connection in enumerate(slow):
            connection.sendall(half[:20] if number % 2 else half)
        assert b" 408 " in slow[0].recv(4096).partition(b"\r\n")[0]
        assert time.monotonic() - began < REQUEST_SECONDS + 5
        assert front.ask("GET", "/healthz")[0] == 200


@pytest.mark.parametrize("rest", [b"zz\r\nxx\r\n", b"5\r\nabc", b"-1\r\n", b"5\r\nabcdefgh\r\n"])
def test_a_chunked_body_that_is_broken_is_no_fault_of_ours(front: Front, rest: bytes) -> None:
    request = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", front.port), timeout=20) as connection:
        connection.sendall(request.encode() + rest)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(4096).split(b" ")[1].startswith(b"4")


def test_the_log_holds_no_secret(front: Front) -> None:
    front.deliver(json.dumps(push("github")).encode())
    front.deliver(b"garbage")
    front.ask("POST", PATH, b"{}", {"X-Hub-Signature-256": "sha256=0"})
    assert "Listening at" in _log(front)


def _log(front: Front) -> str:
    """What the processes wrote, in which nothing is secret and nothing is a fault of ours."""
    log = front.processes.tail("web", 100_000)
    assert [text for text in (SECRET, ":password@", "Traceback") if text in log] == []
    return log
