"""Snapshots in a few words, and plans as text, so that a failure reads like the product."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from towline.core.application import Application
from towline.core.desired import Desired, mark
from towline.core.errors import Place
from towline.core.inventory import MEMBER_ID, PART_OF, Parent, member_id
from towline.core.manifest import manifest_of
from towline.core.objects import GroupKind, Object, ObjectKey, key_of
from towline.core.plan import Change, Elsewhere, Hold, Plan, Refusal, Revision, Snapshot
from towline.core.planning import make_plan
from towline.core.resources import Resource

NAME = "shop"
HOME = "towline-system"
PARENT = Parent(NAME, HOME, resource_version="7", uid="parent", complete=True)
OTHER = Parent("other", HOME)
REVISION = Revision("branch main", "c" * 40, "render-2")

PRUNE = "towline.dev/prune"
RECONCILE = "towline.dev/reconcile"
RECREATE = "towline.dev/recreate"
WAVE = "towline.dev/wave"

_KINDS = {
    "ConfigMap": ("v1", True),
    "Secret": ("v1", True),
    "Service": ("v1", True),
    "ServiceAccount": ("v1", True),
    "PersistentVolumeClaim": ("v1", True),
    "Namespace": ("v1", False),
    "Deployment": ("apps/v1", True),
    "ClusterRole": ("rbac.authorization.k8s.io/v1", False),
    "StorageClass": ("storage.k8s.io/v1", False),
    "CustomResourceDefinition": ("apiextensions.k8s.io/v1", False),
    "ValidatingWebhookConfiguration": ("admissionregistration.k8s.io/v1", False),
    "Widget": ("example.com/v1", True),
}


def application(
    sync: Mapping[str, Any] | None = None, *, adopt_from: Iterable[str] = ()
) -> Application:
    return Application.model_validate(
        {
            "apiVersion": "towline.dev/v1alpha1",
            "kind": "Application",
            "metadata": {"name": NAME},
            "spec": {
                "source": {"repository": "https://git.example.com/shop.git", "branch": "main"},
                "destination": {"cluster": "in-cluster", "namespace": "shop"},
                "sync": dict(sync or {}),
                "adoptFrom": list(adopt_from),
            },
        }
    )


def wanted(kind: str = "ConfigMap", name: str = "a", /, **annotations: str) -> Object:
    """A manifest's object; annotations are written `wave="5"` for `towline.dev/wave`."""
    api_version, namespaced = _KINDS[kind]
    metadata: Object = {"name": name}
    if namespaced:
        metadata["namespace"] = "shop"
    if annotations:
        metadata["annotations"] = {f"towline.dev/{n}": text for n, text in annotations.items()}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def key(kind: str = "ConfigMap", name: str = "a") -> ObjectKey:
    return key_of(wanted(kind, name))


def resource_of(kind: str) -> Resource:
    api_version, namespaced = _KINDS[kind]
    group, _, version = api_version.rpartition("/")
    return Resource(group, version, kind, f"{kind.lower()}s", namespaced)


def desired(body: Object, line: int = 1, *, served: bool = True) -> Desired:
    manifest = manifest_of(copy.deepcopy(body), Place("app.yaml", line))
    resource = resource_of(body["kind"]) if served else None
    return mark(Desired(manifest, resource), application=NAME, set_id=PARENT.id)


def live(
    kind: str = "ConfigMap",
    name: str = "a",
    /,
    *,
    of: Parent | None = PARENT,
    by: str = "towline",
    **annotations: str,
) -> Object:
    """An object as `of` applied it, with every proof of ownership; unlabelled if `of` is None."""
    body = wanted(kind, name, **annotations)
    metadata = body["metadata"]
    metadata |= {"uid": f"uid-{name}", "resourceVersion": "1"}
    owned: Object = {f"f:towline.dev/{n}": {} for n in annotations}
    if of is not None:
        metadata["labels"] = {PART_OF: of.id}
        marks = metadata.setdefault("annotations", {})
        marks[MEMBER_ID] = member_id(of.application, key_of(body))
        owned[f"f:{MEMBER_ID}"] = {}
    metadata["managedFields"] = [
        {
            "manager": by,
            "operation": "Apply",
            "apiVersion": body["apiVersion"],
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:annotations": owned}},
        }
    ]
    return body


def changed(body: Object, **fields: Any) -> Object:
    """The same object with other content."""
    return {**copy.deepcopy(body), **fields}


def with_metadata(body: Object, **fields: Any) -> Object:
    return changed(body, metadata={**copy.deepcopy(body["metadata"]), **fields})


def snapshot(
    want: Iterable[Object | Desired] = (),
    there: Iterable[Object] = (),
    *,
    members: Iterable[Object] | None = None,
    predicted: Mapping[ObjectKey, Object | Refusal] | None = None,
    elsewhere: Mapping[ObjectKey, tuple[Elsewhere, ...]] | None = None,
    app: Application | None = None,
    sync: Mapping[str, Any] | None = None,
    parent: Parent = PARENT,
    revision: Revision = REVISION,
    unlisted: Iterable[GroupKind] = (),
    failed_groups: Iterable[str] = (),
    requested: bool = False,
) -> Snapshot:
    """What `observe` would see; a live object that has no prediction is proven unchanged."""
    items = tuple(w if isinstance(w, Desired) else desired(w, n) for n, w in enumerate(want, 1))
    bodies = {key_of(body): body for body in there}
    labelled = (b for b in bodies.values() if b["metadata"].get("labels", {}).get(PART_OF))
    listed = members if members is not None else labelled
    mine = {
        key_of(b): b for b in listed if b["metadata"].get("labels", {}).get(PART_OF) == parent.id
    }
    keys = {item.key for item in items}
    answers = dict(predicted or {})
    return Snapshot(
        application=app or application(sync),
        revision=revision,
        parent=parent,
        desired=items,
        live={k: body for k, body in bodies.items() if k in keys},
        members=mine,
        resources={k: resource_of(k.kind) for k in {*bodies, *mine}},
        proven=frozenset(k for k in bodies if k in keys and k not in answers),
        predicted=answers,
        elsewhere=dict(elsewhere or {}),
        unlisted=frozenset(unlisted),
        failed_groups=frozenset(failed_groups),
        requested=requested,
    )


def tree(plan: Plan) -> str:
    """A plan in the order in which it is carried out, and what stands in its way."""
    permitted = set(map(id, plan.permitted))
    lines: list[str] = []
    for title, stages in (("apply", plan.applies), ("prune", plan.prunes)):
        for stage in stages:
            wave, name = stage[0].stage
            lines.append(f"{title} {name.title}" + (f", wave {wave}" if wave else ""))
            lines += [f"  {_line(c, held=id(c) not in permitted)}" for c in stage]
    return "\n".join([*lines, *map(_hold, plan.holds)])


def shown(given: Snapshot) -> str:
    return tree(make_plan(given))


def actions(plan: Plan) -> str:
    """Only what happens to which object: `create ConfigMap/shop/a`, a line each."""
    return "\n".join(f"{c.action} {c.key}" for c in plan.changes)


def _line(change: Change, *, held: bool) -> str:
    text = f"{change.action} {change.key}"
    if change.problem:
        text += f" FAILS: {change.problem}"
    if change.reason:
        text += f" ({change.reason})"
    if change.previous_owners:
        lost = (f"{m} loses {', '.join(paths)}" for m, paths in change.previous_owners.items())
        text += f" [{'; '.join(lost)}]"
    return text + (" HELD" if held and change.action.writes else "")


def _hold(hold: Hold) -> str:
    return f"holds {hold.scope}: {hold.kind}: {hold.message}"
