"""An edge for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from tests.webhook.edge import DOCUMENTS, VAULT_SECRET, Edge, settings_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = DOCUMENTS.replace("FOLDER", str(tmp_path))
    (tmp_path / "documents.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "vault-secret").write_text(f"{VAULT_SECRET}\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def edge(folder: Path, redis_url: str, redis: Redis) -> Edge:  # noqa: ARG001 - emptied first
    return Edge(settings_in(folder, redis_url))
