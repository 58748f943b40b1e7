"""Parity of the clean-room CoTracker v1 with arrays recorded from the public implementation."""

import numpy as np
import pytest
import torch

from echotas.trackers.cotracker import CoTracker, CoTrackerConfig
from echotas.trackers.public_names import COTRACKER_V1

from .golden import Golden, golden_cases

ARCHITECTURE = "CoTracker v1"


def build(sizes: dict) -> CoTracker:
    return CoTracker(
        CoTrackerConfig(
            width=sizes["hidden_size"],
            n_heads=sizes["num_heads"],
            n_time_blocks=sizes["time_depth"],
            n_space_blocks=sizes["space_depth"],
            window=sizes["S"],
            stride=sizes["stride"],
        )
    )


@pytest.fixture(scope="module", params=golden_cases(ARCHITECTURE))
def case(request) -> Golden:
    return Golden(request.param, ARCHITECTURE, build, COTRACKER_V1)


def frames(case) -> torch.Tensor:
    return case.tensor("video") * 2 / 255 - 1


def test_parameter_count_is_the_published_one(case):
    assert case.n_parameters == case.specification["count"]


def test_encoder_matches(case):
    case.check("enc_out", case.network.encode(frames(case)[: len(case.arrays["enc_out"])]))


def test_transformer_matches(case):
    case.check("former_out", case.network.transformer(case.tensor("former_in")[None])[0])


def test_run_matches_in_every_window_and_iteration(case):
    n_frames = len(case.arrays["run_tracks"])
    followed = case.network(frames(case)[None, :n_frames], case.tensor("queries"), n_iterations=4)
    case.check("run_tracks", followed.positions[0] * case.network.config.stride)
    case.check("run_visibility", followed.visibility[0].sigmoid())
    for index, window in enumerate(followed.windows):
        case.check(f"run_win{index}_tracks", torch.stack(window.positions)[:, 0] * case.network.config.stride)
        case.check(f"run_win{index}_visibility", window.visibility[0].sigmoid())
        active = case.arrays["run_sort_order"][: len(window.points)]
        np.testing.assert_array_equal(window.points.numpy(), active)


@pytest.mark.parametrize("n_frames", [8, 9, 24])
def test_other_lengths_match_where_the_release_tracks(case, n_frames):
    if f"T{n_frames}_queries" not in case:
        pytest.skip(f"no {n_frames}-frame run in this case")
    queries = case.tensor(f"T{n_frames}_queries")
    followed = case.network(frames(case)[None, :n_frames], queries)
    expected = case.tensor(f"T{n_frames}_tracks")
    # Frames before a point's first window are zero in the release; here they hold the query.
    tracked = (expected != 0).any(-1)
    assert tracked.float().mean() > 0.5
    precision = "tol_f64" if case.dtype == torch.float64 else "tol_f32"
    tolerance = case.tolerance[f"T{n_frames}_tracks"][precision]
    ours_px = followed.positions[0] * case.network.config.stride
    np.testing.assert_allclose(ours_px[tracked].numpy(), expected[tracked].numpy(), rtol=0, atol=tolerance)
