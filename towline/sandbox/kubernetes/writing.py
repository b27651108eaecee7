"""Creating and changing objects: what each verb does with a body, and who owns the result."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from towline.sandbox.kubernetes import apply as ownership
from towline.sandbox.kubernetes import strict
from towline.sandbox.kubernetes.checks import (
    check_type,
    check_type_kept,
    check_uid,
    check_uid_kept,
    check_version,
    checked_metadata,
    conversion_message,
    screened,
    typing_message,
)
from towline.sandbox.kubernetes.definitions import kinds_of
from towline.sandbox.kubernetes.fields import ListKeyError
from towline.sandbox.kubernetes.kinds import DEFINITION, NAMESPACE, Kind, Kinds
from towline.sandbox.kubernetes.merge import clone
from towline.sandbox.kubernetes.preparing import assigned_paths, check_size, now, prepared
from towline.sandbox.kubernetes.removing import Remover
from towline.sandbox.kubernetes.status import (
    Cause,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    internal,
    invalid,
    not_found,
)
from towline.sandbox.kubernetes.store import Key, Store, Stored
from towline.sandbox.kubernetes.targets import Options, Target
from towline.sandbox.kubernetes.validation import undecodable

Body = dict[str, Any]

Patch = Callable[[Body], Any]
"""From the live object to the wanted one."""


class Writer:
    """Writes to one store; every method holds its lock from reading to writing."""

    def __init__(self, store: Store, kinds: Kinds) -> None:
        self._store = store
        self._kinds = kinds
        self._remover = Remover(store, kinds)

    def create(self, target: Target, body: Body, options: Options) -> Stored:
        kind = target.kind
        check_type(kind, body)
        metadata = checked_metadata(target, body)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata = {**metadata, "name": metadata["generateName"] + _suffix()}
        if kind.namespaced:
            metadata = {**metadata, "namespace": target.namespace}
        if not metadata.get("name"):
            cause = Cause(
                "FieldValueRequired",
                "Required value: name or generateName is required",
                "metadata.name",
            )
            raise invalid(kind, "", [cause])
        if metadata.get("resourceVersion"):
            raise internal("resourceVersion should not be set on objects to be created")
        body = screened(kind, {**body, "metadata": metadata}, options)
        key = (target.namespace, str(metadata["name"]))
        with self._store.lock:
            self._check_namespace(kind, key)
            if self._store.get(kind, key):
                raise already_exists(kind, key[1])
            new = prepared(kind, body, None)
            managers = self._tracked(target, None, body, new, options)
            named = Target(kind, *key)
            return self._commit(named, new, managers, None, options)

    def replace(self, target: Target, body: Body, options: Options) -> Stored:
        check_type(target.kind, body)
        metadata = checked_metadata(target, body)
        body = screened(target.kind, {**body, "metadata": metadata}, options)
        with self._store.lock:
            old = self._existing(target)
            check_uid(target, metadata, old)
            if target.kind.custom and not metadata.get("resourceVersion"):
                cause = Cause(
                    "FieldValueInvalid",
                    "Invalid value: 0: must be specified for an update",
                    "metadata.resourceVersion",
                )
                raise invalid(target.kind, target.name, [cause])
            return self._update(target, old, body, options)

    def change(self, target: Target, patch: Patch, options: Options) -> Stored:
        """Change the live object by a function of it: any patch that is not an apply."""
        with self._store.lock:
            old = self._existing(target)
            body = patch({**old.object, "apiVersion": target.kind.api_version})
            if not isinstance(body, dict):
                raise bad_request("a patch must leave an object")
            check_type_kept(target.kind, body)
            metadata = checked_metadata(target, body)
            check_uid_kept(target, metadata, old)
            body = screened(target.kind, {**body, "metadata": metadata}, options)
            return self._update(target, old, body, options)

    def apply(self, target: Target, config: Body, options: Options) -> tuple[Stored, bool]:
        """Server-side apply; also whether the object was created."""
        kind = target.kind
        version, name = config.get("apiVersion") or "", config.get("kind") or ""
        if (version, name) != (kind.api_version, kind.kind):
            group, _, version = version.rpartition("/")
            raise bad_request(f"invalid object type: {group}/{version}, Kind={name}")
        metadata = checked_metadata(target, config)
        if metadata.get("managedFields") is not None:
            raise bad_request("metadata.managedFields must be nil")
        if error := strict.typing_error(config, kind.shape):
            # Not a 400: the real server did not foresee this error, and answers 500.
            raise internal(typing_message(kind, config, error))
        with self._store.lock:
            old = self._store.get(kind, target.key)
            if old is None:
                return self._apply_new(target, config, options), True
            check_version(target, metadata, old)
            check_uid_kept(target, metadata, old)
            writer = self._apply_writer(target, options)
            body, managers = ownership.server_side_apply(
                _as_served(kind, old),
                _config(config),
                shape=kind.shape,
                managers=old.managers,
                writer=writer,
            )
            new = _converted(kind, config, body, old, target.subresource)
            return self._commit(target, new, managers, old, options), False

    def _apply_new(self, target: Target, config: Body, options: Options) -> Stored:
        kind = target.kind
        if target.subresource:
            raise not_found(kind, target.name)
        metadata = config.get("metadata") or {}
        if metadata.get("uid"):
            why = (
                f"uid mismatch: the provided object specified uid {metadata['uid']}, and no "
                "existing object was found"
            )
            raise conflict(kind, target.name, why)
        if not metadata.get("name"):
            raise bad_request(
                f"the name of the object ({target.name} based on URL) was undeterminable: name "
                "must be provided"
            )
        # A resourceVersion alone does not keep the real server from creating the object.
        self._check_namespace(kind, target.key)
        config = _config(config)
        body, managers = ownership.server_side_apply(
            {},
            config,
            shape=kind.shape,
            managers={},
            writer=self._apply_writer(target, options),
        )
        names = {"name": target.name}
        if kind.namespaced:
            names["namespace"] = target.namespace
        body = {**body, "metadata": {**body.get("metadata", {}), **names}}
        new = _converted(kind, config, body, None)
        return self._commit(target, new, managers, None, options)

    def _update(self, target: Target, old: Stored, body: Body, options: Options) -> Stored:
        kind = target.kind
        check_version(target, body["metadata"], old)
        new = prepared(kind, body, old, target.subresource)
        managers = self._tracked(target, old, body, new, options)
        return self._commit(target, new, managers, old, options)

    def _tracked(
        self, target: Target, old: Stored | None, body: Body, new: Body, options: Options
    ) -> ownership.Managers:
        kind = target.kind
        managed = body["metadata"].get("managedFields")
        managers = dict(old.managers) if old else {}
        if managed is not None:
            given = ownership.read_managers(item for item in managed if item)
            # An empty list, or one of an empty entry, resets the tracking.
            managers = given if given or old is None or managed in ([], [{}]) else managers
        writer = ownership.Writer(
            name=options.manager,
            api_version=kind.api_version,
            time=now(),
            subresource=target.subresource,
            resets=(*_resets(target), *(assigned_paths(kind, body) if old is None else ())),
        )
        try:
            return ownership.tracked(
                old.body if old else None,
                new,
                shape=kind.shape,
                managers=managers,
                writer=writer,
            )
        except ListKeyError:
            # As the real server: an object that cannot be typed is written untracked.
            return managers

    def _apply_writer(self, target: Target, options: Options) -> ownership.Writer:
        return ownership.Writer(
            name=options.manager,
            api_version=target.kind.api_version,
            time=now(),
            subresource=target.subresource,
            resets=_resets(target),
            force=options.force,
        )

    def _existing(self, target: Target) -> Stored:
        old = self._store.get(target.kind, target.key)
        if old is None:
            raise not_found(target.kind, target.name)
        return old

    def _check_namespace(self, kind: Kind, key: Key) -> None:
        if not kind.namespaced:
            return
        namespace = self._store.get(NAMESPACE, ("", key[0]))
        if namespace is None:
            raise not_found(NAMESPACE, key[0])
        if "deletionTimestamp" in namespace.metadata:
            why = (
                f"unable to create new content in namespace {key[0]} because it is being terminated"
            )
            message = f"namespace {key[0]} is being terminated"
            cause = Cause("NamespaceTerminating", message, "metadata.namespace")
            raise forbidden(kind, key[1], why, [cause])

    def _commit(
        self,
        target: Target,
        body: Body,
        managers: ownership.Managers,
        old: Stored | None,
        options: Options,
    ) -> Stored:
        kind, key = target.kind, target.key
        if old and body == _as_served(kind, old) and _same_fields(managers, old.managers):
            return old
        check_size(body)
        if options.dry_run:
            return Stored(body, managers)
        if old and "deletionTimestamp" in body["metadata"]:
            # What loses its last finalizer is removed, not written: the version stays.
            last = Stored(body, managers)
            if self._remover.finish(kind, key, last):
                return last
        stored = self._store.put(kind.bucket, key, body, managers)
        if kind is DEFINITION:
            self._kinds.define(key[1], kinds_of(stored.body))
        return stored


def _converted(
    kind: Kind, config: Body, body: Body, old: Stored | None, subresource: str = ""
) -> Body:
    """What is stored of an applied object; one that cannot be decoded is no 400 here."""
    if why := undecodable(kind, body):
        if "unmarshal number" in why:
            # Another decoder, with words of its own.
            why = "cannot convert float64 to int32"
        raise internal(conversion_message(kind, config, why))
    return prepared(kind, body, old, subresource)


def _as_served(kind: Kind, old: Stored) -> Body:
    return {**old.body, "apiVersion": kind.api_version} if kind.custom else old.body


def _config(config: Body) -> Body:
    """What is applied, without what only identifies the object or guards the request."""
    metadata = {
        name: value
        for name, value in config["metadata"].items()
        if name not in {"resourceVersion", "uid", "creationTimestamp", "managedFields"}
    }
    wanted: Body = clone({**config, "metadata": metadata})
    return wanted


def _resets(target: Target) -> tuple[tuple[str, ...], ...]:
    if target.subresource == "status":
        return (("f:spec",), ("f:metadata",))
    return (("f:status",),) if target.kind.has_status else ()


def _same_fields(left: ownership.Managers, right: ownership.Managers) -> bool:
    """Whether only times differ, which is no reason to write."""
    return left.keys() == right.keys() and all(
        left[manager].fields == right[manager].fields
        and left[manager].api_version == right[manager].api_version
        for manager in left
    )


def _suffix() -> str:
    # The server's alphabet for generated names: no vowels, nothing that looks alike.
    return "".join(secrets.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5))
