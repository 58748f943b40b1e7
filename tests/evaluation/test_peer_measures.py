import pytest

from echotas.evaluation import starting_meshes, track_recording
from echotas.evaluation.peer_measures import PEER_MEASURES, peer_table
from echotas.evaluation.summaries import mean_summary
from echotas.store import read_recording


@pytest.fixture
def tracked(cohort, tmp_path):
    paths = sorted(cohort.rglob("*.h5"))
    for path in paths:
        assert "truth" in starting_meshes(read_recording(path), 36, 5, 6.0)
        for tracker in ("oracle", "frozen"):
            out = tmp_path / "tracks" / tracker / path.parent.name / path.name
            out.parent.mkdir(parents=True, exist_ok=True)
            track_recording(path, out, tracker, {}, 36, 5, 6.0)
    return paths, tmp_path / "tracks"


def test_the_truth_is_perfect_under_every_measure_and_frozen_points_are_not(tracked):
    table = peer_table(*tracked, ["oracle", "frozen"])
    summary = mean_summary(table, list(PEER_MEASURES), 0, 20)
    oracle, frozen = summary.loc["oracle"], summary.loc["frozen"]
    for key in ("accuracy_px_percent", "accuracy_tapvid_percent", "accuracy_mm_percent", "survival_percent"):
        assert oracle[key] == pytest.approx(100) and frozen[key] <= 100
    for key in ("median_px", "epe_mm", "contour_mm", "hausdorff_mm"):
        assert oracle[key] < 0.2 < frozen[key]
    assert frozen["hausdorff_mm"] >= frozen["contour_mm"] and frozen["jerk"] == 0
    assert (summary["n"] == len(tracked[0])).all()
