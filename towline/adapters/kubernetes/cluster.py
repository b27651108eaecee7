"""The port `Cluster` over one API server."""

from __future__ import annotations

import builtins
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from towline.adapters.kubernetes.connection import Connection
from towline.adapters.kubernetes.discovery import discover
from towline.core.errors import ClusterError
from towline.core.inventory import MANAGER
from towline.core.objects import Object, key_of
from towline.core.resources import NAMESPACES, Resource, Resources
from towline.ports import RefusedError

_DISCOVERY_SECONDS = 300.0
_PAGE = 500
_NAMES_ONLY = {
    "Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
}
_APPLY = {"Content-Type": "application/apply-patch+yaml"}
_STEPS = {"Content-Type": "application/json-patch+json"}


class KubernetesCluster:
    """Answers are parsed JSON. May be shared among threads, not across a fork."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._resources: Resources | None = None
        self._discovered = 0.0
        self._discovering = threading.Lock()
        self._identity = ""
        self._identified = -_DISCOVERY_SECONDS

    def close(self) -> None:
        self.connection.close()

    def identity(self) -> str:
        """The UID of the namespace kube-system, which every cluster has once."""
        if time.monotonic() - self._identified > _DISCOVERY_SECONDS:
            self._identity = self._read_identity()
            self._identified = time.monotonic()
        return self._identity

    def _read_identity(self) -> str:
        try:
            live = self.get(NAMESPACES, "", "kube-system")
        except (RefusedError, ClusterError):
            return ""
        return str(live["metadata"]["uid"]) if live else ""

    def resources(self, *, fresh: bool = False) -> Resources:
        with self._discovering:
            age = time.monotonic() - self._discovered
            if fresh or self._resources is None or age > _DISCOVERY_SECONDS:
                self._resources = discover(self.connection)
                self._discovered = time.monotonic()
            return self._resources

    def list(
        self, resource: Resource, *, namespace: str | None = None, selector: str = ""
    ) -> Sequence[Object]:
        return self._list(resource, namespace, selector, {})

    def names(
        self, resource: Resource, *, namespace: str | None = None, most: int
    ) -> frozenset[str] | None:
        query = {"limit": str(most)}
        path = resource.path(namespace)
        page = self.connection.request("GET", path, query=query, headers=_NAMES_ONLY)
        if (page.get("metadata") or {}).get("continue"):
            return None
        metadata = (item["metadata"] for item in page.get("items") or ())
        return frozenset(f"{m.get('namespace') or ''}/{m['name']}" for m in metadata)

    def count(self, resource: Resource, *, namespace: str | None = None) -> int:
        page = self.connection.request(
            "GET", resource.path(namespace), query={"limit": "1"}, headers=_NAMES_ONLY
        )
        left = (page.get("metadata") or {}).get("remainingItemCount") or 0
        return len(page.get("items") or ()) + int(left)

    def _list(
        self, resource: Resource, namespace: str | None, selector: str, headers: dict[str, str]
    ) -> Sequence[Object]:
        """All pages; if the server forgot where we were (410), all at once."""
        try:
            return builtins.list(self._pages(resource, namespace, selector, headers, _PAGE))
        except RefusedError as refusal:
            if refusal.status != 410:
                raise
        return builtins.list(self._pages(resource, namespace, selector, headers, 0))

    def _pages(
        self,
        resource: Resource,
        namespace: str | None,
        selector: str,
        headers: dict[str, str],
        limit: int,
    ) -> Iterator[Object]:
        query = {"limit": str(limit)} if limit else {}
        if selector:
            query["labelSelector"] = selector
        while True:
            path = resource.path(namespace)
            page = self.connection.request("GET", path, query=query, headers=headers)
            for item in page.get("items") or ():
                # The items of a list leave out what the list says of all of them.
                yield {**item, "apiVersion": resource.api_version, "kind": resource.kind}
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            query["continue"] = token

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        try:
            body: Object = self.connection.request("GET", resource.path(namespace, name))
        except RefusedError as refusal:
            if refusal.status == 404:
                return None
            raise
        return body

    def apply(self, resource: Resource, body: Object, *, dry_run: bool = False) -> Object:
        query = {"fieldManager": MANAGER, "force": "true", "fieldValidation": "Strict"}
        return self._patch(_path(resource, body), body, query | _tried(dry_run), _APPLY)

    def patch(
        self,
        resource: Resource,
        live: Object,
        steps: Sequence[Mapping[str, Any]],
        *,
        dry_run: bool = False,
    ) -> Object:
        # A step that puts the version where it is makes it a precondition, answered with 409;
        # a `test` of it would be answered like any patch that does not fit.
        version = live["metadata"]["resourceVersion"]
        bound = {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
        query = {"fieldManager": MANAGER} | _tried(dry_run)
        return self._patch(_path(resource, live), [bound, *steps], query, _STEPS)

    def _patch(
        self, path: str, body: Any, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> Object:
        try:
            answer: Object = self.connection.request(
                "PATCH", path, query=query, body=body, headers=headers
            )
        except ClusterError as error:
            if not self._answers():
                raise
            # The server is there: an admission webhook that hangs is this object's trouble alone.
            raise RefusedError(error.message, status=504) from None
        return answer

    def _answers(self) -> bool:
        try:
            self.connection.request("GET", "/version")
        except (ClusterError, RefusedError):
            return False
        return True

    def delete(self, resource: Resource, live: Object) -> bool:
        key = key_of(live)
        metadata = live["metadata"]
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
        }
        with suppress(_Gone):
            answer = self._delete(resource.path(key.namespace, key.name), options)
            return not (answer.get("metadata") or {}).get("deletionTimestamp")
        return True

    def _delete(self, path: str, options: Object) -> Object:
        try:
            answer: Object = self.connection.request("DELETE", path, body=options)
        except RefusedError as refusal:
            if refusal.status == 404:
                raise _Gone from None
            raise
        return answer


def _path(resource: Resource, body: Object) -> str:
    key = key_of(body)
    return resource.path(key.namespace, key.name)


def _tried(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


class _Gone(Exception):  # noqa: N818
    """The object is not there any more, which is what was wanted."""
