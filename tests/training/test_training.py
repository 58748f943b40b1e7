"""Training of TAS-Net at toy size: what a kill, a seed and a bad input do."""

import dataclasses
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from echotas.records import Cine, Mesh
from echotas.store import write_recording
from echotas.trackers.tas_net import SMALL_CORE, TasNetConfig, TasNetTracker, load_weights
from echotas.training import (
    AugmentConfig,
    ClipConfig,
    LoopConfig,
    TrainConfig,
    TrainingDiverged,
    TrainingSequence,
    load_sequence,
    train,
)
from echotas.training.loop import learning_rate_at, run_loop
from echotas.training.session import validation_tracks

CORE = dataclasses.replace(
    SMALL_CORE, stem_width=4, stage_widths=(4, 4, 4, 4), fuse_width=8, feature_width=9, radius=1, n_levels=3,
    n_flow_frequencies=1, width=16, n_heads=2, n_time_blocks=1, n_space_blocks=1,
)  # fmt: skip
CONFIG = TrainConfig(
    seed=3,
    model=TasNetConfig(core=CORE, mesh_widths=(8,), image_size=(64, 64), pixel_mm=0.5),
    loop=LoopConfig(n_steps=6, checkpoint_every=2, validate_every=3, report_every=1, n_threads=1),
    clips=ClipConfig(lengths=(4, 5), length_weights=(1, 1), n_points=6),
    n_iterations=2,
)


def sequence(seed: int = 0, n_frames: int = 7, **fields) -> TrainingSequence:
    """Bright square with a mesh on it, moving right and back."""
    rng = np.random.default_rng(seed)
    texture = rng.integers(30, 255, (20, 20), dtype=np.uint8)
    shift = np.rint(6 * np.sin(np.linspace(0, np.pi, n_frames))).astype(int)
    frames = np.full((n_frames, 64, 80), 10, np.uint8)
    for frame, x in zip(frames, shift, strict=True):
        frame[20:40, 20 + x : 40 + x] = texture
    grid = np.stack(np.meshgrid(np.linspace(22, 38, 4), np.linspace(22, 38, 3), indexing="ij"), axis=-1)
    mesh = grid + shift[:, None, None, None] * [1, 0]
    return TrainingSequence(frames, mesh, (0.5, 0.5), es_frame=3, **{"patient_id": f"p{seed}", **fields})


@pytest.fixture(scope="module")
def sequences() -> list[TrainingSequence]:
    return [sequence(seed) for seed in range(3)]


def weights(path) -> dict[str, torch.Tensor]:
    return load_weights(path).state_dict()


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(weights(a).values(), weights(b).values(), strict=True))


@pytest.fixture(scope="module")
def straight(sequences, tmp_path_factory):
    return train(CONFIG, sequences[:2], sequences[2:], tmp_path_factory.mktemp("straight"))


def test_same_seed_gives_the_same_weights_and_another_does_not(straight, sequences, tmp_path):
    again = train(CONFIG, sequences[:2], sequences[2:], tmp_path / "a")
    other = train(dataclasses.replace(CONFIG, seed=4), sequences[:2], sequences[2:], tmp_path / "b")
    assert same(straight.final_weights_path, again.final_weights_path)
    assert not same(straight.final_weights_path, other.final_weights_path)


@pytest.mark.parametrize("stop_after", [2, 3, 5])
def test_a_killed_and_resumed_run_ends_in_the_same_weights(straight, sequences, tmp_path, stop_after):
    def kill(step, row):
        if step == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, sequences[:2], sequences[2:], tmp_path, callback=kill)
    resumed = train(CONFIG, sequences[:2], sequences[2:], tmp_path)
    assert same(straight.final_weights_path, resumed.final_weights_path)
    assert same(straight.weights_path, resumed.weights_path)
    columns = [name for name in straight.curve if name != "seconds"]
    np.testing.assert_array_equal(straight.curve[columns], resumed.curve[columns])


