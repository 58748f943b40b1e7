"""The mesh: construction, and points that move with it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.geometry import (
    arc_length,
    boundary,
    carry,
    check_orientation,
    deform,
    interpolate_at,
    locate,
    mesh_from_endo_epi,
    mesh_from_mask,
    mesh_uv,
    radial_mesh,
    signed_areas,
    triangles,
)

T = np.linspace(-0.95 * np.pi, -0.05 * np.pi, 80)
ARCH = np.stack([70 + 30 * np.cos(T), 110 + 80 * np.sin(T)], axis=1)
MESH = radial_mesh(ARCH, 10.0)


def arch_mask(shape=(160, 140)):
    """The wall of `MESH`, rasterised by brute force: within 5 px of the centre line; the cavity below it."""
    row, column = np.indices(shape)
    pixels = np.stack([column, row], axis=-1).astype(float)
    distance = np.min(np.linalg.norm(pixels[:, :, None] - ARCH, axis=-1), axis=2)
    inside = ((column - 70) / 30) ** 2 + ((row - 110) / 80) ** 2 <= 1
    mask = np.where(inside, 1, 0)
    mask[distance <= 5] = 2
    mask[row > ARCH[0, 1]] = 0
    return mask


def random_motion(seed):
    """Affine map close to the identity, as (matrix, shift)."""
    rng = np.random.default_rng(seed)
    return np.eye(2) + rng.uniform(-0.2, 0.2, (2, 2)), rng.uniform(-10, 10, 2)


def test_36_by_5_nodes_have_280_triangles_that_all_turn_the_same_way():
    assert triangles(36, 5).shape == (280, 3)
    assert np.unique(triangles(36, 5)).tolist() == list(range(180))
    areas = signed_areas(MESH)
    assert areas.shape == (280,)
    assert (np.sign(areas) == np.sign(areas[0])).all()


def test_triangles_fill_a_rectangle_exactly():
    x, y = np.meshgrid(np.linspace(0, 9, 7), np.linspace(0, 4, 4), indexing="ij")
    assert np.abs(signed_areas(np.stack([x, y], axis=-1))).sum() == pytest.approx(36)


def test_uv_follows_node_order():
    uv = mesh_uv(4, 3)
    np.testing.assert_allclose(uv[[0, 1, 3, 11]], [[0, 0], [0, 0.5], [1 / 3, 0], [1, 1]])


def test_radial_mesh_keeps_the_centre_line_and_the_thickness():
    np.testing.assert_allclose(MESH[[0, -1], 2], ARCH[[0, -1]])
    steps = np.diff(arc_length(MESH[:, 2]))
    assert np.ptp(steps) < 0.01 * steps.mean()
    np.testing.assert_allclose(np.linalg.norm(MESH[:, -1] - MESH[:, 0], axis=1), 10)
    assert np.abs(signed_areas(MESH)).sum() == pytest.approx(10 * arc_length(ARCH)[-1], rel=0.03)
    outer, inner = np.linalg.norm(MESH[:, -1] - [70, 110], axis=1), np.linalg.norm(MESH[:, 0] - [70, 110], axis=1)
    assert (outer > inner).all()


def test_radial_mesh_takes_a_thickness_per_point():
    thickness = np.linspace(6, 12, len(ARCH))
    width = np.linalg.norm(np.diff(radial_mesh(ARCH, thickness)[:, [0, -1]], axis=1), axis=-1)
    np.testing.assert_allclose(width[[0, -1], 0], [6, 12])


@settings(max_examples=20, deadline=None)
@given(half_angle=st.floats(15, 40), thickness=st.floats(5, 20))
def test_radial_mesh_does_not_fold_at_a_pointed_apex(half_angle, thickness):
    foot = 100 * np.tan(np.deg2rad(half_angle))
    line = np.array([[70 - foot, 120], [70, 20], [70 + foot, 120]])
    areas = signed_areas(radial_mesh(line, thickness))
    assert (areas * np.sign(areas.sum()) > 0).all()


def test_mesh_from_mask_covers_the_wall():
    mask = arch_mask()
    mesh = mesh_from_mask(mask)
    assert mesh.shape == (36, 5, 2)
    check_orientation(mesh[:, 2])
    assert np.abs(signed_areas(mesh)).sum() == pytest.approx((mask == 2).sum(), rel=0.04)
    # Node rows lie where the analytic wall's do, but at the base, where the mask is cut square.
    distance = np.min(np.linalg.norm(mesh[3:-3, None, 2] - ARCH[None], axis=-1), axis=1)
    assert distance.max() < 1.5


def test_mesh_from_parallel_borders_has_perpendicular_rays():
    endo, epi = MESH[:, 0], MESH[:, -1]
    rays = np.diff(mesh_from_endo_epi(endo, epi)[:, [0, -1]], axis=1)[:, 0]
    assert np.linalg.norm(rays, axis=1)[2:-2] == pytest.approx(10, abs=0.6)


def test_as_many_epicardial_points_on_either_side_of_the_apex():
    t = np.linspace(-np.pi, 0, 300)
    endo = np.stack([70 + 20 * np.cos(t), 110 + 70 * np.sin(t)], axis=1)
    epi = np.stack([70 + 30 * np.cos(t), 110 + 85 * np.sin(t)], axis=1)
    outer = mesh_from_endo_epi(endo, epi)[:, -1]
    np.testing.assert_allclose((outer[17] + outer[18]) / 2, [70, 25], atol=1.0)
    np.testing.assert_allclose(outer[::-1, 0], 140 - outer[:, 0], atol=0.5)


def test_carrying_in_the_reference_frame_returns_the_points():
    points = np.random.default_rng(0).uniform([20, 10], [120, 120], (4000, 2))
    triangle, weights = locate(MESH, points)
    held = triangle >= 0
    assert 0.1 < held.mean() < 0.6
    np.testing.assert_allclose(weights[held].sum(axis=1), 1)
    np.testing.assert_allclose(carry(MESH[None], triangle[held], weights[held])[0], points[held], atol=1e-9)


def test_share_of_located_points_is_the_share_of_the_area():
    points = np.random.default_rng(1).uniform(0, 150, (40_000, 2))
    held = (locate(MESH, points)[0] >= 0).mean()
    assert held * 150**2 == pytest.approx(np.abs(signed_areas(MESH)).sum(), rel=0.03)


def test_every_node_is_found():
    triangle, _ = locate(MESH, MESH.reshape(-1, 2))
    assert (triangle >= 0).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_affine_motion_of_the_mesh_moves_points_by_the_same_map(seed):
    matrix, shift = random_motion(seed)
    points = np.random.default_rng(seed).uniform([20, 10], [120, 120], (200, 2))
    triangle, weights = locate(MESH, points)
    held = triangle >= 0
    moved = carry((MESH @ matrix.T + shift)[None], triangle[held], weights[held])[0]
    np.testing.assert_allclose(moved, points[held] @ matrix.T + shift, atol=1e-9)


def test_interpolation_is_exact_for_linear_fields():
    points = np.random.default_rng(2).uniform([20, 10], [120, 120], (500, 2))
    triangle, weights = locate(MESH, points)
    held = triangle >= 0
    field = MESH @ np.array([[2.0, 0.5], [-1.0, 3.0]]) + 7
    expected = points[held] @ np.array([[2.0, 0.5], [-1.0, 3.0]]) + 7
    np.testing.assert_allclose(interpolate_at(field, triangle[held], weights[held]), expected, atol=1e-9)
    np.testing.assert_allclose(interpolate_at(field[..., 0], triangle[held], weights[held]), expected[:, 0], atol=1e-9)


def test_snapping_moves_near_points_onto_the_border_and_leaves_far_ones():
    outward = (MESH[10, -1] - MESH[10, 0]) / 10
    points = MESH[10, -1] + outward * np.array([[0.5], [3.0]])
    assert locate(MESH, points)[0].tolist() == [-1, -1]
    triangle, weights = locate(MESH, points, snap_px=1.0)
    assert triangle[0] >= 0 and triangle[1] == -1
    snapped = carry(MESH[None], triangle[:1], weights[:1])[0, 0]
    assert np.linalg.norm(snapped - points[0]) == pytest.approx(0.5, abs=0.05)


def test_deform_is_the_identity_for_an_unmoved_mesh_and_a_shift_for_a_shifted_one():
    points = np.random.default_rng(3).uniform(0, 150, (300, 2))  # inside and outside
    np.testing.assert_allclose(deform(points, MESH, MESH), points, atol=1e-9)
    moved = deform(points, MESH, np.stack([MESH, MESH + [3, -4]]))
    np.testing.assert_allclose(moved[1], points + [3, -4], atol=1e-9)


def test_boundary_runs_once_around():
    border = boundary(MESH)
    assert len(border) == 2 * 36 + 2 * 3
    x, y = border.T
    area = 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)
    assert abs(area) == pytest.approx(np.abs(signed_areas(MESH)).sum())


def test_exception():
    with pytest.raises(ValueError, match="thickness_px must be positive, got 0"):
        radial_mesh(ARCH, 0.0)
    with pytest.raises(ValueError, match="thickness_px must be below"):
        radial_mesh(ARCH, 300.0)
    with pytest.raises(ValueError, match="one per line point"):
        radial_mesh(ARCH, np.ones(3))
    with pytest.raises(ValueError, match="n_long and n_rad"):
        radial_mesh(ARCH, 10.0, n_rad=1)
    with pytest.raises(ValueError, match="3 points outside"):
        carry(MESH[None], np.full(3, -1), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="without crossing"):
        mesh_from_endo_epi(ARCH, ARCH)
    with pytest.raises(ValueError, match="finite"):
        locate(MESH, np.full((2, 2), np.nan))
