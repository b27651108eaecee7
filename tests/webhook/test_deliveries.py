"""What becomes of a verified delivery: matched by repository and full ref, taken in once."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from tests.webhook.edge import DEPLOY, FORGES, GONE, NEW, SECRET, VAULT_SECRET, Edge, push
from towline.core.outcome import TriggerKind
from towline.ports import Scope

RELEASES = "git.example.com/shop/releases"
RANGED = "git.example.com/shop/ranged"


@pytest.mark.parametrize(
    ("forge", "form"), [*((forge, False) for forge in FORGES), ("github", True), ("gitea", True)]
)
def test_a_push_to_a_followed_branch_is_taken_in_and_queued(
    edge: Edge, forge: str, form: bool
) -> None:
    answer = edge.deliver(forge, push(forge), form=form)
    assert answer.status_code == 202
    assert answer.get_json() == {
        "delivery": "delivery-1",
        "matched": True,
        "duplicate": False,
        "reason": "",
    }
    assert edge.sent == [("towline.refresh", [DEPLOY])]
    (record,) = edge.deliveries()
    assert (record["id"], record["provider"]) == ("delivery-1", forge)
    assert (record["repository"], record["ref"], record["after"]) == (
        DEPLOY,
        "refs/heads/main",
        NEW,
    )


def test_the_trigger_names_the_delivery_and_the_commit_is_expected(edge: Edge) -> None:
    edge.deliver("github", push("github"))
    lease = edge.office.marks.take(Scope.REPOSITORY, DEPLOY)
    lease.release(served=True)
    assert (lease.trigger.kind, lease.trigger.detail) == (TriggerKind.WEBHOOK, "delivery-1")
    ((ref, (commit, _)),) = edge.office.inbox.expected(DEPLOY).items()
    assert (ref, commit) == ("refs/heads/main", NEW)


@pytest.mark.parametrize("size", [40, 64])
def test_a_deleted_branch_is_looked_at_and_no_commit_is_awaited(edge: Edge, size: int) -> None:
    payload = {**push("github", after="0" * size), "before": "a" * size}
    assert edge.deliver("github", payload).get_json()["matched"]
    assert edge.sent == [("towline.refresh", [DEPLOY])]
    assert edge.office.inbox.expected(DEPLOY) == {}


def test_a_new_branch_and_a_sha_256_repository_are_taken(edge: Edge) -> None:
    payload = {**push("github", after="b" * 64), "before": "0" * 64}
    assert edge.deliver("github", payload).get_json()["matched"]


@pytest.mark.parametrize(
    ("path", "ref", "matched"),
    [
        (DEPLOY, "refs/heads/main", True),
        (DEPLOY, "refs/heads/feature/main", False),
        (DEPLOY, "refs/heads/main/feature", False),
        (DEPLOY, "refs/heads/Main", False),
        (DEPLOY, "refs/heads/main ", False),
        (DEPLOY, "refs/tags/main", False),
        (DEPLOY, "refs/remotes/origin/main", False),
        (DEPLOY, "refs/main", False),
        (RELEASES, "refs/tags/stable", True),
        (RELEASES, "refs/heads/stable", False),
        (RELEASES, "refs/tags/v1/stable", False),
        (RANGED, "refs/tags/v1.2.3", True),
        (RANGED, "refs/heads/v1.2.3", False),
        (f"{DEPLOY}/more", "refs/heads/main", False),
        ("git.example.com/shop/DEPLOY", "refs/heads/main", False),
        ("GIT.EXAMPLE.COM/shop/deploy", "refs/heads/main", True),
        ("git.example.com/shop", "refs/heads/main", False),
    ],
)
@pytest.mark.parametrize("forge", FORGES)
def test_only_the_full_ref_of_the_followed_repository_matches(
    edge: Edge, forge: str, path: str, ref: str, matched: bool
) -> None:
    answer = edge.deliver(forge, push(forge, path, ref))
    assert answer.status_code == 202
    assert answer.get_json()["matched"] is matched
    assert bool(answer.get_json()["reason"]) is not matched
    assert len(edge.sent) == matched


def test_an_unmatched_push_is_recorded_with_its_reason(edge: Edge) -> None:
    other = edge.deliver("github", push("github", "elsewhere.example/x/y"), delivery="a")
    branch = edge.deliver("github", push("github", ref="refs/heads/dev"), delivery="b")
    assert other.get_json()["reason"] == "no application follows this repository"
    assert branch.get_json()["reason"] == (
        "no application follows refs/heads/dev of this repository"
    )
    found = [(d["id"], d["matched"], d["repository"]) for d in edge.deliveries()]
    assert found == [("b", False, None), ("a", False, None)]
    assert edge.sent == []


@pytest.mark.parametrize("forge", FORGES)
def test_a_delivery_seen_before_is_a_duplicate_and_is_still_looked_at(
    edge: Edge, forge: str
) -> None:
    edge.deliver(forge, push(forge))
    edge.office.marks.take(Scope.REPOSITORY, DEPLOY).release(served=True)
    again = edge.deliver(forge, push(forge))
    assert (again.status_code, again.get_json()["duplicate"]) == (202, True)
    assert len(edge.sent) == 2
    assert [d["duplicate"] for d in edge.deliveries()] == [True, False]


def test_one_id_of_two_forges_is_no_duplicate(edge: Edge) -> None:
    answers = [edge.deliver(forge, push(forge)).get_json() for forge in FORGES]
    assert [answer["duplicate"] for answer in answers] == [False, False, False]


def test_many_pushes_before_the_refresh_queue_one_task(edge: Edge) -> None:
    for number in range(50):
        answer = edge.deliver("github", push("github"), delivery=f"d-{number}")
        assert answer.status_code == 202
    assert len(edge.sent) == 1


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "tab\tid", "é"])
def test_an_id_that_is_none_is_replaced_by_the_digest_of_the_body(edge: Edge, given: str) -> None:
    first = edge.deliver("github", push("github"), delivery=given).get_json()
    again = edge.deliver("github", push("github"), delivery=given).get_json()
    assert len(first["delivery"]) == 32
    assert first["delivery"] == again["delivery"]
    assert again["duplicate"]


def test_a_ping_is_answered_and_queues_nothing(edge: Edge) -> None:
    answer = edge.deliver("github", {"zen": "Keep it logically awesome."}, event="ping")
    assert (answer.status_code, answer.get_json()["message"]) == (200, "pong")
    assert edge.sent == []
    assert edge.deliver("github", b"", event="ping", secret="wrong").status_code == 401


@pytest.mark.parametrize(
    ("forge", "event"),
    [
        ("github", "pull_request"),
        ("github", "PUSH"),
        ("github", "x" * 4000),
        ("gitlab", "Merge Request Hook"),
        ("gitea", "create"),
        ("gitea", "delete"),
        ("gitea", "issues"),
    ],
)
def test_an_event_that_moves_no_ref_is_recorded_and_queues_nothing(
    edge: Edge, forge: str, event: str
) -> None:
    answer = edge.deliver(forge, {"anything": None}, event=event)
    assert (answer.status_code, answer.get_json()["matched"]) == (202, False)
    assert len(answer.get_json()["reason"]) < 200
    assert edge.sent == []


def test_gitlab_sends_tags_and_system_hooks_as_events_of_their_own(edge: Edge) -> None:
    tag = push("gitlab", RELEASES, "refs/tags/stable")
    assert edge.deliver("gitlab", tag, event="Tag Push Hook").get_json()["matched"]
    system = push("gitlab")
    assert edge.deliver("gitlab", system, event="System Hook").get_json()["matched"]
    system["event_name"] = "tag_push"
    system["ref"] = "refs/tags/main"
    assert not edge.deliver("gitlab", system, event="System Hook").get_json()["matched"]
    for other in ({"event_name": "project_create"}, {"object_kind": "merge_request"}):
        assert edge.deliver("gitlab", other, event="System Hook").status_code == 202
    for name in (None, 7, ["push"], {"push": 1}):
        answer = edge.deliver("gitlab", {"event_name": name}, event="System Hook")
        assert answer.status_code == 400
    assert [arguments for _, arguments in edge.sent] == [[RELEASES], [DEPLOY]]


def test_gitlab_without_an_idempotency_key_is_known_by_its_uuids(edge: Edge) -> None:
    headers = {
        "X-Gitlab-Token": SECRET,
        "X-Gitlab-Event": "Note Hook",
        "X-Gitlab-Event-UUID": "event",
        "X-Gitlab-Webhook-UUID": "hook",
    }
    assert edge.post("gitlab", b"{}", headers).get_json()["delivery"] == "event:hook"


def test_the_spellings_of_a_repository_are_one(edge: Edge) -> None:
    for field, url in [
        ("clone_url", "https://git.example.com/shop/deploy"),
        ("clone_url", "https://git.example.com:8443/shop/deploy.git/"),
        ("ssh_url", "git@git.example.com:shop/deploy.git"),
        ("ssh_url", "ssh://git@git.example.com:2222/shop/deploy.git"),
        ("html_url", "https://Git.Example.Com/shop/deploy"),
    ]:
        payload = {**push("github"), "repository": {field: url}}
        assert edge.deliver("github", payload).get_json()["matched"], url


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "ext::sh -c touch% /tmp/x",
        "--upload-pack=/tmp/x",
        "https://[::1",
        "https://host:99999999/x",
        "https://git.example.com\\@elsewhere/shop/deploy",
        "https://git.example.com/shop/deploy?x=1",
        "https://user:password@git.example.com/shop/deploy",
        "\x00",
        "\ud800",
        "//",
        ":",
        "https://" + "a" * 3000,
        "git@:" + "/" * 300,
    ],
)
def test_urls_that_are_garbage_match_nothing(edge: Edge, url: str) -> None:
    payload = {**push("github"), "repository": {"clone_url": url, "ssh_url": [url]}}
    answer = edge.deliver("github", payload)
    assert answer.status_code in (202, 400)
    assert not answer.get_json().get("matched")
    assert edge.sent == []
    assert edge.api("GET", "/deliveries").status_code == 200


@pytest.mark.parametrize(
    "name",
    ["--upload-pack=/tmp/x", "$(id)", ";reboot", "a b", "`id`", "a\nb", "..", "é", "%s", "\x00"],
)
def test_ref_names_with_shell_and_option_text_stay_data(edge: Edge, name: str) -> None:
    answer = edge.deliver("github", push("github", ref=f"refs/heads/{name}"))
    assert (answer.status_code, answer.get_json()["matched"]) == (202, False)
    assert edge.deliveries()[0]["ref"] == f"refs/heads/{name}"
    tag = edge.deliver("github", push("github", RANGED, f"refs/tags/{name}"))
    assert tag.get_json()["matched"]
    assert list(edge.office.inbox.expected(RANGED)) == [f"refs/tags/{name}"]
    assert edge.sent == [("towline.refresh", [RANGED])]


@pytest.mark.parametrize(
    "ref", ["main", "", "refs/heads/" + "x" * 4096, "refs/heads/\ud800", "refs/tags/\udfff"]
)
def test_a_ref_that_no_forge_sends_is_refused(edge: Edge, ref: str) -> None:
    for path in (DEPLOY, RANGED):
        assert edge.deliver("github", push("github", path, ref)).status_code == 400
    assert (edge.sent, edge.deliveries()) == ([], [])


def test_a_publish_that_fails_does_not_undo_the_202(edge: Edge) -> None:
    edge.broken = OSError("no route to the broker")
    assert edge.deliver("github", push("github")).status_code == 202
    edge.broken = None
    lease = edge.office.marks.take(Scope.REPOSITORY, DEPLOY)
    assert lease is not None
    lease.release(served=True)


def test_what_is_kept_of_deliveries_is_bounded(edge: Edge, redis: Redis) -> None:
    huge: dict[str, Any] = {
        **push("github"),
        "repository": {"clone_url": "https://x/" + "y" * 10**6},
    }
    assert edge.deliver("github", huge).status_code == 400
    huge["repository"]["html_url"] = f"https://{DEPLOY}"
    assert edge.deliver("github", huge).get_json()["matched"]
    assert int(redis.memory_usage("towline:1:deliveries") or 0) < 10_000


def test_the_vault_and_the_shop_do_not_mix(edge: Edge) -> None:
    edge.deliver("github", push("github"), delivery="a")
    edge.deliver("github", push("github", "git.example.com/vault/keys"), secret=VAULT_SECRET)
    assert [arguments for _, arguments in edge.sent] == [[DEPLOY], ["git.example.com/vault/keys"]]


def test_a_deleted_tag_is_looked_at(edge: Edge) -> None:
    payload = push("github", RELEASES, "refs/tags/stable", GONE)
    assert edge.deliver("github", payload).get_json()["matched"]
    assert edge.office.inbox.expected(RELEASES) == {}
