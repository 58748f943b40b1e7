import numpy as np
import pytest

from echotas.geometry import SEGMENTS
from echotas.report import bullseye
from echotas.strain import segment_model
from echotas.strain.segment_models import AHA_SEGMENTS

VALUES = {view: -np.arange(1.0, 7) - 10 * index for index, view in enumerate(SEGMENTS)}


def test_eighteen_are_the_views_themselves():
    model = segment_model(VALUES)
    assert len(model) == 18
    assert [model[name] for view in SEGMENTS for name in SEGMENTS[view]] == np.concatenate(
        list(VALUES.values())
    ).tolist()


def test_the_numbers_are_those_of_the_aha():
    assert len(AHA_SEGMENTS) == 17
    by_number = dict(enumerate(AHA_SEGMENTS, start=1))
    assert by_number[1] == "basal anterior" and by_number[9] == "mid inferoseptal"
    assert by_number[14] == "apical septal" and by_number[17] == "apex"


def test_septal_and_lateral_apex_are_means_of_two_views_and_the_cap_of_four_segments():
    whole = segment_model(VALUES)
    sixteen, seventeen = segment_model(VALUES, 16), segment_model(VALUES, 17)
    assert tuple(sixteen) == AHA_SEGMENTS[:16] and tuple(seventeen) == AHA_SEGMENTS
    assert sixteen["apical septal"] == (whole["apical inferoseptal"] + whole["apical anteroseptal"]) / 2
    assert sixteen["apical lateral"] == (whole["apical anterolateral"] + whole["apical inferolateral"]) / 2
    assert sixteen["mid inferior"] == whole["mid inferior"]
    assert seventeen["apex"] == pytest.approx(np.mean([sixteen[name] for name in AHA_SEGMENTS[12:16]]))


def test_a_missing_view_leaves_gaps_and_no_half_means():
    model = segment_model({"A4C": VALUES["A4C"]}, 17)
    assert np.isfinite(model["basal inferoseptal"]) and np.isnan(model["basal anterior"])
    assert np.isnan(model["apical septal"]) and np.isnan(model["apex"])


@pytest.mark.parametrize(
    ("n_segments", "n_hatched"), [(18, 1), (17, 2), (16, 1)]
)  # the cap is made of a rejected one too
def test_every_segment_has_its_number_in_the_bulls_eye(n_segments, n_hatched):
    figure = bullseye(VALUES, {"A4C": [True] * 2 + [False] + [True] * 3}, n_segments=n_segments)
    axes = figure.axes[0]
    shown = [text.get_text() for text in axes.texts]
    assert sum(text.lstrip("-").isdigit() for text in shown) == n_segments
    assert len(axes.patches) == n_segments
    assert sum(bool(patch.get_hatch()) for patch in axes.patches) == n_hatched


@pytest.mark.parametrize(
    ("values", "n_segments", "message"),
    [
        (VALUES, 12, "n_segments must be 16, 17 or 18"),
        ({"PLAX": np.zeros(6)}, 16, "PLAX"),
        ({"A4C": np.zeros(5)}, 16, "must have 6 values"),
    ],
)
def test_exception_other_models_and_views(values, n_segments, message):
    with pytest.raises(ValueError, match=message):
        segment_model(values, n_segments)
