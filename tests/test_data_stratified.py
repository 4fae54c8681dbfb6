import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrous.data.stratified import stratified

labels_of = st.lists(st.integers(0, 4), max_size=200)
fractions_of = st.sampled_from([(0.9, 0.1), (0.8, 0.1, 0.1), (0.5, 0.25, 0.25), (1.0,)])


@given(labels_of, fractions_of, st.integers(0, 3))
def test_parts_are_disjoint_and_complete(labels: list[int], fractions: tuple[float, ...], seed: int) -> None:
    parts = stratified(labels, fractions, seed)
    assert len(parts) == len(fractions)
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    assert all((np.diff(part) > 0).all() for part in parts)


@given(labels_of, fractions_of, st.integers(0, 3))
def test_every_part_has_its_share_of_every_class(labels: list[int], fractions: tuple[float, ...], seed: int) -> None:
    parts = stratified(labels, fractions, seed)
    for label in set(labels):
        n = labels.count(label)
        shares = [int((np.asarray(labels)[part] == label).sum()) for part in parts]
        if n < len(fractions):
            assert shares[0] == n
        else:
            assert min(shares) >= 1
            assert shares[1:] == [max(1, round(n * fraction)) for fraction in fractions[1:]]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_seed_chooses(seed: int) -> None:
    labels = np.arange(100) % 2
    again, other = stratified(labels, (0.9, 0.1), seed), stratified(labels, (0.9, 0.1), seed + 1)
    np.testing.assert_array_equal(stratified(labels, (0.9, 0.1), seed)[1], again[1])
    assert not np.array_equal(again[1], other[1])
