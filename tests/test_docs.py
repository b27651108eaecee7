"""What the documentation says is what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from towline.core.application import json_schema, parse_documents
from towline.sandbox.processes import parse_procfile
from towline.settings import load

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_schema_for_editors_is_the_current_one() -> None:
    """Write it anew with `json_schema()` where this fails."""
    assert json.loads((ROOT / "docs/schema.json").read_text(encoding="utf-8")) == json_schema()


def test_the_documents_of_the_readme_are_valid() -> None:
    blocks = [b for b in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "kind:" in b]
    assert len(blocks) == 2
    for block in blocks:
        indent = min(len(line) - len(line.lstrip()) for line in block.splitlines() if line.strip())
        text = "\n".join(line[indent:] for line in block.splitlines())
        assert parse_documents({"README.md": text.encode()}).applications


def test_every_setting_that_is_read_is_in_the_readme() -> None:
    source = (ROOT / "towline/settings.py").read_text(encoding="utf-8")
    for name in set(re.findall(r'"(TOWLINE_[A-Z_]+)"', source)):
        assert f"`{name}`" in README, name


def test_the_defaults_of_the_readme_are_the_real_ones() -> None:
    settings = load({})
    assert str(settings.applications) == "applications"
    assert (settings.namespace, settings.git_protocols) == ("towline-system", "https:ssh")
    assert settings.resync_tick.total_seconds() == 30


def test_the_procfile_has_the_four_processes() -> None:
    procfile = parse_procfile((ROOT / "Procfile").read_text(encoding="utf-8"))
    assert list(procfile) == ["web", "worker", "beat", "flower"]
