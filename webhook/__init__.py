"""The Flask side: webhooks in, the API out.

`app` wires; `providers` has one file for a forge; `receive` takes a delivery in; `api` answers
questions. This process has no access to clusters or repositories: what needs them is a task,
sent by name.
"""
