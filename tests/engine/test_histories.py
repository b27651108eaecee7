"""Whatever happened before: nothing that Git names is deleted, nothing is lost, and it converges.

Generated histories of three applications in two folders of one repository. Each step is a change
(in Git, in the documents, or by hand on the cluster) and then one run of one application, which
may be stopped before any of its writes, or meet a fault of the server.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.engine.conftest import Clusters
from tests.engine.world import World, config_map
from towline.core.inventory import PART_OF, Parent, owner_named_by, why_not_ours
from towline.core.objects import Object, ObjectKey, key_of, labels_of
from towline.core.plan import Action
from towline.sandbox.kubernetes import Front

KINDS = {
    "ConfigMap": ("", "/api/v1", "configmaps"),
    "Service": ("", "/api/v1", "services"),
    "Secret": ("", "/api/v1", "secrets"),
    "ClusterRole": (
        "rbac.authorization.k8s.io",
        "/apis/rbac.authorization.k8s.io/v1",
        "clusterroles",
    ),
}
NAMES = {"a": "ConfigMap", "b": "ConfigMap", "s": "Service", "k": "Secret", "r": "ClusterRole"}
VALUES = {
    "ConfigMap": ("data", "key"),
    "Service": ("spec", "sessionAffinity"),
    "Secret": ("metadata", "labels", "value"),
    "ClusterRole": ("metadata", "labels", "value"),
}
FOLDERS = {"one": "one", "uno": "one", "two": "two", "three": "two"}

Step = tuple[tuple[str, ...], int, int | None, tuple[str, int] | None]


def _manifest(name: str, value: str) -> str:
    kind = NAMES[name]
    if kind == "ConfigMap":
        return config_map(name, value)
    if kind == "Service":
        affinity = "None" if value == "1" else "ClientIP"
        return (
            f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n"
            f"spec: {{sessionAffinity: {affinity!r}, ports: [{{port: 80}}]}}\n"
        )
    labels = f'labels: {{value: "{value}"}}'
    if kind == "Secret":
        return (
            f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, {labels}}}\n"
            "stringData: {k: v}\n"
        )
    return (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n"
        f"metadata: {{name: {name}, {labels}}}\nrules: []\n"
    )


@dataclass
class History:
    """What Git, the documents and hands have made of one world, and what must hold of it."""

    world: World
    first: str = "one"
    files: dict[tuple[str, str], str] = field(default_factory=dict)
    namespaces: dict[str, str] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    strangers: set[ObjectKey] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def applications(self) -> tuple[str, str, str]:
        return (self.first, "two", "three")

    # What happens ----------------------------------------------------------------------------

    def change(self, what: tuple[str, ...]) -> None:
        verb, *words = what
        if verb in ("put", "remove", "move"):
            getattr(self, verb)(*words)
            self.commit()
        else:
            getattr(self, verb)(*words)
            self.document()

    def put(self, folder: str, name: str, value: str) -> None:
        self.files[folder, name] = value

    def remove(self, folder: str, name: str, _: str) -> None:
        self.files.pop((folder, name), None)

    def move(self, folder: str, name: str, value: str) -> None:
        """From whichever folder has it to the other one."""
        other = "two" if folder == "one" else "one"
        there, to = (folder, other) if (folder, name) in self.files else (other, folder)
        if self.files.pop((there, name), None):
            self.files[to, name] = value

    def rename(self) -> None:
        self.first = "uno" if self.first == "one" else "one"

    def relocate(self, folder: str) -> None:
        there = self.namespace(folder) == "shop"
        self.namespaces[folder] = "quay" if there else "shop"

    def policy(self, folder: str, sync: str) -> None:
        self.policies[folder] = sync

    def by_hand(self, action: str, name: str, namespace: str) -> None:
        key = self.key(name, namespace)
        live = self.live().get(key)
        path = _path(key)
        hand = self.world.by_hand
        if action == "create" and live is None:
            hand("POST", path.rpartition("/")[0], _plain(key))
        elif action == "copy" and live is not None:
            copied = {"labels": live["metadata"].get("labels")}
            copied["annotations"] = live["metadata"].get("annotations")
            stranger = key._replace(name=f"copy-{next(self.numbers)}")
            hand("POST", path.rpartition("/")[0], _plain(stranger, **copied))
            self.strangers.add(stranger)
        elif live is not None and action == "delete":
            hand("DELETE", path)
        elif live is not None and action in ("edit", "strip", "control"):
            hand("PATCH", path, self.edit(action, key))

    def edit(self, action: str, key: ObjectKey) -> Object:
        if action == "strip":
            return {"metadata": {"labels": {PART_OF: None}}}
        if action == "control":
            return {"metadata": {"ownerReferences": [self.world.controller()]}}
        edit: Any = "ClientIP" if key.kind == "Service" else "drifted"
        for name in reversed(VALUES[key.kind]):
            edit = {name: edit}
        return {**edit}

    def inventory(self, action: str, index: str) -> None:
        name = self.applications[int(index)]
        path = f"/api/v1/namespaces/towline-system/configmaps/towline-{name}"
        if self.parent(name).resource_version is None:
            return
        if action == "delete":
            self.world.by_hand("DELETE", path)
        else:
            kinds = {"applyset.kubernetes.io/contains-group-kinds": "ConfigMap"}
            self.world.by_hand("PATCH", path, {"metadata": {"annotations": kinds}})

    def nothing(self) -> None:
        pass

    def commit(self) -> None:
        files: dict[str, str | None] = {"one/README.md": "", "two/README.md": ""}
        for folder, name in itertools.product(("one", "two"), NAMES):
            value = self.files.get((folder, name))
            path = f"{folder}/{name}.yaml"
            if value is not None:
                files[path] = _manifest(name, value)
            elif (self.world.source / path).exists():
                files[path] = None
        self.world.commit(files)

    def document(self) -> None:
        documents = []
        for name in self.applications:
            sync = self.policies.get(name, "allowEmpty: true")
            text = self.world.application(name, FOLDERS[name], sync=sync)
            documents.append(text.replace("namespace: shop", f"namespace: {self.namespace(name)}"))
        self.world.applications(*documents)

    # What is there ---------------------------------------------------------------------------

    def namespace(self, name: str) -> str:
        return self.namespaces.get(name, "quay" if name == "three" else "shop")

    def key(self, name: str, namespace: str) -> ObjectKey:
        kind = NAMES[name]
        return ObjectKey(KINDS[kind][0], kind, "" if kind == "ClusterRole" else namespace, name)

    def named(self) -> dict[ObjectKey, list[tuple[str, str]]]:
        """Every object that Git names: by which applications, with which value."""
        found: dict[ObjectKey, list[tuple[str, str]]] = {}
        for application in self.applications:
            for (folder, name), value in self.files.items():
                if folder == FOLDERS[application]:
                    key = self.key(name, self.namespace(application))
                    found.setdefault(key, []).append((application, value))
        return found

    def live(self) -> dict[ObjectKey, Object]:
        found: dict[ObjectKey, Object] = {}
        for kind, (_, root, plural) in KINDS.items():
            version = root.removeprefix("/apis/").removeprefix("/api/")
            for item in self.world.by_hand("GET", f"{root}/{plural}")["items"]:
                body = {**item, "apiVersion": version, "kind": kind}
                found[key_of(body)] = body
        return {key: body for key, body in found.items() if key.namespace != "towline-system"}

    def parent(self, name: str) -> Parent:
        return self.world.services.inventory("sandbox").read(name)

    # What must hold --------------------------------------------------------------------------

    def run(self, index: int, stop: int | None, fault: tuple[str, int] | None) -> None:
        """One run; whatever it deletes is its own, and nobody names it."""
        name = self.applications[index]
        there, named = self.live(), self.named()
        parent = Parent(name, "towline-system")
        if fault is not None:
            self.world.api.fail(method=fault[0], status=max(fault[1], 0), after=fault[1] < 0)
        with self.world.writes() as writes:
            self.world.run(name, held=_until(stop))
        self.world.api.heal()
        paths = {_path(key): key for key in there}
        for write in writes:
            method, path = write.split(" ")
            if method == "DELETE" and path in paths:
                key = paths[path]
                assert key not in named, f"{name} deleted {key}, which {named[key]} name"
                assert why_not_ours(there[key], parent) is None, f"{name} deleted {key}"

    def settle(self) -> None:
        """What no run can do is undone by hand; then all is as Git says, and stays so."""
        for key, body in self.live().items():
            if body["metadata"].get("ownerReferences"):
                self.world.by_hand("PATCH", _path(key), {"metadata": {"ownerReferences": None}})
        self.world.converge(*self.applications, rounds=6)
        live, named = self.live(), self.named()
        for key, namers in named.items():
            assert key in live, f"{key} is missing"
            if len(namers) == 1:
                ((application, value),) = namers
                assert owner_named_by(live[key]) == application, key
                assert labels_of(live[key])[PART_OF] == self.parent(application).id, key
                assert _value(live[key]) == value, key
        assert self.strangers <= live.keys()
        for application in self.applications:
            self.check_members(application, live, named.keys())

    def check_members(self, application: str, live: dict[ObjectKey, Object], named: Any) -> None:
        parent = self.parent(application)
        members = {k for k, body in live.items() if why_not_ours(body, parent) is None}
        plan = self.world.plan(application)
        changes = {change.key: change for change in plan.changes}
        troubled = any(change.problem for change in plan.changes)
        for key in members - named:
            change = changes[key]
            kept = change.action is Action.SKIP and change.reason
            assert troubled or kept or plan.held_by(change), f"{key} is left"
        kinds = frozenset(key.group_kind for key in members)
        spaces = frozenset(key.namespace for key in members) - {""}
        assert kinds <= parent.group_kinds
        assert spaces <= parent.namespaces
        if not troubled and not plan.holds:
            assert (kinds, spaces) == (parent.group_kinds, parent.namespaces)


def _until(stop: int | None) -> Callable[[], bool]:
    asked = itertools.count()
    return lambda: stop is None or next(asked) < stop


def _path(key: ObjectKey) -> str:
    _, root, plural = KINDS[key.kind]
    middle = f"/namespaces/{key.namespace}" if key.namespace else ""
    return f"{root}{middle}/{plural}/{key.name}"


def _plain(key: ObjectKey, **metadata: Any) -> Object:
    where = {"name": key.name, "namespace": key.namespace} if key.namespace else {"name": key.name}
    body: Object = {"metadata": {**where, **metadata}}
    return {**body, "spec": {"ports": [{"port": 80}]}} if key.kind == "Service" else body


def _value(live: Object) -> str:
    value: Any = live
    for name in VALUES[live["kind"]]:
        value = value[name]
    return {"None": "1", "ClientIP": "2"}.get(value, str(value))


COMMITS = st.tuples(
    st.sampled_from(["move", "put", "remove"]),
    st.sampled_from(["one", "two"]),
    st.sampled_from(sorted(NAMES)),
    st.sampled_from(["1", "2"]),
)
CHANGES = st.one_of(
    COMMITS,
    COMMITS,
    COMMITS,
    st.sampled_from([("rename",), ("relocate", "two"), ("relocate", "one"), ("nothing",)]),
    st.tuples(
        st.just("policy"),
        st.sampled_from(["one", "two"]),
        st.sampled_from(["allowEmpty: true", "prune: false", "allowEmpty: false", "maxPrune: 0"]),
    ),
    st.tuples(
        st.just("by_hand"),
        st.sampled_from(["create", "copy", "delete", "edit", "strip", "control"]),
        st.sampled_from(sorted(NAMES)),
        st.sampled_from(["shop", "quay"]),
    ),
    st.tuples(
        st.just("inventory"), st.sampled_from(["delete", "edit"]), st.sampled_from(["0", "1", "2"])
    ),
)
STEPS = st.tuples(
    CHANGES,
    st.integers(0, 2),
    st.sampled_from([None, None, None, 0, 1, 2, 3]),
    st.sampled_from(
        [None, None, None, ("PATCH", 403), ("DELETE", 409), ("GET", 403), ("PATCH", -1)]
    ),
)


@contextmanager
def _history(cluster: Front) -> Iterator[History]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        world = World(Path(folder), cluster, patch)
        world.make_namespace("quay")
        history = History(world)
        history.files = {("one", "a"): "1", ("one", "s"): "1", ("two", "b"): "1", ("two", "k"): "1"}
        history.commit()
        history.document()
        for name in history.applications:
            world.run(name)
        try:
            yield history
        finally:
            world.services.cluster.close()  # type: ignore[attr-defined]


def _live_through(clusters: Clusters, steps: list[Step]) -> None:
    with clusters() as cluster, _history(cluster) as history:
        for change, index, stop, fault in steps:
            history.change(change)
            history.run(index, stop, fault)
        history.settle()


EXAMPLES = int(os.environ.get("TOWLINE_TEST_HISTORIES", "20"))
"""Thousands are tried by hand (docs/testing.md): each is a dozen runs."""

QUICK = settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES == 20,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("clusters", ["sandbox"], indirect=True)
@QUICK
@example([(("move", "one", "a", "2"), 0, None, None), (("rename",), 0, 1, None)])
@example([(("move", "two", "k", "1"), 2, 1, None), (("nothing",), 1, None, ("PATCH", -1))])
@given(st.lists(STEPS, min_size=3, max_size=8))
def test_any_history_ends_as_git_says(clusters: Clusters, steps: list[Step]) -> None:
    _live_through(clusters, steps)


@pytest.mark.cluster
@pytest.mark.parametrize("clusters", ["real"], indirect=True)
@settings(QUICK, max_examples=8)
@given(st.lists(STEPS, min_size=3, max_size=8))
def test_any_history_ends_as_git_says_on_a_real_server(
    clusters: Clusters, steps: list[Step]
) -> None:
    _live_through(clusters, steps)
