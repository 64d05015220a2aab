"""All pairs: nothing that two values do together is left out, and it never costs more than the product."""

from __future__ import annotations

from itertools import combinations, product
from math import prod

from hypothesis import given
from hypothesis import strategies as st

from verify.pairs import all_pairs

DIMENSIONS = st.lists(st.integers(1, 5).map(lambda size: list(range(size))), min_size=1, max_size=6)


@given(DIMENSIONS)
def test_every_two_values_of_two_dimensions_meet(dimensions: list[list[int]]) -> None:
    rows = all_pairs(dimensions)
    for one, other in combinations(range(len(dimensions)), 2):
        assert {(row[one], row[other]) for row in rows} == set(product(dimensions[one], dimensions[other]))


@given(DIMENSIONS)
def test_never_more_rows_than_the_product_and_none_twice(dimensions: list[list[int]]) -> None:
    rows = all_pairs(dimensions)
    assert len(set(rows)) == len(rows) <= prod(map(len, dimensions))


@given(DIMENSIONS)
def test_the_same_lists_give_the_same_rows(dimensions: list[list[int]]) -> None:
    assert all_pairs(dimensions) == all_pairs(dimensions)


def test_two_dimensions_are_their_product_and_one_is_its_values() -> None:
    assert set(all_pairs(["ab", "xyz"])) == set(product("ab", "xyz"))
    assert all_pairs(["abc"]) == [("a",), ("b",), ("c",)]
    assert all_pairs(["abc", ""]) == []


def test_pairs_of_many_dimensions_are_few() -> None:
    """Four dimensions of three values: 81 combinations, of which 9 are the fewest that can hold all pairs."""
    assert len(all_pairs([range(3)] * 4)) <= 13
