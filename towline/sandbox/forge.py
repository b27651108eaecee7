"""A small forge: bare repositories served over smart HTTP, whose pushes send signed webhooks.

`python -m towline.sandbox.forge --root DIR --port N --token-file F` serves; `create` makes a
repository with a post-receive hook that posts what GitHub would post. Fetching needs the token,
as a private repository does. It has no users, no pages and no queue of deliveries.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from towline.sandbox import forge_hook

_MAX_BODY = 64 * 1024**2
_SERVICES = ("/info/refs", "/git-upload-pack")


@dataclass(frozen=True)
class Webhook:
    """Where a repository's pushes are told, and the file with the secret they are signed with."""

    url: str
    secret_file: Path


def create(root: Path, name: str, *, base_url: str, webhook: Webhook | None = None) -> Path:
    """Make the bare repository `root/name.git`; it is fetched from `base_url/name.git`."""
    folder = root / f"{name}.git"
    subprocess.run(
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", "--template=", str(folder)],
        check=True,
    )
    if webhook:
        install_hook(folder, f"{base_url}/{name}", webhook)
    return folder


def install_hook(folder: Path, url: str, webhook: Webhook) -> None:
    """Write the post-receive hook, as a forge's own delivery."""
    program = [sys.executable, "-I", forge_hook.__file__]
    arguments = [webhook.url, str(webhook.secret_file), url]
    hook = folder / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nexec {shlex.join([*program, *arguments])}\n", encoding="utf-8")
    hook.chmod(0o700)


class Forge(ThreadingHTTPServer):
    """Serves all repositories below a folder, for reading, to whoever has the token."""

    daemon_threads = True

    def __init__(self, root: Path, *, token: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.root = root
        credentials = base64.b64encode(f"towline:{token}".encode()).decode()
        self.authorization = f"Basic {credentials}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    """Hands each request to `git http-backend`, as a web server would."""

    server: Forge
    protocol_version = "HTTP/1.1"
    # An answer goes out in one piece: Nagle and delayed acknowledgement cost 40 ms each.
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet: what matters is told by who asks."""

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MAX_BODY or self.headers.get("Transfer-Encoding"):
            self.send_error(413)
            return
        self._serve(self.rfile.read(length))

    def _serve(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        if not path.endswith(_SERVICES):
            self.send_error(404)
        elif not self._is_authorized():
            self._answer(401, [("WWW-Authenticate", 'Basic realm="forge"')], b"")
        else:
            self._answer(*self._backend(path, query, body))

    def _is_authorized(self) -> bool:
        given = self.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), self.server.authorization.encode())

    def _backend(
        self, path: str, query: str, body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], env=environment, input=body, capture_output=True, check=False
        )
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        headers = [_header(line) for line in head.decode("latin-1").split("\r\n") if line]
        status = next((int(text.split()[0]) for name, text in headers if name == "Status"), 200)
        return status, [pair for pair in headers if pair[0] != "Status"], answer

    def _answer(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _header(line: str) -> tuple[str, str]:
    name, _, text = line.partition(":")
    return name.strip(), text.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description="A small forge for bare repositories.")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token-file", type=Path, required=True)
    arguments = parser.parse_args()
    token = arguments.token_file.read_text(encoding="ascii").strip()
    forge = Forge(arguments.root, token=token, port=arguments.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=forge.shutdown).start())
    forge.serve_forever()
    forge.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
