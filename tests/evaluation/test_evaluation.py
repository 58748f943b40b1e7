"""The measuring chain gives known answers for known motion: the oracle is nearly perfect, frozen points measure the motion."""

import numpy as np
import pandas as pd
import pytest

from echotas.evaluation import (
    agreement_pairs,
    agreement_summary,
    cohort_table,
    compare_with,
    global_strain_table,
    gls_summary,
    motion_summary,
    motion_table,
    recording_paths,
    regional_summary,
    segment_strain_table,
    starting_meshes,
    track_recording,
)
from echotas.evaluation.summaries import agreement_of_pairs, three_view_means
from echotas.metrics import icc_a1
from echotas.store import read_recording

COHORTS = ["V-SSHF", "V-HUNT-A"]
TRACKERS = ["frozen", "oracle"]


@pytest.fixture
def tracked(cohort, tmp_path):
    paths = recording_paths(cohort, COHORTS)
    for path in paths:
        for tracker in TRACKERS:
            config = {"quantum_px": 0.0} if tracker == "oracle" else {}
            out = tmp_path / "tracks" / tracker / path.parent.name / path.name
            track_recording(path, out, tracker, config, 36, 5, 6.0)
    return paths, tmp_path / "tracks"


def test_oracle_has_no_error_and_frozen_measures_the_motion(tracked):
    paths, tracks = tracked
    table = motion_table(paths, tracks, TRACKERS).set_index(["tracker", "recording"])
    assert (table.loc["oracle", "mte_mm"] < 1e-9).all() and not table["folds"].any()
    recording = read_recording(paths[-1])
    moved = np.linalg.norm((recording.mesh.points_px - recording.mesh.points_px[2]) * 0.5, axis=-1)
    expected = moved[[0, 1, 3, 4]].mean()
    assert table.loc[("frozen", recording.cine.recording_id), "mte_mm"] == pytest.approx(expected)


def test_gls_of_the_oracle_is_the_truth_and_of_frozen_points_zero(tracked):
    paths, tracks = tracked
    table = global_strain_table(paths, tracks, TRACKERS)
    oracle = table[(table["method"] == "oracle") & (table["start"] == "truth")]
    np.testing.assert_allclose(oracle["gls_es"], oracle["true_gls_es"], atol=1e-9)
    assert oracle.set_index("patient").loc["h1", "gls_es"] == pytest.approx(-20)
    assert (table.loc[table["method"] == "frozen", "gls_es"] == 0).all()
    assert set(table["method"]) == {"reader", *TRACKERS} and set(table["start"]) == {"truth", "A", "B"}


def test_segments_of_the_oracle_are_the_truth(tracked):
    paths, tracks = tracked
    table = segment_strain_table(paths, tracks, TRACKERS)
    truth = table[(table["start"] == "truth") & (table["method"] == "oracle")]
    assert len(truth) == 6 * len(paths)
    np.testing.assert_allclose(truth["strain_es"], truth["true_strain_es"], atol=1e-9)
    assert truth.groupby("recording")["segment"].nunique().eq(6).all()
    assert regional_summary(truth, 0, 50).loc["oracle", "mae"] == pytest.approx(0, abs=1e-9)


def test_pairs_keep_cohort_designs_apart(tracked):
    paths, tracks = tracked
    pairs = agreement_pairs(global_strain_table(paths, tracks, TRACKERS), "gls_es")
    kinds = pairs.groupby("cohort")["kind"].unique().map(list).to_dict()
    assert kinds == {"V-HUNT-A": ["agreement"], "V-SSHF": ["test-retest"]}
    retest = pairs[(pairs["kind"] == "test-retest") & (pairs["method"] == "oracle")].iloc[0]
    assert retest["true_second"] - retest["true_first"] == pytest.approx(2.0)
    frozen = agreement_summary(pairs[(pairs["kind"] == "agreement")], 0, 50).loc["frozen"]
    assert frozen["sd"] == 0  # a tracker that ignores the image agrees with itself perfectly


