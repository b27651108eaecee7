"""Gunicorn's threaded worker, with an end to its patience.

Gunicorn waits for the rest of a request as long as it takes, and a thread waits with it: a few
clients that send a byte now and then would keep everyone else out.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

REQUEST_SECONDS = 10.0
"""From the first byte to the last of a request; forges wait no longer for the whole answer."""


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    def handle(self, conn: Any) -> Any:
        """What has not come in time never comes: the request ends there, and is answered so."""
        timer = threading.Timer(REQUEST_SECONDS, _stop_reading, [conn])
        timer.daemon = True
        timer.start()
        try:
            return super().handle(conn)
        finally:
            timer.cancel()


def _stop_reading(conn: Any) -> None:
    with suppress(OSError):
        conn.sock.shutdown(socket.SHUT_RD)
