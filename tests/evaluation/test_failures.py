import numpy as np
import pandas as pd
import pytest

from echotas.evaluation import best_and_worst, explain_failures
from echotas.evaluation.failures import _sentence
from echotas.records import Tracks
from echotas.store import read_recording, write_tracks


def put(path, tracks, change):
    """Tracks that are the truth but for `change`, added to the mesh (n_long, n_rad, 2) at end-diastole, px."""
    recording = read_recording(path)
    points = recording.mesh.points_px.copy()
    points[recording.cine.ed_frame] += change
    n_long, n_rad = points.shape[1:3]
    flat = points.reshape(len(points), -1, 2)
    file = tracks / "made" / path.parent.name / path.name
    file.parent.mkdir(parents=True, exist_ok=True)
    item = Tracks(flat, np.ones(flat.shape[:2]), recording.cine.es_frame)
    write_tracks(file, {"truth": item}, {"n_long": n_long, "n_rad": n_rad})
    return explain_failures([path], tracks, "made", [path.stem]).iloc[0]


def test_a_shifted_wall_is_called_shifted(cohort, tmp_path):
    path = sorted(cohort.rglob("*.h5"))[0]
    row = put(path, tmp_path, np.array([0.0, 4.0]))
    assert row["shift_mm"] == pytest.approx(2.0) and "the whole wall lies 2.0 mm too far down" in row["why"]
    assert "is not known" in row["why"] and np.isnan(row["correlation"])


def test_one_lost_segment_is_named_with_its_direction(cohort, tmp_path):
    path = sorted(cohort.rglob("*.h5"))[0]
    change = np.zeros((36, 5, 2))
    change[:6, :, 1] = 5.0  # the left wall runs upwards there: along it
    row = put(path, tmp_path, change)
    assert row["segment"] == "basal inferoseptal" and row["along"] > 0.6
    assert row["why"].startswith("At end-diastole basal inferoseptal is off by 2.") and "along the wall" in row["why"]
    change = np.zeros((36, 5, 2))
    change[-6:, :, 0] = 6.0
    assert "basal anterolateral" in (why := put(path, tmp_path, change)["why"]) and "across it" in why


@pytest.mark.parametrize(
    ("correlation", "said"),
    [
        (0.39, "is lost (correlation 0.39; unrelated speckle reaches about 0.3)."),
        (0.40, "is partly kept (correlation 0.40)."),
        (0.69, "is partly kept (correlation 0.69)."),
        (0.70, "is largely kept (correlation 0.70)."),
        (np.nan, "how much of the speckle there is kept is not known."),
    ],
)
def test_the_sentence_says_how_much_of_the_speckle_is_kept_and_no_more(correlation, said):
    values = {"segment": "mid inferior", "segment_mm": 2.0, "along": 0.5, "correlation": correlation}
    assert _sentence(values, np.zeros(2), False, None).endswith(said)


def test_best_and_worst_never_name_one_twice():
    table = pd.DataFrame({"recording": list("abcdefgh"), "mte_mm": range(8)})
    assert list(best_and_worst(table).values()) == list("abcfgh")
    assert list(best_and_worst(table)) == ["best", "2nd best", "3rd best", "3rd worst", "2nd worst", "worst"]
    assert list(best_and_worst(table[:3]).values()) == ["a", "c"]
    assert best_and_worst(table[:1]) == {"best": "a"}
