"""The Celery side: tasks that refresh repositories and reconcile applications.

`app` wires, `tasks` are three lines each, the other modules are the work itself. Nothing here
knows HTTP, and nothing trusts a message: it only says where to look.
"""
