"""What Towline decides, as values in and values out.

Nothing here does I/O, reads a clock or looks at the environment; import-linter holds that.
"""
