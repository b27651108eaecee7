"""What becomes ours of what kubectl clients applied."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.core.fieldset import entries, paths, trie
from towline.core.objects import Object
from towline.core.takeover import (
    LAST_APPLIED,
    Takeover,
    concerns,
    take_over,
    take_over_named,
)

CLIENT_SIDE = "kubectl-client-side-apply"
ANNOTATION: Object = {"f:metadata": {"f:annotations": {f"f:{LAST_APPLIED}": {}}}}
OURS: Object = {"f:data": {"f:key": {}}}


def entry(manager: str, fields: Any, operation: str = "Update", **more: Any) -> Object:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "v1",
        "time": "2026-01-02T03:04:05Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


def ours(fields: Any = None, **more: Any) -> Object:
    return entry("towline", OURS if fields is None else fields, "Apply", **more)


def live(*owners: Any, said: Any = None, **more: Any) -> Object:
    """A ConfigMap with these owners; `said` is what kubectl applied last, if that is known."""
    metadata: Object = {"name": "a", "namespace": "shop", "managedFields": list(owners)}
    if said is not None:
        text = said if isinstance(said, str) else json.dumps(said)
        metadata["annotations"] = {LAST_APPLIED: text}
    data = {"key": "1", "more": "2", "default": "3"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    return {**body, **more}


def manifest(**more: Any) -> Object:
    metadata = {"name": "a", "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **more}


def data(*names: str) -> Object:
    return {"f:data": {f"f:{name}": {} for name in names}}


def after(body: Object, fields: Any = None) -> Object:
    """What a forced apply of equal values makes of it: we own beside the others."""
    others = [e for e in entries(body) if e.get("manager") != "towline"]
    owners = [ours(fields), *others]
    return {**body, "metadata": {**body["metadata"], "managedFields": owners}}


def told(found: Takeover | None) -> dict[str, Any]:
    """Who owns what then, as readable as it can be."""
    assert found is not None
    return {
        f"{e['manager']} {e['operation']}": sorted(" ".join(p) for p in paths(e["fieldsV1"]))
        for e in found.managed_fields
    }


def taken(body: Object, fields: Any = None) -> Takeover | None:
    return take_over(body, after(body, fields), "towline")


def union(*fields: Object) -> dict[str, Any]:
    return trie(frozenset().union(*map(paths, fields)))


# Who is asked


@pytest.mark.parametrize(
    ("owner", "is_kubectl"),
    [
        (entry("kubectl", OURS, "Apply"), True),
        (entry("kubectl-last-applied", OURS, "Apply"), True),
        (entry("kubectl", OURS), True),
        (entry("kubectl-edit", OURS), True),
        (entry("kubectl-whatever-comes", OURS), True),
        (entry(CLIENT_SIDE, OURS), True),
        (entry("before-first-apply", OURS), True),
        (entry("kubectl-edit", OURS, "Apply"), False),
        (entry("kubectl", OURS, subresource="scale"), False),
        (entry("kubectl-edit", OURS, subresource="status"), False),
        (entry("kubectlx", OURS), False),
        (entry("kube-controller-manager", OURS), False),
        (entry("helm", OURS, "Apply"), False),
        (entry("argocd-controller", OURS), False),
        (ours(), False),
        ({}, False),
        ("kubectl", False),
        (entry(3, OURS), False),  # type: ignore[arg-type]
    ],
)
def test_only_kubectl_is_taken_over_from(owner: Any, is_kubectl: bool) -> None:
    body = live(owner)
    assert concerns(body) is is_kubectl
    assert (taken(body) is not None) is is_kubectl


@pytest.mark.parametrize("body", [{}, {"metadata": {}}, {"metadata": {"managedFields": "x"}}])
def test_an_object_without_owners_concerns_nobody(body: Object) -> None:
    assert not concerns(body)
    assert take_over(body, body, "towline") is None


# What is taken


def test_what_was_applied_on_the_server_is_taken_whole() -> None:
    found = taken(live(entry("kubectl", data("key", "more"), "Apply")))
    assert told(found) == {"towline Apply": ["f:data f:key", "f:data f:more"]}
    assert found is not None
    assert found.managers == ("kubectl",)
    assert found.gone == paths(data("more"))
    assert found.losses == {"kubectl": ("data.more",)}


def test_of_a_client_side_apply_what_the_annotation_names_and_itself() -> None:
    fields = union(ANNOTATION, {"f:data": {".": {}, **data("key", "more", "default")["f:data"]}})
    said = manifest(data={"key": "1", "more": "2"})
    found = taken(live(entry(CLIENT_SIDE, fields), said=said))
    assert told(found) == {
        "towline Apply": [
            "f:data",
            "f:data f:key",
            "f:data f:more",
            f"f:metadata f:annotations f:{LAST_APPLIED}",
        ]
    }
    assert found is not None
    assert found.losses == {
        CLIENT_SIDE: ("data.more", f'metadata.annotations["{LAST_APPLIED}"]'),
    }


def test_a_default_that_git_names_is_taken_too() -> None:
    """Else it would be nobody's if the run ended before the apply."""
    fields = union(ANNOTATION, data("key", "default"))
    found = taken(live(entry(CLIENT_SIDE, fields), said=manifest()), data("default"))
    assert "f:data f:default" in told(found)["towline Apply"]
    assert "f:data f:key" not in told(found)["towline Apply"]


