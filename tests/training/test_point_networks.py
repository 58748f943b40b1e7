"""The training of the peers: what it learns, that it resumes, that the number of processes does not matter."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from echotas.trackers.blocks.point_network import Estimates
from echotas.trackers.myotracker import MyoTrackerTracker
from echotas.trackers.registry import PEERS, class_of
from echotas.training import AugmentConfig, ClipConfig, LoopConfig, TrainingSequence
from echotas.training.point_networks import PointTrainConfig, point_losses, train_point_network

PLAIN = AugmentConfig(
    rotation_deg=0, zoom=(1, 1), stretch=0, shift_mm=0, flip=0, gain=(1, 1), offset=0, gamma=(1, 1), noise=0
)
ONE_CLIP = ClipConfig(lengths=(8,), length_weights=(1.0,), max_skip=1, n_points=27, start_share=1.0, both_ways=False)


def beat(n_frames: int = 8, shift_px=(4.0, -2.5), stretch=(0.0, -0.12), middle=(64.0, 64.0)) -> TrainingSequence:
    """A wall in speckle that shortens and shifts, to and fro; different along and across, so that no axis may be mistaken. Its middle
    is that of the image, so that training and tracking see it on one grid."""
    middle = np.array(middle)
    height, width = 128, 112
    noise = gaussian_filter(np.random.default_rng(1).normal(size=(height + 60, width + 60)), 1.5)
    image = 255 * np.clip(0.5 + noise / (5 * noise.std()), 0, 1)
    row, column = np.mgrid[:height, :width].astype(float)
    u, v = np.meshgrid(np.linspace(0, np.pi, 9), np.linspace(-4, 4, 3), indexing="ij")
    mesh = np.stack([55.5 - (26 + v) * np.cos(u), 82.5 - (34 + v) * np.sin(u)], axis=-1)
    frames, paths = [], []
    for frame in range(n_frames):
        phase = np.sin(np.pi * frame / (n_frames - 1))
        shift, factor = np.array(shift_px) * phase, 1 + np.array(stretch) * phase
        paths.append((mesh - middle) * factor + middle + shift)
        x, y = (
            (place - m - s) / f + m + 30 for place, m, s, f in zip((column, row), middle, shift, factor, strict=True)
        )
        back = [y, x]
        frames.append(np.rint(map_coordinates(image, back, order=3)).clip(0, 255))
    return TrainingSequence(
        np.stack(frames).astype(np.uint8), np.stack(paths).astype(np.float32), (1.0, 1.0), es_frame=0
    )


def settings(n_steps: int, **loop) -> PointTrainConfig:
    return PointTrainConfig(
        clips=ONE_CLIP, augment=PLAIN, batch_size=1, visibility_weight=0.0, loop=LoopConfig(n_steps=n_steps, **loop)
    )


# What each needs from random weights, at two cores' patience.
STEPS = {
    "pwc_net": 300,
    "pips_plus_plus": 300,
    "cotracker": 200,
    "cotracker3": 200,
    "locotrack": 150,
    "echotracker": 200,
    "echotracker2": 200,
    "myotracker": 400,
    "specknet": 200,
}
PAIRS = dataclasses.replace(ONE_CLIP, lengths=(2,), both_ways=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_learns_one_cine_by_heart(name, tmp_path):
    sequence, peer = beat(), class_of(name)
    config = settings(STEPS[name])
    if name == "pwc_net":  # learns pairs of neighbours from any frame, each on its own grid: here one for all
        sequence = beat(shift_px=(0, 0), stretch=(0.18, -0.25), middle=(55.5, 63.5))
        config = dataclasses.replace(config, clips=dataclasses.replace(PAIRS, start_share=0.0), batch_size=4)
    result = train_point_network(peer, config, [sequence], [], tmp_path)
    tracks = peer(result.weights_path).track(sequence.cine, sequence.mesh_px[0].reshape(-1, 2), 0, sequence.mesh_uv)
    error = np.linalg.norm(tracks.points_px - sequence.mesh_px.reshape(8, -1, 2), axis=-1)[1:]
    moved = np.linalg.norm(sequence.mesh_px - sequence.mesh_px[:1], axis=-1)[1:]
    assert moved.mean() > 2.5 and error.mean() < 0.3, error.mean()


def test_a_stopped_training_ends_in_the_same_weights_whatever_the_processes(tmp_path):
    sequence = beat()
    whole = train_point_network(MyoTrackerTracker, settings(4), [sequence], [], tmp_path / "a", n_workers=2)

    class Stop(Exception):
        pass

    def stop(step, row):
        if step == 2:
            raise Stop

    config = settings(4, checkpoint_every=1, report_every=1)
    with pytest.raises(Stop):
        train_point_network(MyoTrackerTracker, config, [sequence], [], tmp_path / "b", callback=stop)
    parted = train_point_network(MyoTrackerTracker, config, [sequence], [], tmp_path / "b")
    one, other = (MyoTrackerTracker(result.weights_path).network for result in (whole, parted))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_validation_is_on_other_patients_and_steps_add_up(tmp_path):
    first, second = (
        TrainingSequence(**{**vars(beat()), "patient_id": name, "correlation": None}) for name in ("A", "B")
    )
    with pytest.raises(ValueError, match="other patients than sequences_train, got both for \\['A'\\]"):
        train_point_network(MyoTrackerTracker, settings(1), [first], [first], tmp_path)
    with pytest.raises(ValueError, match="at least one cine"):
        train_point_network(MyoTrackerTracker, settings(1), [], [], tmp_path)
    result = train_point_network(MyoTrackerTracker, settings(1), [first], [second], tmp_path / "1")
    assert result.curve["validation_error"].notna().iloc[-1]
    again = train_point_network(MyoTrackerTracker, settings(2), [first], [], tmp_path / "2", result.weights_path)
    assert MyoTrackerTracker(again.weights_path).n_steps == 3


def test_losses_weigh_later_stages_more_and_are_in_mm():
    truth = torch.zeros(1, 2, 3, 2)
    found = Estimates([truth + 1, truth + 3], torch.zeros(1, 2, 3))
    position, visibility = point_losses(found, truth, torch.full((1, 2, 3), 0.5), pixel_mm=0.5, decay=0.5)
    assert float(position) == pytest.approx(0.5 * (0.5 * 1 + 1 * 3) / 1.5) and float(visibility) == 0
    assert float(point_losses(Estimates([truth], None), truth, truth[..., 0], 1.0)[1]) == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_size": 0}, "batch_size must"),
        ({"visibility_weight": -1}, "visibility_weight must"),
        ({"seed": -1}, "seed"),
    ],
)
def test_exception_bad_setting(values, message):
    with pytest.raises(ValueError, match=message):
        PointTrainConfig(**values)
