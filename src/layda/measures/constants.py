"""Every constant that a verdict depends on, with what it means. Documentation and evidence are made from this table."""

from __future__ import annotations

__all__ = ["CONSTANTS", "VERDICTS"]

VERDICTS = (
    "converged", "trapped", "saddle", "frozen", "cycling", "diverged", "undefined", "crawling", "unfinished",
)  # fmt: skip
"""The closed list of verdicts. Their codes in programs are their places in it; "converged" stands for settled."""

CONSTANTS: dict[str, tuple[float, str]] = {
    "tolerance": (1e-6, "settled: displacement and distance to go, as a share of the path's extent (default)"),
    "check_every": (10.0, "the stopping test runs at positive multiples of this step number (default)"),
    "window": (256.0, "steps of the last window at most, in four quarters"),
    "thrown": (2.0**10, "diverged: the path's extent, in widths of the box, when numbers overflow"),
    "jump": (2.0**40, "diverged: the last displacement, in extents of the path before it, when a value is NaN"),
    "away": (10.0, "diverged: widths of the box that a ball is outside it, still speeding or not slowing"),
    "same": (1e-9, "displacements of two quarters count as equal within this share"),
    "vanished": (2.0**-10, "frozen: the learning rate at the end, as a share of its largest value, is at most this"),
    "no_progress": (0.99, "cycling: the second half's largest displacement is at least this share of the first half's"),
    "no_descent": (0.01, "cycling: f's largest value falls by less than this share of its range between the halves"),
    "noise_progress": (0.5, "… with mini-batches, whose displacements scatter: at least this share"),
    "noise_descent": (0.25, "… and f's smallest value falls by less than this share of the first half's range"),
    "turns": (4.0, "cycling: the displacement of some coordinate changes its sign at least so often in the window"),
    "budgets": (10.0, "crawling: more than so many further budgets are needed at the window's rate; else unfinished"),
    "flat": (10.0, "crawling although the stopping test holds: tolerances to go along a direction that is nearly flat"),
    "linear": (0.95, "displacements that go as a smaller power of the distance do not die out but arrive"),
    "swing": (1e-3, "cycling: a swing that loses less than this share from quarter to quarter does not die out"),
    "gap": (
        100.0,
        "trapped: f is above the best known minimum by more than this many times |g|·distance to go·dimension",
    ),
    "rounding": (1e-7, "… and by more than this share of |f|, the precision to which minima are known"),
    "negative": (1e-6, "saddle: a curvature below minus this share of the largest one in size"),
    "valley": (
        1e-4,
        "a curvature under this share of the largest: the way left along it is looked at on its own",
    ),
}
"""Name -> (value, meaning)."""