def test_curve_has_a_row_per_report_and_validates_at_the_end(straight):
    assert straight.curve["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert straight.curve["validation_error"].notna().tolist() == [False, False, True, False, False, True]
    assert straight.n_steps == 6 and straight.seconds > 0


def test_finished_training_is_not_repeated_but_its_curve_is_told_again(straight, sequences):
    rows = []
    again = train(
        CONFIG, sequences[:2], sequences[2:], straight.weights_path.parent, callback=lambda *row: rows.append(row)
    )
    assert [(step, row["loss"]) for step, row in rows] == list(
        zip(again.curve["step"], again.curve["loss"], strict=True)
    )
    pd.testing.assert_frame_equal(again.curve, straight.curve)


def test_two_processes_train_the_weights_of_one(straight, sequences, tmp_path):
    together = train(CONFIG, sequences[:2], sequences[2:], tmp_path, n_workers=2)
    assert straight.final_weights_path.read_bytes() == together.final_weights_path.read_bytes()


def test_warm_start_begins_from_the_given_weights(straight, sequences, tmp_path):
    frozen = dataclasses.replace(CONFIG, loop=dataclasses.replace(CONFIG.loop, n_steps=1, learning_rate=1e-12))
    warm = train(frozen, sequences[:2], [], tmp_path, initial_weights=straight.final_weights_path)
    for before, after in zip(
        weights(straight.final_weights_path).values(), weights(warm.weights_path).values(), strict=True
    ):
        torch.testing.assert_close(before, after, atol=1e-9, rtol=0)
    assert load_weights(warm.weights_path).n_steps == 6 + 1


def test_loss_falls_when_one_cine_is_learned_by_heart(sequences, tmp_path):
    loop = LoopConfig(n_steps=60, learning_rate=5e-3, report_every=10, checkpoint_every=60, n_threads=1)
    quiet = AugmentConfig(
        rotation_deg=0, zoom=(1, 1), stretch=0, shift_mm=0, flip=0, gain=(1, 1), offset=0, gamma=(1, 1), noise=0
    )
    clips = ClipConfig(lengths=(4,), length_weights=(1,), n_points=12, start_share=1.0, max_skip=1)
    result = train(dataclasses.replace(CONFIG, loop=loop, clips=clips, augment=quiet), sequences[:1], [], tmp_path)
    assert result.curve["position_mm"].iloc[-1] < 0.6 * result.curve["position_mm"].iloc[0]
    still = np.abs(sequences[0].mesh_px - sequences[0].mesh_px[3])[..., 0].mean() * 0.5
    assert validation_tracks(TasNetTracker.from_network(load_weights(result.weights_path), 2), sequences[0])[1] < still


def test_exception_patients_on_both_sides_are_named(sequences, tmp_path):
    with pytest.raises(ValueError, match=r"other patients than sequences_train, got both for \['p1'\]"):
        train(CONFIG, sequences[:2], sequences[1:], tmp_path)
    with pytest.raises(ValueError, match="at least one cine"):
        train(CONFIG, [], [], tmp_path)


def test_exception_checkpoint_of_another_training(straight, sequences):
    with pytest.raises(ValueError, match="checkpoint of a training with other settings"):
        train(dataclasses.replace(CONFIG, seed=9), sequences[:2], sequences[2:], straight.weights_path.parent)


def test_exception_divergence_stops_at_its_step(tmp_path):
    model = torch.nn.Linear(1, 1)

    def gradient_at(step):
        loss = model.weight.sum() * (float("nan") if step == 2 else 1.0)
        loss.backward()
        return float(loss.detach()), {}

    with pytest.raises(TrainingDiverged, match="loss is nan at step 2"):
        run_loop(model, gradient_at, None, lambda path: path, LoopConfig(n_steps=5, n_threads=1), tmp_path, {})


def test_one_cycle_rises_then_falls_linearly_to_nothing():
    loop = LoopConfig(n_steps=100, learning_rate=1.0, warm_up=0.1)
    rates = [learning_rate_at(step, loop) for step in range(101)]
    assert rates[10] == pytest.approx(1.0) and rates[0] == pytest.approx(0.04) and rates[100] == 0
    assert all(a < b for a, b in itertools.pairwise(rates[:11])) and all(
        a > b for a, b in itertools.pairwise(rates[10:])
    )


def test_sequence_is_loaded_from_a_recording_file(tmp_path):
    source = sequence(correlation=np.full((7, 4, 3), 0.5))
    cine = Cine(source.frames, (0.5, 0.5), np.arange(7.0), es_frame=3, patient_id="p0", recording_id="r0")
    write_recording(tmp_path / "r.h5", cine=cine, mesh=Mesh(source.mesh_px), coherence=source.correlation)
    loaded = load_sequence(tmp_path / "r.h5")
    np.testing.assert_array_equal(loaded.frames, source.frames)
    np.testing.assert_allclose(loaded.mesh_px, source.mesh_px)
    np.testing.assert_allclose(loaded.correlation, 0.5)
    write_recording(tmp_path / "bare.h5", cine=cine)
    with pytest.raises(ValueError, match=r"bare\.h5: a training recording needs mesh"):
        load_sequence(tmp_path / "bare.h5")


def test_exception_divergence_leaves_the_clips_for_inspection(sequences, tmp_path, monkeypatch):
    monkeypatch.setattr("echotas.training.tas_net.track_losses", lambda *_: (torch.tensor(float("nan")),) * 2)
    with pytest.raises(TrainingDiverged, match=r"loss is nan at step 0.*diverged\.npz"):
        train(CONFIG, sequences[:2], [], tmp_path)
    with np.load(tmp_path / "diverged.npz") as saved:
        assert saved["0_frames"].shape[1:] == (64, 64) and saved["1_points_px"].shape[1:] == (6, 2)
        assert len(saved["0_frames"]) == len(saved["0_points_px"])


def test_averaged_weights_lag_and_survive_a_kill(straight, sequences, tmp_path):
    config = dataclasses.replace(CONFIG, loop=dataclasses.replace(CONFIG.loop, average_decay=0.5))

    def kill(step, row):
        if step == 3:
            raise KeyboardInterrupt

    whole = train(config, sequences[:2], sequences[2:], tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, sequences[:2], sequences[2:], tmp_path / "parts", callback=kill)
    assert same(
        whole.final_weights_path,
        train(config, sequences[:2], sequences[2:], tmp_path / "parts").final_weights_path,
    )
    # The optimiser goes the same way: only what is validated and written is averaged.
    np.testing.assert_array_equal(whole.curve["loss"], straight.curve["loss"])
    assert not same(whole.final_weights_path, straight.final_weights_path)


def test_half_precision_trains_about_the_same_weights(straight, sequences, tmp_path):
    half = train(dataclasses.replace(CONFIG, mixed_precision=True), sequences[:2], sequences[2:], tmp_path)
    assert not same(half.final_weights_path, straight.final_weights_path)
    np.testing.assert_allclose(half.curve["loss"], straight.curve["loss"], rtol=0.1)  # processors round apart


def test_validation_shows_its_first_cine(sequences, tmp_path):
    seen = []
    train(CONFIG, sequences[:2], sequences[2:], tmp_path, on_validation=lambda *shown: seen.append(shown))
    assert [step for step, _, _ in seen] == [3, 6]
    _, cine, tracks = seen[0]
    assert cine is sequences[2] and tracks.points_px.shape == (7, 12, 2) and tracks.error_mm.shape == (7, 12)


SHARED_RUN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from training.test_training import CONFIG, sequence
from echotas.training import train
cines = [sequence(seed) for seed in range(3)]
train(CONFIG, cines[:2], cines[2:], Path(sys.argv[2]))
"""


def test_torchrun_trains_the_weights_of_one_process(straight, tmp_path):
    (tmp_path / "run.py").write_text(SHARED_RUN)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(tmp_path / "run.py"), str(Path(__file__).parents[1]), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    together, alone = weights(tmp_path / "out" / "final.safetensors"), weights(straight.final_weights_path)
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, atol=1e-4, rtol=1e-3)
    assert (tmp_path / "out" / "best.safetensors").is_file()
