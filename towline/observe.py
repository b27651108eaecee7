"""Reads: the repository, the renderer and the cluster, into one Snapshot.

It never writes; a dry-run apply is how the server is asked what it would do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from towline.core import inventory, ownership, takeover
from towline.core.application import Application
from towline.core.desired import Desired, locate, mark
from towline.core.errors import PermanentError, SourceGoneError, TowlineError
from towline.core.health import Assessment
from towline.core.inventory import MANAGER, PART_OF, Parent
from towline.core.kustomization import KUSTOMIZATION_FILES
from towline.core.manifest import RECONCILE, Manifest
from towline.core.objects import Object, ObjectKey, labels_of
from towline.core.plan import Elsewhere, Refusal, Revision, Snapshot
from towline.core.resources import Resource, Resources
from towline.core.verdicts import digest_of
from towline.members import Members, resources_for
from towline.ports import PARALLEL, Cluster, RefusedError, Services
from towline.storage import Claims
from towline.trials import Foreseen, Trials

_LOOK_UP_BY_NAME = 20
"""Up to so many missing objects of a kind are asked for by name; beyond, one LIST of names."""


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
    with phases("fetch"):
        tree = services.repositories.tree(application.source)
    phases.revision = Revision(application.source.describes, tree.commit)
    with phases("render"), tree:
        digest = services.renderer.digest(application, tree)
        manifests = services.renderer.render(application, tree)
    phases.revision = revision = replace(phases.revision, digest=digest)
    with phases("observe"):
        return _look(application, services, manifests, revision, manner)


def observe_members(
    application: Application, services: Services, phases: Phases, revision: Revision
) -> Snapshot:
    """See what is there where nothing is desired: no source is read."""
    with phases("observe"):
        return _look(application, services, (), revision, Manner(requested=True))


def _look(
    application: Application,
    services: Services,
    manifests: Sequence[Manifest],
    revision: Revision,
    manner: Manner,
) -> Snapshot:
    cluster = services.cluster(application.destination.cluster)
    parent = services.inventory(application.destination.cluster).read(application.name)
    resources = resources_for(cluster, parent, manifests)
    known = resources.with_definitions(manifests)
    located = locate(manifests, known, namespace=application.destination.namespace)
    desired = tuple(mark(item, application=application.name, set_id=parent.id) for item in located)
    look = _Observation(application, services, cluster, parent, resources, manner)
    return look.snapshot(desired, revision)


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

    def snapshot(self, desired: tuple[Desired, ...], revision: Revision) -> Snapshot:
        served = {item.key: item for item in desired if self._is_served(item)}
        listing = Members(
            self.cluster, self.parent, self.resources, self.application.destination.namespace
        )
        listed = listing.list(item.resource for item in served.values() if item.resource)
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
        foreseen = self._foresee(compared, live, proven)
        new = self._foresee_new(item for key, item in served.items() if key not in live)
        live |= {key: seen.live for key, seen in foreseen.items()}
        return Snapshot(
            application=self.application,
            revision=revision,
            parent=self.parent,
            desired=desired,
            live=live,
            members=members,
            resources=addresses,
            unreadable=self.unreadable,
            proven=proven - {key for key, seen in foreseen.items() if not seen.is_proven},
            predicted={key: seen.answer for key, seen in foreseen.items()} | new,
            takeovers={key: seen.takeover for key, seen in foreseen.items() if seen.takeover},
            left={key: seen.left for key, seen in foreseen.items() if seen.left},
            elsewhere=self._ask_others(members, live, {item.key for item in desired}),
            unlisted=listing.unlisted(),
            failed_groups=self.resources.failed,
            health=self._health_of_claims(live),
            requested=self.manner.requested,
        )

    def _is_served(self, item: Desired) -> bool:
        """Definitions of this very revision may not be there yet: their objects cannot be live."""
        resource = item.resource
        return resource is not None and bool(
            self.resources.find(resource.api_version, resource.kind)
        )

    # The objects that are there --------------------------------------------------------------

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

    def _foresee(
        self,
        wanted: Mapping[ObjectKey, Desired],
        live: Mapping[ObjectKey, Object],
        proven: Set[ObjectKey],
    ) -> dict[ObjectKey, Foreseen]:
        """What would become of each; of those that are proved only if kubectl owns some of it.

        What a dry run said before is taken for an answer, unless a person asked for this run.
        """
        doubtful = {
            key: item
            for key, item in wanted.items()
            if key not in proven or takeover.concerns(live[key])
        }
        known = {} if self.manner.requested else self._remembered(doubtful, live)
        tried = self._try(
            [(item, live[k], k in proven) for k, item in doubtful.items() if k not in known]
        )
        self._remember(doubtful, known, tried)
        return known | tried

    def _remembered(
        self, doubtful: Mapping[ObjectKey, Desired], live: Mapping[ObjectKey, Object]
    ) -> dict[ObjectKey, Foreseen]:
        digests = {
            digest_of(item.manifest.body, live[key]): key
            for key, item in doubtful.items()
            if not takeover.concerns(live[key])
        }
        known = self.services.verdicts.known(self.application.name, digests)
        return {digests[d]: Foreseen(live[digests[d]], live[digests[d]]) for d in known}

    def _remember(
        self,
        doubtful: Mapping[ObjectKey, Desired],
        known: Mapping[ObjectKey, Foreseen],
        tried: Mapping[ObjectKey, Foreseen],
    ) -> None:
        new = {key: seen for key, seen in tried.items() if seen.changes_nothing}
        if new:
            unchanged = {**known, **new}.items()
            digests = [digest_of(doubtful[key].manifest.body, seen.live) for key, seen in unchanged]
            self.services.verdicts.remember(self.application.name, digests)

    def _try(self, items: list[tuple[Desired, Object, bool]]) -> dict[ObjectKey, Foreseen]:
        trials = Trials(self.cluster)
        with ThreadPoolExecutor(PARALLEL) as pool:
            seen = pool.map(lambda item: trials.foresee(item[0], item[1], proven=item[2]), items)
            return {item.key: found for (item, _, _), found in zip(items, seen, strict=True)}

    def _foresee_new(self, items: Iterable[Desired]) -> dict[ObjectKey, Object | Refusal]:
        """What would become of objects that are not there yet: one request for each, so that it
        is asked only where a person is going to read it."""
        if self.application.sync.automatic and not self.manner.thorough:
            return {}
        new = [item for item in items if item.key not in self.unreadable]
        with ThreadPoolExecutor(PARALLEL) as pool:
            answers = pool.map(Trials(self.cluster).create, new)
            return {item.key: answer for item, answer in zip(new, answers, strict=True) if answer}

    def _health_of_claims(self, live: Mapping[ObjectKey, Object]) -> dict[ObjectKey, Assessment]:
        claims = Claims(self.cluster)
        return {
            key: claims.assess(body)
            for key, body in live.items()
            if key.kind == "PersistentVolumeClaim"
        }

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


def is_same_cluster(one: str, other: str, services: Services) -> bool | None:
    """Whether two destinations name one cluster, which may have several names; None if that
    cannot be told."""
    if one == other:
        return True
    try:
        ids = {services.cluster(name).identity() for name in (one, other)}
    except TowlineError:
        return None  # this host has no way to that destination
    return None if "" in ids else len(ids) == 1


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
        """Whether another deploys to this very cluster; None if that cannot be told."""
        ours, theirs = self.application.destination.cluster, other.destination.cluster
        return is_same_cluster(ours, theirs, self.services)

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
