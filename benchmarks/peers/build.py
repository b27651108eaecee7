"""Build kapp into the user's cache folder, from the Go module proxy: see `go.mod` beside this file.

Two cores take some two minutes, once for a version. `go mod tidy` after a change of the version.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = "carvel.dev/kapp/cmd/kapp"


def version() -> str:
    """The version of kapp that is built, such as `0.64.2`."""
    text = (HERE / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"^\s*carvel\.dev/kapp v(\S+)", text, re.MULTILINE)
    assert found, "go.mod does not require carvel.dev/kapp"
    return found[1]


def program() -> Path:
    """Where kapp of that version is, or will be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    machine = f"{platform.system()}-{platform.machine()}".lower()
    return cache / "towline" / "peers" / f"kapp-v{version()}-{machine}"


def why_not_built() -> str:
    """Builds kapp if it is not there; in one line, why that cannot be done here, else empty."""
    if program().is_file():
        return ""
    if shutil.which("go") is None:
        return "kapp is built with Go, which is not on this machine"
    print(f"Building kapp {version()}; some two minutes on two cores …", flush=True)
    program().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program().parent, prefix=".building-") as scratch:
        done = _compile(Path(scratch) / "kapp")
        if done.returncode != 0:
            return f"kapp could not be built: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
        (Path(scratch) / "kapp").replace(program())
    return ""


def _compile(target: Path) -> subprocess.CompletedProcess[str]:
    flags = f"-s -w -X carvel.dev/kapp/pkg/kapp/version.Version={version()}"
    command = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags]
    command += ["-o", str(target), PACKAGE]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    return subprocess.run(
        command, cwd=HERE, env=environment, capture_output=True, text=True, check=False
    )
