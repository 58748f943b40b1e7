"""Parity of the clean-room CoTracker v1 with arrays recorded from the public implementation, in float64."""

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from echotas.trackers.cotracker import CoTracker, CoTrackerConfig

GOLDEN = Path(os.environ.get("ECHOTAS_GOLDEN", Path(__file__).parents[2] / ".." / "shared" / "golden"))
CASES = ("cotracker_v1_small", "cotracker_v1_full")

pytestmark = pytest.mark.skipif(
    not (GOLDEN / "public_keys").is_dir(), reason=f"golden arrays not found in {GOLDEN}; set ECHOTAS_GOLDEN"
)

# Public names to ours, applied in order.
NAMES = (
    (r"^fnet\.layer(\d)", lambda match: f"encoder.stages.{int(match[1]) - 1}"),
    (r"^fnet\.conv1", "encoder.stem"),
    (r"^fnet\.conv2", "encoder.fuse"),
    (r"^fnet\.conv3", "encoder.project"),
    (r"downsample\.0", "skip"),
    (r"^updateformer\.input_transform", "transformer.embed"),
    (r"^updateformer\.flow_head", "transformer.head"),
    (r"^updateformer", "transformer"),
    (r"attn\.qkv", "qkv"),
    (r"attn\.proj", "out"),
    (r"mlp\.fc1", "expand"),
    (r"mlp\.fc2", "contract"),
    (r"^norm\.", "feature_norm."),
    (r"^ffeat_updater\.0", "feature_update"),
    (r"^vis_predictor\.0", "visibility_head"),
)


def ours(key: str) -> str:
    for pattern, replacement in NAMES:
        key = re.sub(pattern, replacement, key)
    return key


class Case:
    """Model, recorded arrays and tolerances of one golden case."""

    def __init__(self, name: str) -> None:
        sys.path.insert(0, str(GOLDEN))
        try:
            from weights import weights
        finally:
            sys.path.pop(0)
        specification = json.loads((GOLDEN / "public_keys" / f"{name}.json").read_text())
        sizes = specification["config"]
        config = CoTrackerConfig(
            width=sizes["hidden_size"],
            n_heads=sizes["num_heads"],
            n_time_blocks=sizes["time_depth"],
            n_space_blocks=sizes["space_depth"],
            window=sizes["S"],
            stride=sizes["stride"],
        )
        self.model = CoTracker(config).double().eval().requires_grad_(False)
        tensors = {ours(key): torch.from_numpy(value) for key, value in weights(specification).items()}
        self.model.load_state_dict(tensors)
        self.arrays = np.load(GOLDEN / f"{name}.npz")
        self.tolerance = json.loads((GOLDEN / "tolerances.json").read_text())[name]
        self.frames = self.tensor("video") * 2 / 255 - 1

    def tensor(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[name]).double()

    def check(self, name: str, value: torch.Tensor) -> None:
        np.testing.assert_allclose(value.numpy(), self.arrays[name], rtol=0, atol=self.tolerance[name]["tol_f64"])


@pytest.fixture(scope="module", params=CASES)
def case(request) -> Case:
    if not (GOLDEN / f"{request.param}.npz").is_file():
        pytest.skip(f"{request.param} is not in {GOLDEN}")
    torch.set_num_threads(1)
    return Case(request.param)


def test_encoder_matches(case):
    case.check("enc_out", case.model.encode(case.frames[: len(case.arrays["enc_out"])]))


def test_transformer_matches(case):
    case.check("former_out", case.model.transformer(case.tensor("former_in")[None])[0])


def test_run_matches_in_every_window_and_iteration(case):
    n_frames = len(case.arrays["run_tracks"])
    followed = case.model(case.frames[None, :n_frames], case.tensor("queries"), n_iterations=4)
    case.check("run_tracks", followed.positions[0] * case.model.config.stride)
    case.check("run_visibility", followed.visibility[0].sigmoid())
    for index, window in enumerate(followed.windows):
        case.check(f"run_win{index}_tracks", torch.stack(window.positions)[:, 0] * case.model.config.stride)
        case.check(f"run_win{index}_visibility", window.visibility[0].sigmoid())
        active = case.arrays["run_sort_order"][: len(window.points)]
        np.testing.assert_array_equal(window.points.numpy(), active)


@pytest.mark.parametrize("n_frames", [8, 9, 24])
def test_other_lengths_match_where_the_release_tracks(case, n_frames):
    if f"T{n_frames}_queries" not in case.arrays:
        pytest.skip(f"no {n_frames}-frame run in this case")
    queries = case.tensor(f"T{n_frames}_queries")
    followed = case.model(case.frames[None, :n_frames], queries)
    expected = case.tensor(f"T{n_frames}_tracks")
    # Frames before a point's first window are zero in the release; here they hold the query.
    tracked = (expected != 0).any(-1)
    assert tracked.float().mean() > 0.5
    tolerance = case.tolerance[f"T{n_frames}_tracks"]["tol_f64"]
    ours_px = followed.positions[0] * case.model.config.stride
    np.testing.assert_allclose(ours_px[tracked].numpy(), expected[tracked].numpy(), rtol=0, atol=tolerance)