def test_summaries_count_patients(tracked):
    paths, tracks = tracked
    motion = motion_summary(motion_table(paths, tracks, TRACKERS), 0, 200)
    assert motion.loc["frozen", "n_patients"] == 3 and motion.loc["frozen", "n"] == 4
    assert np.isnan(motion.loc["frozen", "mte_mm_low"])  # three patients bound nothing
    table = global_strain_table(paths, tracks, TRACKERS)
    summary = gls_summary(table[table["start"] == "truth"], 0, 200)
    assert summary.loc["oracle", "mae"] == pytest.approx(0, abs=1e-9)
    assert summary.loc["frozen", "bias"] == pytest.approx(
        table.loc[table["method"] == "frozen", "true_gls_es"].mul(-1).mean()
    )
    comparison = compare_with(motion_table(paths, tracks, TRACKERS), "mte_mm", "frozen", ["oracle"])
    assert comparison.loc["oracle", "n_patients"] == 3 and comparison.loc["oracle", "shift"] < 0


def test_observer_meshes_start_at_the_observer_s_frame(cohort):
    starts = starting_meshes(read_recording(recording_paths(cohort, ["V-SSHF"])[0]), 36, 5, 6.0)
    assert set(starts) == {"truth", "A", "B"} and starts["B"].mesh_px.shape == (36, 5, 2)
    assert all(start.frame == 2 for start in starts.values())


def test_exception_mesh_of_other_nodes_than_the_truth(cohort):
    with pytest.raises(ValueError, match="mesh must have the 36 x 5 nodes of recording .*, got n_long = 18, n_rad = 5"):
        starting_meshes(read_recording(recording_paths(cohort, ["V-SSHF"])[0]), 18, 5, 6.0)


def test_damaged_recording_is_listed_and_the_rest_goes_on(cohort):
    paths = recording_paths(cohort, COHORTS)
    paths[0].write_bytes(b"not a recording")
    table, refused = cohort_table(paths)
    assert len(table) == len(paths) - 1 and list(refused) == [paths[0].name]


def test_unknown_cohort_names_the_known_ones(cohort):
    with pytest.raises(ValueError, match="V-HUNT-A"):
        recording_paths(cohort, ["SSHF"])


def test_icc_from_sums_is_that_of_the_pairs_and_undefined_without_variation():
    pairs = np.random.default_rng(3).normal(-18, 3, (12, 2)) + [0.0, 0.7]
    count, sums = np.array([12.0]), agreement_of_pairs.parts(pairs).sum(axis=0)
    assert agreement_of_pairs.combine(count, *sums[:, None])[0] == pytest.approx(icc_a1(pairs).icc)
    same = np.full((4, 2), -18.0)
    sums = agreement_of_pairs.parts(same).sum(axis=0)
    assert np.isnan(agreement_of_pairs.combine(np.array([4.0]), *sums[:, None]))[0]


def test_too_few_patients_give_no_limits_and_a_share_of_zero_gets_the_exact_ones():
    rows = [{"tracker": "a", "patient": f"P{i}", "mte_mm": 1.0 + i, "folds": 0} for i in range(8)]
    table = pd.DataFrame(rows).assign(ed_error_mm=1.0, p95_mm=1.0, along_mm=1.0, across_mm=1.0)
    summary = motion_summary(table, 0, 100).loc["a"]
    assert (summary["folds_percent_low"], summary["folds_percent_high"]) == pytest.approx((0, 36.94), abs=0.01)
    few = motion_summary(table[:4], 0, 100).loc["a"]
    assert np.isnan(few["mte_mm_low"]) and np.isnan(few["mte_mm_high"]) and few["mte_mm"] == 2.5


def test_three_views_make_one_examination():
    views = ("A4C", "A2C", "A3C")
    shared = {"cohort": "V", "population": "normal", "stratum": "standard", "method": "x", "start": "truth"}
    rows = [
        shared
        | {"recording": f"{exam}-{view}", "patient": "P1", "view": view, "gls_es": -18.0 - i, "true_gls_es": -20.0}
        for exam in ("P1-R1", "P1-R2")
        for i, view in enumerate(views)
    ]
    table = pd.DataFrame(rows)
    means = three_view_means(table)
    assert list(means["recording"]) == ["P1-R1", "P1-R2"] and (means["gls_es"] == -19).all()
    assert list(three_view_means(table[1:])["recording"]) == ["P1-R2"]
    table.loc[0, "gls_es"] = np.nan
    assert list(three_view_means(table)["recording"]) == ["P1-R2"]
