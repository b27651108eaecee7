"""`python -m towline.sandbox.kubernetes`: serve until a signal says stop."""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import threading
from pathlib import Path

from towline.sandbox.kubernetes import SandboxCluster


def main() -> int:
    parser = argparse.ArgumentParser(description="A Kubernetes API server in memory.")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="where to write it")
    parser.add_argument("--port", type=int, default=0, help="a free one by default")
    arguments = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    token = secrets.token_urlsafe(24)
    with SandboxCluster(token=token, port=arguments.port, controllers=True) as cluster:
        cluster.write_kubeconfig(arguments.kubeconfig)
        sys.stdout.write(
            f"Kubernetes sandbox on {cluster.url}, kubeconfig {arguments.kubeconfig}\n"
        )
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
