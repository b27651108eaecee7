"""Fetching over HTTPS: certificates are checked, by `caFile` where the authority is private."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.git_world import World, head, repository, serving
from towline.core.errors import SourceError

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl, which makes the certificate, is missing"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for the loopback address that no authority of this machine has signed."""
    folder = tmp_path_factory.mktemp("tls")
    key, public = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-keyout", str(key), "-out", str(public), "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return key, public


@pytest.fixture
def secure(
    tmp_path: Path, blank: Path, certificate: tuple[Path, Path], token_file: Path
) -> Iterator[World]:
    key, public = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, key)
    with serving(tmp_path / "forge") as forge:
        forge.socket = context.wrap_socket(forge.socket, server_side=True)
        url = f"https://127.0.0.1:{forge.server_address[1]}"
        world = World.at(tmp_path, blank, f"{url}/deploy.git")
        known = repository(url, username="towline", tokenFile=token_file, caFile=public)
        world.follow(world.source(), repositories=(known,))
        yield world


def test_a_private_authority_is_trusted_where_the_document_names_it(secure: World) -> None:
    pushed = secure.push()
    assert head(secure.repositories(protocols="https:ssh"), secure.source()) == pushed


def test_a_certificate_that_nobody_vouches_for_is_refused(secure: World, token_file: Path) -> None:
    secure.push()
    known = repository(secure.url.rpartition("/")[0], username="towline", tokenFile=token_file)
    secure.follow(secure.source(), repositories=(known,))
    with pytest.raises(SourceError, match="certificate"):
        head(secure.repositories(protocols="https:ssh"), secure.source())


def test_a_token_for_https_is_not_sent_over_http(secure: World, tmp_path: Path) -> None:
    """The document covers the host, but not in the clear."""
    with serving(tmp_path / "plain") as forge:
        source = secure.source(repository=f"{forge.url}/deploy.git")
        secure.follow(source, repositories=secure.documents.repositories)
        with pytest.raises(SourceError, match="no Repository document covers it"):
            head(secure.repositories(protocols="http"), source)
