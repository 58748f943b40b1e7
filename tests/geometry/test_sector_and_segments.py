"""The scanned sector and the wall segments."""

import numpy as np
import pytest

from echotas.geometry import (
    SEGMENTS,
    check_orientation,
    inside,
    require_inside,
    resample_line,
    sector_mask,
    segment_names,
    segment_of_arc,
)
from echotas.records import Sector, View

SECTOR = Sector((50.0, 0.0), 40.0, 5.0, 95.0)
ARCH = np.stack([50 + 30 * np.cos(t := np.linspace(-np.pi, 0, 60)), 90 + 70 * np.sin(t)], axis=1)


def test_mask_has_the_area_of_the_sector():
    area = np.deg2rad(40) * (95**2 - 5**2)
    assert sector_mask(SECTOR, (100, 130)).sum() == pytest.approx(area, rel=0.15)  # the right edge of the image cuts it
    wide = Sector((100.0, 0.0), 40.0, 5.0, 95.0)
    assert sector_mask(wide, (100, 201)).sum() == pytest.approx(area, rel=0.01)


@pytest.mark.parametrize(
    ("point", "held"),
    [((50, 5), True), ((50, 4.9), False), ((50, 95), True), ((50, 95.1), False), ((50, -20), False)],
)
def test_limits_on_the_axis(point, held):
    assert inside(SECTOR, np.array([point], dtype=float)).tolist() == [held]


def test_edges_are_symmetric_and_belong_to_the_sector():
    for sign in (-1, 1):
        angle = sign * np.deg2rad(np.array([39.9, 40, 40.1]))
        points = np.stack([50 + 60 * np.sin(angle), 60 * np.cos(angle)], axis=1)
        assert inside(SECTOR, points).tolist() == [True, True, False]


def test_points_outside_are_refused_by_name():
    require_inside(SECTOR, np.array([[50.0, 50.0]]))
    with pytest.raises(ValueError, match=r"endo must lie inside.*1 of 2 outside.*\(90\.0, 2\.0\)"):
        require_inside(SECTOR, np.array([[50.0, 50.0], [90.0, 2.0]]), "endo")


def test_segments_of_the_three_views_name_18_walls():
    names = [name for view in SEGMENTS for name in SEGMENTS[view]]
    assert len(set(names)) == 18
    for view_names in SEGMENTS.values():
        assert [name.split()[0] for name in view_names] == ["basal", "mid", "apical", "apical", "mid", "basal"]
    assert SEGMENTS[View.A4C][0] == "basal inferoseptal"
    assert SEGMENTS[View.A2C][-1] == "basal anterior"
    assert SEGMENTS[View.A3C][3] == "apical anteroseptal"


def test_a_mirrored_display_swaps_the_walls():
    assert segment_names(View.A4C, mirrored=True)[0] == "basal anterolateral"
    with pytest.raises(ValueError, match="view must be one of"):
        segment_names(View.OTHER)


def test_segments_are_six_equal_arcs():
    assert np.bincount(segment_of_arc(resample_line(ARCH, 600))).tolist() == [100] * 6
    # A line sampled unevenly is cut by length, not by points.
    uneven = np.concatenate([np.linspace([0.0, 0], [1, 0], 50), np.linspace([1.0, 0], [6, 0], 51)[1:]])
    counts = segment_of_arc(uneven)
    assert counts[48] == 0 and counts[51] == 1 and counts[-1] == 5


def test_orientation_guard():
    check_orientation(ARCH)
    with pytest.raises(ValueError, match="centre line must start at the left"):
        check_orientation(ARCH[::-1], "centre line")
    with pytest.raises(ValueError, match="apex up"):
        check_orientation(ARCH * [1, -1])
    with pytest.raises(ValueError, match="apex up"):
        check_orientation(ARCH[:30])
