"""The sandbox's controllers take a workload through the steps of a rollout, and then rest."""

from __future__ import annotations

from typing import Any

import pytest

from towline.core.health import Health, assess
from towline.sandbox.kubernetes.controllers import Controllers
from towline.sandbox.kubernetes.kinds import BUILT_IN, NAMESPACE, Kind, Kinds
from towline.sandbox.kubernetes.store import Store
from towline.sandbox.kubernetes.targets import Options, Target
from towline.sandbox.kubernetes.writing import Writer

BY_HAND = Options(manager="test")


def kind_of(name: str) -> Kind:
    return next(kind for kind in BUILT_IN if kind.group == "apps" and kind.kind == name)


def workload(name: str) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    service = {"serviceName": "web"} if name == "StatefulSet" else {}
    return {
        "apiVersion": "apps/v1",
        "kind": name,
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {**spec, **service},
    }


@pytest.mark.parametrize("name", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_workload_becomes_healthy_in_two_rounds_and_stays_as_it_is(name: str) -> None:
    store = Store()
    writer = Writer(store, Kinds())
    writer.create(Target(NAMESPACE), {"metadata": {"name": "shop"}}, BY_HAND)
    kind = kind_of(name)
    writer.create(Target(kind, "shop"), workload(name), BY_HAND)
    controllers = Controllers(store, writer)

    def health() -> Health:
        held = store.get(kind, ("shop", "web"))
        assert held is not None
        return assess(held.object).health

    seen = []
    for _ in range(3):
        seen.append(health())
        controllers.round()
    version = store.version
    controllers.round()
    assert (seen, health()) == ([Health.PROGRESSING] * 2 + [Health.HEALTHY], Health.HEALTHY)
    assert store.version == version

    def newer(body: dict[str, Any]) -> dict[str, Any]:
        container = {"name": "web", "image": "web:2"}
        template = {**body["spec"]["template"], "spec": {"containers": [container]}}
        return {**body, "spec": {**body["spec"], "template": template}}

    writer.change(Target(kind, "shop", "web"), newer, BY_HAND)
    assert health() is Health.PROGRESSING
    controllers.round()
    controllers.round()
    assert health() is Health.HEALTHY
