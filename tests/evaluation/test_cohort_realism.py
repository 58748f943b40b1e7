"""Virtual hearts beside CAMUS: the table says what it compares, the words what is in the table."""

import pandas as pd
import pytest

from echotas.evaluation.cohort_realism import (
    CLASS_POPULATION,
    QUANTITIES,
    shape_differences,
    shape_table,
    shape_values,
    shape_verdict,
)
from echotas.phantom.measure import MEASURED_A4C


@pytest.fixture(scope="module")
def values():
    return shape_values(2, 0)


def test_every_quantity_of_every_class_is_compared(values):
    assert len(values) == len(CLASS_POPULATION) * len(QUANTITIES)
    assert all(set(measured) == set(QUANTITIES) for measured in MEASURED_A4C.values())
    table = shape_table(values)
    assert list(table.columns[:2]) == ["virtual normal", "CAMUS EF>50 %"]
    assert table.loc["ED volume (ml, area-length)", "CAMUS EF>50 %"] == "89.0 +- 30.0"
    assert {"endocardial strain (%)", "ejection fraction (%, area-length)"} < set(table.index)


def shifted(values: pd.DataFrame, volume: float, strain: float) -> pd.DataFrame:
    """Virtual means that are the measured ones, but for volume (factor) and endocardial strain (points)."""
    made = values.assign(virtual_mean=values["camus_mean"])
    made.loc[made["quantity"] == "volume_ml", "virtual_mean"] *= volume
    made.loc[made["quantity"] == "endo_strain_percent", "virtual_mean"] += strain
    return made


def test_words_follow_the_numbers(values):
    made = shifted(values, 1.25, -4.0)
    assert shape_verdict(made) == "The virtual hearts are larger than those of CAMUS and contract more."
    assert (
        "`hfref` against EF<35 %: ED volume +25 %, endocardial strain -13.5 against -9.5 %, "
        "ejection fraction 28.0 against 28.0 %." in shape_differences(made)
    )
    assert shape_verdict(shifted(values, 0.9, 1.0)).endswith("are smaller than those of CAMUS and contract less.")
    made.loc[(made["quantity"] == "volume_ml") & (made["population"] == "hfref"), "virtual_mean"] = 1.0
    assert "larger in some classes, smaller in others, than those" in shape_verdict(made)
