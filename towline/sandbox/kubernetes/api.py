"""The verbs of the API: from a request about a resource to its response."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from towline.sandbox.kubernetes import scale
from towline.sandbox.kubernetes.causes import forbidden_field, required, unsupported
from towline.sandbox.kubernetes.kinds import NAMESPACE, Kind, Kinds
from towline.sandbox.kubernetes.messages import Request, Response, parsed, parsed_object
from towline.sandbox.kubernetes.patch import json_patch, merge_patch, strategic_patch
from towline.sandbox.kubernetes.removing import DeleteOptions, Remover
from towline.sandbox.kubernetes.selectors import parse
from towline.sandbox.kubernetes.shape import PLAIN
from towline.sandbox.kubernetes.status import (
    Cause,
    StatusError,
    bad_request,
    expired,
    internal,
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
_PATCHES = ("application/json-patch+json", "application/merge-patch+json")
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
            raise method_not_allowed()
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
        if target.kind is NAMESPACE:
            many.pop("DELETE")
        return (one if target.name else many).get(request.method)

    def _get(self, target: Target, request: Request) -> Response:
        held = self._store.get(target.kind, target.key)
        if held is None:
            raise not_found(target.kind, target.name)
        return Response(200, _rendered(target.kind, request)(held))

    def _list(self, target: Target, request: Request) -> Response:
        kind, query = target.kind, request.query
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        selected = parse(kind, labels, fields)
        limit = _number(request, "limit")
        version, start = _position(request, self._store.version)
        with self._store.lock:
            version = self._store.version if version < 0 else version
            found = self._store.items_at(kind, target.namespace, version)
        if found is None:
            raise _expired(request, start)
        pairs = [
            (key, held)
            for key, held in found
            if selected(held.body) and "/".join(key) + "\0" > start
        ]
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if limit > 0 and len(pairs) > limit:
            metadata["continue"] = _token(version, "/".join(pairs[limit - 1][0]) + "\0")
            if not labels and not fields:
                # Nobody counts what a selector has not been asked about yet.
                metadata["remainingItemCount"] = len(pairs) - limit
            pairs = pairs[:limit]
        return Response(200, _rendered_list(kind, request, metadata, [held for _, held in pairs]))

    def _watch(self, target: Target, request: Request) -> Response:
        query = request.query
        version = query.get("resourceVersion", "")
        initial = request.flag("sendInitialEvents")
        if initial and query.get("resourceVersionMatch") != "NotOlderThan":
            why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise invalid(_options_kind("List"), "", [forbidden_field("resourceVersionMatch", why)])
        if not version.isdecimal() and version:
            raise internal(f"resourceVersion: {_no_version(version)}")
        watch = Watch(
            kind=target.kind,
            namespace=target.namespace,
            selected=parse(
                target.kind, query.get("labelSelector", ""), query.get("fieldSelector", "")
            ),
            render=_rendered(target.kind, request),
            version=int(version) if version not in {"", "0"} and not initial else None,
            bookmarks=request.flag("allowWatchBookmarks"),
            initial_events_end=initial,
            # Zero counts as not given.
            seconds=_number(request, "timeoutSeconds") or None,
        )
        return Response(200, stream=watch.lines(self._store))

    def _post(self, target: Target, request: Request) -> Response:
        body, twice = parsed_object(request)
        options = _options(request, twice)
        created = self._writer.create(target, body, options)
        return _written(target.kind, request, created, options, 201)

    def _put(self, target: Target, request: Request) -> Response:
        body, twice = parsed_object(request)
        options = _options(request, twice)
        stored = self._writer.replace(target, body, options)
        return _written(target.kind, request, stored, options, 200)

    def _patch(self, target: Target, request: Request) -> Response:
        if request.media_type == APPLY:
            config, twice = parsed_object(request)
            options = _options(request)
            _check_twice(options, twice)
            stored, created = self._writer.apply(target, config, options)
            return _written(target.kind, request, stored, options, 201 if created else 200)
        options = _options(request)
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
        query = request.query
        selected = parse(
            target.kind, query.get("labelSelector", ""), query.get("fieldSelector", "")
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
        options = _options(request)
        if request.method == "PUT":
            wanted, _ = parsed_object(request)
        elif request.method == "PATCH":
            shown = Kind("autoscaling", "v1", "Scale", "scales", target.kind.shape)
            wanted = _patch_of(shown, request)(scale.scale_of(held.body))
        else:
            raise method_not_allowed()
        stored = self._writer.change(target, scale.scaling(wanted), options)
        return Response.of(scale.scale_of(stored.body))


def _number(request: Request, name: str) -> int:
    text = request.query.get(name, "")
    try:
        return int(text or "0")
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _no_version(text: str) -> str:
    return f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'


def _options_kind(verb: str) -> Kind:
    return Kind("meta.k8s.io", "v1", f"{verb}Options", "", PLAIN)


_VERBS = {"POST": "Create", "PUT": "Update", "PATCH": "Patch"}


def _check_twice(options: Options, twice: tuple[str, ...]) -> None:
    """Refuse or drop what an applied body names twice; nobody warns of that."""
    if twice and options.validation == "Strict":
        raise bad_request(f"error strict decoding patch: error converting YAML to JSON: {twice[0]}")


def _options(request: Request, duplicates: tuple[str, ...] = ()) -> Options:
    """The parameters of a write; a 422 for those that the server does not take."""
    query = request.query
    apply = request.media_type == APPLY
    causes: list[Cause] = []
    dry_run, validation = query.get("dryRun", ""), query.get("fieldValidation", "")
    if dry_run not in {"", "All"}:
        causes.append(unsupported("dryRun", [dry_run], ["All"]))
    if validation not in {"", "Strict", "Warn", "Ignore"}:
        causes.append(unsupported("fieldValidation", validation, ["", "Ignore", "Strict", "Warn"]))
    manager = query.get("fieldManager", "")
    if apply and not manager:
        causes.append(required("fieldManager", "is required for apply patch"))
    if "force" in query and request.method == "PATCH" and not apply:
        causes.append(forbidden_field("force", "may not be specified for non-apply patch"))
    if causes:
        raise invalid(_options_kind(_VERBS[request.method]), "", causes)
    agent = request.headers.get("user-agent", "").partition("/")[0]
    return Options(
        manager=(manager or agent or "unknown")[:128],
        dry_run=bool(dry_run),
        force=request.flag("force"),
        validation=validation or "Warn",
        duplicates=duplicates,
    )


_POLICIES = ("Foreground", "Background", "Orphan")


def _delete_options(request: Request) -> DeleteOptions:
    body = parsed_object(request)[0] if request.body else {}
    policy = body.get("propagationPolicy") or request.query.get("propagationPolicy") or ""
    if policy not in {"", *_POLICIES}:
        cause = unsupported("propagationPolicy", policy, [*_POLICIES, "nil"], is_sorted=False)
        raise invalid(_options_kind("Delete"), "", [cause])
    guards = body.get("preconditions") or {}
    dry_run = body.get("dryRun") == ["All"] or request.query.get("dryRun") == "All"
    return DeleteOptions(
        uid=guards.get("uid") or "",
        version=guards.get("resourceVersion") or "",
        dry_run=dry_run,
        foreground=policy == "Foreground",
    )


def _patch_of(kind: Kind, request: Request) -> Callable[[dict[str, Any]], Any]:
    """The patch of a request, as a function of the live object."""
    media = request.media_type
    accepted = [*_PATCHES, APPLY] if kind.custom else [*_PATCHES, _STRATEGIC, APPLY]
    if media not in accepted:
        raise unsupported_media_type(*accepted)
    patch = parsed(request).value
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
    if _wants_metadata(request) and not parts:
        return head[:-1] + b',"items":null}'
    return head[:-1] + b',"items":[' + b",".join(parts) + b"]}"


def _position(request: Request, now: int) -> tuple[int, str]:
    """The version that a list shows, -1 for the present one, and the key that it starts after."""
    token, version = request.query.get("continue", ""), request.query.get("resourceVersion", "")
    if token:
        if version not in {"", "0"}:
            raise bad_request("specifying resource version is not allowed when using continue")
        return _read_token(token)
    if version and not version.isdecimal():
        raise bad_request(f"invalid resource version: resourceVersion: {_no_version(version)}")
    wanted = int(version or "0")
    if wanted > now:
        raise _too_large_version(wanted, now)
    exact = request.query.get("resourceVersionMatch") == "Exact"
    return (wanted if exact else -1), ""


def _token(version: int, start: str) -> str:
    """Where a list goes on, as the real server writes it."""
    text = encode({"v": "meta.k8s.io/v1", "rv": version, "start": start})
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, str]:
    try:
        value = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(value["rv"]), str(value["start"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        why = "continue key is not valid"
        raise bad_request(f"invalid continue token: {why}") from None


def _expired(request: Request, start: str) -> StatusError:
    if "continue" not in request.query:
        return expired("The resourceVersion for the provided list is too old.")
    message = (
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter, or use the continue token in this "
        "response to retrieve the remainder of the results. Continuing with the provided token "
        "results in an inconsistent list - objects that were created, modified, or deleted between "
        "the time the first chunk was returned and now may show up in the list."
    )
    return expired(message, {"continue": _token(-1, start)})


def _too_large_version(wanted: int, now: int) -> StatusError:
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return StatusError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {wanted}, current: {now}",
        {"causes": [cause], "retryAfterSeconds": 1},
        retry_after=1,
    )
