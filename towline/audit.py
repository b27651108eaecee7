"""Reads: every set of a cluster, and all that there is of it; writes a parent that is to be mended.

It looks further than a run does: for members of all kinds, and for what Git names and lost its
label. It deletes nothing and labels nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from towline.abandoned import why_abandoned
from towline.core import inventory
from towline.core.application import Application
from towline.core.audit import Sighting, mended
from towline.core.desired import Desired, locate
from towline.core.errors import TowlineError
from towline.core.inventory import ID_LABEL, PART_OF, TOOLING, Parent
from towline.core.manifest import RECONCILE
from towline.core.objects import GroupKind, Object, ObjectKey, annotations_of, key_of, labels_of
from towline.core.resources import Resource, Resources
from towline.neighbours import is_same_cluster
from towline.ports import PARALLEL, Cluster, RefusedError, Services


@dataclass(frozen=True, slots=True)
class HeldSet:
    """One set in a list; `members` counts by kind what carries the label and names the set."""

    parent: Parent
    cluster: str
    abandoned: str
    """Why nobody describes it; empty if a document does."""
    members: Mapping[GroupKind, int]
    unseen: frozenset[GroupKind]
    """Kinds of it that could not be listed."""

    @property
    def state(self) -> str:
        state = "abandoned" if self.abandoned else "in use"
        return f"{state}, suspended by {self.parent.suspended}" if self.parent.suspended else state


def sets(cluster: str, services: Services, *, only: str | None = None) -> tuple[HeldSet, ...]:
    """The sets of a destination, by application; raises RefusedError or ClusterError."""
    parents = [p for p in services.inventory(cluster).parents() if only in (None, p.application)]
    sweep = _Sweep(services.cluster(cluster), parents)
    sweep.look_for({kind for parent in parents for kind in parent.group_kinds})
    return tuple(_held(parent, cluster, services, sweep) for parent in parents)


def _held(parent: Parent, cluster: str, services: Services, sweep: _Sweep) -> HeldSet:
    named = inventory.owner_named_by
    labelled = sweep.found[parent.id].items()
    members = Counter(k.group_kind for k, body in labelled if named(body) == parent.application)
    return HeldSet(
        parent=parent,
        cluster=cluster,
        abandoned=why_abandoned(parent.application, cluster, services),
        members=dict(sorted(members.items())),
        unseen=frozenset(sweep.unseen) & parent.group_kinds,
    )


def sightings(cluster: str, services: Services, *, only: str | None = None) -> tuple[Sighting, ...]:
    """All that there is of each set, of those too that lost their parent; raises as `sets`."""
    kept = services.inventory(cluster)
    described = _described(cluster, services)
    bodies = {
        name: body
        for name, body in kept.bodies().items()
        if name in described or _looks_like_ours(body)
    }
    names = {only} if only else {*bodies, *described}
    parents = [_as_read(Parent(name, kept.namespace), bodies) for name in names]
    sweep = _Sweep(services.cluster(cluster), parents)
    sweep.look_for({resource.group_kind for resource in sweep.resources.listable()})
    if not only:
        names |= sweep.owners(kept.namespace)
    return tuple(
        _Look(cluster, services, sweep, described.get(name)).at(
            Parent(name, kept.namespace), bodies.get(name)
        )
        for name in sorted(names)
    )


def repair(seen: Sighting, cluster: str, services: Services) -> str:
    """Write the parent as it should be, if it is not; says what was done, or nothing.

    Raises PermanentError if that may not be, and LeaseLostError if a run wrote it meanwhile.
    """
    wider = mended(seen)
    if wider is None:
        return ""
    before = seen.parent
    services.inventory(cluster).write(wider)
    kinds = ", ".join(sorted(map(str, wider.group_kinds - before.group_kinds)))
    added = [f"kinds {kinds}"] if kinds else []
    namespaces = ", ".join(sorted(wider.namespaces - before.namespaces))
    added += [f"namespaces {namespaces}"] if namespaces else []
    how = "written anew" if before.resource_version is None else "rewritten"
    return f"{seen.key}: {how}" + (f", with {' and '.join(added)} added" if added else "")


def _described(cluster: str, services: Services) -> dict[str, Application]:
    """The documents that deploy there, under whatever name."""
    return {
        name: application
        for name, application in services.documents().applications.items()
        if is_same_cluster(cluster, application.destination.cluster, services)
    }


def _looks_like_ours(body: Object) -> bool:
    """Also what has lost its id, or has a wrong one; not any ConfigMap with such a name."""
    annotations = annotations_of(body)
    tool = annotations.get(TOOLING, "").rpartition("/")[0]
    return tool == inventory.MANAGER or (not tool and ID_LABEL in labels_of(body))


def _as_read(parent: Parent, bodies: Mapping[str, Object]) -> Parent:
    try:
        body = bodies.get(parent.application)
        return inventory.read_parent(body, parent.application, parent.namespace)
    except TowlineError:
        return parent


# The objects that carry labels ---------------------------------------------------------------


@dataclass
class _Sweep:
    """One LIST for each kind serves all sets of a cluster."""

    cluster: Cluster
    parents: Sequence[Parent]
    found: dict[str, dict[ObjectKey, Object]] = field(default_factory=lambda: defaultdict(dict))
    """What carries a label, by the id of the set."""
    unseen: set[GroupKind] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.resources: Resources = self.cluster.resources(fresh=True)

    def owners(self, namespace: str) -> set[str]:
        """The applications whose sets the objects name, whether there is a parent or not."""
        return {
            owner
            for set_id, labelled in self.found.items()
            for owner in map(inventory.owner_named_by, labelled.values())
            if owner and Parent(owner, namespace).id == set_id
        }

    def look_for(self, kinds: Iterable[GroupKind]) -> None:
        served = (self.resources.preferred(kind) for kind in sorted(kinds))
        wanted = [resource for resource in served if resource is not None]
        with ThreadPoolExecutor(PARALLEL) as pool:
            for bodies in pool.map(self._list, wanted):
                for body in bodies:
                    self.found[labels_of(body)[PART_OF]][key_of(body)] = body

    def _list(self, resource: Resource) -> Sequence[Object]:
        try:
            return self.cluster.list(resource, selector=PART_OF)
        except RefusedError as refusal:
            if refusal.status == 404:
                return []  # its definition went after the discovery, and its objects with it
            if refusal.status == 403 and resource.namespaced:
                return self._list_by_namespace(resource)
            self.unseen.add(resource.group_kind)
            return []

    def _list_by_namespace(self, resource: Resource) -> Sequence[Object]:
        """With rights that are limited to namespaces: those that the sets name."""
        namespaces = {name for parent in self.parents for name in parent.namespaces}
        found: list[Object] = []
        if not namespaces:
            self.unseen.add(resource.group_kind)
        for namespace in sorted(namespaces):
            try:
                found += self.cluster.list(resource, namespace=namespace, selector=PART_OF)
            except RefusedError:
                self.unseen.add(resource.group_kind)
        return found


# What Git names ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Look:
    """At one set; `application` is its document, if it has one."""

    cluster: str
    services: Services
    sweep: _Sweep
    application: Application | None

    def at(self, empty: Parent, body: Object | None) -> Sighting:
        labelled = dict(self.sweep.found[empty.id])
        desired, git_error = self._desired()
        has_run = body is not None or bool(labelled)
        return Sighting(
            application=empty.application,
            namespace=empty.namespace,
            body=body,
            labelled=labelled,
            resources=self.sweep.resources,
            unseen=frozenset(self.sweep.unseen),
            wanted=frozenset(item.key for item in desired),
            unlabelled=self._unlabelled(desired, labelled) if has_run else (),
            git_error=git_error if has_run else "",
            abandoned=why_abandoned(empty.application, self.cluster, self.services),
        )

    def _desired(self) -> tuple[Sequence[Desired], str]:
        if self.application is None:
            return (), ""
        try:
            with self.services.repositories.tree(self.application.source) as tree:
                manifests = self.services.renderer.render(self.application, tree)
            known = self.sweep.resources.with_definitions(manifests)
            namespace = self.application.destination.namespace
            return locate(manifests, known, namespace=namespace), ""
        except TowlineError as error:
            return (), str(error)

    def _unlabelled(
        self, desired: Iterable[Desired], labelled: Mapping[ObjectKey, Object]
    ) -> tuple[Object, ...]:
        """Live objects that should carry the label; what Git says to leave alone need not."""
        asked = [
            item
            for item in desired
            if item.key not in labelled and not item.manifest.steers(RECONCILE, "disabled")
        ]
        with ThreadPoolExecutor(PARALLEL) as pool:
            return tuple(body for body in pool.map(self._get, asked) if body is not None)

    def _get(self, item: Desired) -> Object | None:
        resource = item.resource
        if resource is None or not self.sweep.resources.find(resource.api_version, resource.kind):
            return None
        try:
            there = self.services.cluster(self.cluster)
            return there.get(resource, item.key.namespace, item.key.name)
        except RefusedError:
            return None  # a run says so, of the object itself
