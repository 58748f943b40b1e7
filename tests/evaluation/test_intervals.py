"""Intervals of trackers that predict their errors: what is compared with what, and how coverage is counted."""

import numpy as np
import pandas as pd
import pytest

from echotas.evaluation.intervals import coverage_summary, interval_table
from echotas.evaluation.tracking import track_recording
from echotas.records import Tracks
from echotas.report.calibration_figure import calibration_panels
from echotas.report.validation_picture import validation_picture
from echotas.store import read_recording, read_tracks, write_tracks


@pytest.fixture
def tracked(cohort, tmp_path):
    """Exact tracks of a tracker that predicts 0.5 mm, and frozen ones that predict nothing."""
    paths = sorted(cohort.rglob("*.h5"))
    for path in paths:
        for tracker in ("sure", "frozen"):
            (tmp_path / "tracks" / tracker / path.parent.name).mkdir(parents=True, exist_ok=True)
        recording = read_recording(path)
        points = recording.mesh.points_px.reshape(recording.cine.n_frames, -1, 2)
        error = np.full(points.shape[:2], 0.5)
        error[2] = 0
        tracks = Tracks(points, np.ones(points.shape[:2]), 2, error)
        n_long, n_rad = recording.mesh.points_px.shape[1:3]
        attributes = {"tracker": "sure", "n_long": n_long, "n_rad": n_rad, "error_length": 0.2}
        write_tracks(tmp_path / "tracks" / "sure" / path.parent.name / path.name, {"truth": tracks}, attributes)
        track_recording(
            path, tmp_path / "tracks" / "frozen" / path.parent.name / path.name, "frozen", {}, n_long, n_rad, 6.0
        )
    return paths, tmp_path / "tracks"


def test_predicted_errors_survive_the_file(tracked):
    paths, tracks = tracked
    named, attributes = read_tracks(tracks / "sure" / paths[0].parent.name / paths[0].name)
    assert named["truth"].error_mm[0, 0] == 0.5 and attributes["error_length"] == 0.2
    named, attributes = read_tracks(tracks / "frozen" / paths[0].parent.name / paths[0].name)
    assert named["truth"].error_mm is None and attributes["error_length"] is None


def test_only_trackers_with_predicted_errors_have_rows(tracked):
    paths, tracks = tracked
    table = interval_table(paths, tracks, ["frozen", "sure"])
    assert set(table["tracker"]) == {"sure"} and len(table) == 7 * len(paths)
    assert table["error"].abs().max() < 1e-6 and (table["predicted"] > 0).all()
    assert table[table["what"] == "global"]["position"].eq(-1).all()
    # A segment is a sixth of the line: the same point errors weigh more.
    by = table.groupby("what")["predicted"].mean()
    assert by["segment"] > 2 * by["global"]
    empty = interval_table(paths, tracks, ["frozen"])
    assert empty.empty and "predicted" in empty and coverage_summary(empty, 0, 10).empty
    with pytest.raises(ValueError, match="at least one row"):
        calibration_panels(empty)
    assert len(calibration_panels(table).axes) == 2


def test_coverage_of_drawn_errors_is_the_nominal_one():
    rng = np.random.default_rng(0)
    n = 4000
    table = pd.DataFrame(
        {"tracker": "a", "what": "global", "patient": rng.integers(0, 200, n), "predicted": rng.uniform(1, 3, n)}
    )
    table["error"] = table["predicted"] * rng.standard_normal(n)
    row = coverage_summary(table, 0, 200).loc[("a", "global")]
    for level in (50, 80, 95):
        assert row[f"covered_{level}"] == pytest.approx(level, abs=3)
        assert row[f"covered_{level}_low"] < row[f"covered_{level}"] < row[f"covered_{level}_high"]
    assert row["n"] == n and row["predicted"] == pytest.approx(1.96 * 2, rel=0.05)


def test_picture_of_a_validation_cine_goes_from_the_query_to_the_far_end(cohort):
    recording = read_recording(sorted(cohort.rglob("*.h5"))[0])
    points = recording.mesh.points_px.reshape(recording.cine.n_frames, -1, 2)
    tracks = Tracks(points, np.ones(points.shape[:2]), 4)
    figure = validation_picture(recording.cine.frames, recording.mesh.points_px, tracks, 20)
    assert [axes.get_title() for axes in figure.axes] == ["frame 4 (given)", "frame 2", "frame 0"]
