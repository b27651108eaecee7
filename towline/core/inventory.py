"""ApplySet membership (KEP-3659): what is ours on a cluster, and what may be deleted.

The parent is a ConfigMap; members carry its id as a label. The parent is claimed (old and new)
before the first write and settled (new) after pruning, so that a crash at any point leaves no
member that the next run would not find.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from towline import __version__
from towline.core import fieldset
from towline.core.approval import Grant
from towline.core.errors import PermanentError
from towline.core.objects import (
    GroupKind,
    Object,
    ObjectKey,
    annotations_of,
    group_of,
    key_of,
    labels_of,
)
from towline.core.rollout import Rollout, format_jobs, parse_jobs

MANAGER = "towline"

ID_LABEL = "applyset.kubernetes.io/id"
PART_OF = "applyset.kubernetes.io/part-of"
TOOLING = "applyset.kubernetes.io/tooling"
GROUP_KINDS = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES = "applyset.kubernetes.io/additional-namespaces"

MEMBER_ID = "towline.dev/id"
_APPLICATION = "towline.dev/application"
_SUSPENDED = "towline.dev/suspended"
_APPROVED = "towline.dev/approved"
_REVISION = "towline.dev/revision"
_APPLIED = "towline.dev/applied"
_RUN = "towline.dev/run"
_STEERED = "towline.dev/steered"
_ROLLOUT = "towline.dev/rollout"
_JOBS = "towline.dev/jobs"
_GRANTED = "towline.dev/granted"

# These take other objects with them when they go.
_TAKES_OTHERS = {
    ("", "Namespace"),
    ("", "PersistentVolumeClaim"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
}


def parent_key(application: str, namespace: str) -> ObjectKey:
    return ObjectKey("", "ConfigMap", namespace, f"towline-{application}")


def applyset_id(parent: ObjectKey) -> str:
    """The id that kubectl computes for a parent (the formula of KEP-3659)."""
    text = ".".join((parent.name, parent.namespace, parent.kind, parent.group))
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
    return f"applyset-{digest.decode()}-v1"


def member_id(application: str, key: ObjectKey) -> str:
    """What the annotation on a member says: the application, and the object's own name.

    A label that was copied to another object, by an operator or a restore, comes without an
    annotation that names that object.
    """
    return f"{application}:{key.group}/{key.kind}:{key.namespace}/{key.name}"


def owner_named_by(live: Object) -> str | None:
    """The application that a live object's annotation names, if it names this very object."""
    text = annotations_of(live).get(MEMBER_ID, "")
    application = text.partition(":")[0]
    return application if application and text == member_id(application, key_of(live)) else None


@dataclass(frozen=True)
class Parent:
    """The parent of an application's set, as it stands on the cluster.

    `complete` is false where the contained kinds cannot be believed (the parent is missing, or
    somebody else wrote that annotation): members must then be looked for among all kinds.
    """

    application: str
    namespace: str
    resource_version: str | None = None
    uid: str | None = None
    complete: bool = False
    group_kinds: frozenset[GroupKind] = frozenset()
    namespaces: frozenset[str] = frozenset()
    """Besides the parent's own."""
    suspended: str | None = None
    approved: str | None = None
    """The digest of the plan that a person let through."""
    granted: Grant | None = None
    """What is left of it."""
    revision: str | None = None
    applied: str | None = None
    run: str | None = None
    steered: float | None = None
    """When a person last said something (seconds since the epoch): older words come too late."""
    rollout: Rollout | None = None
    jobs: Mapping[str, str] = field(default_factory=dict)
    """Jobs that have run and may be gone: from `namespace/name` to the digest of the manifest."""

    @cached_property
    def key(self) -> ObjectKey:
        return parent_key(self.application, self.namespace)

    @cached_property
    def id(self) -> str:
        return applyset_id(self.key)

    def claimed(
        self, keys: Iterable[ObjectKey], *, run: str, rollout: Rollout | None = None
    ) -> Parent:
        """The parent as it must stand before the first write: old and new together, and who writes.

        Naming the run changes the parent in any case, so that of two runs that read the same
        resourceVersion only one gets through. What was applied before a new revision began is no
        state to heal to any more: to go back to it is a change again.
        """
        is_new = rollout is not None and rollout.digest != self.applied
        return replace(
            self.widened(keys),
            run=run,
            rollout=rollout or self.rollout,
            applied=None if is_new else self.applied,
        )

    def widened(self, keys: Iterable[ObjectKey]) -> Parent:
        """The same, covering these objects as well."""
        group_kinds, namespaces = self._covering(keys)
        return replace(
            self,
            group_kinds=self.group_kinds | group_kinds,
            namespaces=self.namespaces | namespaces,
        )

    def settled(self, keys: Iterable[ObjectKey], *, revision: str, applied: str) -> Parent:
        """The parent after a run that did everything it planned: just what is left."""
        group_kinds, namespaces = self._covering(keys)
        return replace(
            self,
            group_kinds=group_kinds,
            namespaces=namespaces,
            revision=revision,
            applied=applied,
            approved=None,
            granted=None,
        )

    def _covering(self, keys: Iterable[ObjectKey]) -> tuple[frozenset[GroupKind], frozenset[str]]:
        """The parent's own namespace goes without saying (KEP-3659)."""
        keys = list(keys)
        namespaces = frozenset(key.namespace for key in keys) - {"", self.namespace}
        return frozenset(key.group_kind for key in keys), namespaces

    def body(self) -> Object:
        """The object to apply. Its resourceVersion makes it a compare-and-set; its UID keeps the
        apply from creating a parent anew that somebody deleted meanwhile."""
        annotations = {
            TOOLING: f"{MANAGER}/v{__version__}",
            GROUP_KINDS: ",".join(sorted(map(str, self.group_kinds))),
            NAMESPACES: ",".join(sorted(self.namespaces - {self.namespace})),
            _APPLICATION: self.application,
        }
        optional = {
            _SUSPENDED: self.suspended,
            _APPROVED: self.approved,
            _REVISION: self.revision,
            _APPLIED: self.applied,
            _RUN: self.run,
            _STEERED: None if self.steered is None else repr(self.steered),
            _ROLLOUT: str(self.rollout) if self.rollout else None,
            _JOBS: format_jobs(self.jobs),
            _GRANTED: str(self.granted) if self.granted else None,
        }
        annotations |= {name: text for name, text in optional.items() if text is not None}
        metadata: Object = {
            "name": self.key.name,
            "namespace": self.namespace,
            "labels": {ID_LABEL: self.id},
            "annotations": annotations,
        }
        if self.resource_version is not None:
            metadata["resourceVersion"] = self.resource_version
        if self.uid is not None:
            metadata["uid"] = self.uid
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def read_parent(live: Object | None, application: str, namespace: str) -> Parent:
    """Read the parent; raises PermanentError if it belongs to another tool."""
    empty = Parent(application, namespace)
    if live is None:
        return empty
    annotations = annotations_of(live)
    tool = annotations.get(TOOLING, "").rpartition("/")[0]
    if tool not in ("", MANAGER) or (not tool and annotations.get(_APPLICATION) != application):
        raise PermanentError(
            f"{empty.key} is not Towline's: its tooling is {tool or 'not named'}. "
            "Rename the application, or remove that ConfigMap if nothing uses it"
        )
    ours = fieldset.owns(live, MANAGER, ("metadata", "annotations", GROUP_KINDS))
    kinds = annotations.get(GROUP_KINDS)
    return replace(
        empty,
        resource_version=live["metadata"].get("resourceVersion"),
        uid=live["metadata"].get("uid"),
        complete=ours and kinds is not None and labels_of(live).get(ID_LABEL) == empty.id,
        group_kinds=frozenset(GroupKind.parse(kind) for kind in (kinds or "").split(",") if kind),
        namespaces=frozenset(filter(None, annotations.get(NAMESPACES, "").split(","))),
        suspended=annotations.get(_SUSPENDED),
        approved=annotations.get(_APPROVED),
        revision=annotations.get(_REVISION),
        applied=annotations.get(_APPLIED),
        run=annotations.get(_RUN),
        steered=_number(annotations.get(_STEERED)),
        rollout=Rollout.parse(annotations.get(_ROLLOUT)),
        jobs=parse_jobs(annotations.get(_JOBS)),
        granted=Grant.parse(annotations.get(_GRANTED)),
    )


