"""Wires the engine's services from settings: for a worker, or for the command line alone."""

from __future__ import annotations

import time
from collections.abc import Callable

from towline.adapters.git import GitRepositories, forget_ambient_git
from towline.adapters.kubernetes import Clusters, ConfigMapInventory
from towline.adapters.renderers import TreeRenderer
from towline.core.application import Documents
from towline.ports import Looks, NoVerdicts, Services, Verdicts
from towline.settings import Settings


class SystemClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def build_services(
    settings: Settings,
    documents: Callable[[], Documents],
    looks: Looks,
    verdicts: Verdicts | None = None,
) -> Services:
    """Opens nothing yet: connections are made when first used, after any fork."""
    forget_ambient_git()
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    clusters = Clusters()
    return Services(
        documents=documents,
        repositories=GitRepositories(
            settings.data_dir, documents, looks, protocols=settings.git_protocols
        ),
        renderer=TreeRenderer(settings.data_dir / "renders"),
        cluster=clusters,
        inventory=lambda name: ConfigMapInventory(clusters(name), settings.namespace),
        clock=SystemClock(),
        verdicts=verdicts or NoVerdicts(),
    )
