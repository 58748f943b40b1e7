"""The ablation: what a variant leaves out, what its rows hold, how seeds are summarised."""

import numpy as np
import pandas as pd
import pytest
import torch

from echotas.evaluation import recording_paths
from echotas.evaluation.ablation import VARIANTS, ablation_summary, before_the_engine, stage_rows, starting_file
from echotas.report.ablation_figure import seed_dots
from echotas.trackers.pretrained import TAS_NET_SMALL
from echotas.trackers.tas_net import load_weights


def test_rows_are_those_of_the_paper_and_two_of_ours():
    assert [variant.name for variant in VARIANTS] == [
        "CoTracker v1", "bi-window", "bi-window + visibility", "bi-window + visibility + mesh",
        "bi-window + visibility + mesh + Lucas-Kanade start",
        "bi-window + visibility + mesh + Lucas-Kanade start + smooth mesh",
    ]  # fmt: skip
    assert VARIANTS[0].settings == {"start_share": 0.0, "both_ways": False, "visibility_weight": 0.0, "n_iterations": 3}
    assert VARIANTS[0].model == {"mesh_embedding": False, "begin_with": "still"}
    assert VARIANTS[5].trained == VARIANTS[4] and VARIANTS[4].trained == VARIANTS[4]


def test_a_start_without_the_mesh_embedding_is_the_full_one_without_uv(tmp_path):
    file = starting_file(TAS_NET_SMALL, VARIANTS[0], tmp_path / "start.safetensors")
    without, full = load_weights(file).eval(), load_weights(TAS_NET_SMALL).eval()
    assert without.mesh_embedding is None and without.n_steps == full.n_steps
    assert starting_file(TAS_NET_SMALL, VARIANTS[-1], tmp_path / "other") == TAS_NET_SMALL
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(1, 3, 64, 64, generator=generator)
    query = 10 + 40 * torch.rand(1, 5, 2, generator=generator)
    uv = torch.rand(1, 5, 2, generator=generator)
    with torch.no_grad():
        alone = without(frames, query, uv, 2)
        torch.testing.assert_close(alone.positions, full(frames, query, None, 2).positions)
        assert not torch.equal(alone.positions, full(frames, query, uv, 2).positions)


def test_summary_is_the_mean_and_sd_over_seeds_of_the_means_over_recordings():
    rng = np.random.default_rng(0)
    rows = [
        {"variant": variant, "seed": seed, "mte_mm": rng.random(), "gls_error_percent": rng.random(), "folds": bool(k % 2)}
        for variant in ("one", "two") for seed in range(3) for k in range(4)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    summary = ablation_summary(table)
    for variant in ("one", "two"):
        means = [table[(table["variant"] == variant) & (table["seed"] == s)]["mte_mm"].mean() for s in range(3)]
        assert summary.loc[variant, "mte_mm"] == pytest.approx(np.mean(means))
        assert summary.loc[variant, "mte_mm_sd"] == pytest.approx(np.std(means, ddof=1))
        assert summary.loc[variant, "folds_percent"] == 50 and summary.loc[variant, "n_seeds"] == 3
    assert seed_dots(table, {"mte_mm": "mm"}).axes[0].get_yticklabels()[1].get_text() == "two"


def test_stages_of_the_engine_are_rows_on_the_same_recordings(cohort, tmp_path):
    paths = recording_paths(cohort, ["V-HUNT-A"])
    start = before_the_engine(TAS_NET_SMALL, tmp_path / "before")
    assert load_weights(start / "weights.safetensors").config.begin_with == "lucas_kanade"
    rows = stage_rows(paths, {"before": start, "again": start})
    assert list(rows["variant"]) == ["before"] * len(paths) + ["again"] * len(paths)
    assert rows["mte_mm"].notna().all() and (rows["seed"] == 0).all()
    summary = ablation_summary(rows)
    assert summary.loc["before", "mte_mm"] == summary.loc["again", "mte_mm"] and np.isnan(
        summary.loc["before", "mte_mm_sd"]
    )