SAID = manifest(data={"key": "1"})


@pytest.mark.parametrize(
    "said",
    [
        None,
        "",
        "{",
        "[]",
        '"text"',
        "[" * 100_000,
        {},
        {**SAID, "kind": "Secret"},
        {**SAID, "apiVersion": "apps/v1"},
        {**SAID, "apiVersion": 1},
        {**SAID, "metadata": {"name": "b"}},
        {**SAID, "metadata": {"name": "a", "namespace": "other"}},
        {**SAID, "metadata": None},
    ],
)
def test_without_the_annotation_all_was_meant(said: Any) -> None:
    found = taken(live(entry(CLIENT_SIDE, data("key", "more")), said=said))
    assert told(found) == {"towline Apply": ["f:data f:key", "f:data f:more"]}


def test_the_annotation_may_leave_the_namespace_out() -> None:
    said = {**SAID, "metadata": {"name": "a"}}
    found = taken(live(entry(CLIENT_SIDE, data("key", "more")), said=said))
    assert told(found) == {"towline Apply": ["f:data f:key"]}


def test_what_a_secret_was_given_as_text_is_in_its_data() -> None:
    said = {**manifest(data={"a": "YQ=="}, stringData={"b": "b"}), "kind": "Secret"}
    body = live(entry(CLIENT_SIDE, data("a", "b", "c")), said=said, kind="Secret")
    assert told(taken(body, {})) == {"towline Apply": ["f:data f:a", "f:data f:b"]}


def test_what_was_there_before_the_first_apply_needs_the_annotation() -> None:
    """It may be an autoscaler's: the server made up that entry for all that was there."""
    owner = entry("before-first-apply", data("key", "more", "default"))
    assert told(taken(live(owner))) == {
        "before-first-apply Update": ["f:data f:default", "f:data f:more"],
        "towline Apply": ["f:data f:key"],
    }
    said = manifest(data={"more": "2"})
    assert told(taken(live(owner, said=said))) == {
        "towline Apply": ["f:data f:key", "f:data f:more"]
    }


def test_of_other_commands_only_what_git_names() -> None:
    found = taken(live(entry("kubectl-edit", data("key", "more"))))
    assert told(found) == {
        "kubectl-edit Update": ["f:data f:more"],
        "towline Apply": ["f:data f:key"],
    }
    assert found is not None
    assert (found.gone, found.losses) == (frozenset(), {})


