"""What the demo and the tests use in place of real infrastructure.

Each part answers on loopback as the real thing would, keeps all its state in memory, and is
gone when it stops. Nothing here is meant for production, and the engine never imports it.
"""
