"""The estimated sector against sectors that are known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.readers import estimate_sector, read_cine, with_sector
from echotas.records import Cine, Sector


@settings(max_examples=8, deadline=None)
@given(half_angle=st.floats(30, 44), apex_x=st.floats(140, 180), apex_y=st.floats(-20, 5), seed=st.integers(0, 99))
def test_known_fan_is_found(half_angle, apex_x, apex_y, seed):
    size, radius = (240, 320), 225.0
    row, column = np.indices(size)
    distance = np.hypot(column - apex_x, row - apex_y)
    angle = np.degrees(np.arctan2(column - apex_x, row - apex_y))
    grey = np.random.default_rng(seed).integers(10, 200, (4, *size))
    frames = np.where((np.abs(angle) <= half_angle) & (distance <= radius), grey, 0).astype(np.uint8)
    sector = estimate_sector(frames)
    np.testing.assert_allclose(sector.apex_px, (apex_x, apex_y), atol=3)
    assert sector.half_angle_deg == pytest.approx(half_angle, abs=1)
    assert sector.radius_max_px == pytest.approx(radius, abs=3)


def test_virtual_image_has_its_apex_at_the_top_centre(fan):
    sector = estimate_sector(fan(n_frames=6, size=(240, 322), apex=(160.5, 0), radius=(6, 238)))
    np.testing.assert_allclose(sector.apex_px, (160.5, 0), atol=2)
    assert sector.half_angle_deg == pytest.approx(37.5, abs=0.7)


def test_curved_probe_face_gives_an_inner_radius(fan):
    sector = estimate_sector(fan(size=(240, 320), apex=(159.5, -30), radius=(50, 265)))
    np.testing.assert_allclose(sector.apex_px, (159.5, -30), atol=3)
    assert sector.radius_min_px == pytest.approx(50, abs=3)


def test_still_text_beside_the_fan_is_ignored(fan):
    frames = fan(size=(240, 320), apex=(159.5, 0), radius=(0, 236))
    plain = estimate_sector(frames)
    marked = frames.copy()
    marked[:, 5:25, 5:90] = 220
    marked[:, 60:200:12, 300:310] = 180
    found = estimate_sector(marked)
    np.testing.assert_allclose(found.apex_px, plain.apex_px, atol=0.5)
    assert found.radius_max_px == pytest.approx(plain.radius_max_px, abs=1)


def test_box_leaves_out_a_moving_trace(fan):
    frames = fan(size=(240, 320), apex=(159.5, 0), radius=(0, 200))
    ecg = frames.copy()
    ecg[:, 215:238] = np.random.default_rng(3).integers(0, 255, (8, 23, 320))
    found = estimate_sector(ecg, (0, 0, 319, 205))
    assert found.radius_max_px == pytest.approx(200, abs=3)


def test_dark_cavity_does_not_move_the_edges(fan):
    frames = fan(size=(240, 320), apex=(159.5, 0), radius=(0, 236))
    dark = frames.copy()
    dark[:, 60:180, 130:190] = 0
    np.testing.assert_allclose(estimate_sector(dark).apex_px, estimate_sector(frames).apex_px, atol=0.5)


def test_a_sector_that_is_known_is_kept(fan):
    frames = fan()
    known = Sector((79.5, 0), 37.5, 0, 118)
    cine = Cine(frames, None, np.arange(len(frames)) / 50, sector=known)
    assert with_sector(cine).sector is known
    estimated = with_sector(replace(cine, sector=None))
    assert estimated.meta["sector_source"] == "estimated"
    np.testing.assert_allclose(estimated.sector.apex_px, known.apex_px, atol=2)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((4, 60, 80), np.uint8), "must show a fan of at least 5%"),
        (np.zeros((4, 60, 80)), "frames must be u8"),
        (np.random.default_rng(0).integers(50, 200, (4, 60, 80)).astype(np.uint8), "frames must show"),
    ],
)
def test_exception(frames, message):
    with pytest.raises(ValueError, match=message):
        estimate_sector(frames)


def test_real_video_sector_is_found(real):
    sector = estimate_sector(read_cine(real("video/echotracker_a4c.mp4")).frames[::6])
    np.testing.assert_allclose(sector.apex_px, (512, 0), atol=5)
    assert sector.half_angle_deg == pytest.approx(43.5, abs=0.7)
    assert sector.radius_max_px == pytest.approx(767, abs=6)


def test_real_dicom_sector_lies_in_its_region(real):
    cine = with_sector(read_cine(real("dicom/examples_ybr_color.dcm")))
    x0, y0, x1, y1 = cine.meta["region_px"]
    apex_x, apex_y = cine.sector.apex_px
    assert x0 < apex_x < x1
    assert apex_y + cine.sector.radius_max_px == pytest.approx(y1, abs=10)
    # The scale beside the picture says 19 cm.
    assert cine.sector.radius_max_px * cine.spacing_mm[1] == pytest.approx(190, abs=12)
