"""The rows of the benchmark, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

HEAD = ("work", "compared with", "Towline", "peer", "ratio", "wanted", "met", "requests", "peer's")


@dataclass(frozen=True)
class Row:
    """One comparison: the seconds of both sides, which were measured in turn."""

    work: str
    peer: str
    wanted: float
    ours: Sequence[float] = ()
    theirs: Sequence[float] = ()
    at_most: bool = False
    """Towline may take at most so many times as long; else the peer takes at least as many."""
    our_requests: int | None = None
    their_requests: int | None = None
    missing: str = ""
    """Why it was not measured."""

    @property
    def ratio(self) -> float:
        ours, theirs = median(self.ours), median(self.theirs)
        return ours / theirs if self.at_most else theirs / ours

    @property
    def is_met(self) -> bool:
        return self.ratio <= self.wanted if self.at_most else self.ratio >= self.wanted

    @property
    def wanted_text(self) -> str:
        if self.at_most:
            return f"at most {self.wanted:g} times as long"
        return f"at least {self.wanted:g} times as fast"

    def cells(self) -> tuple[str, ...]:
        if self.missing:
            blank = ("-", "-", "-", self.wanted_text, f"not measured: {self.missing}", "-", "-")
            return (self.work, self.peer, *blank)
        return (
            self.work,
            self.peer,
            f"{median(self.ours):.3f} s",
            f"{median(self.theirs):.3f} s",
            f"{self.ratio:.1f}" if self.ratio >= 3 else f"{self.ratio:.2f}",
            self.wanted_text,
            "yes" if self.is_met else "**no**",
            _number(self.our_requests),
            _number(self.their_requests),
        )


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def markdown(rows: Iterable[Row]) -> str:
    lines = [HEAD, tuple("---" for _ in HEAD), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def plain(rows: Iterable[Row]) -> str:
    """The same for a terminal."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(cells[column]) for cells in lines) for column in range(len(HEAD))]
    padded = (
        "  ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True))
        for cells in lines
    )
    return "\n".join(line.rstrip().replace("**", "") for line in padded)


def samples(rows: Iterable[Row]) -> str:
    """Every single time, so that whoever reads can see how much they scatter."""
    lines = []
    for row in rows:
        if not row.missing:
            lines.append(f"- {row.work}: {_seconds(row.ours)}")
            lines.append(f"  - {row.peer}: {_seconds(row.theirs)}")
    return "\n".join(lines)


def _seconds(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
