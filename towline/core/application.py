"""The documents that people write: Application and Repository.

They are read strictly (an unknown field is an error), and every error carries its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from towline.core import urls, versions, yamltext
from towline.core.errors import DocumentError, Place, SourceRefusedError, TowlineError

API_VERSION = "towline.dev/v1alpha1"

_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")
_PERCENT = re.compile(r"(\d{1,3})%")
# Names become part of object names, labels and Redis keys: a DNS label, as Kubernetes has it.
_NAME = r"^[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?$"
_NAME_SHAPE = re.compile(_NAME)
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,254}")
_COMMIT = r"^([0-9a-f]{40}|[0-9a-f]{64})$"


def is_name(text: str) -> bool:
    """Whether an application could have this name."""
    return bool(_NAME_SHAPE.fullmatch(text))


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    found = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if not found:
        raise ValueError("write a duration such as 30s, 10m or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    length = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not timedelta(seconds=1) <= length <= timedelta(days=7):
        raise ValueError("a duration is between 1s and 168h")
    return length


def _duration_text(length: timedelta) -> str:
    """As people write it: `1h30m`."""
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)


def _ref_name(value: str) -> str:
    """A subset of `git check-ref-format`, in which nothing can be taken for an option."""
    bad = ("..", "//", "/.", ".lock/")
    if not _REF.fullmatch(value) or any(part in value for part in bad):
        raise ValueError("not a ref name that Towline accepts (letters, digits and _ . / + @ -)")
    if value.endswith(("/", ".", ".lock")) or value.startswith("refs/"):
        raise ValueError("write the short name of the branch or tag, without refs/…")
    return value


def _version_range(value: str) -> str:
    versions.parse_range(value)
    return value


def _repository_url(value: str) -> str:
    try:
        urls.parse(value)
    except SourceRefusedError as error:
        raise ValueError(error.message) from None
    return value


def _relative_path(value: str) -> str:
    parts = [part for part in value.split("/") if part not in ("", ".")]
    if value.startswith("/") or ".." in parts or any(not p.isprintable() for p in parts):
        raise ValueError("write a path inside the repository, relative to its root")
    return "/".join(parts)


def _max_prune(value: Any) -> Any:
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not is_count and not (found and int(found[1]) <= 100):
        raise ValueError("write a number of objects, or a percentage of the members such as 10%")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(_duration_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+h)?(\d+m)?(\d+s)?$", "examples": ["10m"]}),
]
RefName = Annotated[str, AfterValidator(_ref_name)]
RepositoryUrl = Annotated[str, AfterValidator(_repository_url)]
RelativePath = Annotated[str, AfterValidator(_relative_path)]
MaxPrune = Annotated[int | str, BeforeValidator(_max_prune)]
Name = Annotated[str, Field(pattern=_NAME)]
Patterns = Annotated[tuple[str, ...], Field(strict=False)]


def _lasting(text: str) -> Any:
    """A default that the JSON Schema shows as people write it, too."""
    return Field(default=_duration(text), json_schema_extra={"default": text})


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, alias_generator=to_camel, populate_by_name=True
    )


class Renderer(StrEnum):
    AUTO = "auto"
    PLAIN = "plain"
    KUSTOMIZE = "kustomize"


class Metadata(_Model):
    name: Name


class Source(_Model):
    """Where the manifests are: a repository, what of it is followed, and a path below its root."""

    repository: RepositoryUrl
    branch: RefName | None = None
    tag: RefName | None = None
    semver: Annotated[str, Field(max_length=100), AfterValidator(_version_range)] | None = None
    commit: Annotated[str, Field(pattern=_COMMIT)] | None = None
    path: RelativePath = ""
    renderer: Annotated[Renderer, Field(strict=False)] = Renderer.AUTO
    include: Patterns = ("*.yaml", "*.yml", "*.json")
    exclude: Patterns = ()

    @model_validator(mode="after")
    def _follows_one(self) -> Self:
        followed = [self.branch, self.tag, self.semver, self.commit]
        if sum(value is not None for value in followed) != 1:
            raise ValueError("name exactly one of branch, tag, semver and commit")
        return self

    @property
    def repository_id(self) -> str:
        """Equal for every spelling of the repository's URL."""
        return urls.parse(self.repository).identity

    def follows(self, ref: str) -> bool:
        """Whether a push to the full `ref` may move what is followed; branches are not tags."""
        if self.branch is not None:
            return ref == f"refs/heads/{self.branch}"
        if self.tag is not None:
            return ref == f"refs/tags/{self.tag}"
        return self.semver is not None and ref.startswith("refs/tags/")

    @property
    def describes(self) -> str:
        """What is followed, in words for messages."""
        if self.branch is not None:
            return f"branch {self.branch}"
        if self.tag is not None:
            return f"tag {self.tag}"
        return f"tags {self.semver}" if self.semver is not None else f"commit {self.commit}"


