"""The documents that people write: what is accepted, what is assumed, and what is refused where."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from towline.core.application import (
    API_VERSION,
    DEFAULT_INTERVAL,
    Application,
    Documents,
    Renderer,
    Repository,
    Source,
    SyncPolicy,
    json_schema,
    parse_documents,
)
from towline.core.errors import DocumentError

EXAMPLES = b"""\
apiVersion: towline.dev/v1alpha1
kind: Repository
metadata: {name: shop}
spec:
  url: https://git.example.com/shop/
  username: towline
  tokenFile: /etc/towline/shop/token
  webhookSecretFile: /etc/towline/shop/webhook
  interval: 3m
---
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {name: shop-prod}
spec:
  source:
    repository: https://git.example.com/shop/deploy.git
    branch: main
    path: environments/prod
    renderer: auto
    include: ["*.yaml"]
  destination:
    cluster: in-cluster
    namespace: shop
  sync:
    automatic: true
    prune: true
    selfHeal: true
    interval: 10m
    maxPrune: 10%
    allowEmpty: false
    timeout: 5m
  adoptFrom: []
"""

SOURCE: dict[str, Any] = {"repository": "https://git.example.com/shop.git", "branch": "main"}


def application(name: str = "shop", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "Application",
        "metadata": {"name": name},
        "spec": {"source": SOURCE, "destination": {"cluster": "in-cluster"}, **spec},
    }


def repository(name: str = "shop", url: str = "https://git.example.com/", **spec: Any) -> Any:
    return {
        "apiVersion": API_VERSION,
        "kind": "Repository",
        "metadata": {"name": name},
        "spec": {"url": url, **spec},
    }


def parsed(*documents: Any) -> Documents:
    return parse_documents({"towline.yaml": yaml.safe_dump_all(documents).encode()})


def one(document: Any) -> Application:
    return next(iter(parsed(document).applications.values()))


def refusal(*documents: Any) -> str:
    with pytest.raises(DocumentError) as caught:
        parsed(*documents)
    return str(caught.value)


def source(**fields: Any) -> dict[str, Any]:
    return application(source={"repository": SOURCE["repository"], **fields})


def of_source(**fields: Any) -> Source:
    return one(source(**fields)).source


# The examples, and what is assumed -----------------------------------------------------------


def test_the_example_documents_are_accepted_in_every_detail() -> None:
    documents = parse_documents({"towline.yaml": EXAMPLES})
    (repo,) = documents.repositories
    app = documents.applications["shop-prod"]
    assert repo.name == "shop"
    assert repo.spec.url == "https://git.example.com/shop/"
    assert repo.spec.username == "towline"
    assert repo.spec.token_file == "/etc/towline/shop/token"
    assert repo.spec.webhook_secret_file == "/etc/towline/shop/webhook"
    assert repo.spec.interval == timedelta(minutes=3)
    assert app.source.branch == "main"
    assert app.source.path == "environments/prod"
    assert app.source.renderer is Renderer.AUTO
    assert app.source.include == ("*.yaml",)
    assert app.destination.cluster == "in-cluster"
    assert app.destination.namespace == "shop"
    assert app.spec.adopt_from == ()


def test_what_the_example_shows_for_sync_are_the_defaults() -> None:
    app = parse_documents({"towline.yaml": EXAMPLES}).applications["shop-prod"]
    assert app.sync == SyncPolicy() == one(application()).sync


def test_the_repository_document_covers_the_application_of_the_example() -> None:
    documents = parse_documents({"towline.yaml": EXAMPLES})
    found = documents.repository_for("https://git.example.com/shop/deploy.git")
    assert found is documents.repositories[0]


def test_what_is_left_out_has_its_default() -> None:
    app = one(application())
    assert app.source.path == ""
    assert app.source.renderer is Renderer.AUTO
    assert app.source.include == ("*.yaml", "*.yml", "*.json")
    assert app.source.exclude == ()
    assert app.destination.namespace is None
    assert app.spec.adopt_from == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("automatic", True),
        ("prune", True),
        ("self_heal", True),
        ("interval", timedelta(minutes=10)),
        ("max_prune", "10%"),
        ("allow_empty", False),
        ("timeout", timedelta(minutes=5)),
    ],
)
def test_each_default_of_sync_holds_when_others_are_given(field: str, value: Any) -> None:
    alias = re.sub("_(.)", lambda found: found[1].upper(), field)
    sync = {"automatic": False, "selfHeal": False, "interval": "1m", "maxPrune": 1}
    sync.pop(alias, None)
    assert getattr(one(application(sync=sync)).sync, field) == value


def test_a_repository_document_needs_only_a_url() -> None:
    (found,) = parsed(repository()).repositories
    assert found.spec.interval == timedelta(minutes=3)
    assert found.spec.token_file is None
    assert found.spec.ssh_key_file is None


# Sources of documents ------------------------------------------------------------------------


def test_no_files_are_no_documents() -> None:
    assert parse_documents({}) == Documents()
    assert parse_documents({"empty.yaml": b""}) == Documents()
    assert parse_documents({"empty.yaml": b"# nothing\n---\n---\n"}) == Documents()


def test_a_folder_of_files_is_read_as_one() -> None:
    files = {
        "a.yaml": yaml.safe_dump(application("a")).encode(),
        "b.json": b'{"apiVersion": "towline.dev/v1alpha1", "kind": "Repository",'
        b' "metadata": {"name": "r"}, "spec": {"url": "https://git.example.com/"}}',
    }
    documents = parse_documents(files)
    assert list(documents.applications) == ["a"]
    assert [r.name for r in documents.repositories] == ["r"]


def test_an_application_and_a_repository_may_share_a_name() -> None:
    documents = parsed(application("shop"), repository("shop"))
    assert "shop" in documents.applications
    assert documents.repositories[0].name == "shop"


def test_a_repeated_name_names_both_places() -> None:
    assert refusal(application("a"), repository("r"), application("a")) == (
        "towline.yaml:19: Application a is already defined at towline.yaml:1"
    )


def test_a_repeated_name_is_found_across_files() -> None:
    data = yaml.safe_dump(repository("r")).encode()
    with pytest.raises(DocumentError) as caught:
        parse_documents({"one.yaml": data, "two.yaml": b"\n" + data})
    assert str(caught.value) == "two.yaml:2: Repository r is already defined at one.yaml:1"


def test_every_repetition_is_named() -> None:
    text = refusal(application("a"), application("a"), application("a"))
    assert len(text.splitlines()) == 2


# Errors have their file and line -------------------------------------------------------------

TEMPLATE = """\
apiVersion: towline.dev/v1alpha1
kind: Application
metadata:
  name: shop
