"""Does the live object already hold what we would apply?

Server-side apply writes down in `metadata.managedFields` which fields our last apply named. If
the manifest names exactly these, and the live object has the manifest's value in each, another
apply would change neither the object nor our entry, and no request is needed.

To call something unchanged that is not is the one mistake that may never be made here; to miss
an object that is unchanged costs one dry run. So whatever cannot be told without the schema, or
is not in the form in which a server writes it, is not proven. The rules are those of
structured-merge-diff (`typed/tofieldset.go`, `typed/merge.go`):

- a scalar, an atomic map or list and an empty map are owned as a leaf;
- a map of named fields is owned through its fields. Only where it is itself the value of an
  arbitrary name (`additionalProperties`, unknown fields) does it also hold a `.`;
- each item of an associative list holds a `.`, an item of an atomic type is a leaf;
- the order of our items is ours, and the items of others stand between them;
- null and an empty map are owned as they stand, an empty associative list is not;
- quantities of built-in kinds are written back in the server's own form, and count as equal if
  they would be written as they stand in the live object.

A leaf with a map in it has two readings: an atomic map, or an empty map applied back then that
others have filled. They differ in whether to name the content is a change of ownership. Known
names of atomic maps decide it, and whether somebody owns a field inside. A definition whose
schema changed meanwhile cannot be seen here: the server would rewrite the entry at the next
apply, and the values are the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from towline.core import quantity
from towline.core.fieldset import FieldSet, Path, apply_entry, entries
from towline.core.objects import BUILT_IN_GROUPS, GroupKind, Object, group_of


def proves_unchanged(desired: Object, live: Object, manager: str) -> bool:
    """True only if a forced apply of `desired` by `manager` would certainly change nothing.

    Neither the fields of the object nor the manager's entry would change. A Secret's
    `stringData` has to be turned into `data` beforehand, and `live` has to carry its apiVersion
    and kind, which the items of a LIST may lack. Nothing raises for malformed input.
    """
    try:
        return _is_proven(desired, live, manager)
    except RecursionError:
        return False


def is_same_json(left: Any, right: Any) -> bool:
    """Whether both are the same JSON: `1` is `1.0`, but true is not 1, and -0.0 is not 0."""
    kind = type(left)
    if kind is float or kind is not type(right):
        return _is_same_number(left, right)
    if kind is dict:
        return len(left) == len(right) and all(
            name in right and is_same_json(value, right[name]) for name, value in left.items()
        )
    if kind is list:
        return len(left) == len(right) and all(map(is_same_json, left, right))
    return bool(left == right)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TYPE_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata"})

# What the server strips from every field set (`managedfields/internal/stripmeta.go`).
_STRIPPED_METADATA: Final = _words(
    """
    name namespace creationTimestamp selfLink uid clusterName generation managedFields
    resourceVersion
    """
)

# Fields of built-in kinds whose value is an atomic map, wherever they occur and hold a map; read
# from the schema in client-go (`applyconfigurations/internal`), without `data`, which is atomic
# in ControllerRevision alone.
_ATOMIC_MAPS: Final = _words(
    """
    configMapKeyRef controllerExpandSecretRef controllerPublishSecretRef dataSource fieldRef
    fileKeyRef labelSelector matchConstraints matchResources namespaceSelector
    nodeExpandSecretRef nodePublishSecretRef nodeSelector nodeStageSecretRef objectSelector
    paramKind paramRef podSelector port required
    requiredDuringSchedulingIgnoredDuringExecution resource resourceFieldRef roleRef
    scaleTargetRef scopeSelector secretKeyRef secretRef selector
    """
)
# These are granular in some version. There validation asks for a field in them, so that none can
# have been applied empty, and a leaf is an atomic map all the same.
_SOMETIMES_GRANULAR: Final = frozenset({"port", "resource", "roleRef", "scaleTargetRef"})
# What is owned field by field all the same was applied before the server made it atomic: the
# next apply would own it whole, and remove what others put in.
_NEVER_GRANULAR: Final = frozenset(f"f:{name}" for name in _ATOMIC_MAPS - _SOMETIMES_GRANULAR)

# In custom kinds the same names are used with the same types, but only for these does no schema
# put defaults into an empty one, and no one would apply an empty reference.
_ATOMIC_MAPS_OF_CUSTOM_KINDS: Final = _words(
    """
    configMapKeyRef fieldRef labelSelector namespaceSelector nodeSelector
    objectSelector podSelector resourceFieldRef secretKeyRef selector
    """
)

# Fields of built-in kinds that are associative lists: a leaf there was null when it was applied.
# A test compares these names with the types that a server publishes.
_ASSOCIATIVE_LISTS: Final = _words(
    """
    bindMountOptions claims conditions containers devices disableResizePreemption drivers env
    ephemeralContainers evictionResponders finalizers hostAliases imagePullSecrets
    initContainers mapping matchConditions ownerReferences podCIDRs podGroupTemplates podIPs
    ports requesters reservedFor resourceClaims schedulingGates secrets skipNodeOperations
    topologySpreadConstraints validationActions variables volumeDevices volumeLifecycleModes
    volumeMounts volumes webhooks
    """
)
_ATOMIC_LISTS_BY_KIND: Final = frozenset(
    {
        ("EndpointSlice", "ports"),
        ("MutatingAdmissionPolicy", "variables"),
        ("ResourceSlice", "devices"),
        ("ServiceAccount", "imagePullSecrets"),
    }
)

_ITEM: Final = "[]"
"""What stands for an item of any list in the names of a path."""

_IN_PODS: Final = frozenset(
    {
        ("resources", "limits", None),
        ("resources", "requests", None),
        ("spec", "overhead", None),
        (None, "emptyDir", "sizeLimit"),
        (None, "resourceFieldRef", "divisor"),
    }
)
# Where quantities stand: the last three names of their paths, None for any. Elsewhere a text
# that looks like one is a text.
_QUANTITIES: Final = {
    **dict.fromkeys(
        (
            *(GroupKind("", kind) for kind in ("Pod", "PodTemplate", "ReplicationController")),
            *(
                GroupKind("apps", kind)
                for kind in ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")
            ),
            *(GroupKind("batch", kind) for kind in ("CronJob", "Job")),
        ),
        _IN_PODS,
    ),
    GroupKind("", "LimitRange"): frozenset(
        (_ITEM, name, None)
        for name in ("default", "defaultRequest", "max", "maxLimitRequestRatio", "min")
    ),
    GroupKind("", "PersistentVolume"): frozenset({("spec", "capacity", None)}),
    GroupKind("", "PersistentVolumeClaim"): frozenset(
        {("resources", "limits", None), ("resources", "requests", None)}
    ),
    GroupKind("", "ResourceQuota"): frozenset({("spec", "hard", None)}),
    GroupKind("autoscaling", "HorizontalPodAutoscaler"): frozenset(
        {(None, "target", "averageValue"), (None, "target", "value")}
    ),
    GroupKind("node.k8s.io", "RuntimeClass"): frozenset({("overhead", "podFixed", None)}),
}

_PLAIN: Final = frozenset({str, int, bool, type(None)})
_MISSING: Final = ()
"""Stands for an absent value; it is hashable, and no JSON is read as a tuple."""
_KEY_TYPES: Final = frozenset({str, int, tuple})


def _is_same_number(left: Any, right: Any) -> bool:
    return (
        {type(left), type(right)} <= {int, float}
        and left == right
        and math.copysign(1, left) == math.copysign(1, right)
    )


def _is_proven(desired: Object, live: Object, manager: str) -> bool:
    entry = apply_entry(live, manager)
    if entry is None or not _is_comparable(desired, live, entry):
        return False
    fields = entry.get("fieldsV1")
    if type(fields) is not dict:
        return False
    others = [other.get("fieldsV1") for other in entries(live) if other is not entry]
    return _Walk(desired, others).covers(desired, fields, live)


def _is_comparable(desired: Object, live: Object, entry: Object) -> bool:
    """Whether manifest, live object and entry speak of one object in one version."""
    version = desired.get("apiVersion")
    return (
        type(version) is str
        and version == live.get("apiVersion") == entry.get("apiVersion")
        and type(desired.get("kind")) is str
        and desired["kind"] == live.get("kind")
        and entry.get("fieldsType") == "FieldsV1"
        and "stringData" not in desired
        and _is_same_identity(desired.get("metadata"), live.get("metadata"))
    )


def _is_same_identity(desired: Any, live: Any) -> bool:
    return (
        type(desired) is dict
        and type(live) is dict
        and live.get("deletionTimestamp") is None
        and desired.get("name") == live.get("name")
        and (desired.get("namespace") is None or desired["namespace"] == live.get("namespace"))
        # `creationTimestamp: null` is what client-go writes into each manifest it makes.
        and desired.get("creationTimestamp") is None
        # Preconditions and what the server alone sets have no place in a manifest.
        and not (_STRIPPED_METADATA & desired.keys()) - {"name", "namespace", "creationTimestamp"}
    )


class _Walk:
    """Manifest, owned fields and live object, walked together."""

    __slots__ = ("_built_in", "_kind", "_others", "_quantities")

    def __init__(self, desired: Object, others: list[Any]) -> None:
        group = group_of(desired["apiVersion"])
        self._kind = desired["kind"]
        self._built_in = group in BUILT_IN_GROUPS
        self._others = others
        self._quantities = _QUANTITIES.get(GroupKind(group, self._kind), frozenset())

    def covers(self, desired: Object, fields: FieldSet, live: Object) -> bool:
        """The whole object; of its metadata only what the server does not strip."""
        body = {name: value for name, value in desired.items() if name not in _TYPE_FIELDS}
        metadata = {
            name: value
            for name, value in desired["metadata"].items()
            if name not in _STRIPPED_METADATA
        }
        if metadata:
            body["metadata"] = metadata
        owned = fields.get("f:metadata")
        if type(owned) is dict and "." in owned:
            return False
        return "." not in fields and self._covers_map(body, fields, live, ())

    def _covers_map(self, wanted: Object, owned: FieldSet, live: Any, path: Path) -> bool:
        """Each name of the manifest is owned and holds its value, and nothing else is owned."""
        if type(live) is not dict or len(wanted) != len(owned) - ("." in owned):
            return False
        for name, value in wanted.items():
            part = f"f:{name}"
            node = owned.get(part)
            have = live.get(name, _MISSING)
            # Most leaves are texts: they are settled here, for calls are what costs time.
            if node == {} and type(value) in _PLAIN and type(value) is type(have) and value == have:
                continue
            if not self._covers(value, node, have, (*path, part)):
                return False
        return True

    def _covers(self, value: Any, node: Any, have: Any, path: Path) -> bool:
        if type(node) is not dict or have is _MISSING:
            return False
        if not node:
            return self._holds(value, have, path)
        if not value or (self._built_in and path[-1] in _NEVER_GRANULAR):
            return False
        if type(value) is dict:
            return self._may_hold_dot(node, path) and self._covers_map(value, node, have, path)
        if type(value) is list:
            return self._covers_list(value, node, have, path)
        return False

    def _may_hold_dot(self, node: FieldSet, path: Path) -> bool:
        is_item = path[-1].startswith("k:")
        if "." not in node:
            return not is_item
        return node["."] == {} and (is_item or not self._built_in)

    # Lists

    def _covers_list(self, wanted: list[Any], node: FieldSet, have: Any, path: Path) -> bool:
        if type(have) is not list or not self._may_hold_dot(node, path):
            return False
        parts = [part for part in node if part != "."]
        if len(parts) != len(wanted):
            return False
        forms = {part[:2] for part in parts}
        if forms == {"k:"}:
            return self._covers_items(wanted, node, have, path)
        return forms == {"v:"} and _covers_set(wanted, node, have)

    def _covers_items(self, wanted: list[Any], node: FieldSet, have: list[Any], path: Path) -> bool:
        names = _key_names(node)
        if names is None:
            return False
        parts = {_identity(_parsed(part), names): part for part in node if part != "."}
        places = _places(_identity(item, names) for item in have)
        last = -1
        for item in wanted:
            identity = _resolved(_identity(item, names), parts, places)
            place = places.get(identity, -1)
            # Also refuses the second of two items with one key, and one that is not there.
            if not identity or identity not in parts or place <= last:
                return False
            part = parts[identity]
            if not self._covers(item, node[part], have[place], (*path, part)):
                return False
            last = place
        return True

    # Leaves

    def _holds(self, value: Any, have: Any, path: Path) -> bool:
        """Whether the value of a field that is owned as a whole is the live one."""
        if type(value) is dict and value and not self._is_atomic_map(path):
            return False
        if type(value) is list and self._is_associative_list(path):
            return False
        if type(value) in {dict, list} and value and self._is_owned_inside(path):
            return False
        if is_same_json(value, have):
            return True
        # Before it writes, the server compares texts: who also owns a quantity that we write in
        # another way loses it to us, though the amount is the same.
        return self._is_same_written(value, have, _names(path)) and not self._is_shared(path)

    def _is_atomic_map(self, path: Path) -> bool:
        form, name = path[-1][:2], path[-1][2:]
        if form == "k:":
            # An item always names its keys: unless its type is atomic, they are owned one by one.
            return True
        return name in (_ATOMIC_MAPS if self._built_in else _ATOMIC_MAPS_OF_CUSTOM_KINDS)

    def _is_associative_list(self, path: Path) -> bool:
        name = path[-1][2:]
        if path[0] != "f:metadata" and not self._built_in:
            return False
        return name in _ASSOCIATIVE_LISTS and (self._kind, name) not in _ATOMIC_LISTS_BY_KIND

    def _is_owned_inside(self, path: Path) -> bool:
        """Whether another manager owns something below: what is atomic has no fields to own."""
        return any(_has_children_at(fields, path) for fields in self._others)

    def _is_shared(self, path: Path) -> bool:
        """Whether another manager owns this, or something around it or inside."""
        return any(_is_touched_by(fields, path) for fields in self._others)

    def _is_same_written(self, value: Any, have: Any, names: Path) -> bool:
        """The same but for quantities, which the server writes in its own way."""
        if not self._quantities:
            return False
        if type(value) is dict and type(have) is dict:
            return value.keys() == have.keys() and all(
                self._is_same_written(value[name], have[name], (*names, name)) for name in value
            )
        if type(value) is list and type(have) is list:
            return len(value) == len(have) and all(
                self._is_same_written(item, other, (*names, _ITEM))
                for item, other in zip(value, have, strict=True)
            )
        return is_same_json(value, have) or (
            self._is_quantity(names) and type(have) is str and quantity.written(value) == have
        )

    def _is_quantity(self, names: Path) -> bool:
        outer, parent, name = ("", "", *names)[-3:]
        return (outer, parent, None) in self._quantities or (None, parent, name) in self._quantities


def _names(path: Path) -> Path:
    return tuple(part[2:] if part.startswith("f:") else _ITEM for part in path)


def _has_children_at(fields: Any, path: Path) -> bool:
    node = fields
    for part in path:
        if not isinstance(node, dict):
            return False
        node = node.get(part)
    return bool(node)


def _is_touched_by(fields: Any, path: Path) -> bool:
    node = fields
    for part in path:
        if not isinstance(node, dict) or part not in node:
            return node == {}
        node = node[part]
    return True


# Keys of list items


@lru_cache(maxsize=4096)
def _parsed(part: str) -> Any:
    """The JSON in `k:{...}` or `v:...`, not to be changed; `_MISSING` where it is none."""
    try:
        return json.loads(part[2:])
    except (ValueError, RecursionError):
        return _MISSING


def _key_names(node: FieldSet) -> tuple[str, ...] | None:
    """All names that are keys of the list; None if a key cannot be read."""
    names: set[str] = set()
    for part in node:
        key = _parsed(part) if part != "." else {}
        if type(key) is not dict:
            return None
        names.update(key)
    return tuple(sorted(names))


def _identity(item: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
    """The values of an item's keys; an empty tuple for what can be no item."""
    if type(item) is not dict:
        return _MISSING
    identity = tuple([item.get(name, _MISSING) for name in names])
    # Only texts and integers are keys: true would be found as 1, and a list not at all.
    return identity if all(type(value) in _KEY_TYPES for value in identity) else _MISSING