def test_also_what_git_named_until_now() -> None:
    found = taken(live(ours(data("key", "more")), entry("kubectl-edit", data("more"))))
    assert told(found) == {"towline Apply": ["f:data f:key", "f:data f:more"]}
    assert found is not None
    assert found.gone == paths(data("more"))


def test_a_command_that_saved_its_manifest_meant_it() -> None:
    """`kubectl create --save-config`; what the server filled in stays in that entry."""
    fields = union(ANNOTATION, data("key", "more", "default"))
    said = manifest(data={"key": "1", "more": "2"})
    found = taken(live(entry("kubectl-create", fields), said=said))
    assert told(found)["kubectl-create Update"] == ["f:data f:default"]
    assert "f:data f:more" in told(found)["towline Apply"]


@pytest.mark.parametrize("owner", [(CLIENT_SIDE, "Update"), ("kubectl", "Apply")])
def test_replicas_are_taken_only_if_git_names_them(owner: tuple[str, str]) -> None:
    replicas: Object = {"f:spec": {"f:replicas": {}}}
    body = live(entry(owner[0], union(replicas, data("more")), owner[1]))
    assert told(taken(body)) == {"towline Apply": ["f:data f:more"]}
    assert told(taken(body, replicas)) == {"towline Apply": ["f:data f:more", "f:spec f:replicas"]}


def test_what_another_owner_keeps_does_not_go() -> None:
    body = live(entry("kubectl", data("more"), "Apply"), entry("operator", data("more")))
    found = taken(body)
    assert found is not None
    assert found.losses == {}
    assert paths(data("more")) <= found.kept


def test_the_entries_of_others_stay_as_they_are() -> None:
    others = [
        entry("kubectl", data("x"), subresource="scale"),
        entry("kubectl-edit", data("more"), apiVersion="v2"),
        entry("kubectl-label", data("more")),
        entry("operator", data("y"), "Apply"),
    ]
    found = taken(live(*others, entry(CLIENT_SIDE, data("key"))))
    assert found is not None
    assert found.managed_fields == (ours(data("key")), *others)


# When there is nothing to do


def test_what_kubectl_loses_by_force_needs_no_rewriting() -> None:
    body = live(entry("kubectl", data("key", "more")))
    forced = live(ours(), entry("kubectl", data("more")))
    assert take_over(body, forced, "towline") is None


def test_a_rewriting_is_done_once() -> None:
    for owner in (
        entry("kubectl", data("key", "more"), "Apply"),
        entry(CLIENT_SIDE, data("key", "more")),
        entry("kubectl-edit", data("key", "more")),
    ):
        body = live(owner)
        found = taken(body)
        assert found is not None
        rewritten = live(*found.managed_fields)
        assert taken(rewritten) is None
        assert found.again(rewritten, after(body), "towline") is None


def test_an_entry_of_ours_keeps_its_time() -> None:
    mine = ours(time="2020-01-01T00:00:00Z")
    found = taken(live(mine, entry("kubectl", data("more"), "Apply")))
    assert found is not None
    assert found.managed_fields == ({**mine, "fieldsV1": data("key", "more")},)
    owner = entry("kubectl", data("more"), "Apply")
    del owner["time"]
    found = taken(live(owner))
    assert found is not None
    assert "time" not in found.managed_fields[0]


@pytest.mark.parametrize(
    "owners",
    [
        [ours(apiVersion="v2"), entry(CLIENT_SIDE, data("key"))],
        [ours(), ours(), entry(CLIENT_SIDE, data("key"))],
        [entry(CLIENT_SIDE, data("key"), apiVersion="v2")],
        [entry(CLIENT_SIDE, data("key")), "x"],
        [entry(CLIENT_SIDE, data("key")), entry("x", None)],
        [entry(CLIENT_SIDE, data("key"), fieldsType="FieldsV2")],
    ],
    ids=["our version", "twice", "their version", "no entry", "no fields", "another form"],
)
def test_what_cannot_be_rewritten_is_left_alone(owners: list[Any]) -> None:
    body = live(*owners)
    assert take_over(body, after(live()), "towline") is None
    assert taken(body) is None


