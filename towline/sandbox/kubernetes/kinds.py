"""The kinds that are served: a table of the built-in ones, and those that definitions add."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from towline.sandbox.kubernetes.builtin_shapes import shape_of
from towline.sandbox.kubernetes.shape import Shape


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind in one version, as the API serves it."""

    group: str
    version: str
    kind: str
    plural: str
    shape: Shape
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    has_status: bool = False
    has_scale: bool = False
    has_generation: bool = False
    custom: bool = False
    schema: Mapping[str, Any] | None = None
    """The OpenAPI schema of a custom resource."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As messages name it: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def bucket(self) -> tuple[str, str]:
        """Where its objects are stored; all versions of a kind share one."""
        return (self.group, self.plural)


# Letters: n namespaced, s has a status subresource, c has a scale subresource,
# g counts generations, a belongs to the category `all`.
_TABLE = """
-                            v1 Namespace                      ns     s
-                            v1 ConfigMap                      cm     n
-                            v1 Secret                         -      n
-                            v1 Service                        svc    nsa
-                            v1 ServiceAccount                 sa     n
-                            v1 Pod                            po     nsag
-                            v1 PodTemplate                    -      ng
-                            v1 PersistentVolumeClaim          pvc    ns
-                            v1 PersistentVolume               pv     s
-                            v1 Endpoints                      ep     n
-                            v1 Event                          ev     n
-                            v1 LimitRange                     limits n
-                            v1 ResourceQuota                  quota  ns
-                            v1 ReplicationController          rc     nscga
-                            v1 Node                           no     s
apps                         v1 Deployment                     deploy nscga
apps                         v1 StatefulSet                    sts    nscga
apps                         v1 DaemonSet                      ds     nsga
apps                         v1 ReplicaSet                     rs     nscga
apps                         v1 ControllerRevision             -      n
batch                        v1 Job                            -      nsga
batch                        v1 CronJob                        cj     nsga
networking.k8s.io            v1 Ingress                        ing    nsg
networking.k8s.io            v1 NetworkPolicy                  netpol ng
networking.k8s.io            v1 IngressClass                   -      g
rbac.authorization.k8s.io    v1 Role                           -      n
rbac.authorization.k8s.io    v1 RoleBinding                    -      n
rbac.authorization.k8s.io    v1 ClusterRole                    -      -
rbac.authorization.k8s.io    v1 ClusterRoleBinding             -      -
policy                       v1 PodDisruptionBudget            pdb    nsg
autoscaling                  v2 HorizontalPodAutoscaler        hpa    nsga
storage.k8s.io               v1 StorageClass                   sc     -
scheduling.k8s.io            v1 PriorityClass                  pc     g
coordination.k8s.io          v1 Lease                          -      n
discovery.k8s.io             v1 EndpointSlice                  -      ng
apiextensions.k8s.io         v1 CustomResourceDefinition       crd,crds sg
admissionregistration.k8s.io v1 ValidatingWebhookConfiguration -      g
admissionregistration.k8s.io v1 MutatingWebhookConfiguration   -      g
apiregistration.k8s.io       v1 APIService                     -      s
"""


def _built_in(line: str) -> Kind:
    group, version, kind, short, letters = line.split()
    group = "" if group == "-" else group
    api_version = f"{group}/{version}" if group else version
    return Kind(
        group=group,
        version=version,
        kind=kind,
        plural=_plural(kind.lower()),
        shape=shape_of(api_version, kind),
        # Endpoints is its own singular, and the kind's lower-case form fits for all others.
        singular=kind.lower(),
        list_kind=f"{kind}List",
        short_names=() if short == "-" else tuple(short.split(",")),
        categories=_categories(group, letters),
        namespaced="n" in letters,
        has_status="s" in letters,
        has_scale="c" in letters,
        has_generation="g" in letters,
    )


def _categories(group: str, letters: str) -> tuple[str, ...]:
    if "a" in letters:
        return ("all",)
    extensions = {"admissionregistration", "apiextensions", "apiregistration"}
    return ("api-extensions",) if group.partition(".")[0] in extensions else ()


def _plural(name: str) -> str:
    if name == "endpoints":
        return name
    if name.endswith("y"):
        return name[:-1] + "ies"
    return name + ("es" if name.endswith("s") else "s")


BUILT_IN = tuple(_built_in(line) for line in _TABLE.strip().splitlines())
BUILT_IN_GROUPS = frozenset(kind.group for kind in BUILT_IN)
NAMESPACE = next(kind for kind in BUILT_IN if kind.kind == "Namespace")
DEFINITION = next(kind for kind in BUILT_IN if kind.kind == "CustomResourceDefinition")


class Kinds:
    """All kinds that are served now; definitions replace the custom ones as they come and go."""

    def __init__(self) -> None:
        self._custom: dict[str, tuple[Kind, ...]] = {}
        self._index = self._indexed()

    def define(self, definition: str, kinds: Iterable[Kind]) -> None:
        """Serve these kinds for the definition of that name, and no others."""
        self._custom[definition] = tuple(kinds)
        self._index = self._indexed()

    def forget(self, definition: str) -> tuple[Kind, ...]:
        gone = self._custom.pop(definition, ())
        self._index = self._indexed()
        return gone

    def get(self, group: str, version: str, plural: str) -> Kind | None:
        return self._index.get((group, version, plural))

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._index.values())

    def of_bucket(self, bucket: tuple[str, str]) -> Kind | None:
        return next((kind for kind in self._index.values() if kind.bucket == bucket), None)

    def group_versions(self) -> dict[str, list[str]]:
        """The versions of each named group, in the order they were added."""
        groups: dict[str, list[str]] = {}
        for kind in self._index.values():
            versions = groups.setdefault(kind.group, [])
            if kind.version not in versions:
                versions.append(kind.version)
        groups.pop("", None)
        return groups

    def _indexed(self) -> dict[tuple[str, str, str], Kind]:
        every = [*BUILT_IN, *(kind for kinds in self._custom.values() for kind in kinds)]
        return {(kind.group, kind.version, kind.plural): kind for kind in every}
