"""Deleting: preconditions, finalizers, and what goes along with a namespace or a definition.

Garbage collection by ownerReferences is left out, and so are grace periods: an object without
finalizers is gone at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from towline.sandbox.kubernetes.kinds import DEFINITION, NAMESPACE, Kind, Kinds
from towline.sandbox.kubernetes.preparing import now
from towline.sandbox.kubernetes.status import forbidden, not_found, precondition_failed
from towline.sandbox.kubernetes.store import Key, Store, Stored

_HOLDERS = (NAMESPACE, DEFINITION)
_PROTECTED = frozenset({"default", "kube-system", "kube-public"})


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """The parameters of a DELETE; without garbage collection there are no dependents."""

    uid: str = ""
    version: str = ""
    dry_run: bool = False
    foreground: bool = False


class Remover:
    """Removes from one store, and tells `kinds` about definitions that are gone."""

    def __init__(self, store: Store, kinds: Kinds) -> None:
        self._store = store
        self._kinds = kinds

    def delete(self, kind: Kind, key: Key, options: DeleteOptions) -> tuple[Stored, bool]:
        """The object as it was or now is, and whether it is gone."""
        with self._store.lock:
            held = self._store.get(kind, key)
            if held is None:
                raise not_found(kind, key[1])
            self._check(kind, key, held, options)
            if options.dry_run:
                if not held.metadata.get("finalizers"):
                    return held, True
                return Stored(_deleted(kind, held), held.managers), False
            if not self._lingers(kind, key, held):
                self._remove(kind, key)
                if options.foreground:
                    # As if the garbage collector had found no dependents right afterwards.
                    return _waiting(kind, held), False
                if kind in _HOLDERS:
                    # As if the controllers had seen to their content right afterwards.
                    return Stored(_deleted(kind, held), held.managers), False
                return held, True
            if "deletionTimestamp" not in held.metadata:
                held = self._store.put(kind.bucket, key, _deleted(kind, held), held.managers)
            self._empty(kind, key)
            left = self._store.get(kind, key)
            if left is not None:
                self.finish(kind, key, left)
            left = self._store.get(kind, key)
            return left or held, left is None and kind not in _HOLDERS

    def finish(self, kind: Kind, key: Key, held: Stored) -> bool:
        """Remove an object that is being deleted, once nothing holds it any more."""
        if "deletionTimestamp" in held.metadata and not self._lingers(kind, key, held):
            self._remove(kind, key)
            return True
        return False

    def _check(self, kind: Kind, key: Key, held: Stored, options: DeleteOptions) -> None:
        if options.uid and options.uid != held.uid:
            why = (
                f"the UID in the precondition ({options.uid}) does not match the UID in record "
                f"({held.uid}). The object might have been deleted and then recreated"
            )
            raise precondition_failed(kind, key[1], why)
        if options.version and options.version != held.version:
            why = (
                f"the ResourceVersion in the precondition ({options.version}) does not match the "
                f"ResourceVersion in record ({held.version}). The object might have been modified"
            )
            raise precondition_failed(kind, key[1], why)
        if kind is NAMESPACE and key[1] in _PROTECTED:
            raise forbidden(kind, key[1], "this namespace may not be deleted")

    def _lingers(self, kind: Kind, key: Key, held: Stored) -> bool:
        """Whether the object has to stay: finalizers, or content that is still there."""
        return bool(held.metadata.get("finalizers")) or self._has_content(kind, key, held)

    def _has_content(self, kind: Kind, key: Key, held: Stored) -> bool:
        if kind is NAMESPACE:
            return next(self._store.in_namespace(key[1]), None) is not None
        if kind is DEFINITION:
            return any(self._store.items(defined) for defined in self._defined(held))
        return False

    def _defined(self, definition: Stored) -> list[Kind]:
        spec = definition.body["spec"]
        bucket = (spec["group"], spec["names"]["plural"])
        kind = self._kinds.of_bucket(bucket)
        return [kind] if kind else []

    def _empty(self, kind: Kind, key: Key) -> None:
        """Delete the content; what has finalizers stays, and with it what it is in."""
        if kind is NAMESPACE:
            for bucket, inner, _ in self._store.in_namespace(key[1]):
                owner = self._kinds.of_bucket(bucket)
                if owner:
                    self.delete(owner, inner, DeleteOptions())
        elif kind is DEFINITION:
            held = self._store.get(kind, key)
            for defined in self._defined(held) if held else ():
                for inner, _ in self._store.items(defined):
                    self.delete(defined, inner, DeleteOptions())

    def _remove(self, kind: Kind, key: Key) -> None:
        removed = self._store.remove(kind.bucket, key)
        if removed is None:
            return
        if kind is DEFINITION:
            self._kinds.forget(key[1])
        self._finish_holders(kind, key)

    def _finish_holders(self, kind: Kind, key: Key) -> None:
        """A namespace or definition that waited for this object to go may go now."""
        if key[0]:
            self._finish_named(NAMESPACE, key[0])
        if kind.custom:
            self._finish_named(DEFINITION, f"{kind.plural}.{kind.group}")

    def _finish_named(self, kind: Kind, name: str) -> None:
        holder = self._store.get(kind, ("", name))
        if holder is not None:
            self.finish(kind, ("", name), holder)


def _waiting(kind: Kind, held: Stored) -> Stored:
    body = _deleted(kind, held)
    metadata = {**body["metadata"], "finalizers": ["foregroundDeletion"]}
    return Stored({**body, "metadata": metadata}, held.managers)


def _deleted(kind: Kind, held: Stored) -> dict[str, Any]:
    metadata = {**held.metadata, "deletionTimestamp": now()}
    if kind not in _HOLDERS:
        metadata["deletionGracePeriodSeconds"] = 0
    if kind.has_generation and kind is not DEFINITION:
        metadata["generation"] = metadata.get("generation", 0) + 1
    body = {**held.body, "metadata": metadata}
    if kind is NAMESPACE:
        body["status"] = {**body.get("status", {}), "phase": "Terminating"}
    return body
