"""Speckle correlation and statistics."""

import numpy as np
import pytest
from scipy import ndimage

from echotas.geometry import radial_mesh
from echotas.speckle import (
    correlation_curves,
    correlation_floor,
    envelope_snr,
    frame_to_frame_correlation,
    speckle_fwhm_mm,
)

SPACING = (0.5, 0.5)
T = np.linspace(-0.92 * np.pi, -0.08 * np.pi, 80)
MESH = radial_mesh(np.stack([80 + 35 * np.cos(T), 125 + 90 * np.sin(T)], axis=1), 18.0, 12, 3)
SIGMA = (1.0, 1.7)  # axial, lateral, px


def field(seed, shape=(150, 160)):
    """Fully developed speckle: a filtered complex Gaussian field."""
    noise = np.random.default_rng(seed).standard_normal((2, *shape))
    return ndimage.gaussian_filter(noise[0], SIGMA) + 1j * ndimage.gaussian_filter(noise[1], SIGMA)


def grey(signal, dynamic_range_db=50):
    level = 20 * np.log10(np.abs(signal) / np.abs(signal).max())
    return (255 * (1 + level / dynamic_range_db)).clip(0, 255).astype(np.uint8)


def curves(frames, mesh=None, **options):
    frames = np.stack(frames)
    mesh = np.broadcast_to(MESH, (len(frames), *MESH.shape)) if mesh is None else mesh
    return correlation_curves(frames, mesh, 0, spacing_mm=SPACING, **options)


def test_identical_frames_correlate_fully():
    one = grey(field(0))
    np.testing.assert_allclose(curves([one, one, one]), 1, atol=1e-4)


def test_reference_frame_is_exactly_one_even_on_black():
    black = np.zeros((150, 160), np.uint8)
    result = curves([black, grey(field(0))])
    assert (result[0] == 1).all() and (result[1] == 0).all()


def test_correlation_does_not_depend_on_gain_and_offset():
    one = grey(field(0))
    np.testing.assert_allclose(curves([one, (0.5 * one + 40).astype(np.uint8)])[1], 1, atol=0.01)


def test_unrelated_frames_give_the_floor_and_it_is_not_zero():
    frames = [grey(field(seed)) for seed in range(4)]
    unrelated = np.median(curves(frames)[1:])
    mesh = np.broadcast_to(MESH, (4, *MESH.shape))
    floor = correlation_floor(np.stack(frames), mesh, 0, spacing_mm=SPACING)
    assert 0.1 < floor < 0.35
    assert unrelated == pytest.approx(floor, abs=0.05)


def test_motion_followed_by_the_mesh_leaves_full_correlation():
    one = grey(field(0))
    shift = np.array([3, -2])
    moved = np.roll(one, shift[::-1], axis=(0, 1))
    mesh = np.stack([MESH, MESH + shift])
    inner = (MESH[..., 1] > 15) & (MESH[..., 1] < 130)
    assert curves([one, moved], mesh, search_mm=0.0)[1][inner].min() > 0.999


def test_search_forgives_a_misplaced_mesh_within_its_range_only():
    one = grey(field(0))
    mesh = np.stack([MESH, MESH + [4, 4]])  # 2 mm off in each direction
    assert curves([one, one], mesh, search_mm=2.0)[1].min() > 0.999
    assert np.median(curves([one, one], mesh, search_mm=1.0)[1]) < 0.5


def test_correlation_falls_with_the_share_of_common_scatterers():
    common, other = field(0), field(1)
    frames = [grey(common), *(grey(np.sqrt(c) * common + np.sqrt(1 - c) * other) for c in (0.9, 0.5, 0.1))]
    mean = curves(frames).mean(axis=(1, 2))
    assert (np.diff(mean) < -0.05).all()
    # Log-compressed speckle with half the power in common: 0.35 in a simulation of complex Gaussian fields.
    assert mean[2] == pytest.approx(0.35, abs=0.1)


