"""The post-receive hook: one webhook for each ref that moved, signed as GitHub signs.

`python -I forge_hook.py WEBHOOK-URL SECRET-FILE REPOSITORY-URL`, in a bare repository, with
Git's `old new ref` lines on standard input. Standard library only, so that it starts at once. It
notes when it began, in `pushed/<commit>`: from then on the push is accepted.
"""

import hashlib
import hmac
import http.client
import json
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit


def payload(repository: str, old: str, new: str, ref: str) -> bytes:
    """The fields of GitHub's push event that say what moved."""
    name = urlsplit(repository).path.strip("/")
    zero = "0" * 40
    return json.dumps(
        {
            "ref": ref,
            "before": old,
            "after": new,
            "created": old == zero,
            "deleted": new == zero,
            "forced": False,
            "repository": {
                "full_name": name,
                "html_url": repository,
                "clone_url": f"{repository}.git",
                "default_branch": "main",
            },
            "pusher": {"name": "demo"},
        }
    ).encode()


def send(url: str, secret: bytes, body: bytes) -> int:
    """The status that the webhook answered; 0 if it did not."""
    parts = urlsplit(url)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/sandbox",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest(),
    }
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("POST", parts.path, body, headers)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def main() -> None:
    began = time.time()
    url, secret_file, repository = sys.argv[1:]
    secret = Path(secret_file).read_bytes().strip()
    for line in sys.stdin:
        old, new, ref = line.split()
        noted = Path("pushed", new)
        noted.parent.mkdir(exist_ok=True)
        noted.write_text(repr(began), encoding="ascii")
        status = send(url, secret, payload(repository, old, new, ref))
        sys.stdout.write(f"webhook for {ref}: {status or 'no answer'}\n")


if __name__ == "__main__":
    main()
