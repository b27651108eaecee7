"""What a kustomization reads, and what is refused before Kustomize runs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from towline.core.errors import ManifestError, RenderError
from towline.core.kustomization import KUSTOMIZATION_FILES, folders_read


def folders(files: Mapping[str, str], root: str = "app") -> list[str]:
    """The folders read, of a repository given as its files."""
    paths = {path.rpartition("/")[0] for path in files}
    known = {"/".join(path.split("/")[:n]) for path in paths for n in range(path.count("/") + 2)}
    found = folders_read(
        root,
        read=lambda path: files[path].encode() if path in files else None,
        is_folder=lambda path: path in known or path == "",
    )
    return sorted(found)


def refusal(text: str, **files: str) -> str:
    with pytest.raises(RenderError) as caught:
        folders({"app/kustomization.yaml": text, "app/deployment.yaml": "", **files})
    return str(caught.value)


# What is read --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KUSTOMIZATION_FILES)
def test_a_kustomization_has_one_of_three_names(name: str) -> None:
    assert folders({f"app/{name}": "namespace: x"}) == ["app"]


def test_a_kustomization_may_be_at_the_root() -> None:
    assert folders({"kustomization.yaml": "resources: [a.yaml]", "a.yaml": ""}, "") == [""]


def test_an_empty_kustomization_reads_its_own_folder() -> None:
    assert folders({"app/kustomization.yaml": ""}) == ["app"]


def test_files_are_read_with_their_folder() -> None:
    text = "resources: [deployment.yaml, sub/service.yaml]"
    files = {"app/deployment.yaml": "", "app/sub/service.yaml": ""}
    assert folders({"app/kustomization.yaml": text, **files}) == ["app"]


BASES: list[tuple[str, dict[str, str], list[str]]] = [
    (
        "a base beside",
        {"app/kustomization.yaml": "resources: [../base]", "base/kustomization.yaml": ""},
        ["app", "base"],
    ),
    (
        "a base below",
        {"app/kustomization.yaml": "resources: [base]", "app/base/kustomization.yaml": ""},
        ["app"],
    ),
    (
        "a base with a slash",
        {"app/kustomization.yaml": "resources: [../base/]", "base/kustomization.yaml": ""},
        ["app", "base"],
    ),
    (
        "a base by a long way",
        {"app/kustomization.yaml": "resources: [./x/../../base/.]", "base/kustomization.yaml": ""},
        ["app", "base"],
    ),
    (
        "the root as a base",
        {"app/kustomization.yaml": "resources: [..]", "kustomization.yaml": ""},
        [""],
    ),
    (
        "the old field",
        {"app/kustomization.yaml": "bases: [../base]", "base/kustomization.yaml": ""},
        ["app", "base"],
    ),
    (
        "components",
        {
            "app/kustomization.yaml": "components: [../c]",
            "c/kustomization.yaml": "kind: Component",
        },
        ["app", "c"],
    ),
    (
        "generators, transformers and validators",
        {
            "app/kustomization.yaml": (
                "generators: [../g]\ntransformers: [../t]\nvalidators: [../v]"
            ),
            "g/kustomization.yaml": "",
            "t/Kustomization": "",
            "v/kustomization.yml": "",
        },
        ["app", "g", "t", "v"],
    ),
    (
        "nested bases",
        {
            "app/kustomization.yaml": "resources: [../one]",
            "one/kustomization.yaml": "resources: [../two/deep]",
            "two/deep/kustomization.yaml": "resources: [../../three]",
            "three/kustomization.yaml": "",
        },
        ["app", "one", "three", "two/deep"],
    ),
    (
        "a diamond",
        {
            "app/kustomization.yaml": "resources: [../l, ../r]",
            "l/kustomization.yaml": "resources: [../base]",
            "r/kustomization.yaml": "resources: [../base]",
            "base/kustomization.yaml": "",
        },
        ["app", "base", "l", "r"],
    ),
    (
        "a diamond beside others",
        {
            "app/kustomization.yaml": "resources: [../first, ../l, ../r, ../last]",
            "first/kustomization.yaml": "",
            "l/kustomization.yaml": "resources: [../base]",
            "r/kustomization.yaml": "resources: [../base]",
            "last/kustomization.yaml": "",
            "base/kustomization.yaml": "",
        },
        ["app", "base", "first", "l", "last", "r"],
    ),
    (
        "a cycle",
        {
            "app/kustomization.yaml": "resources: [../b]",
            "b/kustomization.yaml": "resources: [../app]",
        },
        ["app", "b"],
    ),
    (
        "itself",
        {"app/kustomization.yaml": "resources: [.]"},
        ["app"],
    ),
    (
        "names with a common beginning",
        {"app/kustomization.yaml": "resources: [../app2]", "app2/kustomization.yaml": ""},
        ["app", "app2"],
    ),
]


@pytest.mark.parametrize(("what", "files", "expected"), BASES, ids=[case[0] for case in BASES])
def test_bases_are_followed_wherever_they_lead_in_the_repository(
    what: str, files: dict[str, str], expected: list[str]
) -> None:
    assert folders(files) == expected, what


def test_inline_entries_name_no_file() -> None:
    text = (
        "transformers:\n- |-\n  apiVersion: builtin\n  kind: LabelTransformer\n"
        "patches:\n- patch: |-\n    - op: replace\n      path: /spec/replicas\n      value: 3\n"
        "patchesStrategicMerge:\n- |-\n  kind: Deployment\n  image: https://x/y\n"
    )
    assert folders({"app/kustomization.yaml": text}) == ["app"]


@pytest.mark.parametrize(
    "text",
    [
        "configMapGenerator: [{name: a, files: [a.txt, key=b.txt, 'd/c.txt']}]",
        "configMapGenerator: [{name: a, envs: [a.env], env: b.env}]",
        "configMapGenerator: [{name: a, literals: ['url=https://example.com/', 'root=/srv']}]",
        "secretGenerator: [{name: a, literals: ['key=/etc/passwd']}]",
        "images: [{name: registry.example.com/shop, newName: https, newTag: v1}]",
        "namePrefix: /x",
        "patches: [{path: patch.yaml, target: {kind: Deployment}}]",
        'patches: [{patch: \'[{"op": "remove", "path": "/spec"}]\'}]',
        "commonAnnotations: {path: /healthz, docs: 'https://example.com/'}",
        "commonLabels: {env: /prod}",
        "labels: [{pairs: {env: '/prod', files: 'https://x'}}]",
        "metadata: {name: a, annotations: {path: /x}}",
        "openapi: {path: schema.json}",
        "crds: [crd.json]",
        "configurations: [names.yaml]",
        "replacements: [{path: r.yaml}]",
        "vars: [{name: X, objref: {kind: Service}}]",
    ],
)
def test_what_is_below_or_names_no_file_is_not_questioned(text: str) -> None:
    assert folders({"app/kustomization.yaml": text}) == ["app"]


# What is refused -----------------------------------------------------------------------------

REMOTE = [
    "https://git.example.com/x/y",
    "https://git.example.com/x/y?ref=main",
    "https://git.example.com/x/y//deploy?ref=v1&timeout=1s",
    "http://git.example.com/x.yaml",
    "ssh://git@git.example.com/x/y",
    "git@github.com:x/y",
    "git@github.com:x/y?ref=main",
    "git::https://git.example.com/x",
    "git::git.example.com/x",
    "github.com/x/y",
    "github.com/x/y?ref=main",
    "file:///etc/passwd",
]


@pytest.mark.parametrize("target", REMOTE)
@pytest.mark.parametrize("field", ["resources", "bases", "components", "generators"])
def test_a_remote_base_is_refused_with_its_line(field: str, target: str) -> None:
    text = f"namespace: x\n{field}:\n- deployment.yaml\n- '{target}'\n"
    assert refusal(text) == (
        f"app/kustomization.yaml:4: {target} is remote: copy it into the repository"
    )


@pytest.mark.parametrize("target", ["https://h/x.yaml", "https://h/x?ref=main", "http://h/x"])
@pytest.mark.parametrize(
    "text",
    [
        "patches:\n- path: '{}'",
        "patchesStrategicMerge:\n- '{}'",
        "patchesJson6902:\n- {{target: {{kind: X}}, path: '{}'}}",
        "replacements:\n- path: '{}'",
        "crds:\n- '{}'",
        "configurations:\n- '{}'",
        "openapi:\n  path: '{}'",
        "transformers:\n- '{}'",
        "validators:\n- '{}'",
        "configMapGenerator:\n- {{name: a, files: ['{}']}}",
        "configMapGenerator:\n- {{name: a, files: ['key={}']}}",
        "configMapGenerator:\n- {{name: a, envs: ['{}']}}",
        "configMapGenerator:\n- {{name: a, env: '{}'}}",
        "secretGenerator:\n- {{name: a, files: ['{}']}}",
    ],
)
def test_nothing_remote_is_read_through_any_field(text: str, target: str) -> None:
    message = refusal(text.format(target))
    assert message.startswith("app/kustomization.yaml:2: ")
    assert "is remote: copy it into the repository" in message


@pytest.mark.parametrize("target", ["/etc/passwd", "/", "//x", "/etc/a=b"])
@pytest.mark.parametrize(
    "text",
    [
        "resources:\n- '{}'",
        "components:\n- '{}'",
        "patches:\n- path: '{}'",
        "patchesStrategicMerge:\n- '{}'",
        "secretGenerator:\n- {{name: a, files: ['{}']}}",
        "secretGenerator:\n- {{name: a, files: ['key={}']}}",
        "secretGenerator:\n- {{name: a, envs: ['{}']}}",
        "crds:\n- '{}'",
    ],
)
def test_an_absolute_path_is_refused_wherever_it_stands(text: str, target: str) -> None:
    message = refusal(text.format(target))
    assert message.startswith("app/kustomization.yaml:2: ")
    assert "is an absolute path: name it relative to here" in message


@pytest.mark.parametrize("target", ["../..", "../../x", "x/../../../y", "../../app"])
@pytest.mark.parametrize("field", ["resources", "components", "transformers"])
def test_what_leaves_the_repository_is_refused(field: str, target: str) -> None:
    assert refusal(f"{field}:\n- {target}\n") == (
        f"app/kustomization.yaml:2: {target} leaves the repository"
    )


def test_a_base_leaves_the_repository_from_where_it_is() -> None:
    text = "resources:\n- ../../x\n"
    with pytest.raises(RenderError) as caught:
        folders({"app/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": text})
    assert str(caught.value) == "b/kustomization.yaml:2: ../../x leaves the repository"


@pytest.mark.parametrize("target", ["missing.yaml", "../missing", "gitlab.com/x/y", "x/y"])
def test_what_is_not_in_the_repository_is_refused(target: str) -> None:
    assert refusal(f"resources:\n- {target}\n") == (
        f"app/kustomization.yaml:2: {target} is not in the repository; remote bases are not fetched"
    )


def test_a_folder_without_a_kustomization_is_refused_where_it_is_named() -> None:
    files = {"base/deployment.yaml": ""}
    assert refusal("resources:\n- ../base\n", **files) == (
        "app/kustomization.yaml:2: the folder base has no kustomization.yaml"
    )


@pytest.mark.parametrize(("root", "name"), [("app", "app"), ("", ".")])
def test_a_root_without_a_kustomization_is_refused(root: str, name: str) -> None:
    with pytest.raises(RenderError) as caught:
        folders({"other/kustomization.yaml": ""}, root)
    assert str(caught.value) == f"{name}: the folder {name} has no kustomization.yaml"


@pytest.mark.parametrize("value", ["[{name: x}]", "[{name: x, repo: 'https://h'}]", "{a: [b]}"])
@pytest.mark.parametrize("field", ["helmCharts", "helmChartInflationGenerator"])
def test_charts_are_not_inflated(field: str, value: str) -> None:
    assert refusal(f"namespace: x\n{field}: {value}\n") == (
        f"app/kustomization.yaml:2: {field}: charts are not inflated by Kustomize here"
    )


@pytest.mark.parametrize(
    "beside", ["openapi: {path: schema.json}", "crds: [crd.json]", "namespace: x", "x: {y: {}}"]
)
def test_no_field_keeps_another_from_being_looked_at(beside: str) -> None:
    for text in (f"resources: ['https://h/x']\n{beside}", f"{beside}\nresources: ['https://h/x']"):
        assert "https://h/x is remote" in refusal(text)


@pytest.mark.parametrize("text", ["- a\n", "text\n", "1\n"])
def test_a_kustomization_is_a_mapping(text: str) -> None:
    assert refusal(text) == "app/kustomization.yaml:1: a kustomization is a mapping"


def test_every_document_of_a_kustomization_is_looked_at() -> None:
    text = "namespace: x\n---\nresources:\n- https://h/x\n"
    assert refusal(text).startswith("app/kustomization.yaml:4: https://h/x is remote")


def test_a_kustomization_that_is_no_yaml_is_an_error_with_its_line() -> None:
    with pytest.raises(ManifestError, match=r"^app/kustomization\.yaml:\d+: "):
        folders({"app/kustomization.yaml": "resources: [\n"})


def test_an_error_names_the_base_it_is_in() -> None:
    with pytest.raises(RenderError, match=r"^base/kustomization\.yml:1: https://h/x is remote"):
        folders(
            {
                "app/kustomization.yaml": "resources: [../base]",
                "base/kustomization.yml": "resources: ['https://h/x']",
            }
        )


def test_a_thousand_kustomizations_are_enough() -> None:
    files = {f"app/{n}/kustomization.yaml": f"resources: [../{n + 1}]\n" for n in range(1000)}
    with pytest.raises(RenderError) as caught:
        folders({**files, "app/1000/kustomization.yaml": ""}, "app/0")
    assert str(caught.value) == (
        "app/999/kustomization.yaml:1: more than 1000 kustomizations are involved"
    )


@pytest.mark.parametrize("value", ["null", "x", "{a: b}", "[1, null, [x]]"])
def test_fields_of_the_wrong_type_are_left_to_kustomize(value: str) -> None:
    assert folders({"app/kustomization.yaml": f"namespace: {value}\nimages: {value}"}) == ["app"]
