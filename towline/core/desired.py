"""From rendered manifests to what is applied: namespaces filled in, membership marked."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

from towline.core.errors import ManifestError
from towline.core.inventory import MEMBER_ID, PART_OF, member_id
from towline.core.manifest import Manifest
from towline.core.objects import ObjectKey, annotations_of, labels_of
from towline.core.resources import Resource, Resources


@dataclass(frozen=True, slots=True)
class Desired:
    """A manifest as it is applied, and the resource it is applied to.

    `resource` is None where neither the cluster nor the revision defines the kind.
    """

    manifest: Manifest
    resource: Resource | None

    @property
    def key(self) -> ObjectKey:
        return self.manifest.key


def locate(
    manifests: Iterable[Manifest], resources: Resources, *, namespace: str | None
) -> tuple[Desired, ...]:
    """Give every object its namespace and its resource.

    Raises ManifestError for an object that names no namespace where the application has none
    either, and for the same object written twice.
    """
    located = tuple(_locate(manifest, resources, namespace) for manifest in manifests)
    _refuse_repeated(located)
    return located


def _locate(manifest: Manifest, resources: Resources, namespace: str | None) -> Desired:
    resource = resources.find(manifest.api_version, manifest.body["kind"])
    known = resource or resources.preferred(manifest.key.group_kind)
    metadata = dict(manifest.body["metadata"])
    if known is not None and not known.namespaced:
        metadata.pop("namespace", None)
    elif known is not None and not metadata.get("namespace"):
        if namespace is None:
            raise ManifestError(
                f"{manifest.key} names no namespace, and the application's destination has none: "
                "set metadata.namespace, or spec.destination.namespace",
                place=manifest.place,
            )
        metadata["namespace"] = namespace
    return Desired(Manifest({**manifest.body, "metadata": metadata}, manifest.place), resource)


def _refuse_repeated(located: Iterable[Desired]) -> None:
    first: dict[ObjectKey, Manifest] = {}
    for desired in located:
        earlier = first.setdefault(desired.key, desired.manifest)
        if earlier is not desired.manifest:
            raise ManifestError(
                f"{desired.key} is written twice, the first time at {earlier.place}: remove one",
                place=desired.manifest.place,
            )


def mark(desired: Desired, *, application: str, set_id: str) -> Desired:
    """Add the label and the annotation of a member.

    Raises ManifestError for a manifest that brings the label itself (KEP-3659 demands it).
    """
    manifest = desired.manifest
    if PART_OF in labels_of(manifest.body) or MEMBER_ID in annotations_of(manifest.body):
        raise ManifestError(
            f"{manifest.key} carries {PART_OF} or {MEMBER_ID}, which Towline sets: remove it",
            place=manifest.place,
        )
    body = copy.copy(manifest.body)
    metadata = dict(body["metadata"])
    metadata["labels"] = {**labels_of(body), PART_OF: set_id}
    metadata["annotations"] = {
        **annotations_of(body),
        MEMBER_ID: member_id(application, manifest.key),
    }
    body["metadata"] = metadata
    return Desired(Manifest(body, manifest.place), desired.resource)
