"""Build etcd, kube-apiserver and kube-controller-manager into the user's cache folder.

Needs a Go toolchain and the Go module proxy; two cores take some ten minutes, once for a version.
The versions are those of `go.mod` beside this file: `go mod tidy` after a change of them.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = {
    "go.etcd.io/etcd/server/v3": "etcd",
    "k8s.io/kubernetes/cmd/kube-apiserver": "kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager": "kube-controller-manager",
}


def version() -> str:
    """The version of Kubernetes that is built, such as `v1.37.2`."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", _modules(), re.MULTILINE)
    assert found, "go.mod does not require k8s.io/kubernetes"
    return found[1]


def folder() -> Path:
    """Where the programs of that version are, or will be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    machine = f"{platform.system()}-{platform.machine()}".lower()
    return cache / "towline" / "controlplane" / f"{version()}-{machine}"


def is_built() -> bool:
    return all((folder() / name).is_file() for name in PROGRAMS.values())


def build() -> None:
    """Build what is missing; other processes find the folder whole or not at all."""
    target = folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".building-") as scratch:
        programs = Path(scratch) / "programs"
        for package, name in PROGRAMS.items():
            _compile(package, programs / name)
        shutil.rmtree(target, ignore_errors=True)
        programs.rename(target)


def _compile(package: str, target: Path) -> None:
    flags = f"-s -w -X k8s.io/component-base/version.gitVersion={version()}"
    command = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags]
    command += ["-o", str(target), package]
    subprocess.run(command, cwd=HERE, env={**os.environ, "CGO_ENABLED": "0"}, check=True)


def _modules() -> str:
    return (HERE / "go.mod").read_text(encoding="utf-8")


def main() -> int:
    if is_built():
        print(f"The control plane {version()} is in {folder()}")
        return 0
    if shutil.which("go") is None:
        print("No Go toolchain: the control plane for tests/cluster cannot be built here.")
        return 1
    print(f"Building the control plane {version()}; some ten minutes on two cores …", flush=True)
    build()
    print(f"The control plane {version()} is in {folder()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
