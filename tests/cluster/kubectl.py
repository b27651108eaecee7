"""kubectl as people run it, on the server of a kubeconfig."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BINARY = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")


@dataclass(frozen=True)
class Kubectl:
    """`kubectl(*arguments, given=object)`: what it printed; fails with what it complained of."""

    kubeconfig: Path
    home: Path
    namespace: str

    def __call__(self, *arguments: str, given: Any = None, code: int | None = 0) -> str:
        result = subprocess.run(
            [str(BINARY), "-n", self.namespace, *arguments],
            input=json.dumps(given) if given else None,
            capture_output=True,
            env={
                "HOME": str(self.home),
                "KUBECONFIG": str(self.kubeconfig),
                "PATH": "/usr/bin:/bin",
            },
            text=True,
            timeout=60,
            check=False,
        )
        assert code is None or result.returncode == code, result.stderr
        return result.stderr if code else result.stdout
