"""The geometry of a convolution, without any framework."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracle
from atrous.spec import ConvSpec, ReceptiveField, chain, parse_integers, parse_padding

positive = st.integers(1, 5)
paddings = st.one_of(
    st.sampled_from(["valid", "same", "causal"]), st.tuples(st.integers(0, 6), st.integers(0, 6)).map(lambda pair: (pair,))
)


@given(n=st.integers(0, 40), k=positive, s=positive, r=positive, padding=paddings)
def test_output_size_is_that_of_the_definition(n, k, s, r, padding):
    spec = ConvSpec.parse(1, k, s, r, padding)
    pads = oracle.pads((n,), (k,), (s,), (r,), spec.padding)
    length = (n + sum(pads[0]) - (k - 1) * r - 1) // s + 1
    if length <= 0 and spec.padding not in ("same", "causal"):
        with pytest.raises(ValueError, match="output would be empty"):
            spec.output_size((n,))
    else:
        assert spec.output_size((n,)) == (length,)
        assert spec.pads((n,)) == tuple(pads)


@pytest.mark.parametrize(("k", "r", "span"), [(3, 1, 3), (3, 2, 5), (3, 4, 9), (1, 7, 1), (2, 512, 513)])
def test_effective_kernel_size(k, r, span):
    assert ConvSpec.parse(1, k, dilation_rate=r).effective_kernel_size == (span,)


def test_pads_that_depend_on_an_unknown_length_are_none():
    assert ConvSpec.parse(2, 3, (1, 2), padding="same").pads((None, None)) == ((1, 1), None)
    with pytest.raises(ValueError, match="`input_size` must be known"):
        ConvSpec.parse(1, 3, 2, padding="same").receptive_field()


@given(st.lists(st.tuples(positive, positive, positive, paddings), min_size=1, max_size=5), st.integers(30, 60))
def test_receptive_field_of_a_chain_is_where_the_gradient_reaches(layers, n):
    specs = [ConvSpec.parse(1, *layer) for layer in layers]
    sizes = [(n,)]
    for spec in specs:
        try:
            sizes.append(spec.output_size(sizes[-1]))
        except ValueError:
            return  # the chain does not fit into this input
    field = chain(specs, (n,))
    middle = sizes[-1][0] // 2
    gradient = np.zeros((1, *sizes[-1], 1))
    gradient[0, middle] = 1
    for spec, size in zip(reversed(specs), reversed(sizes[:-1]), strict=True):
        pads = spec.pads(size)
        gradient = oracle.input_gradient(
            gradient, np.ones((*spec.kernel_size, 1, 1)), size, spec.strides, spec.dilation_rate, pads
        )
    reached = np.flatnonzero(gradient)
    ((first, last),) = field.span((middle,))
    assert not len(reached) or (first <= reached[0] and reached[-1] <= last)
    if first >= 0 and last < n and all(pair == (0, 0) for spec in specs for pair in spec.pads((n,))):
        assert (reached[0], reached[-1]) == (first, last)


def test_chain_of_published_stacks():
    yu_koltun = [ConvSpec.parse(2, 3, dilation_rate=rate) for rate in (1, 1, 2, 4, 8, 16, 1)] + [ConvSpec.parse(2, 1)]
    assert chain(yu_koltun).size == (67, 67)
    wavenet = [ConvSpec.parse(1, 2, dilation_rate=2**level, padding="causal") for level in range(10)]
    field = chain(wavenet)
    assert field == ReceptiveField((1024,), (1,), (-1023,))


def test_chain_refuses_nothing_and_mixed_ranks():
    with pytest.raises(ValueError, match="`specs` must name at least one layer"):
        chain([])
    with pytest.raises(ValueError, match="same rank"):
        chain([ConvSpec.parse(1, 3), ConvSpec.parse(2, 3)])


@pytest.mark.parametrize(
    ("value", "rank", "pairs"),
    [
        (2, 2, ((2, 2), (2, 2))),
        ((1, 2), 1, ((1, 2),)),
        (((1, 2),), 1, ((1, 2),)),
        ((1, 2), 2, ((1, 1), (2, 2))),
        ([[1, 2], [3, 4]], 2, ((1, 2), (3, 4))),
        ((1, (0, 2), 3), 3, ((1, 1), (0, 2), (3, 3))),
        (np.int64(1), 1, ((1, 1),)),
        ("SAME", 2, "same"),
    ],
)
def test_padding_is_what_users_write(value, rank, pairs):
    assert parse_padding(value, rank) == pairs


@pytest.mark.parametrize(
    ("value", "rank"),
    [("foo", 2), (-1, 2), ((1, 2, 3), 2), ((1.5, 2), 2), ("causal", 2), (None, 1), (((1, 2, 3),), 1), (True, 1)],
)
def test_bad_padding_is_refused(value, rank):
    with pytest.raises(ValueError, match=r"`padding.*must.*Received: padding="):
        parse_padding(value, rank)


@pytest.mark.parametrize("value", [(2, 3), [2, 3], range(2, 4), np.array([2, 3]), (np.int64(2), np.int64(3))])
def test_integers_are_what_users_write(value):
    numbers = parse_integers("dilation_rate", value, 2)
    assert numbers == (2, 3)
    assert {type(number) for number in numbers} == {int}
    assert parse_integers("dilation_rate", np.int64(2), 2) == (2, 2)


@pytest.mark.parametrize("value", [0, -1, (2, 0), (1, 2, 3), "2", 1.5, None, True, (1, "2"), np.array([1.0, 2.0])])
def test_bad_integers_are_refused(value):
    with pytest.raises(ValueError, match="`dilation_rate` must be a positive integer"):
        parse_integers("dilation_rate", value, 2)
