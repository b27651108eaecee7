"""From a tree to manifests: plain YAML, or Kustomize in a confined child process."""

from towline.adapters.renderers.renderer import TreeRenderer

__all__ = ["TreeRenderer"]
