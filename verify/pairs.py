"""All pairs instead of all combinations: most faults need two values to meet, few need three.

A small greedy construction of our own, without chance in it: the same lists always give the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TypeVar

Value = TypeVar("Value")
# Two dimensions by their numbers, each with the number of one of its values.
_Pair = tuple[int, int, int, int]


def all_pairs(dimensions: Sequence[Sequence[Value]]) -> list[tuple[Value, ...]]:
    """Rows with one value of each dimension, in which every two values of two dimensions meet at least once.

    Never more rows than the full product has. A dimension without values leaves no row; the values of a single
    dimension are a row each.
    """
    sizes = [len(values) for values in dimensions]
    if not all(sizes):
        return []
    if len(sizes) < 2:
        return [(value,) for values in dimensions for value in values] or [()]
    # A dict for its order: a set of tuples of numbers would do, but then nothing promises the same rows twice.
    missing: dict[_Pair, None] = {
        (one, a, other, b): None
        for one, other in combinations(range(len(sizes)), 2)
        for a in range(sizes[one])
        for b in range(sizes[other])
    }
    rows = []
    while missing:
        row = _row(next(iter(missing)), sizes, missing)
        for one, other in combinations(range(len(sizes)), 2):
            missing.pop((one, row[one], other, row[other]), None)
        rows.append(tuple(values[number] for values, number in zip(dimensions, row, strict=True)))
    return rows


def _row(start: _Pair, sizes: Sequence[int], missing: dict[_Pair, None]) -> list[int]:
    """A row with the pair `start`; every other value is the one that meets most of the chosen for the first time."""
    chosen = {start[0]: start[1], start[2]: start[3]}
    for dimension, size in enumerate(sizes):
        if dimension not in chosen:
            gains = [_gain(dimension, value, chosen, missing) for value in range(size)]
            chosen[dimension] = gains.index(max(gains))
    return [chosen[dimension] for dimension in range(len(sizes))]


def _gain(dimension: int, value: int, chosen: dict[int, int], missing: dict[_Pair, None]) -> int:
    met = 0
    for other, its_value in chosen.items():
        pair = (dimension, value, other, its_value) if dimension < other else (other, its_value, dimension, value)
        met += pair in missing
    return met
