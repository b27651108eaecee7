"""Git through bare mirrors: fetched over hardened transports, read without a work tree.

Nothing here runs a hook or a filter, follows a link, recurses into a submodule, or lets anything
that came from outside stand where Git could read it as an option.
"""

from towline.adapters.git.command import forget_ambient_git
from towline.adapters.git.repositories import GitRepositories, NoLooks

__all__ = ["GitRepositories", "NoLooks", "forget_ambient_git"]
