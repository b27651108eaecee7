"""Reads: the repository, the renderer and the cluster, into one Snapshot.

It never writes; a dry-run apply is how the server is asked what it would do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from towline.core import inventory, ownership
from towline.core.application import Application
from towline.core.desired import Desired, locate, mark
from towline.core.errors import PermanentError, SourceGoneError, TowlineError
from towline.core.inventory import MANAGER, PART_OF, Parent
from towline.core.kustomization import KUSTOMIZATION_FILES
from towline.core.manifest import RECONCILE, Manifest
from towline.core.objects import GroupKind, Object, ObjectKey, key_of, labels_of
from towline.core.plan import Elsewhere, Refusal, Revision, Snapshot
from towline.core.resources import NAMESPACES, Resource, Resources
from towline.ports import PARALLEL, Cluster, RefusedError, Services

_LOOK_UP_BY_NAME = 20
"""Up to so many missing objects of a kind are asked for by name; beyond, one LIST of names."""

_LOOKS = 3
"""So often an object is looked at again that others write to while it is compared."""


def _version(body: Object) -> str:
    return str(body["metadata"].get("resourceVersion", ""))


@dataclass
class Phases:
    """How far a run has come: the seconds of each phase, and the revision once it is known."""

    monotonic: Callable[[], float]
    seconds: dict[str, float] = field(default_factory=dict)
    revision: Revision | None = None

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        started = self.monotonic()
        try:
            yield
        finally:
            elapsed = self.monotonic() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + elapsed


def observe(
    application: Application, services: Services, phases: Phases, *, requested: bool = False
) -> Snapshot:
    """See what is desired and what is there."""
    with phases("fetch"):
        tree = services.repositories.tree(application.source)
    phases.revision = Revision(application.source.describes, tree.commit)
    with phases("render"), tree:
        digest = services.renderer.digest(application, tree)
        manifests = services.renderer.render(application, tree)
    phases.revision = revision = replace(phases.revision, digest=digest)
    with phases("observe"):
        cluster = services.cluster(application.destination.cluster)
        parent = services.inventory(application.destination.cluster).read(application.name)
        resources = _resources(cluster, manifests, parent)
        known = resources.with_definitions(manifests)
        located = locate(manifests, known, namespace=application.destination.namespace)
        desired = tuple(
            mark(item, application=application.name, set_id=parent.id) for item in located
        )
        return _Observation(application, services, cluster, parent, resources).snapshot(
            desired, revision, requested=requested
        )


def _resources(cluster: Cluster, manifests: Iterable[Manifest], parent: Parent) -> Resources:
    """Discovery, asked again once if it does not know what is wanted or was applied.

    The version counts: a kind may have got it after the last discovery, and what seems not to be
    served is applied without a look at the live object.
    """
    resources = cluster.resources()
    wanted = {(m.api_version, str(m.body["kind"])) for m in manifests}
    known = all(resources.find(*version) for version in wanted)
    if not known or not parent.group_kinds <= resources.by_kind.keys():
        resources = cluster.resources(fresh=True)
    return resources


@dataclass
class _Observation:
    """One look at one cluster for one application."""

    application: Application
    services: Services
    cluster: Cluster
    parent: Parent
    resources: Resources
    unreadable: dict[ObjectKey, Refusal] = field(default_factory=dict)

    def snapshot(
        self, desired: tuple[Desired, ...], revision: Revision, *, requested: bool
    ) -> Snapshot:
        served = {item.key: item for item in desired if self._is_served(item)}
        listed = self._list_members(served.values())
        members = {key: body for (_, key), body in listed.items()}
        addresses = {key: resource for (resource, key) in listed}
        live = {
            key: listed[(item.resource, key)]
            for key, item in served.items()
            if item.resource is not None and (item.resource, key) in listed
        }
        live |= self._look_up([item for key, item in served.items() if key not in live])
        addresses |= {key: item.resource for key, item in served.items() if item.resource}
        compared = {
            key: item
            for key, item in served.items()
            if key in live and not item.manifest.steers(RECONCILE, "disabled")
        }
        proven = frozenset(
            key
            for key, item in compared.items()
            if ownership.proves_unchanged(item.manifest.body, live[key], MANAGER)
        )
        predicted = self._predict(
            [(item, live[key]) for key, item in compared.items() if key not in proven]
        )
        live |= {key: body for key, (body, _) in predicted.items()}
        return Snapshot(
            application=self.application,
            revision=revision,
            parent=self.parent,
            desired=desired,
            live=live,
            members=members,
            resources=addresses,
            unreadable=self.unreadable,
            proven=proven,
            predicted={key: answer for key, (_, answer) in predicted.items()},
            elsewhere=self._ask_others(members, live, {item.key for item in desired}),
            unlisted=self._unlisted(),
            failed_groups=self.resources.failed,
            requested=requested,
        )

    def _is_served(self, item: Desired) -> bool:
        """Definitions of this very revision may not be there yet: their objects cannot be live."""
        resource = item.resource
        return resource is not None and bool(
            self.resources.find(resource.api_version, resource.kind)
        )

    # The objects that are there --------------------------------------------------------------

    def _list_members(
        self, wanted: Iterable[Desired]
    ) -> Mapping[tuple[Resource, ObjectKey], Object]:
        """One LIST by our label for each kind in each version that is wanted or was applied."""
        kinds = {item.resource for item in wanted if item.resource is not None}
        named = {resource.group_kind for resource in kinds}
        for group_kind in self.parent.group_kinds - named:
            resource = self.resources.preferred(group_kind)
            if resource is not None:
                kinds.add(resource)
        if not self.parent.complete:
            kinds |= {r for r in self.resources.listable() if r.group_kind not in named}
        found: dict[tuple[Resource, ObjectKey], Object] = {}
        with ThreadPoolExecutor(PARALLEL) as pool:
            ordered = sorted(kinds, key=lambda r: (r.group, r.kind, r.version))
            for resource, bodies in zip(ordered, pool.map(self._list_kind, ordered), strict=True):
                found |= {(resource, key_of(body)): body for body in bodies}
        return found

    def _list_kind(self, resource: Resource) -> Iterable[Object]:
        selector = f"{PART_OF}={self.parent.id}"
        try:
            return self.cluster.list(resource, selector=selector)
        except RefusedError as refusal:
            if refusal.status == 404 and self._is_gone(resource):
                return []
            if refusal.status != 403 or not resource.namespaced:
                return self._unless_only_searching(resource, refusal)
        found: list[Object] = []
        for namespace in self._namespaces():
            try:
                found += self.cluster.list(resource, namespace=namespace, selector=selector)
            except RefusedError as refusal:
                if refusal.status != 403 or not self._holds_nothing(namespace):
                    found += self._unless_only_searching(resource, refusal)
        return found

    def _holds_nothing(self, namespace: str) -> bool:
        """Whether a namespace that may not be listed has no members all the same.

        The inventory's own namespace goes without saying in the parent, and rights to every kind
        in it are not to be expected. Rights to one that is gone are gone with it.
        """
        if namespace == self.parent.namespace:
            return True
        try:
            return self.cluster.get(NAMESPACES, "", namespace) is None
        except RefusedError:
            return False

    def _is_gone(self, resource: Resource) -> bool:
        """Whether a kind went after the last discovery; with its definition go its objects."""
        resources = self.cluster.resources(fresh=True)
        served = resources.find(resource.api_version, resource.kind)
        return served is None and resource.group not in resources.failed

    def _unless_only_searching(self, resource: Resource, refusal: RefusedError) -> list[Object]:
        """A kind that the set is not known to contain may be out of reach; others may not."""
        if refusal.status in (403, 404, 405) and resource.group_kind not in self._needed():
            return []
        raise refusal

    def _needed(self) -> frozenset[GroupKind]:
        return self.parent.group_kinds if self.parent.complete else frozenset()

    def _namespaces(self) -> list[str]:
        """Where to look with rights that are limited to namespaces."""
        own = self.application.destination.namespace
        namespaces = {*self.parent.namespaces, self.parent.namespace}
        return sorted(namespaces | ({own} if own else set()))

    def _look_up(self, items: list[Desired]) -> dict[ObjectKey, Object]:
        """Objects that are wanted and do not carry our label may exist all the same."""
        groups: dict[tuple[Resource, str], list[Desired]] = defaultdict(list)
        for item in items:
            if item.resource is not None:
                groups[(item.resource, item.key.namespace)].append(item)
        asked: list[Desired] = []
        for (resource, namespace), group in groups.items():
            if len(group) > _LOOK_UP_BY_NAME:
                try:
                    names = self.cluster.names(resource, namespace=namespace or None)
                except RefusedError as refused:
                    self._set_apart(group, refused)
                    continue
                group = [i for i in group if f"{i.key.namespace}/{i.key.name}" in names]  # noqa: PLW2901
            asked += group
        with ThreadPoolExecutor(PARALLEL) as pool:
            bodies = pool.map(self._get, asked)
            return {
                item.key: body for item, body in zip(asked, bodies, strict=True) if body is not None
            }

    def _get(self, item: Desired) -> Object | None:
        resource = item.resource
        if resource is None:
            return None
        try:
            return self.cluster.get(resource, item.key.namespace, item.key.name)
        except RefusedError as refused:
            self._set_apart([item], refused)
            return None

    def _set_apart(self, items: Iterable[Desired], refused: RefusedError) -> None:
        """Where rights are missing for some objects, those fail and the others proceed."""
        if refused.status != 403:
            raise refused
        self.unreadable |= {item.key: refused.refusal for item in items}

    def _predict(
        self, items: list[tuple[Desired, Object]]
    ) -> dict[ObjectKey, tuple[Object, Object | Refusal]]:
        """What a dry run answers, and the live object that it answers to."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            pairs = pool.map(lambda pair: self._dry_run(*pair), items)
            return {item.key: pair for (item, _), pair in zip(items, pairs, strict=True)}

    def _dry_run(self, item: Desired, live: Object) -> tuple[Object, Object | Refusal]:
        """Both of one moment: a dry run answers with the version of what it was tried on.

        Else what a controller wrote after the listing would look like a change of ours.
        """
        resource = item.resource
        if resource is None:
            raise ValueError(f"{item.key} has no resource")
        try:
            answer = self.cluster.apply(resource, item.manifest.body, dry_run=True)
            for _ in range(_LOOKS):
                if _version(live) == _version(answer):
                    break
                live = self.cluster.get(resource, item.key.namespace, item.key.name) or live
                if _version(live) != _version(answer):
                    answer = self.cluster.apply(resource, item.manifest.body, dry_run=True)
        except RefusedError as refused:
            return live, refused.refusal
        return live, answer

    def _unlisted(self) -> frozenset[GroupKind]:
        return frozenset(k for k in self.parent.group_kinds if k.group in self.resources.failed)

    # The other applications ------------------------------------------------------------------

    def _ask_others(
        self,
        members: Mapping[ObjectKey, Object],
        live: Mapping[ObjectKey, Object],
        wanted: set[ObjectKey],
    ) -> dict[ObjectKey, tuple[Elsewhere, ...]]:
        """Does another application of this cluster name what we would prune or take over?

        Costs nothing where there is neither. Only then are the others rendered.
        """
        prunable = [
            key
            for key, body in members.items()
            if key not in wanted and not inventory.why_not_ours(body, self.parent)
        ]
        foreign = {
            key: owner
            for key, body in live.items()
            if labels_of(body).get(PART_OF) not in (None, self.parent.id)
            and (owner := inventory.owner_named_by(body)) is not None
        }
        if not prunable and not foreign:
            return {}
        others = _Others(self.application, self.services, self.parent, self.resources)
        answers = {key: others.claims_on(key) for key in prunable}
        answers |= {
            key: (others.claim_of(owner, key, self._set_label(live[key])),)
            for key, owner in foreign.items()
        }
        return answers

    def _set_label(self, body: Object) -> str:
        return labels_of(body)[PART_OF]


