"""What people really keep in Git; `TOWLINE_TEST_CORPUS` names a folder with `online-boutique`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.engine.world import World

CORPUS = Path(os.environ.get("TOWLINE_TEST_CORPUS", "nowhere")) / "online-boutique"

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="TOWLINE_TEST_CORPUS does not name a folder with online-boutique"
)


@pytest.fixture
def shop(world: World) -> World:
    shutil.copytree(CORPUS, world.source, dirs_exist_ok=True)
    for path in world.source.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    world.commit({})
    return world


@pytest.mark.parametrize(
    ("path", "renderer"), [("kubernetes-manifests", "plain"), ("kustomize", "kustomize")]
)
def test_the_shop_converges_and_follows_its_files(shop: World, path: str, renderer: str) -> None:
    document = shop.application("app", path).replace("branch:", f"renderer: {renderer}, branch:")
    shop.applications(document)
    outcome = shop.run("app")
    assert (outcome.failures, outcome.counts) == ((), {"created": 35})
    with shop.writes() as writes:
        assert shop.run("app").counts == {"unchanged": 35}
    assert writes == []
    if renderer == "plain":
        shop.commit({f"{path}/adservice.yaml": None})
    else:
        base = shop.source / path / "base" / "kustomization.yaml"
        shop.commit(
            {f"{path}/base/kustomization.yaml": base.read_text().replace("- adservice.yaml\n", "")}
        )
    assert shop.run("app").counts == {"unchanged": 32, "deleted": 3}
    shop.git("revert", "--no-edit", "HEAD")
    assert shop.run("app").counts == {"unchanged": 32, "created": 3}


def test_a_service_moved_to_another_application_is_not_deleted(shop: World) -> None:
    shop.applications(
        shop.application("one", "kubernetes-manifests").replace(
            "branch:", "renderer: plain, branch:"
        ),
        shop.application("two", "moved"),
    )
    shop.commit({"moved/README.md": ""})
    shop.run("one")
    name = "kubernetes-manifests/adservice.yaml"
    text = (shop.source / name).read_text()
    shop.commit({name: None, "moved/adservice.yaml": text})
    with shop.writes() as writes:
        shop.converge("one", "two")
    assert not [write for write in writes if write.startswith("DELETE")]
    assert shop.run("two").counts == {"unchanged": 3}