def application_of(live: Object, namespace: str) -> str | None:
    """The application whose parent a ConfigMap is, or would be by its name; else None."""
    application = key_of(live).name.removeprefix("towline-")
    return application if key_of(live) == parent_key(application, namespace) else None


def parent_of(live: Object, namespace: str) -> Parent | None:
    """The parent that a ConfigMap is; None for one of another tool, or whose id is not its own.

    KEP-3659 has whoever reads a set compute the id again.
    """
    application = application_of(live, namespace)
    if application is None:
        return None
    try:
        parent = read_parent(live, application, namespace)
    except PermanentError:
        return None
    return parent if labels_of(live).get(ID_LABEL) == parent.id else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None


def is_inventory(body: Object, parent: Parent) -> bool:
    """Whether an object is the parent of an application, or would be taken for one.

    Applied from Git it would lose what is noted in it, for the field manager is the same: who is
    suspended, what was approved, which kinds to look for.
    """
    if body["kind"] != parent.key.kind or group_of(body["apiVersion"]) != parent.key.group:
        return False
    annotations = annotations_of(body)
    tool = annotations.get(TOOLING, "").rpartition("/")[0]
    return key_of(body) == parent.key or tool == MANAGER or _APPLICATION in annotations


def why_not_ours(live: Object, parent: Parent) -> str | None:
    """What stands against deleting a live object that carries our label; None if it is ours."""
    if labels_of(live).get(PART_OF) != parent.id:
        return "it does not carry the label of this application"
    if owner_named_by(live) != parent.application:
        return "its annotation does not name it: the label was copied"
    if fieldset.apply_entry(live, MANAGER) is None:
        return "Towline never applied it"
    controller = controller_of(live)
    return f"{controller} controls it" if controller else None


def controller_of(live: Object) -> str | None:
    """`Kind/name` of the object's controller, if it has one."""
    for owner in live["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            return f"{owner.get('kind')}/{owner.get('name')}"
    return None


def why_kept(live: Object) -> str | None:
    """What the object itself says against being pruned."""
    annotations = annotations_of(live)
    if annotations.get("towline.dev/reconcile") == "disabled":
        return "towline.dev/reconcile is disabled"
    if annotations.get("towline.dev/prune") == "disabled":
        return "towline.dev/prune is disabled"
    return None


def consent_needed(live: Object) -> str:
    """Why a person must approve that the object goes; empty if nobody need.

    What somebody wrote on the live object is no consent: it must have been applied from Git.
    """
    path = ("metadata", "annotations", "towline.dev/prune")
    enabled = annotations_of(live).get("towline.dev/prune") == "enabled"
    if enabled and fieldset.owns(live, MANAGER, path):
        return ""
    return takes_others(key_of(live))


def takes_others(key: ObjectKey) -> str:
    """That objects of such a kind take others with them when they go; empty if they do not."""
    if (key.group, key.kind) not in _TAKES_OTHERS:
        return ""
    return f"a {key.kind} takes others with it, and towline.dev/prune was not enabled in Git"
