"""Reads: the repository, the renderer and the cluster, into one Snapshot.

It never writes; a dry-run apply is how the server is asked what it would do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

from towline.core import inventory, ownership, takeover
from towline.core.application import Application
from towline.core.desired import Desired, locate, mark
from towline.core.health import Assessment
from towline.core.inventory import MANAGER, Parent
from towline.core.manifest import RECONCILE, Manifest
from towline.core.objects import Object, ObjectKey
from towline.core.plan import Refusal, Revision, Snapshot
from towline.core.resources import Resource, Resources
from towline.dependents import Dependents
from towline.members import Listing, Members, resources_for
from towline.neighbours import Neighbours
from towline.ports import PARALLEL, Cluster, NoVerdicts, RefusedError, Services, Tree
from towline.proofs import Rest, version_of, versions_of
from towline.storage import Claims
from towline.trials import Doubt, Foreseen, Trials

_LOOK_UP_BY_NAME = 4
"""Up to so many missing objects of a kind and namespace are asked for by name; beyond, one LIST."""

_SHORT_LIST = 500
"""A LIST of so many names costs about as much as asking for a few."""


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


@dataclass(frozen=True, slots=True)
class Manner:
    """How closely to look."""

    requested: bool = False
    """A person asked for it: what dry runs said before is asked anew."""
    thorough: bool = False
    """The server is also asked what would become of what is not there yet."""


def observe(
    application: Application, services: Services, phases: Phases, manner: Manner
) -> Snapshot:
    """See what is desired and what is there."""
    with _begun(application, services, phases) as look:
        return look.snapshot(manner)


def observe_unless_at_rest(
    application: Application, services: Services, phases: Phases, manner: Manner
) -> Snapshot | Rest:
    """The same, or what the last run found, if all is as it was then."""
    with _begun(application, services, phases) as look:
        return look.rest(manner) or look.snapshot(manner)


@contextmanager
def _begun(application: Application, services: Services, phases: Phases) -> Iterator[_Look]:
    with ThreadPoolExecutor(1) as aside:
        # The cluster lists what was applied while the source is fetched and rendered.
        glance = aside.submit(_glance, application, services)
        with phases("fetch"):
            tree = services.repositories.tree(application.source)
        phases.revision = Revision(application.source.describes, tree.commit)
        with tree:
            yield _Look(application, services, phases, tree, glance)


@dataclass(frozen=True)
class _Look:
    """A tree that is open, and a glance at the cluster that is under way."""

    application: Application
    services: Services
    phases: Phases
    tree: Tree
    glance: Future[_Glance]

    @cached_property
    def revision(self) -> Revision:
        with self.phases("render"):
            digest = self.services.renderer.digest(self.application, self.tree)
        revision = Revision(self.application.source.describes, self.tree.commit, digest)
        self.phases.revision = revision
        return revision

    def rest(self, manner: Manner) -> Rest | None:
        if manner.requested or manner.thorough:
            return None
        revision = self.revision
        with self.phases("observe"):
            seen = self.glance.result()
            bodies = (body for listed in seen.listing.values() for body in listed)
            found = self.services.proofs.at_rest(
                self.application.name, revision.digest, seen.parent, versions_of(bodies)
            )
            return replace(found, revision=revision) if found else None

    def snapshot(self, manner: Manner) -> Snapshot:
        revision = self.revision
        with self.phases("render"):
            manifests = self.services.renderer.render(self.application, self.tree)
        with self.phases("observe"):
            seen = self.glance.result()
            return _look(
                self.application, self.services, manifests, revision, manner=manner, seen=seen
            )


def observe_members(
    application: Application, services: Services, phases: Phases, revision: Revision
) -> Snapshot:
    """See what is there where nothing is desired: no source is read."""
    with phases("observe"):
        manner, seen = Manner(requested=True), _glance(application, services)
        return _look(application, services, (), revision, manner=manner, seen=seen)


@dataclass(frozen=True, slots=True)
class _Glance:
    """What can be seen of a cluster before it is known what is wanted."""

    parent: Parent
    listing: Listing


def _glance(application: Application, services: Services) -> _Glance:
    cluster = services.cluster(application.destination.cluster)
    parent = services.inventory(application.destination.cluster).read(application.name)
    namespace = application.destination.namespace
    members = Members(cluster, parent, resources_for(cluster, parent), namespace)
    return _Glance(parent, members.list_early())


def _look(  # noqa: PLR0913 - all that a look is about
    application: Application,
    services: Services,
    manifests: Sequence[Manifest],
    revision: Revision,
    *,
    manner: Manner,
    seen: _Glance,
) -> Snapshot:
    cluster, parent = services.cluster(application.destination.cluster), seen.parent
    resources = resources_for(cluster, parent, manifests)
    known = resources.with_definitions(manifests)
    located = locate(manifests, known, namespace=application.destination.namespace)
    desired = tuple(mark(item, application=application.name, set_id=parent.id) for item in located)
    look = _Observation(application, services, cluster, parent, resources, manner)
    return look.snapshot(desired, revision, seen.listing)


@dataclass
class _Observation:
    """One look at one cluster for one application."""

    application: Application
    services: Services
    cluster: Cluster
    parent: Parent
    resources: Resources
    manner: Manner
    unreadable: dict[ObjectKey, Refusal] = field(default_factory=dict)

    def snapshot(
        self, desired: tuple[Desired, ...], revision: Revision, early: Listing
    ) -> Snapshot:
        served = {item.key: item for item in desired if self._is_served(item)}
        listing = Members(
            self.cluster, self.parent, self.resources, self.application.destination.namespace
        )
        kinds = (item.resource for item in served.values() if item.resource)
        listed = listing.list(kinds, early)
        members = {key: body for (_, key), body in listed.items()}
        live = self._live(served, listed)
        proven, foreseen = self._compare(served, live, revision.digest)
        live |= {key: seen.live for key, seen in foreseen.items()}
        prunable = self._prunable(members, {item.key for item in desired})
        neighbours = Neighbours(self.application, self.services, self.parent, self.resources)
        return Snapshot(
            application=self.application,
            revision=revision,
            parent=self.parent,
            desired=desired,
            live=live,
            members=members,
            resources={key: resource for resource, key in listed}
            | {key: item.resource for key, item in served.items() if item.resource},
            unreadable=self.unreadable,
            proven=proven,
            predicted={key: seen.answer for key, seen in foreseen.items()}
            | self._try_new([item for key, item in served.items() if key not in live]),
            takeovers={key: seen.takeover for key, seen in foreseen.items() if seen.takeover},
            left={key: seen.left for key, seen in foreseen.items() if seen.left},
            elsewhere=neighbours.asked(prunable, live),
            takes=self._what_goes_with(prunable),
            unlisted=listing.unlisted(),
            failed_groups=self.resources.failed,
            health=self._health_of_claims(live),
            requested=self.manner.requested,
        )

    @property
    def _trials(self) -> Trials:
        verdicts = NoVerdicts() if self.manner.requested else self.services.verdicts
        return Trials(self.cluster, self.application.name, verdicts)

    def _compare(
        self, served: Mapping[ObjectKey, Desired], live: Mapping[ObjectKey, Object], digest: str
    ) -> tuple[frozenset[ObjectKey], dict[ObjectKey, Foreseen]]:
        """Which objects hold what is wanted, and what would become of the others.

        Of what kubectl owns some of, it is foreseen too.
        """
        compared = {
            key: item
            for key, item in served.items()
            if key in live and not item.manifest.steers(RECONCILE, "disabled")
        }
        versions = {key: version_of(live[key]) for key in compared}
        known = self.services.proofs.known(self.application.name, digest)
        proven, doubtful = set[ObjectKey](), list[Doubt]()
        for key, item in compared.items():
            is_proven = versions[key] == known.get(key)
            if not is_proven:
                is_proven = ownership.proves_unchanged(item.manifest.body, live[key], MANAGER)
                if not is_proven or takeover.concerns(live[key]):
                    doubtful.append(Doubt(item, live[key], is_proven))
                    continue
            proven.add(key)
        kept = {key: versions[key] for key in proven}
        self.services.proofs.keep(self.application.name, digest, kept)
        return frozenset(proven), self._trials.foresee(doubtful)

    def _try_new(self, missing: Sequence[Desired]) -> dict[ObjectKey, Object | Refusal]:
        """What would become of objects that are not there yet: a request for each, so that it is
        asked only where a person is going to read it."""
        if self.application.sync.automatic and not self.manner.thorough:
            return {}
        return self._trials.create([item for item in missing if item.key not in self.unreadable])

    def _prunable(
        self, members: Mapping[ObjectKey, Object], wanted: set[ObjectKey]
    ) -> dict[ObjectKey, Object]:
        return {
            key: body
            for key, body in members.items()
            if key not in wanted and not inventory.why_not_ours(body, self.parent)
        }

    def _is_served(self, item: Desired) -> bool:
        """Definitions of this very revision may not be there yet: their objects cannot be live."""
        resource = item.resource
        return resource is not None and bool(
            self.resources.find(resource.api_version, resource.kind)
        )

    # The objects that are there --------------------------------------------------------------

    def _live(
        self,
        served: Mapping[ObjectKey, Desired],
        listed: Mapping[tuple[Resource, ObjectKey], Object],
    ) -> dict[ObjectKey, Object]:
        """The wanted objects that exist, with our label or without."""
        found = {
            key: listed[(item.resource, key)]
            for key, item in served.items()
            if item.resource is not None and (item.resource, key) in listed
        }
        return found | self._look_up([item for key, item in served.items() if key not in found])

    def _look_up(self, items: list[Desired]) -> dict[ObjectKey, Object]:
        """Objects that are wanted and do not carry our label may exist all the same."""
        groups: dict[tuple[Resource, str], list[Desired]] = defaultdict(list)
        for item in items:
            if item.resource is not None:
                groups[(item.resource, item.key.namespace)].append(item)
        with ThreadPoolExecutor(PARALLEL) as pool:
            existing = pool.map(self._existing, groups.keys(), groups.values())
            asked = [item for group in existing for item in group]
            bodies = pool.map(self._get, asked)
            return {
                item.key: body for item, body in zip(asked, bodies, strict=True) if body is not None
            }

    def _existing(self, where: tuple[Resource, str], group: Sequence[Desired]) -> Sequence[Desired]:
        """Those that may exist: of many their names are listed, unless there are far more."""
        resource, namespace = where
        if len(group) <= _LOOK_UP_BY_NAME:
            return group
        most = max(_SHORT_LIST, len(group) * _LOOK_UP_BY_NAME)
        try:
            names = self.cluster.names(resource, namespace=namespace or None, most=most)
        except RefusedError as refused:
            self._set_apart(group, refused)
            return ()
        if names is None:
            return group
        return [item for item in group if f"{item.key.namespace}/{item.key.name}" in names]

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

    def _health_of_claims(self, live: Mapping[ObjectKey, Object]) -> dict[ObjectKey, Assessment]:
        claims = Claims(self.cluster)
        return {
            key: claims.assess(body)
            for key, body in live.items()
            if key.kind == "PersistentVolumeClaim"
        }

    def _what_goes_with(self, prunable: Mapping[ObjectKey, Object]) -> dict[ObjectKey, str]:
        dependents = Dependents(self.cluster, self.resources)
        found = {key: dependents.of(body) for key, body in prunable.items()}
        return {key: text for key, text in found.items() if text}
