"""What a training is validated with: the null fitted to the same recordings, and the curve in words."""

import pandas as pd
import pytest

from echotas.evaluation.training_set import mean_motion_table, read_validation, validation_table


def curve(*errors):
    return pd.DataFrame({"step": range(20, 20 + 20 * len(errors), 20), "validation_error": errors})


def test_mean_motion_is_fitted_to_the_training_recordings_only(cohort):
    files = {path.stem: path for path in cohort.rglob("*.h5")}
    validation = [files["h1-A4C"], files["h2-A4C"]]
    table = mean_motion_table([files["s1-A4C-1"]], validation).set_index("patient")["mte_mm"]
    frozen = validation_table(validation, {"frozen": ("frozen", {})}).set_index("patient")["mte_mm"]
    # h1 moves just as the training patient does, h2 by a fifth less: of that the null knows nothing.
    assert table["h1"] < 0.01 * frozen["h1"] and 0.15 * frozen["h2"] < table["h2"] < 0.4 * frozen["h2"]
    with pytest.raises(ValueError, match="at least one cine"):
        mean_motion_table([], validation)


def test_the_curve_in_words_counts_what_was_measured():
    nan = float("nan")
    text = read_validation(curve(nan, 0.8, nan, 0.6), 2.0)
    assert text.startswith("Validated 2 times. From the first (0.800 mm at step 40) to the last (0.600 mm at step 80)")
    assert "fell by 0.200 mm (-25.0 %)" in text and "below the null's 2.00 mm" in text
    text = read_validation(curve(0.6, 0.8), 0.7)
    assert "did not fall: it rose by 0.200 mm" in text and "not below the null's 0.70 mm" in text
    assert "cannot be said from one value" in read_validation(curve(nan, 0.8), 2.0)
    assert "was not validated" in read_validation(curve(nan, nan), 2.0)
    assert "was not validated" in read_validation(pd.DataFrame({"step": [20]}), 2.0)
