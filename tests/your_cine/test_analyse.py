"""One cine of your own: known motion, known strain; no spacing, no millimetres; bad input, one sentence."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from echotas.readers import write_contour
from echotas.records import Cine, Mesh, Sector, Tracks
from echotas.your_cine import Contour, accepted_segments, analyse, read_contour

SIZE = (140, 160)
ED, ES, END = 0, 6, 12
SHORTENING = 0.12


def scale_at(frame):
    """Size of the heart relative to ES: 1 at ES, larger at ED and at the end of the beat."""
    return 1 + (1 / (1 - SHORTENING) - 1) * (1 + np.cos(np.pi * frame / ES)) / 2


def centre_line(n=36, centre=(80.0, 80.0)):
    """Half an ellipse, left base -> apex -> right base, at ES."""
    angle = np.linspace(np.pi, 2 * np.pi, n)
    return np.stack([centre[0] + 30 * np.cos(angle), centre[1] + 45 * np.sin(angle)], axis=-1)


@pytest.fixture(scope="module")
def cine():
    """A fixed texture that swells and shrinks about (80, 80): every point moves with `scale_at`."""
    texture = gaussian_filter(np.random.default_rng(0).standard_normal(SIZE), 1.5)
    texture = np.clip(128 + 60 * texture / texture.std(), 0, 255)
    row, column = np.indices(SIZE).astype(float)
    frames = [
        map_coordinates(texture, [80 + (row - 80) / scale_at(t), 80 + (column - 80) / scale_at(t)], order=1)
        for t in range(END + 1)
    ]
    return Cine(
        np.rint(frames).astype(np.uint8), (1.0, 1.0), np.arange(END + 1) / 50, "A4C", meta={"frame_rate_source": "file"}
    )


class Swelling:
    """A tracker that knows the motion; it may add drift."""

    name = "swelling"
    error_length = None

    def __init__(self, drift=0.0, confidence=1.0):
        self.drift, self.confidence = drift, confidence

    def track(self, cine, query_px, query_frame, mesh_uv=None):
        assert mesh_uv.shape == query_px.shape
        frames = np.arange(cine.n_frames)
        scale = scale_at(frames) / scale_at(query_frame) * (1 + self.drift * (frames - query_frame) / END)
        points = 80 + (query_px - 80) * scale[:, None, None]
        return Tracks(points, np.full(points.shape[:2], self.confidence), query_frame)


def test_known_shortening_is_measured(cine):
    result = analyse(cine, centre_line(), ES, Swelling(), wall_thickness_mm=8, ed_frame=ED, end_frame=END)
    assert result.gls_percent == pytest.approx(-100 * SHORTENING, abs=1e-9)
    np.testing.assert_allclose(result.segment_es_percent, -100 * SHORTENING, atol=1e-9)
    assert result.drift_percent == pytest.approx(0, abs=1e-9)
    assert result.closure_px == pytest.approx(0, abs=1e-9)
    assert result.folded_share == 0
    assert result.mesh.points_px.shape == (END + 1, 36, 5, 2)
    assert result.warnings == ()


def test_contour_in_another_frame_gives_the_same_strain(cine):
    at_es = analyse(cine, centre_line(), ES, Swelling(), wall_thickness_mm=8, ed_frame=ED)
    line_ed = 80 + (centre_line() - 80) * scale_at(ED)
    at_ed = analyse(cine, line_ed, ES, Swelling(), wall_thickness_mm=8, ed_frame=ED, contour_frame=ED)
    assert at_ed.gls_percent == pytest.approx(at_es.gls_percent, abs=1e-9)


def test_strain_needs_no_spacing_but_millimetres_do(cine):
    with_mm = analyse(cine, centre_line(), ES, Swelling(), wall_thickness_px=8, ed_frame=ED, end_frame=END)
    without = replace(cine, spacing_mm=None)
    result = analyse(without, centre_line(), ES, Swelling(), wall_thickness_px=8, ed_frame=ED, end_frame=END)
    assert result.gls_percent == pytest.approx(with_mm.gls_percent, abs=1e-9)
    for name in ("length_mm", "closure_mm"):
        with pytest.raises(ValueError, match="spacing unknown"):
            getattr(result, name)
    assert result.summary()["length_ed_mm"] is None
    assert any("pixel size unknown" in warning for warning in result.warnings)


def test_thickness_in_mm_is_refused_without_spacing(cine):
    with pytest.raises(ValueError, match="spacing unknown: wall_thickness_mm 8"):
        analyse(replace(cine, spacing_mm=None), centre_line(), ES, Swelling(), wall_thickness_mm=8)


def test_stretched_pixels_without_spacing_are_refused(cine):
    stretched = replace(cine, spacing_mm=None, meta={"square_pixels": False, "pixel_aspect": 0.891})
    with pytest.raises(ValueError, match=r"pixels are not square.*0\.891"):
        analyse(stretched, centre_line(), ES, Swelling(), wall_thickness_px=8)


def test_anisotropic_spacing_changes_lengths_not_this_strain(cine):
    """The motion is the same in x and y, so strain stays; the length is that of the ellipse in mm."""
    thin = replace(cine, spacing_mm=(0.308, 0.154))
    result = analyse(thin, centre_line(), ES, Swelling(), wall_thickness_mm=2, ed_frame=ED)
    assert result.gls_percent == pytest.approx(-100 * SHORTENING, abs=1e-9)
    fine = centre_line(2000) * [0.308, 0.154]
    assert result.length_mm[ES] == pytest.approx(np.linalg.norm(np.diff(fine, axis=0), axis=1).sum(), rel=2e-3)
    # Rays stand at right angles to the wall in mm: on the screen they do not.
    mesh = result.mesh.points_px[ES] * [0.308, 0.154]
    ray, wall = mesh[9, -1] - mesh[9, 0], mesh[10, 2] - mesh[8, 2]
    assert abs(ray @ wall) / np.linalg.norm(ray) / np.linalg.norm(wall) < 0.05
    assert np.linalg.norm(ray) == pytest.approx(2)


def test_drift_is_reported_and_its_removal_is_separate(cine):
    result = analyse(cine, centre_line(), ES, Swelling(drift=0.1), wall_thickness_mm=8, ed_frame=ED, end_frame=END)
    assert result.drift_percent == pytest.approx(100 * (1.05 / 0.95 - 1))
    assert result.closure_mm == pytest.approx(result.closure_px)
    raw, without = result.global_strain.es_percent, result.global_strain_without_drift.es_percent
    assert without == pytest.approx(raw - result.drift_percent * ES / END)
    assert any("tracking drifts" in warning for warning in result.warnings)


def test_ed_is_the_longest_line_before_es_if_nobody_says(cine):
    result = analyse(cine, centre_line(), ES, Swelling(), wall_thickness_mm=8)
    assert (result.ed_frame, result.ed_source) == (ED, "longest line")
    assert result.end_frame is None
    assert result.drift_percent is None
    growing = analyse(cine, centre_line(), ES, Swelling(drift=1.2), wall_thickness_mm=8)
    assert growing.ed_frame == ES - 1


def test_ed_of_the_file_and_r_waves_are_used(cine):
    from_file = analyse(replace(cine, ed_frame=2), centre_line(), ES, Swelling(), wall_thickness_mm=8)
    assert (from_file.ed_frame, from_file.ed_source) == (2, "file")
    waves = replace(cine, meta={"r_wave_frames": [1, 3, 11]})
    from_ecg = analyse(waves, centre_line(), ES, Swelling(), wall_thickness_mm=8)
    assert (from_ecg.ed_frame, from_ecg.ed_source, from_ecg.end_frame) == (3, "R wave", 11)


def test_es_is_given_or_of_the_line_or_of_the_file(cine):
    stated = replace(cine, es_frame=5)
    common = {"tracker": Swelling(), "wall_thickness_mm": 8, "ed_frame": ED}
    given = analyse(stated, centre_line(), ES, contour_frame=ES, **common)
    drawn = analyse(stated, centre_line(), None, contour_frame=ES, **common)
    file = analyse(stated, centre_line(), None, **common)
    found = [(item.es_frame, item.es_source) for item in (given, drawn, file)]
    assert found == [(ES, "given"), (ES, "drawn line"), (5, "file")]
    assert drawn.summary()["es_source"] == "drawn line"


def test_heart_rate_is_the_files_or_that_of_the_beat(cine):
    given = {"wall_thickness_mm": 8, "ed_frame": ED}
    beat = analyse(cine, centre_line(), ES, Swelling(), end_frame=END, **given)
    assert beat.heart_rate_bpm == pytest.approx(60 * 50 / END)
    assert analyse(cine, centre_line(), ES, Swelling(), **given).heart_rate_bpm is None
    stated = replace(cine, meta={"heart_rate_bpm": 61})
    assert analyse(stated, centre_line(), ES, Swelling(), **given).heart_rate_bpm == 61
    played = replace(cine, meta={"frame_rate_source": "container"})
    assert analyse(played, centre_line(), ES, Swelling(), end_frame=END, **given).heart_rate_bpm is None


def test_a_segment_that_does_not_close_is_told_unless_rejected(cine):
    result = analyse(cine, centre_line(), ES, Swelling(), wall_thickness_mm=8, ed_frame=ED, end_frame=END)
    open_at_end = result.strain.segment_percent.copy()
    open_at_end[3, END] = 7.0
    result = replace(result, strain=replace(result.strain, segment_percent=open_at_end))
    assert result.warnings == ("apical anterolateral does not close: +7 % at the end of the beat",)
    assert replace(result, accepted=np.arange(6) != 3).warnings == ()
    unknown = replace(result, end_frame=None)
    assert unknown.segment_drift_percent is None and not any("close" in warning for warning in unknown.warnings)
    open_at_end[4, END] = -5.5
    both = replace(result, strain=replace(result.strain, segment_percent=open_at_end)).warnings
    expected = "2 segments do not close at the end of the beat: apical anterolateral +7 %, mid anterolateral -6 %"
    assert both == (expected,)


def test_ten_millimetres_that_do_not_close_are_told(cine):
    """One third of the apical inferoseptal segment is longer at the end: too little for the segment to stand out."""
    result = analyse(
        cine, centre_line(361), ES, Swelling(), wall_thickness_mm=8, ed_frame=ED, end_frame=END, n_long=361
    )
    np.testing.assert_allclose(result.local_drift_percent, 0, atol=1e-9)
    points = result.mesh.points_px.copy()
    middle = result.mesh.midwall_px[END]
    points[END, 160:] += 0.12 * (middle[160] - middle[140])
    result = replace(result, mesh=Mesh(points))
    assert result.local_drift_percent[7] == pytest.approx(12, abs=1)
    assert np.abs(np.delete(result.local_drift_percent, 7)).max() < 1
    assert len(result.warnings) == 1
    assert result.warnings[0].startswith("1 of 18 stretches of about 10 mm do not close: up to +1")
    assert result.warnings[0].endswith("in the apical inferoseptal segment")
    assert replace(result, accepted=np.arange(6) != 2).warnings == ()


def test_low_confidence_and_slow_cines_are_told(cine):
    slow = replace(cine, times_s=np.arange(END + 1) / 25)
    result = analyse(slow, centre_line(), ES, Swelling(confidence=0.3), wall_thickness_mm=8, ed_frame=ED, end_frame=END)
    assert sum("mean confidence of 0.30" in warning for warning in result.warnings) == 6
    assert any("25 frames/s are few" in warning for warning in result.warnings)
    np.testing.assert_allclose(result.segment_confidence, 0.3)


def test_nodes_that_leave_the_sector_are_told(cine):
    sector = Sector((80, -20), 20, 0, 150)
    result = analyse(replace(cine, sector=sector), centre_line(), ES, Swelling(), wall_thickness_mm=30, ed_frame=ED)
    assert any("outside the scanned sector" in warning for warning in result.warnings)


def test_rejected_segments_stay_out_of_the_global_curve(cine):
    accepted = np.array([True, True, True, True, True, False])
    result = analyse(cine, centre_line(), ES, Swelling(), wall_thickness_mm=8, ed_frame=ED, accepted=accepted)
    assert result.gls_percent == pytest.approx(-100 * SHORTENING, abs=1e-9)
    np.testing.assert_array_equal(result.accepted, accepted)


def test_segments_are_rejected_by_view_and_name(cine):
    accepted = accepted_segments(["A4C:apical anterolateral", "A4C: basal inferoseptal"], ["A4C", "A2C"])
    np.testing.assert_array_equal(accepted["A4C"], [False, True, True, False, True, True])
    assert accepted["A2C"].all()
    result = analyse(
        cine, centre_line(), ES, Swelling(), wall_thickness_mm=8, ed_frame=ED, accepted=accepted[cine.view]
    )
    assert result.rejected_names == ("basal inferoseptal", "apical anterolateral")
    assert result.summary()["rejected_segments"] == list(result.rejected_names)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            "A4C:apical lateral",
            "of A4C must be one of basal inferoseptal, .* basal anterolateral, got 'apical lateral'",
        ),
        ("apical anterolateral", "VIEW:segment with VIEW one of A4C, got 'apical anterolateral'"),
        ("A2C:apical anterior", "VIEW:segment with VIEW one of A4C, got 'A2C:apical anterior'"),
    ],
)
def test_an_unknown_segment_to_reject_is_told_with_the_known(item, message):
    with pytest.raises(ValueError, match=message):
        accepted_segments([item], ["A4C"])


def test_segments_without_a_view_are_named_by_place(cine):
    result = analyse(replace(cine, view="other"), centre_line(), ES, Swelling(), wall_thickness_mm=8)
    assert result.segment_names[0] == "left basal"
    assert result.segment_names[-1] == "right basal"
    assert analyse(cine, centre_line(), ES, Swelling(), wall_thickness_mm=8).segment_names[0] == "basal inferoseptal"


def test_summary_can_be_stored_as_json(cine):
    result = analyse(cine, centre_line(), ES, Swelling(), wall_thickness_mm=8, ed_frame=ED, end_frame=END)
    summary = json.loads(json.dumps(result.summary(), allow_nan=False))
    assert summary["gls_es_percent"] == pytest.approx(-12)
    assert len(summary["segment_es_percent"]) == 6


@pytest.mark.parametrize("tracker", ["farneback", "lucas_kanade_mesh"])
def test_trackers_of_the_registry_measure_the_texture(cine, tracker):
    result = analyse(cine, centre_line(), ES, tracker, wall_thickness_mm=8, ed_frame=ED, end_frame=END)
    assert result.tracker == tracker
    assert result.gls_percent == pytest.approx(-100 * SHORTENING, abs=2)
    assert result.closure_px < 1.5


def test_trackers_run_without_a_spacing(cine):
    result = analyse(
        replace(cine, spacing_mm=None), centre_line(), ES, "lucas_kanade_mesh", wall_thickness_px=8, ed_frame=ED
    )
    assert result.gls_percent == pytest.approx(-100 * SHORTENING, abs=2)
    assert result.cine.spacing_mm is None


def test_frozen_points_have_no_strain(cine):
    result = analyse(cine, centre_line(), ES, "frozen", wall_thickness_mm=8, ed_frame=ED)
    np.testing.assert_allclose(result.strain.global_percent, 0, atol=1e-12)


def test_contour_from_a_file(cine, tmp_path):
    contour = read_contour(write_contour(tmp_path / "c.csv", Contour(centre_line(), ES)))
    result = analyse(cine, contour.line_px, ES, Swelling(), wall_thickness_mm=8, contour_frame=contour.frame)
    assert result.gls_percent == pytest.approx(-100 * SHORTENING, abs=0.05)


@pytest.mark.parametrize(
    ("line", "arguments", "message"),
    [
        (centre_line()[:3], {}, r"line_px must be \(n_points >= 4, 2\), got \(3, 2\)"),
        (np.empty((0, 2)), {}, r"line_px must be \(n_points >= 4, 2\), got \(0, 2\)"),
        (np.where(np.arange(36)[:, None] == 4, np.nan, centre_line()), {}, "line_px must be finite, got 1 points"),
        (centre_line() + [60, 0], {}, "must lie inside the 160 x 140 px image, got .* points outside"),
        (centre_line()[::-1], {}, "must start at the left image wall"),
        (centre_line() * [1, -1] + [0, 150], {}, "with the apex up"),
        (centre_line(), {"es_frame": 13}, r"es_frame must be a frame in 0\.\.12, got 13"),
        (centre_line(), {"es_frame": -1}, r"es_frame must be a frame in 0\.\.12, got -1"),
        (centre_line(), {"es_frame": None}, "es_frame must be given"),
        (centre_line(), {"contour_frame": 99}, r"contour_frame must be a frame in 0\.\.12, got 99"),
        (centre_line(), {"ed_frame": 6}, "ed_frame must come before es_frame 6, got 6"),
        (centre_line(), {"end_frame": 3}, "end_frame must come after es_frame 6, got 3"),
        (centre_line(), {"wall_thickness_px": 8}, "exactly one of wall_thickness_mm and wall_thickness_px"),
        (centre_line(), {"wall_thickness_mm": None}, "exactly one of wall_thickness_mm and wall_thickness_px"),
        (centre_line(), {"wall_thickness_mm": -3}, "must be positive"),
        (centre_line() + [0, -30], {"wall_thickness_mm": 20}, "mesh nodes outside: the wall is too thick"),
        (centre_line(), {"tracker": "magic"}, "name must be one of .*lucas_kanade.*'magic'"),
        (centre_line(), {"accepted": np.zeros(6, bool)}, "accepted must keep at least one segment"),
    ],
)
def test_exception(cine, line, arguments, message):
    given = {"es_frame": ES, "tracker": Swelling(), "wall_thickness_mm": 8, **arguments}
    with pytest.raises(ValueError, match=message):
        analyse(cine, line, **given)


def test_contour_outside_the_sector_is_refused(cine):
    narrow = replace(cine, sector=Sector((80, 0), 16, 0, 135))
    with pytest.raises(ValueError, match="centre_line_px must lie inside the scanned sector"):
        analyse(narrow, centre_line(), ES, Swelling(), wall_thickness_mm=8)
    cut = replace(cine, sector=Sector((80, 0), 24.2, 0, 135))
    result = analyse(cut, centre_line(), ES, Swelling(), wall_thickness_mm=8)
    assert any("outside the scanned sector" in warning for warning in result.warnings)