def test_windows_at_the_image_edge_are_clipped_not_lost():
    one = grey(field(0))
    edge = MESH.copy()
    edge[0, 0], edge[0, 1], edge[0, 2] = (0, 0), (159, 149), (-30, 20)
    result = curves([one, one], np.stack([edge, edge]))[1]
    assert result[0, :2].min() > 0.999
    assert result[0, 2] == 0
    # In the other frame the point is nearer to the edge: the clipped pieces still show the same tissue.
    moved = np.roll(one, (-5, -5), axis=(0, 1))
    near = np.broadcast_to(np.array([8.0, 8.0]), (2, 2, 2))
    assert curves([one, moved], np.stack([near, near - 5]), search_mm=0.5)[1].min() > 0.999


def test_stride_interpolates_and_keeps_the_ends():
    frames = [grey(field(0)), grey(0.8 * field(0) + 0.6 * field(1))]
    full, sparse = curves(frames), curves(frames, stride=2)
    assert sparse.shape == full.shape
    np.testing.assert_allclose(sparse[:, [0, -1]][:, :, [0, -1]], full[:, [0, -1]][:, :, [0, -1]])
    assert np.abs(sparse - full).mean() < 0.05


def test_frame_to_frame_correlation_compares_neighbours():
    a, b = grey(field(0)), grey(field(1))
    mesh = np.broadcast_to(MESH, (4, *MESH.shape))
    mean = frame_to_frame_correlation(np.stack([a, a, b, b]), mesh, spacing_mm=SPACING).mean(axis=(1, 2))
    assert mean.shape == (3,)
    assert mean[0] > 0.999 and mean[2] > 0.999 and mean[1] < 0.4


def test_envelope_snr_of_fully_developed_speckle_is_1_91():
    assert envelope_snr(np.abs(field(0, (400, 400)))) == pytest.approx(1.91, abs=0.05)


def test_fwhm_of_a_filtered_field_is_that_of_its_filter():
    signal = field(0, (300, 300)).real
    lateral, axial = speckle_fwhm_mm(signal, (0.5, 0.25))
    # The autocovariance of Gaussian-filtered noise is a Gaussian sqrt(2) wider than the filter.
    assert lateral == pytest.approx(2.355 * np.sqrt(2) * 1.7 * 0.5, rel=0.1)
    assert axial == pytest.approx(2.355 * np.sqrt(2) * 1.0 * 0.25, rel=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spacing_mm": None}, "spacing_mm must be known"),
        ({"spacing_mm": (0.5, 0.0)}, "spacing_mm"),
        ({"window_mm": 0.0}, "window_mm must be positive"),
        ({"window_mm": 0.5}, "window_mm must span"),
        ({"search_mm": -1.0}, "search_mm"),
        ({"stride": 0}, "stride must be at least 1"),
        ({"reference_frame": 2}, r"reference_frame must be in 0\.\.1, got 2"),
    ],
)
def test_exception(options, message):
    frames, mesh = np.stack([grey(field(0))] * 2), np.stack([MESH] * 2)
    with pytest.raises(ValueError, match=message):
        correlation_curves(frames, mesh, **{"reference_frame": 0, "spacing_mm": SPACING, **options})


def test_exception_shapes():
    frames = np.stack([grey(field(0))] * 2)
    with pytest.raises(ValueError, match="mesh must be"):
        correlation_curves(frames, MESH[None], 0, spacing_mm=SPACING)
    with pytest.raises(ValueError, match="frames must be u8"):
        correlation_curves(frames.astype(float), np.stack([MESH] * 2), 0, spacing_mm=SPACING)
    with pytest.raises(ValueError, match="different values"):
        envelope_snr(np.ones(5))
    with pytest.raises(ValueError, match="not flat"):
        speckle_fwhm_mm(np.ones((9, 9)), SPACING)