class Destination(_Model):
    cluster: Annotated[str, Field(min_length=1, max_length=253)]
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")] | None = None


class SyncPolicy(_Model):
    automatic: bool = True
    prune: bool = True
    self_heal: bool = True
    interval: Duration = _lasting("10m")
    max_prune: MaxPrune = "10%"
    allow_empty: bool = False
    timeout: Duration = _lasting("5m")

    def prune_limit(self, members: int) -> int:
        """How many of so many members one run may delete; five are always allowed."""
        if isinstance(self.max_prune, int):
            return max(5, self.max_prune)
        return max(5, members * int(self.max_prune.rstrip("%")) // 100)


class ApplicationSpec(_Model):
    source: Source
    destination: Destination
    sync: SyncPolicy = SyncPolicy()
    adopt_from: Annotated[tuple[Name, ...], Field(strict=False)] = ()


class Application(_Model):
    """What is to be equal: a source, a destination and a policy."""

    api_version: Literal["towline.dev/v1alpha1"]
    kind: Literal["Application"]
    metadata: Metadata
    spec: ApplicationSpec

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def source(self) -> Source:
        return self.spec.source

    @property
    def destination(self) -> Destination:
        return self.spec.destination

    @property
    def sync(self) -> SyncPolicy:
        return self.spec.sync


class RepositorySpec(_Model):
    url: Annotated[str, Field(min_length=1, max_length=2048)]
    username: str | None = None
    token_file: str | None = None
    ssh_key_file: str | None = None
    known_hosts_file: str | None = None
    ca_file: str | None = None
    webhook_secret_file: str | None = None
    interval: Duration = _lasting("3m")

    @model_validator(mode="after")
    def _credentials_are_whole(self) -> Self:
        if self.token_file and self.ssh_key_file:
            raise ValueError("name either tokenFile or sshKeyFile")
        if bool(self.ssh_key_file) != bool(self.known_hosts_file):
            raise ValueError("sshKeyFile and knownHostsFile go together: host keys are checked")
        return self

    @model_validator(mode="after")
    def _url_is_accepted(self) -> Self:
        try:
            urls.prefix_identity(self.url)
        except SourceRefusedError as error:
            raise ValueError(error.message) from None
        return self


class Repository(_Model):
    """Where to fetch from, with which credentials."""

    api_version: Literal["towline.dev/v1alpha1"]
    kind: Literal["Repository"]
    metadata: Metadata
    spec: RepositorySpec

    @property
    def name(self) -> str:
        return self.metadata.name


DEFAULT_INTERVAL = timedelta(minutes=3)

_KINDS: dict[str, TypeAdapter[Any]] = {
    "Application": TypeAdapter(Application),
    "Repository": TypeAdapter(Repository),
}


@dataclass(frozen=True)
class Documents:
    """All documents of an installation, checked against each other."""

    applications: Mapping[str, Application] = field(default_factory=dict)
    repositories: tuple[Repository, ...] = ()
    read: bool = True
    """False where none could be read yet: that there is no application is then not known."""

    def repository_for(self, url: str) -> Repository | None:
        """The Repository document whose URL covers `url`; the longest match wins."""
        covering = [r for r in self.repositories if urls.covers(r.spec.url, url)]
        return max(covering, key=lambda r: len(urls.prefix_identity(r.spec.url)), default=None)

    def following(self, repository_id: str) -> tuple[Application, ...]:
        return tuple(
            a for a in self.applications.values() if a.source.repository_id == repository_id
        )

    def interval_of(self, url: str) -> timedelta:
        repository = self.repository_for(url)
        return repository.spec.interval if repository else DEFAULT_INTERVAL

    @property
    def repository_urls(self) -> dict[str, str]:
        """Identity → the URL to fetch from, for every repository that some application follows."""
        return {a.source.repository_id: a.source.repository for a in self.applications.values()}


def parse_documents(files: Mapping[str, bytes], *, protocols: str = "") -> Documents:
    """Read all documents of `files` (name → content).

    `protocols` are the transports that Git may use, as GIT_ALLOW_PROTOCOL has them; all if empty.
    Raises DocumentError with every error found, a line each, as `file:line: message`.
    """
    errors: list[str] = []
    found: list[tuple[Application | Repository, Place]] = []
    for file, data in files.items():
        try:
            parsed = yamltext.documents(data, file)
        except TowlineError as error:
            errors.append(str(error))
            continue
        for index, document in enumerate(parsed):
            try:
                found.append((_parse(document.value), document.place))
                errors += _refused_protocol(found[-1][0], protocols, data, file, index)
            except ValidationError as error:
                errors += _with_lines(error, data, file, index)
            except ValueError as error:
                errors.append(f"{document.place}: {error}")
    errors += _repeated_names(found)
    if errors:
        raise DocumentError("\n".join(errors))
    return Documents(
        {d.name: d for d, _ in found if isinstance(d, Application)},
        tuple(d for d, _ in found if isinstance(d, Repository)),
    )


def _parse(value: Any) -> Application | Repository:
    if not isinstance(value, dict):
        raise ValueError("a document is a mapping with apiVersion, kind, metadata and spec")
    if value.get("apiVersion") != API_VERSION:
        raise ValueError(f"apiVersion must be {API_VERSION}")
    adapter = _KINDS.get(str(value.get("kind")))
    if adapter is None:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}")
    parsed: Application | Repository = adapter.validate_python(value)
    return parsed