def test_without_an_entry_of_ours_afterwards_nothing_is_taken() -> None:
    body = live(entry(CLIENT_SIDE, data("key")))
    assert take_over(body, body, "towline") is None


# Without what can't be removed


def test_of_the_named_fields_alone_the_co_ownership_ends() -> None:
    body = live(
        entry("kubectl", data("key", "more"), "Apply"),
        entry(CLIENT_SIDE, data("key", "default")),
    )
    found = take_over_named(body, after(body), "towline")
    assert told(found) == {
        "towline Apply": ["f:data f:key"],
        "kubectl Apply": ["f:data f:more"],
        f"{CLIENT_SIDE} Update": ["f:data f:default"],
    }
    assert found is not None
    assert (found.gone, found.losses, found.is_whole) == (frozenset(), {}, False)
    rewritten = live(*found.managed_fields)
    assert take_over_named(rewritten, after(rewritten), "towline") is None
    assert found.again(rewritten, after(rewritten), "towline") is None


# Whatever comes

PARTS = st.sampled_from(["f:data", "f:key", "f:spec", 'k:{"name":"a"}', 'v:"a"', "i:0", "x"])
FIELDS = st.frozensets(st.lists(PARTS, min_size=1, max_size=3).map(tuple), max_size=6).map(trie)
MANAGERS = st.sampled_from(
    ["kubectl", "kubectl-edit", CLIENT_SIDE, "before-first-apply", "operator", "towline"]
)
ENTRIES = st.builds(entry, MANAGERS, FIELDS, st.sampled_from(["Apply", "Update"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
ANYTHING = JSON | st.dictionaries(
    st.sampled_from(
        ["manager", "operation", "apiVersion", "fieldsType", "fieldsV1", "subresource"]
    ),
    JSON | MANAGERS | st.sampled_from(["Apply", "Update", "v1", "FieldsV1"]),
)
SAYINGS = JSON | st.builds(manifest, data=JSON, spec=JSON)


@given(st.lists(ENTRIES, max_size=5), FIELDS, SAYINGS)
def test_nothing_is_claimed_that_was_not_kubectls_and_nothing_else_is_touched(
    owners: list[Object], wanted: Object, said: Any
) -> None:
    body = live(*owners, said=said)
    before = copy.deepcopy(body)
    for found in (taken(body, wanted), take_over_named(body, after(body, wanted), "towline")):
        if found is None:
            continue
        mine, theirs, kubectls = _sorted_out(owners)
        (now, *rest) = _sorted_out(list(found.managed_fields))
        assert mine <= now <= mine | kubectls
        assert rest[0] == theirs
        assert rest[1] <= kubectls
        assert found.gone == now - paths(wanted)
        assert not (found.gone and not found.is_whole and found.gone - mine)
    assert body == before


def _sorted_out(owners: list[Object]) -> tuple[frozenset[Any], frozenset[Any], frozenset[Any]]:
    """What we own, what strangers own, and what kubectl owns."""
    fields: dict[str, frozenset[Any]] = {"ours": frozenset(), "": frozenset(), "k": frozenset()}
    for owner in owners:
        is_ours = (owner["manager"], owner["operation"]) == ("towline", "Apply")
        kind = "ours" if is_ours else "k" if concerns(live(owner)) else ""
        fields[kind] |= paths(owner["fieldsV1"])
    return fields["ours"], fields[""], fields["k"]


@given(st.lists(ENTRIES | ANYTHING, max_size=4), st.lists(ENTRIES | ANYTHING, max_size=4), JSON)
def test_nothing_raises(owners: list[Any], afterwards: list[Any], said: Any) -> None:
    body = live(*owners, said=json.dumps(said))
    concerns(body)
    for other in (body, live(*afterwards), live(ours(), *afterwards)):
        take_over(body, other, "towline")
        take_over_named(body, other, "towline")
    body["metadata"]["annotations"] = said
    take_over(body, after(body), "towline")
