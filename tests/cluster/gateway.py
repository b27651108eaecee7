"""A cluster of a test's own on a shared API server: what the engine's tests talk to.

It stands between the engine and the real server, and does three things on the way:
- names of namespaces and of cluster-scoped objects get a prefix on the way there, and lose it on
  the way back; lists show nothing but what has it. So tests may all write `shop`;
- requests are recorded, and fail on demand, as with the sandbox;
- it knows what was made outside namespaces, and removes all of it in the end.

Custom resource definitions keep their names: one test at a time may make the same one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from tests.cluster.fixtures import (
    new_prefix,
    remove_namespace,
    wait_for,
    wait_until_furnished,
)
from tests.cluster.servers import ApiServer
from towline.sandbox.kubernetes import Front
from towline.sandbox.kubernetes.messages import Request, Response

_PASSED_ON = {"accept", "content-type"}
_HANDED_BACK = {"retry-after", "warning"}
_SHARED = ("kube-system", "kube-public", "kube-node-lease", "default")
_GLOBAL = ("apiservices", "customresourcedefinitions")


@dataclass(frozen=True)
class _Place:
    """What a path is about; all empty for discovery and the like."""

    root: str
    namespace: str = ""
    plural: str = ""
    name: str = ""
    rest: str = ""

    @classmethod
    def of(cls, path: str) -> _Place:
        match path.split("/"):
            case ["", "api", version, *rest] if rest:
                return cls._below(f"/api/{version}", rest)
            case ["", "apis", group, version, *rest] if rest:
                return cls._below(f"/apis/{group}/{version}", rest)
        return cls(path)

    @classmethod
    def _below(cls, root: str, segments: list[str]) -> _Place:
        namespace = ""
        if segments[0] == "namespaces" and len(segments) > 2:
            _, namespace, *segments = segments
        plural, name, *rest = [*segments, ""] if len(segments) == 1 else segments
        return cls(root, namespace, plural, name, "/".join(rest))

    @property
    def is_private(self) -> bool:
        """Whether its name is one that gets the prefix."""
        return bool(self.plural) and not self.namespace and self.plural not in _GLOBAL

    def path(self, prefix: str) -> str:
        parts = [self.root]
        if self.namespace:
            parts += ["namespaces", _prefixed(self.namespace, prefix)]
        name = _prefixed(self.name, prefix) if self.is_private else self.name
        return "/".join([*parts, *filter(None, (self.plural, name, self.rest))])


def _prefixed(name: str, prefix: str) -> str:
    return name if not name or name in _SHARED else prefix + name


class Gateway(Front):
    """The real server with the interface of a `SandboxCluster`. Watches are not served."""

    def __init__(self, server: ApiServer) -> None:
        super().__init__(self._pass_on, token="for-the-test")
        self.user = ""
        """Who asks from now on, with no other rights than are granted; nobody: who started it."""
        self.prefix = new_prefix()
        self._upstream = server
        self._made: dict[str, None] = {}
        """Paths of the cluster-scoped objects that were made here."""

    @property
    def has_controllers(self) -> bool:
        return self._upstream.has_controllers

    def stop(self) -> None:
        """End all connections, and remove what was made."""
        super().stop()
        self._clean()

    def _pass_on(self, request: Request) -> Response:
        place = _Place.of(request.path)
        target = quote(place.path(self.prefix))
        if request.query:
            target += f"?{urlencode(request.query)}"
        headers = {k.title(): v for k, v in request.headers.items() if k in _PASSED_ON}
        if self.user:
            headers["Impersonate-User"] = self.user
        body = self._sent(request.body, place)
        response = self._upstream.request(request.method, target, body, headers)
        if response.status == 201 and not place.namespace and "dryRun" not in request.query:
            self._note(place, json.loads(response.data)["metadata"]["name"])
        return Response(
            response.status,
            self._shown(response.data, place),
            response.headers.get("Content-Type", ""),
            tuple((k, v) for k, v in response.headers.items() if k.lower() in _HANDED_BACK),
        )

    def _note(self, place: _Place, name: str) -> None:
        self._made[f"{place.root}/{place.plural}/{name}"] = None
        if place.plural == "namespaces":
            wait_until_furnished(self._upstream, name)

    def _sent(self, body: bytes, place: _Place) -> bytes:
        try:
            value = json.loads(body)
        except ValueError:
            return body
        metadata = value.get("metadata") if isinstance(value, dict) else None
        if not isinstance(metadata, dict):
            return body
        if metadata.get("namespace"):
            metadata["namespace"] = _prefixed(metadata["namespace"], self.prefix)
        if metadata.get("name") and place.is_private:
            metadata["name"] = _prefixed(metadata["name"], self.prefix)
        return json.dumps(value).encode()

    def _shown(self, body: bytes, place: _Place) -> bytes:
        if place.plural and not place.name and body.startswith(b"{"):
            value = json.loads(body)
            if isinstance(value.get("items"), list):
                value["items"] = [item for item in value["items"] if self._is_ours(item, place)]
                body = json.dumps(value).encode()
        return body.replace(self.prefix.encode(), b"")

    def _is_ours(self, item: Any, place: _Place) -> bool:
        metadata = item["metadata"]
        if place.plural in _GLOBAL:
            return f"{place.root}/{place.plural}/{metadata['name']}" in self._made
        where = metadata.get("namespace") or metadata["name"]
        return where in _SHARED or where.startswith(self.prefix)

    def _clean(self) -> None:
        """Waits for the end of definitions, which have no names of their own."""
        for path in reversed(self._made):
            if path.startswith("/api/v1/namespaces/"):
                remove_namespace(self._upstream, path.rpartition("/")[2])
            else:
                self._upstream.call("DELETE", path)
        for path in self._made:
            if any(f"/{plural}/" in path for plural in _GLOBAL):
                wait_for(self._upstream, path, 404)