def _with_lines(error: ValidationError, data: bytes, file: str, index: int) -> Iterable[str]:
    for problem in error.errors(include_url=False, include_input=False):
        path = problem["loc"]
        place = yamltext.place_of(data, file, index, path)
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "this field is not known; is it misspelt?"
        yield f"{place}: {'.'.join(map(str, path))}: {message}"


def _refused_protocol(
    document: Application | Repository, protocols: str, data: bytes, file: str, index: int
) -> Iterable[str]:
    if isinstance(document, Application) and protocols:
        scheme = urls.parse(document.source.repository).scheme
        if scheme not in protocols.split(":"):
            place = yamltext.place_of(data, file, index, ("spec", "source", "repository"))
            yield (
                f"{place}: spec.source.repository: the transport {scheme} is not allowed; "
                f"TOWLINE_GIT_PROTOCOLS is {protocols}"
            )


def _repeated_names(found: Iterable[tuple[Application | Repository, Place]]) -> Iterable[str]:
    first: dict[tuple[str, str], Place] = {}
    for document, place in found:
        earlier = first.setdefault((document.kind, document.name), place)
        if earlier is not place:
            yield f"{place}: {document.kind} {document.name} is already defined at {earlier}"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of both documents, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Towline documents",
        **TypeAdapter(Application | Repository).json_schema(by_alias=True),
    }