@dataclass
class _Others:
    """What the other applications of the cluster want, rendered at most once each."""

    application: Application
    services: Services
    parent: Parent
    resources: Resources
    _wanted: dict[str, frozenset[ObjectKey] | TowlineError] = field(default_factory=dict)

    def claims_on(self, key: ObjectKey) -> tuple[Elsewhere, ...]:
        """Everyone who names the object, or may."""
        claims = (self._claim(other, key) for other in self._neighbours())
        return tuple(claim for claim in claims if claim.wanted is not False)

    def claim_of(self, owner: str, key: ObjectKey, label: str) -> Elsewhere:
        """What the owner that an object names says of it."""
        other = self.services.documents().applications.get(owner)
        # Computed, not read: what became of the owner's inventory is no reason to end this run.
        if replace(self.parent, application=owner).id != label:
            reason = "the owner is kept by another installation of Towline"
            return Elsewhere(owner, wanted=None, reason=reason)
        if other is None or self._is_here(other) is False:
            return Elsewhere(owner, wanted=False)
        wanted = self._keys(other)
        if isinstance(wanted, SourceGoneError):
            return Elsewhere(owner, wanted=None, reason=wanted.message)
        return self._claim(other, key)

    def _neighbours(self) -> Iterable[Application]:
        for other in self.services.documents().applications.values():
            if other.name != self.application.name and self._is_here(other) is not False:
                yield other

    def _is_here(self, other: Application) -> bool | None:
        """Whether another deploys to this very cluster, which may have several names as a
        destination; None if that cannot be told."""
        ours, theirs = self.application.destination.cluster, other.destination.cluster
        if ours == theirs:
            return True
        try:
            ids = {self.services.cluster(name).identity() for name in (ours, theirs)}
        except TowlineError:
            return None  # this host has no way to that destination
        return None if "" in ids else len(ids) == 1

    def _claim(self, other: Application, key: ObjectKey) -> Elsewhere:
        wanted = self._keys(other)
        if isinstance(wanted, SourceGoneError):
            return Elsewhere(other.name, wanted=False)
        if isinstance(wanted, TowlineError):
            possible = not isinstance(wanted, PermanentError) or self._mentions(other, key.name)
            return Elsewhere(other.name, wanted=None if possible else False, reason=str(wanted))
        if key in wanted and self._is_here(other) is None:
            reason = f"{other.destination.cluster} may be another name of this cluster"
            return Elsewhere(other.name, wanted=None, reason=reason)
        return Elsewhere(other.name, wanted=key in wanted)

    def _keys(self, other: Application) -> frozenset[ObjectKey] | TowlineError:
        if other.name not in self._wanted:
            try:
                self._wanted[other.name] = self._render(other)
            except TowlineError as error:
                self._wanted[other.name] = error
        return self._wanted[other.name]

    def _mentions(self, other: Application, name: str) -> bool:
        """Whether a source that does not render could name an object, to judge by its text.

        Without this, one application with a bad manifest would hold up the pruning of all others.
        Kustomize composes names, so that there the text says nothing.
        """
        try:
            with self.services.repositories.tree(other.source) as tree:
                contents = tree.read(tree.files(other.source.path))
        except TowlineError:
            return True
        kustomized = any(path.rpartition("/")[2] in KUSTOMIZATION_FILES for path in contents)
        return kustomized or any(name.encode() in data for data in contents.values())

    def _render(self, other: Application) -> frozenset[ObjectKey]:
        with self.services.repositories.tree(other.source) as tree:
            manifests = self.services.renderer.render(other, tree)
        resources = self.resources.with_definitions(manifests)
        located = locate(manifests, resources, namespace=other.destination.namespace)
        return frozenset(item.key for item in located)
