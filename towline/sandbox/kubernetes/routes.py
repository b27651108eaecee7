"""From a path to what it is about: resources, discovery, health."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NoReturn

from towline.sandbox.kubernetes import discovery, openapi
from towline.sandbox.kubernetes.api import Api
from towline.sandbox.kubernetes.kinds import BUILT_IN_GROUPS, Kinds
from towline.sandbox.kubernetes.messages import Request, Response
from towline.sandbox.kubernetes.status import (
    NoSuchPathError,
    StatusError,
    method_not_allowed,
    no_such_path,
)
from towline.sandbox.kubernetes.store import Store, encode
from towline.sandbox.kubernetes.targets import Target

_log = logging.getLogger(__name__)

OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/version")
"""What anyone may ask for, without a token."""


class Routes:
    """Finds the answer to a request; errors become `Status` objects here."""

    def __init__(self, store: Store, kinds: Kinds) -> None:
        self._kinds = kinds
        self._api = Api(store, kinds)
        self._fixed: dict[str, Callable[[Request], Response]] = {
            "/version": lambda _: Response.of(discovery.VERSION),
            "/api": self._core,
            "/apis": self._groups,
            "/openapi/v3": lambda _: Response.of(openapi.index(kinds)),
            **dict.fromkeys(("/healthz", "/livez", "/readyz"), _healthy),
        }

    def answer(self, request: Request) -> Response:
        try:
            return self._answer(request)
        except StatusError as error:
            return refusal(error)
        except NoSuchPathError:
            return Response(404, b"404 page not found\n", content_type="text/plain; charset=utf-8")
        except Exception as error:
            # A mistake of the sandbox: told to the client and in the log, never swallowed.
            _log.exception("%s %s failed", request.method, request.path)
            message = f"Internal error occurred: {error!r}"
            return refusal(StatusError(500, "InternalError", message))

    def _answer(self, request: Request) -> Response:
        path = request.path.rstrip("/")
        fixed = self._fixed.get(path)
        if fixed:
            if request.method != "GET":
                raise method_not_allowed()
            return fixed(request)
        segments = path.split("/")[1:]
        match segments:
            case ["openapi", "v3", *rest]:
                group, version = _group_version(rest)
                return self._found(openapi.document(self._kinds, group, version), group)
            case ["apis", group]:
                return self._found(discovery.group(self._kinds, group), group)
            case ["api", _] | ["apis", _, _]:
                group, version = _group_version(segments)
                return self._found(discovery.resources(self._kinds, group, version), group)
            case ["api", version, *rest] if rest:
                return self._resource("", version, rest, request)
            case ["apis", group, version, *rest] if rest:
                return self._resource(group, version, rest, request)
        raise NoSuchPathError

    def _resource(self, group: str, version: str, rest: list[str], request: Request) -> Response:
        if review := _REVIEWS.get((group, rest[0])):
            return review(request)
        target = self._target(group, version, rest)
        if target is None:
            self._refuse(group)
        return self._api.handle(target, request)

    def _target(self, group: str, version: str, rest: list[str]) -> Target | None:
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
            namespace, rest = rest[1], rest[2:]
        kind = self._kinds.get(group, version, rest[0])
        if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
            return None
        name = rest[1] if len(rest) > 1 else ""
        subresource = rest[2] if len(rest) > 2 else ""
        if name and kind.namespaced and not namespace:
            return None
        served = {"status": kind.has_status, "scale": kind.has_scale}
        if subresource and not served.get(subresource):
            return None
        return Target(kind, namespace, name, subresource)

    def _found(self, document: dict[str, Any] | None, group: str) -> Response:
        if document is None:
            self._refuse(group)
        return Response.of(document)

    def _refuse(self, group: str) -> NoReturn:
        """Say that there is no such thing; only built-in groups have words for it."""
        if group and group not in BUILT_IN_GROUPS:
            raise NoSuchPathError
        raise no_such_path()

    def _core(self, request: Request) -> Response:
        if _wants_aggregated(request):
            return _aggregated(self._kinds, core=True)
        return Response.of(discovery.core_versions(request.headers.get("host", "")))

    def _groups(self, request: Request) -> Response:
        if _wants_aggregated(request):
            return _aggregated(self._kinds, core=False)
        return Response.of(discovery.groups(self._kinds))


def refusal(error: StatusError) -> Response:
    retry = () if error.retry_after is None else (("Retry-After", str(error.retry_after)),)
    return Response(error.code, encode(error.as_json()), headers=retry)


def _healthy(_: Request) -> Response:
    return Response(200, b"ok", content_type="text/plain; charset=utf-8")


def _group_version(segments: list[str]) -> tuple[str, str]:
    match segments:
        case ["api", version]:
            return "", version
        case ["apis", group, version]:
            return group, version
    raise NoSuchPathError


def _wants_aggregated(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return any(
        "as=APIGroupDiscoveryList" in part and "v=v2;" in part.replace(" ", "") + ";"
        for part in accept.split(",")
    )


def _aggregated(kinds: Kinds, *, core: bool) -> Response:
    body = encode(discovery.aggregated(kinds, core=core))
    return Response(200, body, content_type=discovery.AGGREGATED)


def _review(kind: str, status: dict[str, Any]) -> Callable[[Request], Response]:
    """A review that is answered alike whatever it asks, so that its body is not read."""
    group = "authentication" if kind == "SelfSubjectReview" else "authorization"

    def answer(request: Request) -> Response:
        if request.method != "POST":
            raise method_not_allowed()
        body = {"kind": kind, "apiVersion": f"{group}.k8s.io/v1", "metadata": {}, "spec": {}}
        return Response.of({**body, "status": status}, 201)

    return answer


_EVERYTHING = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
_RULES = {"resourceRules": [_EVERYTHING], "nonResourceRules": [], "incomplete": False}
_USER = {"userInfo": {"username": "sandbox", "groups": ["system:masters"]}}

_REVIEWS = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"): _review(
        "SelfSubjectAccessReview", {"allowed": True}
    ),
    ("authorization.k8s.io", "selfsubjectrulesreviews"): _review("SelfSubjectRulesReview", _RULES),
    ("authentication.k8s.io", "selfsubjectreviews"): _review("SelfSubjectReview", _USER),
}
