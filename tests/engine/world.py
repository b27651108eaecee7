"""A world for the engine: real Git repositories, the sandbox's API server, the real adapters."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.fixtures import eventually
from towline import reconcile as engine
from towline.adapters.git import NoLooks
from towline.adapters.services import build_services
from towline.core.application import Documents, parse_documents
from towline.core.errors import TowlineError
from towline.core.inventory import PART_OF, applyset_id, parent_key
from towline.core.objects import Object, annotations_of, labels_of
from towline.core.outcome import Outcome
from towline.core.plan import Plan
from towline.core.resources import Resource
from towline.observe import Phases
from towline.ports import RefusedError
from towline.sandbox.installation import WorkingCopy
from towline.sandbox.kubernetes import Front
from towline.settings import load

WRITES = ("POST", "PUT", "PATCH", "DELETE")


class World:
    """One repository `deploy`, one cluster `sandbox`, and documents that a test writes."""

    def __init__(self, folder: Path, cluster: Front, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.api = cluster
        self.source = folder / "deploy"
        self.source.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        kubeconfig = folder / "kubeconfig"
        cluster.write_kubeconfig(kubeconfig)
        patch.setenv("KUBECONFIG", str(kubeconfig))
        self.documents = Documents()
        settings = load({"TOWLINE_DATA_DIR": str(folder / "data"), "TOWLINE_GIT_PROTOCOLS": "file"})
        self.services = build_services(settings, lambda: self.documents, NoLooks())
        self.cluster = self.services.cluster("sandbox")
        self._runs = itertools.count(1)
        self.make_namespace("towline-system")
        self.make_namespace("shop")

    # Git -------------------------------------------------------------------------------------

    def git(self, *arguments: str) -> str:
        return WorkingCopy(self.source, self.source).git(*arguments)

    def commit(self, files: Mapping[str, str | None], message: str = "change") -> str:
        """Write files (None removes one) and commit."""
        for name, text in files.items():
            path = self.source / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    # Documents -------------------------------------------------------------------------------

    def applications(self, *documents: str) -> None:
        self.documents = parse_documents({"documents.yaml": "\n---\n".join(documents).encode()})

    def application(self, name: str, path: str = "", *, sync: str = "", extra: str = "") -> str:
        return f"""
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {{name: {name}}}
spec:
  source: {{repository: "file://{self.source}", branch: main, path: "{path}"}}
  destination: {{cluster: sandbox, namespace: shop}}
  sync: {{{sync}}}
  {extra}
"""

    # Runs ------------------------------------------------------------------------------------

    def run(
        self, name: str, *, requested: bool = False, held: Callable[[], bool] = lambda: True
    ) -> Outcome:
        """One run, as a worker does it; an error that ends it is its outcome."""
        application = self.documents.applications[name]
        attempt = engine.Attempt(
            run=f"run-{next(self._runs)}",
            phases=Phases(self.services.clock.monotonic),
            still_held=held,
            requested=requested,
        )
        try:
            return engine.reconcile(application, self.services, attempt)
        except TowlineError as error:
            return engine.failed(application, error, attempt)

    def plan(self, name: str) -> Plan:
        return engine.plan(self.documents.applications[name], self.services)

    def converge(self, *names: str, rounds: int = 4) -> None:
        """Run all in turn until nothing is written any more."""
        for _ in range(rounds):
            with self.writes() as writes:
                for name in names:
                    self.run(name)
            if not writes:
                return
        raise AssertionError(f"still writing after {rounds} rounds: {writes}")

    @contextmanager
    def writes(self) -> Iterator[list[str]]:
        """The writes that reach the cluster meanwhile, as `METHOD path`."""
        before = len(self.api.requests)
        found: list[str] = []
        yield found
        found += [
            f"{request.method} {request.path}"
            for request in list(self.api.requests)[before:]
            if request.method in WRITES and "dryRun" not in request.query
        ]

    # The cluster -----------------------------------------------------------------------------

    def resource(self, api_version: str, kind: str) -> Resource:
        for fresh in (False, True):
            found = self.cluster.resources(fresh=fresh).find(api_version, kind)
            if found:
                return found
        raise AssertionError(f"the cluster does not know {kind}")

    def live(
        self, kind: str, name: str, *, namespace: str = "shop", api_version: str = "v1"
    ) -> Object | None:
        return self.cluster.get(self.resource(api_version, kind), namespace, name)

    def data(self, name: str) -> dict[str, str] | None:
        """What a ConfigMap of the shop holds; None if it is not there."""
        live = self.live("ConfigMap", name)
        return None if live is None else live.get("data", {})

    def make_namespace(self, name: str) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.by_hand("POST", "/api/v1/namespaces", body, manager="test")

    def by_hand(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        manager: str = "kubectl",
        **query: str,
    ) -> Any:
        """What somebody else does to the cluster."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        connection = self.cluster.connection  # type: ignore[attr-defined]
        return connection.request(
            method,
            path,
            query={"fieldManager": manager, **query},
            body=body,
            headers={"Content-Type": kind},
        )

    def wait_until_gone(self, path: str) -> None:
        """Namespaces and definitions, which a real cluster empties before they go."""
        if "/namespaces/" in path and not getattr(self.api, "has_controllers", True):
            pytest.skip("without a controller manager namespaces do not end")
        eventually(lambda: self._is_gone(path), f"{path} is gone")

    def _is_gone(self, path: str) -> bool:
        try:
            self.by_hand("GET", path)
        except RefusedError as refusal:
            if refusal.status == 404:
                return True
            raise
        return False

    def controller(self) -> Object:
        """An owner reference to a controller that exists: without one, an object is garbage."""
        return {
            "apiVersion": "v1",
            "kind": "Namespace",
            "name": "kube-system",
            "uid": self.cluster.identity(),
            "controller": True,
        }

    def owner(self, name: str) -> str | None:
        """The application that a ConfigMap of the shop belongs to, by label and annotation."""
        live = self.live("ConfigMap", name)
        if live is None:
            return None
        named = annotations_of(live).get("towline.dev/id", "").partition(":")[0]
        expected = applyset_id(parent_key(named, "towline-system"))
        assert labels_of(live).get(PART_OF) == expected
        return named


def config_map(name: str, value: str = "1", *, annotations: str = "", namespace: str = "") -> str:
    where = f", namespace: {namespace}" if namespace else ""
    return f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}{where}, annotations: {{{annotations}}}}}
data: {{key: "{value}"}}
"""


def tally(outcome: Outcome) -> str:
    """An outcome in a line: what was done to what, unchanged objects left out."""
    if outcome.error:
        return f"error: {outcome.error}"
    lines = [f"{r.kind} {r.key}" for r in outcome.results if r.kind != "unchanged"]
    return "\n".join(lines)
