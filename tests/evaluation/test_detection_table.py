"""Detection from tables: the truth is perfect, frozen points are blind, segments keep their own normal and artery."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from echotas.evaluation import recording_paths, segment_strain_table, track_recording
from echotas.evaluation.detection import (
    NORMAL_PERCENT,
    TERRITORIES,
    TERRITORY,
    detection_summary,
    impaired_segments,
)
from echotas.geometry.segments import SEGMENTS
from echotas.phantom.pathology import NORMAL_STRAIN, draw_disease
from echotas.phantom.recognise import segments_of_views


def virtual_table(n_patients=20, seed=0, observers=("A", "B")):
    """Rows of `segment_strain_table` of patients half of whom have an infarct, without any image."""
    rng = np.random.default_rng(seed)
    populations = ("normal", "infarct_rca", "mild", "infarct_lcx")
    rows = []
    for patient in range(n_patients):
        strain = draw_disease(populations[patient % 4], rng).strain_percent
        for view, names in SEGMENTS.items():
            for position, name in enumerate(names):
                level, wall = name.split()
                true = strain[WALL_INDEX[wall], LEVEL_INDEX[level]]
                shared = {"patient": f"P{patient}", "recording": f"P{patient}-{view}", "segment": name}
                shared |= {"position": position, "true_strain_es": true}
                measured = {
                    "oracle": true,
                    "frozen": 0.0,
                    "noisy": true + rng.normal(0, 4),
                    "normal": NORMAL_PERCENT[name],
                }
                for method, value in measured.items():
                    for start in ("truth", *observers):
                        # Lines that began on an observer's line are off by more, to tell the starts apart.
                        off = 0.0 if start == "truth" else rng.normal(0, 8)
                        rows.append(
                            shared | {"method": method, "start": start, "strain_es": value + off, "accepted": True}
                        )
                for observer in observers:
                    value = true + rng.normal(0, 3)
                    rows.append(
                        shared
                        | {"method": "reader", "start": observer, "strain_es": value, "accepted": rng.random() > 0.2}
                    )
    return pd.DataFrame(rows)


WALL_INDEX = {
    name: i
    for i, name in enumerate(("inferoseptal", "anteroseptal", "anterior", "anterolateral", "inferolateral", "inferior"))
}
LEVEL_INDEX = {"basal": 0, "mid": 1, "apical": 2}


def test_normals_are_those_of_the_phantom_at_their_places():
    assert len(NORMAL_PERCENT) == len(TERRITORY) == 18
    by_view = {view: np.array([NORMAL_PERCENT[name] for name in names]) for view, names in SEGMENTS.items()}
    np.testing.assert_array_equal(segments_of_views(by_view), NORMAL_STRAIN)
    assert NORMAL_PERCENT["basal inferoseptal"] == -14.5 and NORMAL_PERCENT["apical inferior"] == -22.5


def test_territories_are_the_map_of_the_american_heart_association():
    walls = ("anterior", "anteroseptal", "inferoseptal", "inferior", "inferolateral", "anterolateral")
    number = {f"{level} {wall}": base + i for level, base in (("basal", 1), ("mid", 7)) for i, wall in enumerate(walls)}
    number |= {"apical anterior": 13, "apical inferior": 15}
    number |= {f"apical {wall}": 14 for wall in ("anteroseptal", "inferoseptal")}
    number |= {f"apical {wall}": 16 for wall in ("anterolateral", "inferolateral")}
    aha = {"LAD": {1, 2, 7, 8, 13, 14}, "RCA": {3, 4, 9, 10, 15}, "LCx": {5, 6, 11, 12, 16}}
    assert set(number) == set(TERRITORY) and set(aha) == set(TERRITORIES)
    for name, artery in TERRITORY.items():
        assert number[name] in aha[artery]


def test_half_of_its_own_normal_is_the_line():
    table = pd.DataFrame(
        {
            "segment": ["basal inferoseptal"] * 3 + ["apical inferior"] * 4,
            "true_strain_es": [-7.24, -7.25, -7.26, -11.24, -11.25, -11.26, 3.0],
        },
        index=list("abcdefg"),
    )
    marked = impaired_segments(table)
    assert marked.name == "impaired" and list(marked.index) == list("abcdefg")
    assert list(marked) == [True, False, False, True, False, False, True]
    assert list(impaired_segments(table, 1.0)) == [True] * 7
    assert list(impaired_segments(table, 0.1)) == [False] * 6 + [True]


def test_truth_is_perfect_and_frozen_points_are_blind():
    summary = detection_summary(virtual_table(), 0, 100)
    assert list(summary.index) == ["oracle", "frozen", "noisy", "normal", "reader"] and summary.index.name == "method"
    rates = ["sensitivity", "specificity", "auc"]
    assert list(summary.loc["oracle", rates]) == [1, 1, 1]
    assert list(summary.loc["frozen", rates]) == [1, 0, 0.5]
    assert list(summary.loc["normal", rates]) == [0, 1, 0.5]  # the same healthy heart for all: nothing is ever found
    noisy = summary.loc["noisy"]
    assert 0.8 < noisy["auc_low"] < noisy["auc"] < noisy["auc_high"] < 1
    assert (summary["n_patients"] == 20).all() and summary.loc["oracle", "n"] == 20 * 18
    assert (summary["n_left_out"] == 0).all() and not summary.loc["noisy"].isna().any()
    # Exactly 0 or 1 has no interval: resamples can only repeat it.
    assert summary.loc["oracle", [f"{rate}_{end}" for rate in rates for end in ("low", "high")]].isna().all()
    assert list(summary.loc["frozen", ["auc_low", "auc_high"]]) == [0.5, 0.5]


def test_few_patients_with_impaired_segments_have_rates_but_no_intervals():
    row = detection_summary(virtual_table(6), 0, 50).loc["noisy"]
    assert row["n_patients_impaired"] < 5 <= row["n_patients"] and 0.5 < row["auc"] < 1
    assert row[["auc_low", "auc_high", "sensitivity_low", "sensitivity_high"]].isna().all()
    assert row[["specificity_low", "specificity_high"]].notna().all()


def test_numbers_are_those_of_the_rows():
    table = virtual_table(3)
    rows = table[(table["method"] == "noisy") & (table["start"] == "truth")]
    score = (rows["strain_es"] / rows["segment"].map(NORMAL_PERCENT)).to_numpy()
    ill = (rows["true_strain_es"] / rows["segment"].map(NORMAL_PERCENT)).to_numpy() < 0.5
    row = detection_summary(table, 0, 10).loc["noisy"]
    assert row["auc"] == pytest.approx(
        stats.mannwhitneyu(-score[ill], -score[~ill]).statistic / ill.sum() / (~ill).sum()
    )
    assert row["sensitivity"] == pytest.approx((score[ill] < 0.5).mean())
    assert row["specificity"] == pytest.approx((score[~ill] >= 0.5).mean())
    assert row["n_impaired"] == ill.sum()
    assert row["n_patients_impaired"] == rows["patient"][ill].nunique()


def test_readers_enter_with_accepted_segments_of_all_observers():
    table = virtual_table(4)
    readers = table[(table["method"] == "reader") & table["accepted"]]
    summary = detection_summary(table, 0, 10)
    assert summary.loc["reader", "n"] == len(readers) < 2 * 4 * 18
    # What the notebook passes already (true start, readers' accepted segments) gives the same.
    chosen = table[(table["start"] == "truth") | ((table["method"] == "reader") & table["accepted"])]
    pd.testing.assert_frame_equal(detection_summary(chosen, 0, 10), summary)


def test_an_observers_start_leaves_out_other_starts_and_rejected_segments():
    table = virtual_table(4)
    table.loc[(table["method"] == "oracle") & (table["start"] == "A") & (table["position"] == 0), "accepted"] = False
    summary = detection_summary(table, 0, 10, start="A")
    assert summary.loc["oracle", "n"] == 4 * 15 and summary.loc["noisy", "n"] == 4 * 18
    assert (
        summary.loc["reader", "n"]
        == ((table["method"] == "reader") & (table["start"] == "A") & table["accepted"]).sum()
    )
    assert summary.loc["oracle", "auc"] < 1


def test_territories_share_out_the_segments():
    table = virtual_table()
    whole, split = detection_summary(table, 0, 50), detection_summary(table, 0, 50, by_territory=True)
    assert split.index.names == ["method", "territory"] and len(split) == 3 * len(whole)
    for column in ("n", "n_impaired"):
        assert split[column].groupby("method").sum().to_dict() == whole[column].to_dict()
    assert split.loc[("oracle", "LAD"), "n"] == 20 * 7
    assert (split.loc["oracle"][["sensitivity", "specificity", "auc"]].dropna() == 1).all(axis=None)
    # One artery's infarcts are found in its territory.
    lcx = table[table["segment"].map(TERRITORY) == "LCx"]
    pd.testing.assert_series_equal(
        detection_summary(lcx, 0, 50).loc["noisy"], split.loc[("noisy", "LCx")], check_names=False
    )


def test_a_territory_that_no_view_shows_has_no_row():
    split = detection_summary(virtual_table(4).query("recording.str.endswith('A2C')"), 0, 10, by_territory=True)
    assert set(split.index.get_level_values("territory")) == {"LAD", "RCA"}


def test_segments_without_strain_are_left_out_and_counted():
    table = virtual_table(4)
    missing = (table["method"] == "noisy") & (table["start"] == "truth") & (table["patient"] == "P1")
    table.loc[missing, "strain_es"] = np.nan
    summary = detection_summary(table, 0, 10)
    assert (summary.loc["noisy", "n_left_out"], summary.loc["noisy", "n"], summary.loc["noisy", "n_patients"]) == (
        18,
        54,
        3,
    )
    assert summary.loc["oracle", "n_left_out"] == 0


def test_methods_on_the_same_patients_get_the_same_resamples():
    table = virtual_table(6)
    copy = table[table["method"] == "noisy"].assign(method="copy")
    summary = detection_summary(pd.concat([table, copy]), 3, 60)
    pd.testing.assert_series_equal(summary.loc["copy"], summary.loc["noisy"], check_names=False)
    pd.testing.assert_frame_equal(detection_summary(table, 3, 60), summary.drop(index="copy"))
    assert not detection_summary(table, 4, 60).equals(detection_summary(table, 3, 60))


def test_rows_of_a_tracked_cohort_go_straight_in(cohort, tmp_path):
    paths = recording_paths(cohort, ["V-SSHF", "V-HUNT-A"])
    for path in paths:
        out = tmp_path / "tracks" / "frozen" / path.parent.name / path.name
        track_recording(path, out, "frozen", {}, 36, 5, 6.0)
    summary = detection_summary(segment_strain_table(paths, tmp_path / "tracks", ["frozen"]), 0, 20)
    # Every segment shortens by a fifth: healthy everywhere, so there is nothing to find.
    assert (summary["n_impaired"] == 0).all() and (summary["n_patients"] == 3).all()
    assert summary[["sensitivity", "auc"]].isna().all(axis=None) and (summary["n_undefined"] == 20).all()
    assert summary.loc["frozen", "specificity"] == 0 and summary.loc["reader", "specificity"] == 1


def changed(**columns):
    return virtual_table(1).assign(**columns)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: impaired_segments(changed().drop(columns="segment")),
            "table must have the columns .* none named segment",
        ),
        (
            lambda: impaired_segments(changed(segment="apical cap")),
            "segment must be one of the 18 names .* got apical cap",
        ),
        (lambda: impaired_segments(changed(true_strain_es=np.nan)), "true_strain_es must be finite"),
        (lambda: impaired_segments(changed(), 0.0), "share must be in"),
        (lambda: impaired_segments(changed(), 1.1), "share must be in"),
        (
            lambda: detection_summary(changed().drop(columns="accepted"), 0, 5),
            "table must have the columns .* accepted",
        ),
        (lambda: detection_summary(changed(), 0, 5, start="C"), "table must have accepted segments of start 'C'"),
        (lambda: detection_summary(changed(accepted=False), 0, 5), "table must have accepted segments"),
        (lambda: detection_summary(changed(strain_es=np.nan), 0, 5), "strain_es must be finite .* 'oracle'"),
        (lambda: detection_summary(changed(), 0, 5, share=2.0), "share must be in"),
        (lambda: detection_summary(changed(), 0, 0), "n_resamples must be positive"),
    ],
)
def test_detection_table_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
