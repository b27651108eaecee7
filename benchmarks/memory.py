"""Resident memory of the web process and of a worker after 1,000 objects.

It starts the real processes against the sandbox, has an application of 1,000 objects of several
kinds applied, and prints what `/proc` (or ps) says. Figures are MB of 10^6 bytes, of this machine
and this moment; what they are for is the comparison with those before a change.
"""

from __future__ import annotations

import json
from pathlib import Path

import psutil

from towline.cli.remote import Remote
from towline.sandbox.installation import Installation

OBJECTS = 1000
AIMS = {"web": 90, "worker": 130}

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: d{n}, labels: {{app: d{n}}}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: d{n}}}}}
  template:
    metadata: {{labels: {{app: d{n}}}}}
    spec:
      containers:
        - name: main
          image: nginx:1.29.0
          ports: [{{containerPort: 80}}]
          env: [{{name: NUMBER, value: "{n}"}}]
          resources: {{requests: {{cpu: 50m, memory: 32Mi}}, limits: {{memory: 64Mi}}}}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {{name: s{n}}}
spec: {{selector: {{app: d{n}}}, ports: [{{port: 80}}]}}
"""
CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {{name: c{n}}}
data: {{number: "{n}"}}
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {{name: k{n}}}
stringData: {{number: "{n}"}}
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: many}\n"


def documents(place: Installation) -> str:
    return f"""
apiVersion: towline.dev/v1alpha1
kind: Repository
metadata: {{name: forge}}
spec: {{url: "{place.forge_url}", username: towline, tokenFile: {place.folder / "git-token"}}}
---
apiVersion: towline.dev/v1alpha1
kind: Application
metadata: {{name: many}}
spec:
  source: {{repository: "{place.forge_url}/many.git", branch: main}}
  destination: {{cluster: {place.context}, namespace: many}}
"""


def write_manifests(folder: Path) -> None:
    (folder / "namespace.yaml").write_text(NAMESPACE, encoding="utf-8")
    kinds = (DEPLOYMENT, SERVICE, CONFIG_MAP, SECRET)
    for number in range(OBJECTS - 1):
        text = kinds[number % len(kinds)].format(n=number)
        (folder / f"{number:04}.yaml").write_text(text, encoding="utf-8")


def resident(pid: int) -> list[int]:
    """MB of a process and of each of its children, the largest child last."""
    parent = psutil.Process(pid)
    children = sorted(child.memory_info().rss for child in parent.children(recursive=True))
    return [size // 10**6 for size in (parent.memory_info().rss, *children)]


def measure() -> dict[str, object]:
    with Installation(documents=documents) as place:
        copy = place.repository("many")
        write_manifests(copy.folder)
        copy.commit("A thousand objects")
        place.start_towline("web", "worker")
        copy.push()
        remote = Remote(place.url, place.api_token)
        ready = "a thousand objects applied"
        place.wait(
            ready,
            lambda: remote.get("applications", "many")["status"] == "synced",
            seconds=180,
            pause=0.2,
        )
        first = remote.get("applications", "many", "runs")["items"][-1]
        for _ in range(4):
            asked = remote.post("applications", "many", "sync")
            again = remote.wait("many", asked["at"], lambda: None)
        web, worker = resident(place.processes.pid("web")), resident(place.processes.pid("worker"))
        return {
            "web_process_mb": web[-1],
            "worker_child_mb": worker[-1],
            "aims_mb": AIMS,
            "all_mb": {"web": web, "worker": worker},
            "objects": again["objects"],
            "first_run_seconds": round(first["ended"] - first["started"], 2),
            "unchanged_run_seconds": round(again["ended"] - again["started"], 2),
            "unchanged_run_phases": again["phases"],
        }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
