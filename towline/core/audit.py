"""Does what a set says of itself fit what is there? Findings, and the parent as it should be.

A finding says what is wrong with which object, and what to do. A note is what looks wrong and is
not: the copies of labels that controllers make.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from towline.core import inventory
from towline.core.errors import PermanentError
from towline.core.inventory import (
    GROUP_KINDS,
    ID_LABEL,
    MEMBER_ID,
    NAMESPACES,
    PART_OF,
    Parent,
    applyset_id,
    parent_key,
    read_parent,
)
from towline.core.objects import GroupKind, Object, ObjectKey, annotations_of, key_of, labels_of
from towline.core.resources import Resources


@dataclass(frozen=True, slots=True)
class Finding:
    object: str
    problem: str
    advice: str
    is_note: bool = False
    """Nothing has to be done about it."""

    def __str__(self) -> str:
        return f"{self.object}: {self.problem}. {self.advice}"


@dataclass(frozen=True)
class Sighting:
    """All that there is of one set, looked for everywhere."""

    application: str
    namespace: str
    """Where the inventory is kept."""
    body: Object | None
    """What stands where the parent is, or would be."""
    labelled: Mapping[ObjectKey, Object]
    """Every object that carries the label, of whatever kind."""
    resources: Resources
    unseen: frozenset[GroupKind] = frozenset()
    """Kinds that may not be listed, so that nothing is known of their objects."""
    wanted: frozenset[ObjectKey] = frozenset()
    """What Git names."""
    unlabelled: tuple[Object, ...] = ()
    """Live objects that Git names, and that do not carry the label."""
    git_error: str = ""
    """Why it is not known what Git names."""
    abandoned: str = ""
    """Why nobody describes it; empty if a document does."""

    @property
    def key(self) -> ObjectKey:
        return parent_key(self.application, self.namespace)

    @property
    def id(self) -> str:
        return applyset_id(self.key)

    @property
    def parent(self) -> Parent:
        """Raises PermanentError if it belongs to another tool."""
        return read_parent(self.body, self.application, self.namespace)

    @property
    def members(self) -> frozenset[ObjectKey]:
        """What carries the label and names the application: a copied label makes no member."""
        named = inventory.owner_named_by
        return frozenset(k for k, body in self.labelled.items() if named(body) == self.application)

    @property
    def next_run(self) -> str:
        """Who brings in order what needs no repair."""
        if self.abandoned:
            return f"`towline prune {self.application}` goes over it"
        return f"The next run that ends well (`towline sync {self.application}`) corrects it"


def findings(seen: Sighting) -> list[Finding]:
    """Everything that is wrong with a set, and the notes."""
    try:
        parent = seen.parent
    except PermanentError as error:
        problem, _, advice = error.message.removeprefix(f"{seen.key} ").partition(". ")
        return [Finding(str(seen.key), problem, advice)]
    found = [*_of_parent(parent, seen), *_of_kinds(parent, seen), *_of_namespaces(parent, seen)]
    for _, live in sorted(seen.labelled.items()):
        found += _of_labelled(live, parent, seen)
    found += [_of_unlabelled(live, seen) for live in seen.unlabelled]
    if seen.git_error:
        problem = f"what Git names is not known: {seen.git_error}"
        advice = "Correct that, and check again: objects that lost their label were not looked for"
        found.append(Finding(f"application {seen.application}", problem, advice))
    return found


def mended(seen: Sighting) -> Parent | None:
    """The parent as it should be; None if it need not be written.

    It only ever becomes wider: a run may be between its claim and its first write, and what it
    has claimed must stay covered (KEP-3659). Raises PermanentError if it belongs to another tool,
    or if not all members can be known.
    """
    parent = seen.parent
    if parent.resource_version is None and not seen.members:
        return None
    wider = parent.widened(seen.members)
    if wider == parent and parent.complete:
        return None
    if not parent.complete and seen.resources.failed:
        groups = ", ".join(sorted(seen.resources.failed))
        raise PermanentError(
            f"{seen.key} is not repaired: the API groups {groups} do not answer, and may have "
            "members. Repair it when they do"
        )
    return wider


# The parent ----------------------------------------------------------------------------------


def _repair(seen: Sighting) -> str:
    return f"`towline inventory {seen.application} --repair` corrects it"


def _of_parent(parent: Parent, seen: Sighting) -> Iterable[Finding]:
    name = str(seen.key)
    if seen.body is None:
        if seen.members:
            problem = f"it is missing, and {_counted(seen.members)} of the set there"
            yield Finding(name, problem, f"{_repair(seen)}, and so does the next run")
        return
    label = labels_of(seen.body).get(ID_LABEL)
    if label != seen.id:
        problem = f"its label {ID_LABEL} is {label or 'missing'}, and should be {seen.id}"
        yield Finding(name, problem, _repair(seen))
    elif not parent.complete:
        problem = f"its annotation {GROUP_KINDS} was removed, or written by somebody else"
        yield Finding(name, f"{problem}, so that runs search all kinds", _repair(seen))


def _counted(members: Iterable[ObjectKey]) -> str:
    number = len(list(members))
    return f"{number} {'object' if number == 1 else 'objects'} {'is' if number == 1 else 'are'}"


def _of_kinds(parent: Parent, seen: Sighting) -> Iterable[Finding]:
    name = str(seen.key)
    there = {key.group_kind: key for key in sorted(seen.members, reverse=True)}
    if seen.body is not None:
        for kind in sorted(there.keys() - parent.group_kinds):
            problem = f"{GROUP_KINDS} leaves out {kind}, though {there[kind]} is a member"
            yield Finding(name, problem, _repair(seen))
    for kind in sorted(parent.group_kinds - there.keys()):
        problem = _why_no_members(kind, seen)
        if problem:
            yield Finding(name, f"{GROUP_KINDS} names {kind}, {problem}", seen.next_run)
    for kind in sorted(parent.group_kinds & seen.unseen):
        advice = "Grant `list` for it: without, members are neither found nor pruned"
        yield Finding(name, f"{kind} may not be listed by this user", advice)


def _why_no_members(kind: GroupKind, seen: Sighting) -> str:
    """Empty where there may be some: what Git names is covered before it is applied."""
    if kind.group in seen.resources.failed or kind in seen.unseen:
        return ""
    if seen.resources.preferred(kind) is None:
        return "which the cluster does not serve"
    named = any(key.group_kind == kind for key in seen.wanted)
    return "" if named or seen.git_error else "of which there is no member"


def _of_namespaces(parent: Parent, seen: Sighting) -> Iterable[Finding]:
    name = str(seen.key)
    there = {key.namespace: key for key in sorted(seen.members, reverse=True) if key.namespace}
    if seen.body is not None:
        for namespace in sorted(there.keys() - parent.namespaces - {parent.namespace}):
            problem = f"{NAMESPACES} leaves out {namespace}, though {there[namespace]} is a member"
            yield Finding(name, problem, _repair(seen))
    if seen.git_error or seen.unseen & parent.group_kinds or _has_failed(parent, seen):
        return
    named = {key.namespace for key in seen.wanted}
    for namespace in sorted(parent.namespaces - there.keys() - named):
        problem = f"{NAMESPACES} names {namespace}, in which there is no member"
        yield Finding(name, problem, seen.next_run)


def _has_failed(parent: Parent, seen: Sighting) -> bool:
    return any(kind.group in seen.resources.failed for kind in parent.group_kinds)


# The objects ---------------------------------------------------------------------------------


def _of_labelled(live: Object, parent: Parent, seen: Sighting) -> Iterable[Finding]:
    """What carries the label and may not be deleted, or is being deleted."""
    name = str(key_of(live))
    owner = inventory.owner_named_by(live)
    against = inventory.why_not_ours(live, parent)
    if owner != seen.application:
        yield _of_copy(live, owner, seen)
    elif against:
        advice = "It is never pruned: leave it out of Git, or remove what stands against it"
        yield Finding(name, f"it carries the label, but {against}", advice)
    since = live["metadata"].get("deletionTimestamp")
    if since and owner == seen.application:
        finalizers = ", ".join(live["metadata"].get("finalizers") or ()) or "its dependents"
        advice = "Look at who serves these finalizers"
        yield Finding(name, f"being deleted since {since}, waits for {finalizers}", advice)


def _of_copy(live: Object, owner: str | None, seen: Sighting) -> Finding:
    name, controller = str(key_of(live)), inventory.controller_of(live)
    if controller or _is_mirror(live, seen):
        problem = f"its label was copied by {controller or 'the controller of endpoints'}"
        return Finding(name, problem, "It is no member and never pruned", is_note=True)
    if owner:
        problem = f"it carries the label, and its annotation {MEMBER_ID} names {owner}"
        advice = f"`towline sync {owner}` labels it anew, if {owner} names it in Git"
        return Finding(name, problem, advice)
    said = annotations_of(live).get(MEMBER_ID)
    problem = f"its annotation {MEMBER_ID} {f'is {said}' if said else 'is missing'}"
    advice = f"Remove the label {PART_OF}, or let Git name the object; it is never pruned as it is"
    return Finding(name, f"the label was copied: {problem}", advice)


def _is_mirror(live: Object, seen: Sighting) -> bool:
    """Endpoints get the labels of their Service, and name no owner."""
    key = key_of(live)
    service = ObjectKey("", "Service", key.namespace, key.name)
    return key.group_kind == GroupKind("", "Endpoints") and service in seen.labelled


def _of_unlabelled(live: Object, seen: Sighting) -> Finding:
    name, label = str(key_of(live)), labels_of(live).get(PART_OF)
    if label is None:
        problem = "Git names it, and it does not carry the label of the set: it is not pruned"
        return Finding(name, problem, f"`towline sync {seen.application}` applies it again")
    owner = inventory.owner_named_by(live) or f"another set ({label})"
    problem = f"Git names it, and it belongs to {owner}"
    return Finding(name, problem, "Remove it from one of them, or name that one in adoptFrom")
