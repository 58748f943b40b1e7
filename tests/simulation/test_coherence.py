"""The coherence map and the mixing of the two populations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.simulation.coherence import (
    above_floor,
    coherence_image,
    mix_weights,
    refined,
    static_coherence,
    wall_mask,
)

# A wall 40 px long and 10 px thick, lying flat.
FLAT = np.stack(np.meshgrid(np.linspace(20, 60, 9), np.linspace(30, 40, 3), indexing="ij"), axis=-1)
UNIT = st.floats(0, 1)


def test_static_coherence_falls_linearly_over_the_border():
    np.testing.assert_allclose(static_coherence(np.array([0.0, 1.5, 3, 9]), 0.8, 3.0), [0.8, 0.4, 0, 0])


def test_image_of_a_constant_is_the_static_map():
    image = coherence_image(FLAT, np.full((9, 3), 0.8), (80, 80), 6.0)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image[30:41, 40], 0.8, rtol=1e-5)
    np.testing.assert_allclose(image[40:48, 40], static_coherence(np.arange(8.0), 0.8, 6.0), atol=0.02)
    assert (image[:23] == 0).all()


def test_image_interpolates_between_nodes_and_continues_outside():
    values = np.broadcast_to(np.linspace(0, 1, 9)[:, None], (9, 3))
    image = coherence_image(FLAT, values, (80, 80), 6.0)
    np.testing.assert_allclose(image[35, 20:61], np.linspace(0, 1, 41), atol=0.03)
    np.testing.assert_allclose(image[43, 20:61], 0.5 * np.linspace(0, 1, 41), atol=0.03)


def test_wall_mask_has_no_holes_in_a_mesh_of_uneven_cells():
    x = np.array([10.0, 11, 12, 60, 61, 62])
    mesh = np.stack(np.meshgrid(x, np.array([10.0, 40.0]), indexing="ij"), axis=-1)
    assert wall_mask(mesh, (60, 80))[10:41, 10:63].all()
    assert wall_mask(mesh, (60, 80)).sum() == 31 * 53


def test_wall_outside_the_image_gives_zeros():
    assert not coherence_image(FLAT + 500, np.ones((9, 3)), (80, 80), 6.0).any()


@settings(max_examples=20, deadline=None)
@given(coherence=UNIT)
def test_amplitude_weights_sum_to_one_and_power_weights_keep_the_power(coherence):
    assert sum(mix_weights(np.array([coherence]))) == pytest.approx(1)
    assert sum(weight**2 for weight in mix_weights(np.array([coherence]), "power")) == pytest.approx(1)


def test_weights_at_the_limits():
    for mix in ("amplitude", "power"):
        moving, still = mix_weights(np.array([0.0, 1.0]), mix)
        assert moving.tolist() == [0, 1] and still.tolist() == [1, 0]


def test_floor_maps_chance_to_zero_and_keeps_one():
    np.testing.assert_allclose(above_floor(np.array([-0.1, 0.3, 0.65, 1]), 0.3), [0, 0, 0.5, 1])


@settings(max_examples=20, deadline=None)
@given(coherence=UNIT, target=UNIT, achieved=UNIT, alpha=st.floats(0, 3))
def test_refinement_moves_against_the_error_and_stays_in_range(coherence, target, achieved, alpha):
    result = float(refined(np.array([coherence]), np.array([target]), np.array([achieved]), alpha)[0])
    assert 0 <= result <= 1
    assert (result - coherence) * (target - achieved) >= -1e-12


def test_refinement_of_the_first_simulation_is_the_papers_formula():
    target, achieved = np.array([0.5, 0.9]), np.array([0.4, 0.6])
    np.testing.assert_allclose(refined(target, target, achieved, 2.0), [0.7, 1.0])


def test_exception():
    with pytest.raises(ValueError, match="mix must be"):
        mix_weights(np.ones(2), "linear")
    with pytest.raises(ValueError, match=r"floor must be in \[0, 1\)"):
        above_floor(np.ones(2), 1.0)
