"""What a client is told that asks for too much at once."""

from __future__ import annotations

from tests.cluster.servers import ApiServer
from tests.contract.throttling import refused


def test_a_refusal_says_when_to_come_back(server: ApiServer, namespace: str, own: str) -> None:
    with refused(server, namespace, own) as ask:
        response = ask()
    assert response.status == 429
    assert int(response.headers["Retry-After"]) >= 1


def test_a_refusal_is_plain_text(server: ApiServer, namespace: str, own: str) -> None:
    with refused(server, namespace, own) as ask:
        response = ask()
    assert response.data == b"Too many requests, please try again later.\n"
