"""What the environment says, checked, with every mistake named at once."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from towline import settings
from towline.core.errors import DocumentError
from towline.settings import FORGES, ApiToken, Settings, load

SHA = "a" * 64
SHA2 = "0123456789abcdef" * 4


def refusal(environment: dict[str, str]) -> str:
    with pytest.raises(DocumentError) as caught:
        load(environment)
    return str(caught.value)


# Defaults ------------------------------------------------------------------------------------


def test_an_empty_environment_has_the_documented_defaults() -> None:
    found = load({})
    assert found.namespace == "towline-system"
    assert found.git_protocols == "https:ssh"
    assert found.resync_tick == timedelta(seconds=30)
    assert found.api_tokens == ()
    assert found.applications == Path("applications")
    assert found.redis_url == "redis://127.0.0.1:6379/0"
    assert found.data_dir.is_absolute()
    assert found.webhook_secrets == dict.fromkeys(FORGES, ())


def test_every_forge_of_the_interface_has_its_secret() -> None:
    assert set(FORGES) == {
        "GITHUB",
        "GITLAB",
        "GITEA",
        "FORGEJO",
        "GOGS",
        "BITBUCKET",
        "AZURE_DEVOPS",
        "GENERIC",
    }


def test_without_an_argument_the_processs_environment_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOWLINE_NAMESPACE", "from-here")
    monkeypatch.delenv("TOWLINE_NAMESPACE_FILE", raising=False)
    assert load().namespace == "from-here"


# Values and files ----------------------------------------------------------------------------

VALUES: list[tuple[str, str, str, object]] = [
    ("TOWLINE_APPLICATIONS", "/etc/towline", "applications", Path("/etc/towline")),
    ("TOWLINE_REDIS_URL", "rediss://r:6380/1", "redis_url", "rediss://r:6380/1"),
    ("TOWLINE_DATA_DIR", "/var/lib/towline", "data_dir", Path("/var/lib/towline")),
    ("TOWLINE_NAMESPACE", "gitops", "namespace", "gitops"),
    ("TOWLINE_GIT_PROTOCOLS", "https:ssh:file", "git_protocols", "https:ssh:file"),
    ("TOWLINE_RESYNC_TICK", "5m", "resync_tick", timedelta(minutes=5)),
    ("TOWLINE_SIGNING_KEY", "key", "signing_key", b"key"),
    ("TOWLINE_API_TOKENS", f"ada:viewer:{SHA}", "api_tokens", (ApiToken("ada", "viewer", SHA),)),
]


@pytest.mark.parametrize(("name", "text", "field", "expected"), VALUES, ids=[v[0] for v in VALUES])
def test_a_setting_is_taken_from_its_variable(
    name: str, text: str, field: str, expected: object
) -> None:
    assert getattr(load({name: text}), field) == expected


@pytest.mark.parametrize(("name", "text", "field", "expected"), VALUES, ids=[v[0] for v in VALUES])
def test_a_setting_is_taken_from_its_file_without_the_last_line_break(
    tmp_path: Path, name: str, text: str, field: str, expected: object
) -> None:
    file = tmp_path / "mounted"
    file.write_text(f"{text}\n", encoding="utf-8")
    assert getattr(load({f"{name}_FILE": str(file)}), field) == expected


@pytest.mark.parametrize("name", [v[0] for v in VALUES] + [f"TOWLINE_{f}_SECRET" for f in FORGES])
def test_a_variable_and_its_file_together_are_an_error(tmp_path: Path, name: str) -> None:
    text = {row[0]: row[1] for row in VALUES}.get(name, "s")
    file = tmp_path / "mounted"
    file.write_text(text, encoding="utf-8")
    assert refusal({name: text, f"{name}_FILE": str(file)}) == (
        f"{name} and {name}_FILE are both set: keep one"
    )


@pytest.mark.parametrize(
    "name", ["TOWLINE_REDIS_URL", "TOWLINE_GITHUB_SECRET", "TOWLINE_SIGNING_KEY"]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    missing = tmp_path / "missing"
    text = refusal({f"{name}_FILE": str(missing)})
    assert f"{name}_FILE: cannot read {missing}: No such file or directory" in text


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "binary"
    file.write_bytes(b"\xff\xfe\x00")
    text = refusal({"TOWLINE_REDIS_URL_FILE": str(file)})
    assert text == f"TOWLINE_REDIS_URL_FILE: cannot read {file}: not UTF-8"


# Mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "A", "a_b", "a.b", "-a", "a-", "a/b", "a" * 64, "a\n", " a"])
def test_a_namespace_is_a_dns_label(text: str) -> None:
    assert refusal({"TOWLINE_NAMESPACE": text}).startswith("TOWLINE_NAMESPACE: ")


@pytest.mark.parametrize("text", ["", "ext", "https:ext", "https,ssh", "https:", ":", "HTTPS", "*"])
def test_only_protocols_that_are_none_but_transports_are_allowed(text: str) -> None:
    assert refusal({"TOWLINE_GIT_PROTOCOLS": text}).startswith("TOWLINE_GIT_PROTOCOLS: ")


@pytest.mark.parametrize("text", ["https", "ssh", "file", "http:git:file", "https:https"])
def test_protocols_are_joined_by_colons(text: str) -> None:
    assert load({"TOWLINE_GIT_PROTOCOLS": text}).git_protocols == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("30s", 30), ("0.5s", 0.5), ("2m", 120), ("1h", 3600), ("1.5m", 90), ("", 30)],
)
def test_a_tick_is_a_number_with_its_unit(text: str, seconds: float) -> None:
    assert load({"TOWLINE_RESYNC_TICK": text}).resync_tick == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["30", "s", "0s", "0.0m", "-1s", "1d", "30 s", "1m30s", "1e3s", ".5s", "9" * 400 + "h"]
)
def test_another_tick_is_refused(text: str) -> None:
    assert refusal({"TOWLINE_RESYNC_TICK": text}) == (
        "TOWLINE_RESYNC_TICK: write a duration such as 30s or 5m"
    )


def test_every_mistake_is_named_at_once() -> None:
    text = refusal(
        {
            "TOWLINE_NAMESPACE": "No",
            "TOWLINE_GIT_PROTOCOLS": "ext",
            "TOWLINE_RESYNC_TICK": "soon",
            "TOWLINE_API_TOKENS": "x",
            "TOWLINE_GITEA_SECRET": "",
        }
    )
    assert len(text.splitlines()) == 5


# Secrets of webhooks -------------------------------------------------------------------------


@pytest.mark.parametrize("forge", FORGES)
def test_each_forge_has_secrets_of_its_own(forge: str) -> None:
    found = load({f"TOWLINE_{forge}_SECRET": "s3cret"}).webhook_secrets
    assert found == {name: ("s3cret",) if name == forge else () for name in FORGES}


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("one", ("one",)),
        ("one\ntwo", ("one", "two")),
        ("one\n\ntwo\n", ("one", "two")),
        ("one\r\ntwo\r\n", ("one", "two")),
        ("with space", ("with space",)),
        ("a:b=c", ("a:b=c",)),
    ],
)
def test_there_is_one_secret_a_line(text: str, secrets: tuple[str, ...]) -> None:
    assert load({"TOWLINE_GITHUB_SECRET": text}).webhook_secrets["GITHUB"] == secrets


@pytest.mark.parametrize("text", ["", " ", "\n", "\n \n", "\t"])
def test_a_secret_that_is_set_and_empty_is_an_error_and_never_no_check(
    tmp_path: Path, text: str
) -> None:
    expected = "TOWLINE_GITHUB_SECRET is set and empty: write a secret, or leave it out"
    file = tmp_path / "secret"
    file.write_text(text, encoding="utf-8")
    assert refusal({"TOWLINE_GITHUB_SECRET": text}) == expected
    assert refusal({"TOWLINE_GITHUB_SECRET_FILE": str(file)}) == expected


# Tokens of the API ---------------------------------------------------------------------------


def test_tokens_are_read_a_line_each() -> None:
    text = f"ada:operator:{SHA}\nbob@example.com:viewer:{SHA2}\n"
    assert load({"TOWLINE_API_TOKENS": text}).api_tokens == (
        ApiToken("ada", "operator", SHA),
        ApiToken("bob@example.com", "viewer", SHA2),
    )


@pytest.mark.parametrize(
    "line",
    [
        "ada",
        f"ada:{SHA}",
        f"ada:admin:{SHA}",
        f"ada:Viewer:{SHA}",
        f":viewer:{SHA}",
        "ada:viewer:",
        f"ada:viewer:{SHA[:-1]}",
        f"ada:viewer:{SHA}0",
        f"ada:viewer:{SHA.upper()}",
        f"ada:viewer:{'g' * 64}",
        f"ada:viewer:{SHA}:more",
    ],
)
def test_a_malformed_token_is_named_by_its_line_and_not_repeated(line: str) -> None:
    text = refusal({"TOWLINE_API_TOKENS": f"ok:viewer:{SHA2}\n{line}"})
    assert text == ("TOWLINE_API_TOKENS: line 2 is not name:role:sha256 (role viewer or operator)")


def test_no_tokens_are_nobody() -> None:
    assert load({"TOWLINE_API_TOKENS": ""}).api_tokens == ()


# Nothing secret shows ------------------------------------------------------------------------


def test_secrets_stay_out_of_the_text_of_the_settings() -> None:
    found = load(
        {
            "TOWLINE_REDIS_URL": "redis://:hunter2@r/0",
            "TOWLINE_GITHUB_SECRET": "hunter2",
            "TOWLINE_API_TOKENS": f"ada:viewer:{SHA}",
            "TOWLINE_SIGNING_KEY": "hunter2",
        }
    )
    assert "hunter2" not in repr(found)
    assert "hunter2" not in str(found)
    assert SHA not in repr(found)


def test_an_error_repeats_no_secret() -> None:
    text = refusal(
        {
            "TOWLINE_API_TOKENS": "hunter2",
            "TOWLINE_GITHUB_SECRET": "hunter2",
            "TOWLINE_GITHUB_SECRET_FILE": "/nowhere",
            "TOWLINE_SIGNING_KEY": "hunter2",
        }
    )
    assert "hunter2" not in text


# The key that signs --------------------------------------------------------------------------


def test_a_given_key_needs_no_file(tmp_path: Path) -> None:
    found = load({"TOWLINE_SIGNING_KEY": "key", "TOWLINE_DATA_DIR": str(tmp_path / "none")})
    assert found.signing_key == b"key"
    assert not (tmp_path / "none").exists()


def test_a_key_is_made_once_and_shared_by_all_processes(tmp_path: Path) -> None:
    first, second = (Settings(tmp_path, data_dir=tmp_path / "data") for _ in range(2))
    assert first.signing_key == second.signing_key == first.signing_key
    assert len(first.signing_key) == 64
    assert Settings(tmp_path, data_dir=tmp_path / "other").signing_key != first.signing_key


def test_the_key_is_only_for_its_user_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert Settings(tmp_path, data_dir=folder).signing_key
    assert [path.name for path in folder.iterdir()] == ["signing.key"]
    assert stat.S_IMODE((folder / "signing.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_key_that_another_process_made_first_is_taken(tmp_path: Path) -> None:
    (tmp_path / "signing.key").write_text("theirs\n", encoding="ascii")
    assert Settings(tmp_path, data_dir=tmp_path).signing_key == b"theirs"


# What sender and consumer agree on -----------------------------------------------------------


def test_a_task_is_not_delivered_again_while_it_may_still_run() -> None:
    options = load({}).broker_options()
    visibility = options["broker_transport_options"]["visibility_timeout"]
    assert settings.SOFT_LIMIT_SECONDS < settings.HARD_LIMIT_SECONDS < visibility


def test_pushes_come_before_resyncs_and_messages_are_only_json() -> None:
    options = load({"TOWLINE_REDIS_URL": "redis://r/0"}).broker_options()
    assert options["broker_url"] == "redis://r/0"
    assert options["broker_transport_options"]["queue_order_strategy"] == "priority"
    assert options["task_default_queue"] == settings.PUSH_QUEUE == "push"
    assert options["accept_content"] == ["json"]
