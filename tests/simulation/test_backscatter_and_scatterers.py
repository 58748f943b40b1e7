"""Eq. 1 and the two scatterer populations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.geometry import carry, inside, radial_mesh, signed_areas
from echotas.records import Sector
from echotas.simulation.backscatter import (
    backscatter_amplitude,
    bilinear_operator,
    clamp_to_sector,
    matched_gamma,
    read_images,
    smooth_frames,
)
from echotas.simulation.scatterers import draw_background, draw_myocardium, extended_mesh

SECTOR = Sector((60.0, 0.0), 35.0, 5.0, 100.0)
T = np.linspace(-0.95 * np.pi, -0.05 * np.pi, 80)
MESH = radial_mesh(np.stack([60 + 30 * np.cos(T), 90 + 60 * np.sin(T)], axis=1), 12.0)


def test_backscatter_follows_equation_1():
    np.testing.assert_allclose(backscatter_amplitude(np.array([0.0, 51, 255]), 0.5), [0, 0.04, 1])
    np.testing.assert_allclose(backscatter_amplitude(np.array([51.0]), 1.0), 0.2)


def test_matched_gamma_keeps_small_contrasts_after_log_compression():
    grey, step, dynamic_range_db = 120.0, 1.0, 50.0
    gamma = matched_gamma(grey, dynamic_range_db)
    low, high = backscatter_amplitude(np.array([grey, grey + step]), gamma)
    assert 255 * 20 * np.log10(high / low) / dynamic_range_db == pytest.approx(step, rel=0.02)


@settings(max_examples=20, deadline=None)
@given(a=st.floats(-2, 2), b=st.floats(-2, 2))
def test_bilinear_reading_is_exact_for_linear_images(a, b):
    row, column = np.indices((20, 30))
    points = np.random.default_rng(0).uniform([0, 0], [29, 19], (50, 2))
    images = np.stack([a * column + b * row + 5, np.full((20, 30), 7.0)])
    values = read_images(bilinear_operator(points, (20, 30)), images)
    np.testing.assert_allclose(values[0], a * points[:, 0] + b * points[:, 1] + 5, atol=1e-3)
    np.testing.assert_allclose(values[1], 7, atol=1e-4)


def test_positions_beyond_the_image_read_its_edge():
    image = np.arange(12.0).reshape(1, 3, 4)
    points = np.array([[-5.0, -5], [3, 2], [99, 99], [99, 0]])
    np.testing.assert_allclose(read_images(bilinear_operator(points, (3, 4)), image)[0], [0, 11, 11, 3])


def test_smoothing_keeps_a_constant_up_to_the_sector_edge_and_black_outside():
    frames = np.full((1, 101, 121), 90, np.uint8)
    smooth = smooth_frames(frames, SECTOR, 2.0)[0]
    row, column = np.indices(smooth.shape)
    held = inside(SECTOR, np.stack([column, row], axis=-1).astype(float))
    np.testing.assert_allclose(smooth[held], 90, rtol=1e-4)
    assert (smooth[~held] == 0).all()


def test_clamping_leaves_inner_points_and_brings_outer_ones_in():
    points = np.random.default_rng(0).uniform([0, 0], [120, 120], (2000, 2))
    clamped = clamp_to_sector(points, SECTOR)
    assert inside(SECTOR, clamped).all()
    deep = inside(Sector((60.0, 0.0), 30.0, 10.0, 95.0), points)
    np.testing.assert_allclose(clamped[deep], points[deep], atol=1e-9)


def test_background_is_uniform_over_the_area_of_the_sector():
    points = draw_background(SECTOR, 4.0, np.random.default_rng(0))
    assert len(points) == round(4 * np.deg2rad(35) * (100**2 - 5**2))
    assert inside(SECTOR, points).all()
    radius = np.hypot(*(points - [60, 0]).T)
    assert (radius < 60).mean() == pytest.approx((60**2 - 5**2) / (100**2 - 5**2), abs=0.01)
    assert points[:, 0].mean() == pytest.approx(60, abs=0.5)


def test_myocardium_has_the_same_density_and_knows_its_place():
    points, triangle, weights = draw_myocardium(MESH, 6.0, np.random.default_rng(0))
    assert len(points) == pytest.approx(6 * np.abs(signed_areas(MESH)).sum(), rel=0.03)
    np.testing.assert_allclose(carry(MESH[None], triangle, weights)[0], points, atol=1e-9)


def test_extended_mesh_keeps_the_wall_and_adds_a_ring_of_the_border_width():
    wide = extended_mesh(MESH, 4.0)
    assert wide.shape == (38, 7, 2)
    np.testing.assert_array_equal(wide[1:-1, 1:-1], MESH)
    np.testing.assert_allclose(np.linalg.norm(wide[1:-1, 0] - MESH[:, 0], axis=1), 4)
    np.testing.assert_allclose(np.linalg.norm(wide[0, 1:-1] - MESH[0], axis=1), 4)
    assert (wide[:, -1, 1] - wide[:, 0, 1])[18] < -12  # outwards at the apex is up


def test_extended_mesh_moves_rigidly_with_a_rigid_mesh():
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(extended_mesh(MESH @ turn.T + 5, 4.0), extended_mesh(MESH, 4.0) @ turn.T + 5, atol=1e-9)


def test_exception():
    with pytest.raises(ValueError, match="gamma must be positive"):
        backscatter_amplitude(np.ones(3), 0.0)
    with pytest.raises(ValueError, match="border_px must be positive"):
        extended_mesh(MESH, 0.0)
    with pytest.raises(ValueError, match="at least one scatterer in the sector"):
        draw_background(SECTOR, 1e-9, np.random.default_rng(0))
    with pytest.raises(ValueError, match="at least one scatterer in the mesh"):
        draw_myocardium(MESH, 1e-9, np.random.default_rng(0))
