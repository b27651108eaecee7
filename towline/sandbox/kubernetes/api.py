"""The verbs of the API: from a request about a resource to its response."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from towline.sandbox.kubernetes import scale
from towline.sandbox.kubernetes.causes import forbidden_field, required, unsupported
from towline.sandbox.kubernetes.kinds import Kind, Kinds
from towline.sandbox.kubernetes.messages import Request, Response, parsed, parsed_object
from towline.sandbox.kubernetes.patch import json_patch, merge_patch, strategic_patch
from towline.sandbox.kubernetes.removing import DeleteOptions, Remover
from towline.sandbox.kubernetes.selectors import parse
from towline.sandbox.kubernetes.status import (
    Cause,
    StatusError,
    bad_request,
    expired,
    invalid,
    method_not_allowed,
    not_found,
    success,
    unsupported_media_type,
)
from towline.sandbox.kubernetes.store import Store, Stored, encode
from towline.sandbox.kubernetes.targets import Options, Target
from towline.sandbox.kubernetes.watch import Watch
from towline.sandbox.kubernetes.writing import Writer

APPLY = "application/apply-patch+yaml"
_PATCHES = {"application/merge-patch+json", "application/json-patch+json"}
_STRATEGIC = "application/strategic-merge-patch+json"


class Api:
    """Serves the resources of one store."""

    def __init__(self, store: Store, kinds: Kinds) -> None:
        self._store = store
        self._writer = Writer(store, kinds)
        self._remover = Remover(store, kinds)

    def handle(self, target: Target, request: Request) -> Response:
        """Answer a request, or raise a `StatusError`."""
        if target.subresource == "scale" and target.kind.has_scale:
            return self._scale(target, request)
        handler = self._handler(target, request)
        if handler is None:
            raise method_not_allowed(request.method)
        return handler(target, request)

    def _handler(
        self, target: Target, request: Request
    ) -> Callable[[Target, Request], Response] | None:
        one: dict[str, Callable[[Target, Request], Response]] = {
            "GET": self._get,
            "PUT": self._put,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        many: dict[str, Callable[[Target, Request], Response]] = {
            "GET": self._watch if request.flag("watch") else self._list,
            "POST": self._post,
            "DELETE": self._delete_collection,
        }
        if target.subresource:
            one.pop("DELETE")
        return (one if target.name else many).get(request.method)

    def _get(self, target: Target, request: Request) -> Response:
        held = self._store.get(target.kind, target.key)
        if held is None:
            raise not_found(target.kind, target.name)
        return Response(200, _rendered(target.kind, request)(held))

    def _list(self, target: Target, request: Request) -> Response:
        kind = target.kind
        selected = parse(
            request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
        )
        with self._store.lock:
            version = self._store.version
            found = self._store.items(kind, target.namespace)
        pairs = [pair for pair in found if selected(pair[1].body)]
        start = _start(request.query.get("continue", ""), self._store)
        if start:
            pairs = [pair for pair in pairs if list(pair[0]) > start]
        limit = _number(request, "limit") or 0
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if limit and len(pairs) > limit:
            token = encode({"v": version, "start": pairs[limit - 1][0]})
            metadata["continue"] = base64.urlsafe_b64encode(token).decode()
            metadata["remainingItemCount"] = len(pairs) - limit
            pairs = pairs[:limit]
        return Response(200, _rendered_list(kind, request, metadata, [held for _, held in pairs]))

    def _watch(self, target: Target, request: Request) -> Response:
        query = request.query
        version = query.get("resourceVersion", "")
        initial = request.flag("sendInitialEvents")
        if not version.isdecimal() and version:
            raise bad_request(f'invalid resource version "{version}"')
        watch = Watch(
            kind=target.kind,
            namespace=target.namespace,
            selected=parse(query.get("labelSelector", ""), query.get("fieldSelector", "")),
            render=_rendered(target.kind, request),
            version=int(version) if version not in {"", "0"} and not initial else None,
            bookmarks=request.flag("allowWatchBookmarks"),
            initial_events_end=initial,
            seconds=_number(request, "timeoutSeconds"),
        )
        return Response(200, stream=watch.lines(self._store))

    def _post(self, target: Target, request: Request) -> Response:
        options = _options(target.kind, request)
        created = self._writer.create(target, parsed_object(request), options)
        return _written(target.kind, request, created, options, 201)

    def _put(self, target: Target, request: Request) -> Response:
        options = _options(target.kind, request)
        body = parsed_object(request)
        stored = self._writer.replace(target, body, options)
        return _written(target.kind, request, stored, options, 200)

    def _patch(self, target: Target, request: Request) -> Response:
        options = _options(target.kind, request)
        if request.media_type == APPLY:
            config = parsed_object(request)
            stored, created = self._writer.apply(target, config, options)
            return _written(target.kind, request, stored, options, 201 if created else 200)
        patch = _patch_of(target.kind, request)
        stored = self._writer.change(target, patch, options)
        return _written(target.kind, request, stored, options, 200)

    def _delete(self, target: Target, request: Request) -> Response:
        options = _delete_options(request)
        held, gone = self._remover.delete(target.kind, target.key, options)
        if gone:
            return Response.of(success(target.kind, target.name, held.uid))
        return Response(200, _rendered(target.kind, request)(held))

    def _delete_collection(self, target: Target, request: Request) -> Response:
        options = _delete_options(request)
        selected = parse(
            request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
        )
        with self._store.lock:
            found = self._store.items(target.kind, target.namespace)
            deleted = [
                self._remover.delete(target.kind, key, options)[0]
                for key, held in found
                if selected(held.body)
            ]
            version = str(self._store.version)
        metadata = {"resourceVersion": version}
        return Response(200, _rendered_list(target.kind, request, metadata, deleted))

    def _scale(self, target: Target, request: Request) -> Response:
        held = self._store.get(target.kind, target.key)
        if held is None:
            raise not_found(target.kind, target.name)
        if request.method == "GET":
            return Response.of(scale.scale_of(held.body))
        options = _options(target.kind, request)
        if request.method == "PUT":
            wanted = parsed_object(request)
        elif request.method == "PATCH":
            shown = Kind("autoscaling", "v1", "Scale", "scales", target.kind.shape)
            wanted = _patch_of(shown, request)(scale.scale_of(held.body))
        else:
            raise method_not_allowed(request.method)
        stored = self._writer.change(target, scale.scaling(wanted), options)
        return Response.of(scale.scale_of(stored.body))


def _number(request: Request, name: str) -> int | None:
    text = request.query.get(name, "")
    if text and not text.isdecimal():
        raise bad_request(f'{name}: strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text) if text else None


def _options(kind: Kind, request: Request) -> Options:
    """The parameters of a write; a 422 for those that the server does not take."""
    query = request.query
    apply = request.media_type == APPLY
    causes: list[Cause] = []
    dry_run, validation = query.get("dryRun", ""), query.get("fieldValidation", "")
    if dry_run not in {"", "All"}:
        causes.append(unsupported("dryRun", dry_run, ["All"]))
    if validation not in {"", "Strict", "Warn", "Ignore"}:
        causes.append(unsupported("fieldValidation", validation, ["Ignore", "Strict", "Warn"]))
    manager = query.get("fieldManager", "")
    if apply and not manager:
        causes.append(required("fieldManager", "is required for apply patch"))
    if "force" in query and request.method == "PATCH" and not apply:
        causes.append(forbidden_field("force", "may not be specified for non-apply patch"))
    if causes:
        options = f"{request.method.title()}Options"
        raise invalid(Kind("meta.k8s.io", "v1", options, "", kind.shape), "", causes)
    agent = request.headers.get("user-agent", "").partition("/")[0]
    return Options(
        manager=(manager or agent or "unknown")[:128],
        dry_run=bool(dry_run),
        force=request.flag("force"),
        validation=validation or "Warn",
    )


def _delete_options(request: Request) -> DeleteOptions:
    body = parsed(request) if request.body else {}
    if not isinstance(body, dict):
        raise bad_request("the body of a DELETE must be DeleteOptions")
    guards = body.get("preconditions") or {}
    dry_run = body.get("dryRun") == ["All"] or request.query.get("dryRun") == "All"
    return DeleteOptions(
        uid=guards.get("uid") or "",
        version=guards.get("resourceVersion") or "",
        dry_run=dry_run,
    )


def _patch_of(kind: Kind, request: Request) -> Callable[[dict[str, Any]], Any]:
    """The patch of a request, as a function of the live object."""
    media = request.media_type
    if media == _STRATEGIC and kind.custom:
        message = (
            "the body of the request was in an unknown format - accepted media types include: "
            f"{', '.join(sorted({*_PATCHES, APPLY}))}"
        )
        raise StatusError(415, "UnsupportedMediaType", message)
    if media not in {*_PATCHES, _STRATEGIC}:
        raise unsupported_media_type(media)
    patch = parsed(request)
    if media == "application/json-patch+json":
        return lambda live: json_patch(live, patch)
    if media == _STRATEGIC:
        return lambda live: strategic_patch(live, patch, kind.shape)
    return lambda live: merge_patch(live, patch)


def _written(
    kind: Kind, request: Request, stored: Stored, options: Options, status: int
) -> Response:
    warnings = tuple(
        ("Warning", "299 - " + json.dumps(text, ensure_ascii=False)) for text in options.warnings
    )
    return Response(status, _rendered(kind, request)(stored), headers=warnings)


def _wants_metadata(request: Request) -> bool:
    return "as=PartialObjectMetadata" in request.headers.get("accept", "")


def _rendered(kind: Kind, request: Request) -> Callable[[Stored], bytes]:
    """How one object is sent: whole or its metadata, in the version that was asked for."""
    if _wants_metadata(request):
        return lambda held: encode(
            {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": held.object["metadata"],
            }
        )
    if kind.custom:
        return lambda held: (
            held.raw
            if held.body["apiVersion"] == kind.api_version
            else encode({**held.object, "apiVersion": kind.api_version})
        )
    return lambda held: held.raw


def _rendered_list(
    kind: Kind, request: Request, metadata: dict[str, Any], items: list[Stored]
) -> bytes:
    name, version = kind.list_kind, kind.api_version
    render = _rendered(kind, request)
    if _wants_metadata(request):
        name, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
        parts = [render(held) for held in items]
    elif kind.custom:
        parts = [render(held) for held in items]
    else:
        # Items of built-in lists carry neither kind nor apiVersion.
        parts = [held.raw_item for held in items]
    head = encode({"kind": name, "apiVersion": version, "metadata": metadata})
    return head[:-1] + b',"items":[' + b",".join(parts) + b"]}"


def _start(token: str, store: Store) -> list[str]:
    """The key after which a continued list goes on."""
    if not token:
        return []
    try:
        value = json.loads(base64.urlsafe_b64decode(token))
        version, start = int(value["v"]), [str(part) for part in value["start"]]
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise bad_request(f"continue key is not valid: {token}") from None
    if store.events_after(version) is None:
        raise expired(
            "The provided continue parameter is too old to display a consistent list result. You "
            "can start a new list without the continue parameter."
        )
    return start
