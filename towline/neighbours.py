"""Reads: what the other applications of a cluster say of an object.

Nothing that Git still names anywhere is deleted, and nothing that another application wants is
taken from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from towline.core import inventory
from towline.core.application import Application
from towline.core.desired import locate
from towline.core.errors import PermanentError, SourceGoneError, TowlineError
from towline.core.inventory import PART_OF, Parent
from towline.core.kustomization import KUSTOMIZATION_FILES
from towline.core.objects import Object, ObjectKey, labels_of
from towline.core.plan import Elsewhere
from towline.core.resources import Resources
from towline.ports import Services


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
class Neighbours:
    """What the other applications of the cluster want, rendered at most once each."""

    application: Application
    services: Services
    parent: Parent
    resources: Resources
    _wanted: dict[str, frozenset[ObjectKey] | TowlineError] = field(default_factory=dict)

    def asked(
        self, prunable: Mapping[ObjectKey, Object], live: Mapping[ObjectKey, Object]
    ) -> dict[ObjectKey, tuple[Elsewhere, ...]]:
        """Does another application of this cluster name what would be pruned or taken over?

        Costs nothing where there is neither. Only then are the others rendered.
        """
        foreign = {
            key: owner
            for key, body in live.items()
            if labels_of(body).get(PART_OF) not in (None, self.parent.id)
            and (owner := inventory.owner_named_by(body)) is not None
        }
        answers = {key: self.claims_on(key) for key in prunable}
        answers |= {
            key: (self.claim_of(owner, key, labels_of(live[key])[PART_OF]),)
            for key, owner in foreign.items()
        }
        return answers

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
