"""The outside world behind the ports: Git, renderers, Kubernetes, Redis, files."""