def _resolved(
    identity: tuple[Any, ...],
    parts: Mapping[tuple[Any, ...], str],
    places: Mapping[tuple[Any, ...], int],
) -> tuple[Any, ...]:
    """The identity with the keys that the server defaulted; empty unless there is just one."""
    if _MISSING not in identity:
        return identity
    fitting = [known for known in parts if _fits(identity, known)]
    living = [known for known in places if _fits(identity, known)]
    return fitting[0] if len(fitting) == 1 and fitting == living else _MISSING


def _fits(identity: tuple[Any, ...], known: tuple[Any, ...]) -> bool:
    return len(identity) == len(known) and all(
        value in {_MISSING, other} for value, other in zip(identity, known, strict=True)
    )


def _places(identities: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:
    """Where each stands; -1 for what stands there twice."""
    places: dict[tuple[Any, ...], int] = {}
    for index, identity in enumerate(identities):
        places[identity] = -1 if identity in places else index
    return places


def _covers_set(wanted: list[Any], node: FieldSet, have: list[Any]) -> bool:
    """The members of a set of scalars; like those of lists, in the manifest's order."""
    parts = {_member(_parsed(part)): part for part in node if part != "."}
    places = _places(map(_member, have))
    last = -1
    for value in wanted:
        member = _member(value)
        place = places.get(member, -1)
        if not member or member not in parts or node[parts[member]] != {} or place <= last:
            return False
        last = place
    return True


def _member(value: Any) -> tuple[Any, ...]:
    return (value,) if type(value) in {str, int} else _MISSING
