"""How seldom Python's garbage collector looks at what a worker holds."""

from __future__ import annotations

import gc

_THRESHOLDS = (50_000, 20, 20)


def collect_seldom() -> None:
    """For a process that makes runs: called once, when all is imported.

    A run over many objects makes hundreds of thousands of containers that live until its end and
    hold no cycles. The collector goes over them again and again and finds nothing, for up to a
    third of the run's time. What a run leaves goes by its reference counts; memory stays bounded
    by `worker_max_memory_per_child`.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
