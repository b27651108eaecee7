"""One file for a forge: how its deliveries are signed, and what they say.

A provider verifies the raw bytes before anything parses them. What it says is a hint: the worker
asks Git what is true.
"""

from webhook.providers import gitea, github, gitlab
from webhook.providers.base import BadPayloadError, Event, Ignored, Ping, Provider, Push

PROVIDERS: dict[str, Provider] = {
    "github": github.GitHub(),
    "gitlab": gitlab.GitLab(),
    "gitea": gitea.Gitea(),
}

__all__ = ["PROVIDERS", "BadPayloadError", "Event", "Ignored", "Ping", "Provider", "Push"]
