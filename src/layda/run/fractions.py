"""What became of how many balls, and how sure that is: shares of verdicts and basins with confidence intervals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Real
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import MissingExtraError, SettingError
from layda.measures import VERDICTS
from layda.run.store import FILLS

if TYPE_CHECKING:
    import xarray

__all__ = ["counted_over", "fractions", "there", "totals", "wilson"]

Array = NDArray[np.float64]


def wilson(count: Any, total: Any, confidence: float = 0.95) -> tuple[Array, Array]:
    """Wilson's score interval of a share p = k/n, which holds for small counts, too, and never leaves [0, 1].

    ::

        (p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n)

    Args:
        count: k, one or many.
        total: n, likewise.
        confidence: of the two-sided interval, from 0 to 1; z is the normal quantile of (1 + confidence)/2.

    Returns:
        Its lower and upper ends; (0, 1) where n is 0.

    Raises:
        SettingError: a confidence that is no number between 0 and 1.

    Source: Wilson 1927, J. Amer. Statist. Assoc. 22, 209–212.

    >>> low, high = wilson(5, 10)
    >>> round(float(low), 4), round(float(high), 4)
    (0.2366, 0.7634)
    """
    if not isinstance(confidence, Real) or not 0.0 < confidence < 1.0:
        raise SettingError(f"confidence is {confidence!r}; allowed is a number between 0 and 1, such as 0.95")
    z = NormalDist().inv_cdf(0.5 + 0.5 * confidence)
    k, n = np.broadcast_arrays(np.asarray(count, np.float64), np.asarray(total, np.float64))
    some = np.where(n > 0.0, n, 1.0)
    share = k / some
    middle = share + z * z / (2.0 * some)
    reach = z * np.sqrt(share * (1.0 - share) / some + z * z / (4.0 * some * some))
    scale = 1.0 + z * z / some
    low = np.where(k == 0.0, 0.0, (middle - reach) / scale)
    high = np.where(k == n, 1.0, (middle + reach) / scale)
    return np.where(n > 0.0, np.maximum(low, 0.0), 0.0), np.where(n > 0.0, np.minimum(high, 1.0), 1.0)


def fractions(
    dataset: xarray.Dataset, by: str = "verdict", over: str | Sequence[str] | None = None, confidence: float = 0.95
) -> xarray.Dataset:
    """How many balls met each end, as shares with intervals.

    The intervals speak of balls drawn at random; over a regular grid they say how fine the grid is. Balls of a store
    that is not finished yet are left out, and a warning says how many they are.

    Args:
        dataset: from :func:`layda.ensemble` or :func:`layda.sweep`.
        by: "verdict" or "basin".
        over: the side or sides to count along; all by default. The others stay.
        confidence: of the intervals.

    Returns:
        ``count``, ``share``, ``low`` and ``high`` over ``by`` and the sides that stay. Verdicts go by their names,
        basins by their numbers, −1 standing for none. The attribute ``total`` is the number of balls that a share is
        of; where balls are missing, ``missing`` says how many, and ``total`` is a variable over the sides that stay.

    Raises:
        SettingError: the dataset does not hold ``by``, or has no side of a name in ``over``; a confidence that is no
            number between 0 and 1.

    >>> import layda
    >>> found = layda.ensemble("x^4 - 2x^2", "heavy-ball", [-1.0, 0.5, 1.0], learning_rate=0.02)
    >>> float(fractions(found).share.sel(verdict="converged"))
    1.0
    """
    try:
        import xarray as xr
    except ImportError:
        raise MissingExtraError("xarray", "sweep", "fractions()") from None
    if by not in ("verdict", "basin") or by not in dataset:
        kept = ", ".join(map(str, dataset.data_vars))
        raise SettingError(f"fractions by {by!r}: allowed are verdict and basin, and the dataset must hold it ({kept})")
    codes = dataset[by]
    gone = counted_over(codes, over)
    kinds = np.arange(len(VERDICTS)) if by == "verdict" else _basins(codes)
    # Kind by kind: one comparison in memory at a time, not nine copies of a large map.
    counts = [(codes == kind).sum(gone) for kind in kinds]
    labels = list(VERDICTS) if by == "verdict" else [int(kind) for kind in kinds]
    count = xr.concat(counts, dim=xr.Variable(by, labels)).astype(np.int64)
    total, sizes, about = totals(codes, gone)
    low, high = wilson(count.values, total.values, confidence)
    share = count / total.where(total > 0)
    return xr.Dataset(
        {"count": count, "share": share, "low": (count.dims, low), "high": (count.dims, high)} | sizes,
        attrs={"confidence": confidence} | about,
    )


def counted_over(codes: Any, over: str | Sequence[str] | None) -> list[str]:
    """The sides to count along, each named once.

    Raises:
        SettingError: a side that there is not, or one that is named twice.
    """
    sides = [str(name) for name in codes.dims]
    names = sides if over is None else [over] if isinstance(over, str) else list(over)
    for name in names:
        if name not in sides:
            raise SettingError(f"over names {name!r}; the sides are {', '.join(sides) or 'none'}")
        if names.count(name) > 1:
            raise SettingError(f"over names {name!r} twice; name each side once")
    return names


def there(codes: Any) -> Any:
    """Which balls have been rolled: an unfinished store holds a code of its own for the others.

    Args:
        codes: "verdict", "basin" or "steps" of a dataset, by its name.
    """
    return codes != FILLS[str(codes.name)][1]


def totals(codes: Any, gone: Sequence[str]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """How many balls shares are of, over the sides that stay; and what a table says of that.

    Args:
        codes: as for :func:`there`.
        gone: the sides to count along.

    Returns:
        The totals, and the variables and the attributes that tell them.
    """
    total = there(codes).sum(gone).astype(np.int64)
    missing = int(codes.size) - int(total.sum())
    if not missing:
        return total, {}, {"total": int(np.prod([codes.sizes[name] for name in gone], dtype=np.int64))}
    warnings.warn(
        f"{missing} of {codes.size} balls are missing, since the sweep is not finished; shares are of the other "
        f"{codes.size - missing}. Go on with it by layda.sweep(…, resume=True)",
        UserWarning,
        stacklevel=3,  # who called the function that counts
    )
    return total, {"total": total}, {"missing": missing}


def _basins(codes: Any) -> NDArray[np.int64]:
    found = np.unique(codes.values)
    return np.unique(np.append(found[found >= -1].astype(np.int64), -1))