spec:
  source:
    repository: https://git.example.com/shop.git
    branch: main
  destination:
    cluster: in-cluster
"""

LINES: list[tuple[str, str, str, str]] = [
    ("version", "towline.dev/v1alpha1", "v1", "a.yaml:1: apiVersion must be towline.dev/v1alpha1"),
    (
        "kind",
        "kind: Application",
        "kind: App",
        "a.yaml:1: kind must be one of Application, Repository",
    ),
    ("name", "name: shop", "name: Shop", "a.yaml:4: metadata.name: "),
    (
        "misspelt",
        "    branch: main",
        "    branch: main\n    pth: x",
        "a.yaml:9: spec.source.pth: this field is not known; is it misspelt?",
    ),
    (
        "none followed",
        "    branch: main\n",
        "",
        "a.yaml:7: spec.source: name exactly one of branch, tag, semver and commit",
    ),
    (
        "repository",
        "https://git.example.com/shop.git",
        "ext::sh",
        "a.yaml:7: spec.source.repository: not a URL of a Git repository: use https://…, ssh://… "
        "or user@host:path",
    ),
    ("cluster", "cluster: in-cluster", "cluster: ''", "a.yaml:10: spec.destination.cluster: "),
    ("missing", "    cluster: in-cluster", "    namespace: x", "spec.destination.cluster: "),
    ("top", "kind: Application", "kind: Application\nstatus: {}", "a.yaml:3: status: this field"),
]


@pytest.mark.parametrize(("what", "old", "new", "expected"), LINES, ids=[c[0] for c in LINES])
def test_an_error_names_file_line_and_field(what: str, old: str, new: str, expected: str) -> None:
    assert old in TEMPLATE, what
    with pytest.raises(DocumentError) as caught:
        parse_documents({"a.yaml": TEMPLATE.replace(old, new).encode()})
    assert expected in str(caught.value)
    assert re.match(r"a\.yaml:\d+: ", str(caught.value))


def test_all_errors_of_all_files_are_said_at_once() -> None:
    bad = TEMPLATE.replace("name: shop", "name: '-'").replace("main", "ma in")
    with pytest.raises(DocumentError) as caught:
        parse_documents({"a.yaml": bad.encode(), "b.yaml": b"x: [", "c.yaml": b"- 1\n"})
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines[:2]] == ["a.yaml:4", "a.yaml:8"]
    assert any(line.startswith("b.yaml:") for line in lines)
    assert lines[-1] == (
        "c.yaml:1: a document is a mapping with apiVersion, kind, metadata and spec"
    )


def test_one_bad_document_spoils_the_good_ones_beside_it() -> None:
    assert "metadata.name" in refusal(application("good"), application("Bad"))


def test_an_error_in_a_later_document_has_its_own_line() -> None:
    data = TEMPLATE + "---\n" + TEMPLATE.replace("name: shop", "name: SHOP")
    with pytest.raises(DocumentError, match=r"^a\.yaml:15: metadata\.name: "):
        parse_documents({"a.yaml": data.encode()})


def test_an_error_in_json_has_its_line() -> None:
    data = (
        b'{"apiVersion": "towline.dev/v1alpha1",\n"kind": "Application",\n"metadata": {},\n"x": 1}'
    )
    with pytest.raises(DocumentError) as caught:
        parse_documents({"a.json": data})
    assert "a.json:3: metadata.name: " in str(caught.value)
    assert "a.json:4: x: this field is not known" in str(caught.value)


@pytest.mark.parametrize("data", [b"[]\n", b"text\n", b"1\n", b"- kind: Application\n"])
def test_what_is_no_mapping_is_no_document(data: bytes) -> None:
    with pytest.raises(DocumentError, match="a document is a mapping"):
        parse_documents({"a.yaml": data})


@pytest.mark.parametrize("kind", [None, "", "application", "ConfigMap", 1, [], {}])
def test_only_the_two_kinds_are_known(kind: Any) -> None:
    text = refusal({**application(), "kind": kind})
    assert "kind must be one of Application, Repository" in text


@pytest.mark.parametrize("version", [None, "", "v1", "towline.dev/v1", "towline.dev/v1alpha1 ", 1])
def test_only_the_one_version_is_known(version: Any) -> None:
    assert "apiVersion must be" in refusal({**application(), "apiVersion": version})


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({**application(), "metadata": None}, "metadata"),
        ({**application(), "spec": None}, "spec"),
        ({**application(), "spec": []}, "spec"),
        (application(source=None), "spec.source"),
        (application(destination=None), "spec.destination"),
        (application(destination="in-cluster"), "spec.destination"),
        (application(sync=None), "spec.sync"),
        (application(sync=[]), "spec.sync"),
        (application(adoptFrom="other"), "spec.adoptFrom"),
        (application(adoptFrom=[1]), "spec.adoptFrom.0"),
        (application(adoptFrom=["Other"]), "spec.adoptFrom.0"),
        (application(sync={"automatic": "yes"}), "spec.sync.automatic"),
        (application(sync={"automatic": 1}), "spec.sync.automatic"),
        (application(sync={"prune": None}), "spec.sync.prune"),
        (application(sync={"selfheal": True}), "spec.sync.selfheal"),
        (application(sync={"interval": 10}), "spec.sync.interval"),
        (application(destination={"cluster": 1}), "spec.destination.cluster"),
        (application(destination={"cluster": "c" * 254}), "spec.destination.cluster"),
        (source(branch=1), "spec.source.branch"),
        (source(tag=1.0), "spec.source.tag"),
        (source(branch="main", path=["x"]), "spec.source.path"),
        (source(branch="main", include="*.yaml"), "spec.source.include"),
        (source(branch="main", include=[1]), "spec.source.include.0"),
        (source(branch="main", renderer="helm"), "spec.source.renderer"),
        (source(branch="main", renderer=None), "spec.source.renderer"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_where_it_stands(document: Any, field: str) -> None:
    assert re.search(rf"towline\.yaml:\d+: {re.escape(field)}: ", refusal(document))


NO_DURATION = "write a duration such as 30s, 10m or 1h30m"
NO_LENGTH = "a duration is between 1s and 168h"
NO_REF = "not a ref name that Towline accepts (letters, digits and _ . / + @ -)"
NO_SHORT_NAME = "write the short name of the branch or tag, without refs/…"
NO_LIMIT = "write a number of objects, or a percentage of the members such as 10%"


@pytest.mark.parametrize(
    ("document", "field", "message"),
    [
        (application(sync={"interval": "soon"}), "spec.sync.interval", NO_DURATION),
        (application(sync={"interval": None}), "spec.sync.interval", NO_DURATION),
        (application(sync={"timeout": "0s"}), "spec.sync.timeout", NO_LENGTH),
        (repository(interval="168h1s"), "spec.interval", NO_LENGTH),
        (source(branch="a b"), "spec.source.branch", NO_REF),
        (source(tag="a..b"), "spec.source.tag", NO_REF),
        (source(branch="refs/heads/main"), "spec.source.branch", NO_SHORT_NAME),
        (source(tag="a.lock"), "spec.source.tag", NO_SHORT_NAME),
        (application(sync={"maxPrune": "many"}), "spec.sync.maxPrune", NO_LIMIT),
        (
            repository(tokenFile="/t", sshKeyFile="/k", knownHostsFile="/h"),
            "spec",
            "name either tokenFile or sshKeyFile",
        ),
        (
            repository(sshKeyFile="/k"),
            "spec",
            "sshKeyFile and knownHostsFile go together: host keys are checked",
        ),
    ],
)
def test_what_is_refused_is_told_what_to_write_instead(
    document: Any, field: str, message: str
) -> None:
    assert refusal(document).partition(": ")[2] == f"{field}: {message}"


# Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "0", "shop-prod", "a-1", "a" * 53])
def test_a_name_is_a_dns_label(name: str) -> None:
    assert one(application(name)).name == name


@pytest.mark.parametrize(
    "name", ["", "-", "a-", "-a", "A", "a.b", "a_b", "a b", "a/b", "ä", "a" * 54, "a\n"]
)
def test_another_name_is_refused(name: str) -> None:
    assert "metadata.name: " in refusal(application(name))


@pytest.mark.parametrize("namespace", ["", "A", "a.b", "-a", "a" * 64, "a/b", "a\n"])
def test_a_namespace_is_a_dns_label(namespace: str) -> None:
    document = application(destination={"cluster": "c", "namespace": namespace})
    assert "spec.destination.namespace" in refusal(document)


# What is followed ----------------------------------------------------------------------------

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FOLLOWED: dict[str, str] = {"branch": "main", "tag": "v1", "semver": "^1.2", "commit": COMMIT}


@pytest.mark.parametrize("fields", [{name: FOLLOWED[name]} for name in FOLLOWED])
def test_one_of_branch_tag_semver_and_commit_is_followed(fields: dict[str, str]) -> None:
    found = of_source(**fields)
    assert [name for name in FOLLOWED if getattr(found, name) is not None] == list(fields)


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("branch", "tag"),
        ("branch", "semver"),
        ("tag", "commit"),
        ("semver", "commit"),
        ("branch", "tag", "semver", "commit"),
    ],
)
def test_none_or_several_to_follow_are_refused(names: tuple[str, ...]) -> None:
    text = refusal(source(**{name: FOLLOWED[name] for name in names}))
    assert "spec.source: name exactly one of branch, tag, semver and commit" in text


FOLLOWS: list[tuple[dict[str, str], str, bool]] = [
    ({"branch": "main"}, "refs/heads/main", True),
    ({"branch": "main"}, "refs/heads/main2", False),
    ({"branch": "main"}, "refs/heads/x/main", False),
    ({"branch": "main"}, "refs/tags/main", False),
    ({"branch": "main"}, "main", False),
    ({"branch": "main"}, "refs/heads/MAIN", False),
    ({"branch": "feature/x"}, "refs/heads/feature/x", True),
    ({"branch": "heads/main"}, "refs/heads/main", False),
    ({"tag": "v1"}, "refs/tags/v1", True),
    ({"tag": "v1"}, "refs/heads/v1", False),
    ({"tag": "v1"}, "refs/tags/v1.1", False),
    ({"tag": "main"}, "refs/heads/main", False),
    ({"semver": "^1"}, "refs/tags/v1.2.3", True),
    ({"semver": "^1"}, "refs/tags/anything", True),
    ({"semver": "^1"}, "refs/heads/v1.2.3", False),
    ({"semver": "^1"}, "v1.2.3", False),
    ({"commit": COMMIT}, "refs/heads/main", False),
    ({"commit": COMMIT}, COMMIT, False),
]


@pytest.mark.parametrize(("fields", "ref", "moves"), FOLLOWS)
def test_a_push_moves_only_what_is_followed(fields: dict[str, str], ref: str, moves: bool) -> None:
    assert of_source(**fields).follows(ref) is moves


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"branch": "main"}, "branch main"),
        ({"tag": "v1"}, "tag v1"),
        ({"semver": "^1.2"}, "tags ^1.2"),
        ({"commit": COMMIT}, f"commit {COMMIT}"),
    ],
)
def test_what_is_followed_is_put_in_words(fields: dict[str, str], words: str) -> None:
    assert of_source(**fields).describes == words


@pytest.mark.parametrize(
    "name",
    ["main", "release/1.x", "v1.2.3", "a@b", "user+x", "_x", "1", "x" * 255, "feature-x", "HEAD"],
)
def test_ref_names_are_taken_as_they_are(name: str) -> None:
    assert of_source(branch=name).branch == name
    assert of_source(tag=name).tag == name


BAD_REFS = [
    "",
    "-x",
    "--upload-pack=touch",
    "$(id)",
    "a;b",
    "a b",
    "a\tb",
    "a\nb",
    "a..b",
    "a//b",
    "/a",
    "a/",
    "a.",
    ".a",
    "a/.b",
    "a.lock",
    "a.lock/b",
    "@{u}",
    "a@{1}",
    "a~1",
    "a^",
    "a:b",
    "a?",
    "a*",
    "a[b",
    "a\\b",
    "refs/heads/main",
    "refs/tags/v1",
    "ä",
    "x" * 256,
]


@pytest.mark.parametrize("name", BAD_REFS)
def test_what_git_could_take_for_anything_but_a_name_is_no_ref(name: str) -> None:
    assert "spec.source.branch: " in refusal(source(branch=name))
    assert "spec.source.tag: " in refusal(source(tag=name))


@pytest.mark.parametrize("commit", ["0" * 40, "f" * 64, COMMIT])
def test_a_commit_is_named_in_full(commit: str) -> None:
    assert of_source(commit=commit).commit == commit


@pytest.mark.parametrize(
    "commit", ["", "abc1234", "0" * 39, "0" * 41, "0" * 63, "F" * 40, "g" * 40]
)
def test_a_shortened_commit_is_refused(commit: str) -> None:
    assert "spec.source.commit: " in refusal(source(commit=commit))


@pytest.mark.parametrize("wanted", ["", "latest", "^", ">=1 <", "1.2.3.4", "x" * 101, "1 ||"])
def test_a_malformed_range_is_refused(wanted: str) -> None:
    assert "spec.source.semver: " in refusal(source(semver=wanted))


# Paths, patterns, URLs -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", ""),
        (".", ""),
        ("./", ""),
        ("a", "a"),
        ("a/", "a"),
        ("./a/b", "a/b"),
        ("a//b", "a/b"),
        ("a/./b", "a/b"),
        ("a b/ä", "a b/ä"),
        ("..a/b..", "..a/b.."),
    ],
)
def test_a_path_is_below_the_root(written: str, meant: str) -> None:
    assert of_source(branch="main", path=written).path == meant


@pytest.mark.parametrize("path", ["/", "/etc", "..", "../x", "a/../b", "a/..", "a\nb", "a\0b"])
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    assert "spec.source.path: write a path inside" in refusal(source(branch="main", path=path))


@pytest.mark.parametrize("renderer", list(Renderer))
def test_renderers_are_known_by_name(renderer: Renderer) -> None:
    assert of_source(branch="main", renderer=renderer.value).renderer is renderer


def test_patterns_are_kept_in_their_order() -> None:
    found = of_source(branch="main", include=["b", "a"], exclude=["z"])
    assert (found.include, found.exclude) == (("b", "a"), ("z",))


def test_every_spelling_of_a_url_is_the_same_repository() -> None:
    spellings = [
        "https://git.example.com/shop",
        "https://git.example.com/shop.git",
        "https://GIT.example.com/shop/",
        "ssh://git@git.example.com:2222/shop.git",
        "git@git.example.com:shop.git",
    ]
    apps = [
        application(f"a{number}", source={"repository": url, "branch": "main"})
        for number, url in enumerate(spellings)
    ]
    documents = parsed(*apps)
    assert {a.source.repository_id for a in documents.applications.values()} == {
        "git.example.com/shop"
    }
    assert len(documents.following("git.example.com/shop")) == len(spellings)
    assert list(documents.repository_urls) == ["git.example.com/shop"]


def test_only_applications_of_a_repository_follow_it() -> None:
    other = {"repository": "https://git.example.com/other", "branch": "main"}
    documents = parsed(application("a"), application("b", source=other))
    assert [a.name for a in documents.following("git.example.com/other")] == ["b"]
    assert documents.following("git.example.com/none") == ()
    assert documents.repository_urls == {
        "git.example.com/shop": "https://git.example.com/shop.git",
        "git.example.com/other": "https://git.example.com/other",
    }


@pytest.mark.parametrize(
    "url", ["", "shop", "./shop", "/srv/git/shop", "-uhttps://x/y", "ext::sh -c id", "https://"]
)
def test_what_is_no_url_is_refused_when_it_is_read(url: str) -> None:
    text = refusal(application(source={"repository": url, "branch": "main"}))
    assert "spec.source.repository: " in text


def with_protocols(protocols: str, *urls: str) -> Documents:
    apps = [
        application(f"a{number}", source={"branch": "main", "repository": url})
        for number, url in enumerate(urls)
    ]
    data = yaml.safe_dump_all([repository(), *apps], sort_keys=False).encode()
    return parse_documents({"towline.yaml": data}, protocols=protocols)


@pytest.mark.parametrize(
    ("protocols", "url"),
    [
        ("", "http://h/x"),
        ("https", "https://h/x"),
        ("http:https", "https://h/x"),
        ("https:ssh", "git@h:x"),
        ("ssh:https", "ssh://git@h/x"),
    ],
)
def test_a_transport_that_git_may_use_is_accepted(protocols: str, url: str) -> None:
    documents = with_protocols(protocols, url)
    assert documents.applications["a0"].source.repository == url
    assert len(documents.repositories) == 1


@pytest.mark.parametrize(
    ("protocols", "url", "scheme"),
    [
        ("https", "http://h/x", "http"),
        ("https:ssh", "http://h/x", "http"),
        ("https", "git@h:x", "ssh"),
        ("https", "ssh://git@h/x", "ssh"),
        ("http", "https://h/x", "https"),
    ],
)
def test_a_transport_that_git_may_not_use_is_refused_where_it_is_named(
    protocols: str, url: str, scheme: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        with_protocols(protocols, url)
    assert str(caught.value) == (
        f"towline.yaml:15: spec.source.repository: the transport {scheme} is not allowed; "
        f"TOWLINE_GIT_PROTOCOLS is {protocols}"
    )


def test_every_refused_transport_is_named() -> None:
    with pytest.raises(DocumentError) as caught:
        with_protocols("https", "http://h/x", "https://h/x", "git@h:x")
    lines = str(caught.value).splitlines()
    assert [line.partition(" is ")[0] for line in lines] == [
        "towline.yaml:15: spec.source.repository: the transport http",
        "towline.yaml:37: spec.source.repository: the transport ssh",
    ]


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    url = "https://ada:hunter2@git.example.com/shop"
    for document in (
        application(source={"repository": url, "branch": "main"}),
        repository(url=url),
    ):
        text = refusal(document)
        assert "put it in the tokenFile" in text
        assert "hunter2" not in text


# Durations -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("30s", 30),
        ("10m", 600),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h1m1s", 3661),
        ("90m", 5400),
        ("0h1s", 1),
        ("168h", 604800),
        ("0010s", 10),
    ],
)
def test_a_duration_is_written_in_hours_minutes_and_seconds(text: str, seconds: int) -> None:
    found = one(application(sync={"interval": text, "timeout": text})).sync
    assert found.interval == found.timeout == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0s",
        "0h0m0s",
        "10",
        "10 m",
        "1.5h",
        "m",
        "-1m",
        "1m1h",
        "1d",
        "168h1s",
        "10080m1s",
        "10m\n",
        "9999999999999999999h",
        "9" * 5000 + "s",
        "PT10M",
        5,
        None,
        True,
        [],
    ],
)
def test_another_duration_is_refused(text: Any) -> None:
    assert "spec.sync.interval: " in refusal(application(sync={"interval": text}))
    assert "spec.interval: " in refusal(repository(interval=text))


@given(st.integers(1, 7 * 24 * 3600))
def test_a_duration_is_written_as_it_is_read(seconds: int) -> None:
    policy = SyncPolicy(interval=timedelta(seconds=seconds))
    text = policy.model_dump(by_alias=True)["interval"]
    assert isinstance(text, str)
    assert SyncPolicy.model_validate({"interval": text}) == policy


@pytest.mark.parametrize("text", ["1s", "59s", "1m", "1m30s", "10m", "1h", "1h1s", "1h30m", "168h"])
def test_a_duration_is_written_as_people_write_it(text: str) -> None:
    policy = SyncPolicy.model_validate({"interval": text})
    assert policy.model_dump(by_alias=True)["interval"] == text


# How much may be pruned ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "members", "allowed"),
    [
        ("10%", 0, 5),
        ("10%", 10, 5),
        ("10%", 50, 5),
        ("10%", 59, 5),
        ("10%", 60, 6),
        ("10%", 1000, 100),
        ("0%", 1000, 5),
        ("1%", 599, 5),
        ("1%", 600, 6),
        ("33%", 100, 33),
        ("100%", 7, 7),
        ("100%", 3, 5),
        (0, 1000, 5),
        (5, 1000, 5),
        (6, 1000, 6),
        (10**9, 3, 10**9),
    ],
)
def test_five_objects_and_the_limit_may_be_pruned(
    limit: int | str, members: int, allowed: int
) -> None:
    assert one(application(sync={"maxPrune": limit})).sync.prune_limit(members) == allowed


@pytest.mark.parametrize(
    "limit", ["", "10", "101%", "1000%", "-1%", "10 %", "1.5%", "%", -1, 1.5, True, None, [], "all"]
)
def test_another_limit_is_refused(limit: Any) -> None:
    assert "spec.sync.maxPrune: " in refusal(application(sync={"maxPrune": limit}))


# Repositories --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"username": "u", "tokenFile": "/t"},
        {"sshKeyFile": "/k", "knownHostsFile": "/h"},
        {"caFile": "/ca", "tokenFile": "/t"},
        {"webhookSecretFile": "/w"},
    ],
)
def test_credentials_come_whole(fields: dict[str, str]) -> None:
    assert parsed(repository(**fields)).repositories


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"sshKeyFile": "/k"}, "sshKeyFile and knownHostsFile go together"),
        ({"knownHostsFile": "/h"}, "sshKeyFile and knownHostsFile go together"),
        (
            {"tokenFile": "/t", "sshKeyFile": "/k", "knownHostsFile": "/h"},
            "name either tokenFile or sshKeyFile",
        ),
        ({"token": "secret"}, "spec.token: this field is not known; is it misspelt?"),
        ({"password": "secret"}, "spec.password: this field is not known; is it misspelt?"),
    ],
)
def test_half_or_double_credentials_are_refused(fields: dict[str, str], reason: str) -> None:
    text = refusal(repository(**fields))
    assert reason in text
    assert "secret" not in text


GOOD_PREFIXES = [
    "https://git.example.com",
    "https://git.example.com/",
    "https://git.example.com/shop",
    "https://git.example.com/shop/deploy.git",
    "ssh://git@git.example.com:2222/",
    "git@git.example.com:shop",
]


@pytest.mark.parametrize("url", GOOD_PREFIXES)
def test_a_repository_may_name_a_repository_a_folder_or_a_host(url: str) -> None:
    found = parsed(repository(url=url)).repository_for("https://git.example.com/shop/deploy")
    assert found is not None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:",
        "https:///",
        "git.example.com",
        "git@git.example.com",
        "git@git.example.com:",
        "/srv/git",
        "-u",
        "ext::sh",
        "https://[",
        "https://git.example.com/?x",
        "https://git.example.com?x",
        "https://git.example.com/#x",
        "https://git.example.com:x/",
    ],
)
def test_a_repository_that_names_nothing_is_refused_when_it_is_read(url: str) -> None:
    assert "spec" in refusal(repository(url=url))


LONGEST: list[tuple[list[str], str, int | None]] = [
    (["https://h/", "https://h/a/", "https://h/a/b"], "https://h/a/b/c", 2),
    (["https://h/a/b", "https://h/a/", "https://h/"], "https://h/a/b/c", 0),
    (["https://h/", "https://h/a/", "https://h/a/b"], "https://h/a/x", 1),
    (["https://h/", "https://h/a/", "https://h/a/b"], "https://h/x", 0),
    (["https://h/a"], "https://h/ab", None),
    (["https://h/a"], "https://h/a", 0),
    (["https://h/a.git"], "https://h/a", 0),
    (["https://h/"], "https://other/a", None),
    (["ssh://git@h:2222222/".replace("2222222", "22222"), "https://h/a"], "https://h/a/x", 1),
    (["https://H/A", "https://h/"], "https://h/a", 1),
    (["https://h/a", "https://h/a/"], "https://h/a/b", 0),
    ([], "https://h/a", None),
]


@pytest.mark.parametrize(("prefixes", "url", "wins"), LONGEST)
def test_the_longest_url_that_covers_wins(prefixes: list[str], url: str, wins: int | None) -> None:
    documents = parsed(*(repository(f"r{n}", prefix) for n, prefix in enumerate(prefixes)))
    found = documents.repository_for(url)
    assert (found.name if found else None) == (None if wins is None else f"r{wins}")


def test_the_interval_is_the_repositorys_or_the_default() -> None:
    documents = parsed(repository("r", "https://h/a", interval="1m"))
    assert documents.interval_of("https://h/a/b") == timedelta(minutes=1)
    assert documents.interval_of("https://h/b") == DEFAULT_INTERVAL == timedelta(minutes=3)


# The JSON Schema -----------------------------------------------------------------------------


_TYPES: dict[str, type] = {
    "string": str,
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
    "integer": int,
}


def admits(schema: Any, value: Any, root: Any) -> bool:
    """Enough of JSON Schema for what the schema of the documents uses."""
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return any(admits(option, value, root) for option in schema[word])
    if "$ref" in schema:
        return admits(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, root)
    checks = (
        value == schema.get("const", value),
        value in schema.get("enum", [value]),
        "type" not in schema or type(value) is _TYPES[schema["type"]],
        not isinstance(value, str) or bool(re.search(schema.get("pattern", ""), value)),
        not isinstance(value, list)
        or all(admits(schema.get("items", {}), item, root) for item in value),
        not isinstance(value, dict) or _admits_fields(schema, value, root),
    )
    return all(checks)


def _admits_fields(schema: Any, value: dict[str, Any], root: Any) -> bool:
    known = schema.get("properties", {})
    return (
        set(schema.get("required", ())) <= value.keys()
        and (schema.get("additionalProperties") is not False or value.keys() <= known.keys())
        and all(admits(known.get(name, {}), child, root) for name, child in value.items())
    )


def test_the_schema_says_what_it_is() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "Towline documents"


def test_the_schema_helps_to_write_a_duration() -> None:
    interval = json_schema()["$defs"]["SyncPolicy"]["properties"]["interval"]
    assert interval["type"] == "string"
    assert interval["examples"] == ["10m"]
    for text, fits in (("10m", True), ("1h30m5s", True), ("10", False), ("10m ", False)):
        assert bool(re.search(interval["pattern"], text)) is fits


def test_the_schema_admits_the_example_documents() -> None:
    schema = json_schema()
    for document in yaml.safe_load_all(EXAMPLES):
        assert admits(schema, document, schema)


@pytest.mark.parametrize("document", [application(), repository(), source(semver="^1")])
def test_the_schema_admits_what_is_accepted(document: Any) -> None:
    schema = json_schema()
    assert admits(schema, document, schema)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {**application(), "kind": "ConfigMap"},
        {**application(), "apiVersion": "v1"},
        {**application(), "status": {}},
        application("Shop"),
        application(sync={"selfheal": True}),
        application(sync={"automatic": "yes"}),
        application(sync={"interval": "ten minutes"}),
        source(branch="main", renderer="helm"),
        {"apiVersion": API_VERSION, "kind": "Repository", "metadata": {"name": "r"}, "spec": {}},
    ],
)
def test_the_schema_refuses_what_an_editor_can_see_to_be_wrong(document: Any) -> None:
    schema = json_schema()
    assert not admits(schema, document, schema)


def _nodes(node: Any) -> list[Any]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [node, *(found for child in children for found in _nodes(child))]


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    schema = json_schema()
    refs = {n["$ref"] for n in _nodes(schema) if isinstance(n, dict) and "$ref" in n}
    assert refs
    for ref in refs:
        name = ref.removeprefix("#/$defs/")
        assert name in schema["$defs"], ref


def test_the_defaults_that_the_schema_shows_are_the_ones_that_hold() -> None:
    schema = json_schema()
    policy = schema["$defs"]["SyncPolicy"]["properties"]
    shown = {name: field["default"] for name, field in policy.items()}
    assert shown == {
        "automatic": True,
        "prune": True,
        "selfHeal": True,
        "interval": "10m",
        "maxPrune": "10%",
        "allowEmpty": False,
        "timeout": "5m",
    }
    assert SyncPolicy.model_validate(shown) == SyncPolicy()


def test_documents_cannot_be_changed() -> None:
    app = one(application())
    with pytest.raises(ValueError, match="frozen"):
        setattr(app.spec.sync, "prune", False)  # noqa: B010


def test_a_repository_document_is_one() -> None:
    assert isinstance(parsed(repository()).repositories[0], Repository)
