"""Towline keeps Kubernetes clusters equal to Git.

The engine: it observes (Git, cluster), plans (pure data) and executes (server-side apply).
It knows neither Flask nor Celery; `webhook` and `workers` are the processes around it.
"""

__version__ = "0.1.0"
