import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.trackers.cotracker import Followed, Window
from echotas.training import AugmentConfig, ClipConfig, TrainingSequence
from echotas.training.augment import draw_geometry, vary_grey_levels
from echotas.training.dataset import draw_clip
from echotas.training.losses import track_losses

PLAIN = AugmentConfig(
    rotation_deg=0, zoom=(1, 1), stretch=0, shift_mm=0, flip=0, gain=(1, 1), offset=0, gamma=(1, 1), noise=0
)


def dots(n_frames: int = 9, closed: bool = True) -> TrainingSequence:
    """Six bright dots, one per mesh point, that move together; frame number hidden in the background level."""
    mesh = np.stack(np.meshgrid([40.0, 60.0, 80.0], [50.0, 70.0], indexing="ij"), axis=-1)
    shift = 8 * np.sin(np.linspace(0, np.pi if closed else np.pi / 2, n_frames))
    mesh = mesh + np.stack([np.round(shift), 0 * shift], axis=-1)[:, None, None]
    frames = np.zeros((n_frames, 120, 120), np.uint8) + np.arange(1, n_frames + 1, dtype=np.uint8)[:, None, None]
    for frame, points in zip(frames, mesh.reshape(n_frames, -1, 2).astype(int), strict=True):
        for x, y in points:
            frame[y - 2 : y + 3, x - 2 : x + 3] = 250
    return TrainingSequence(frames, mesh, (0.5, 0.5), es_frame=4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_points_stay_on_their_dots_through_every_warp(seed):
    rng = np.random.default_rng(seed)
    augment = dataclasses.replace(AugmentConfig(), gain=(1, 1), offset=0, gamma=(1, 1), noise=0)
    clip = draw_clip(rng, [dots()], 4, ClipConfig(n_points=6), augment, (64, 64), 0.8)
    for frame, points in zip(clip.frames, clip.points_px, strict=True):
        x, y = np.rint(points).astype(int).T
        assert (frame[y, x] > 200).all()


def test_clip_without_augmentation_is_centred_and_to_scale():
    clip = draw_clip(np.random.default_rng(0), [dots()], 4, ClipConfig(n_points=6), PLAIN, (64, 64), 1.0)
    first = clip.points_px[0]
    np.testing.assert_allclose((first.min(0) + first.max(0)) / 2, 31.5, atol=1e-5)
    np.testing.assert_allclose(np.ptp(first, axis=0), [20, 10], atol=1e-5)


def hidden_frames(clip) -> list[int]:
    return [int(round(float(np.median(frame[20:44, 20:44])))) - 1 for frame in clip.frames]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_frames_walk_a_closed_beat_as_a_circle_and_an_open_one_to_and_fro(seed):
    for sequence in (dots(), dots(closed=False)):
        clip = draw_clip(np.random.default_rng(seed), [sequence], 7, ClipConfig(max_skip=2), PLAIN, (64, 64), 1.0)
        steps = np.diff(hidden_frames(clip))
        if sequence.closed:
            assert len(set(steps % 9)) == 1 and steps[0] % 9 in (1, 2, 7, 8)
        else:
            assert set(np.abs(steps)) <= {0, 1, 2}


def test_clips_start_at_es_when_asked():
    config = ClipConfig(start_share=1.0)
    clips = [draw_clip(np.random.default_rng(seed), [dots()], 3, config, PLAIN, (64, 64), 1.0) for seed in range(5)]
    assert {hidden_frames(clip)[0] for clip in clips} == {4}


def test_clips_start_in_the_phase_asked_for():
    # The wall shortens until frame 4, lengthens until 8 and stays.
    length = np.array([1.0, 0.95, 0.9, 0.85, 0.8, 0.85, 0.9, 0.95, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    line = np.stack([np.linspace(20.0, 80.0, 9), np.full(9, 60.0)], axis=-1)[None, :, None] * [1, 1]
    mesh = (line - 50) * length[:, None, None, None] + 50 + np.zeros((1, 1, 3, 1))
    frames = np.zeros((17, 120, 120), np.uint8)
    sequence = TrainingSequence(frames, mesh, (0.5, 0.5), es_frame=4, ed_frame=0)
    assert (sequence.start_frame("ES"), sequence.start_frame("ED")) == (4, 0)
    assert 8 < sequence.start_frame("diastasis") < 16
    assert dataclasses.replace(sequence, es_frame=16).start_frame("diastasis") == 0
    config = ClipConfig(start_phase="ED", start_share=1.0)
    clips = [draw_clip(np.random.default_rng(seed), [dots()], 3, config, PLAIN, (64, 64), 1.0) for seed in range(3)]
    assert {hidden_frames(clip)[0] for clip in clips} == {0}


def test_recorded_correlation_is_the_target_when_the_clip_starts_at_es():
    recorded = np.random.default_rng(0).uniform(0, 1, (9, 3, 2))
    sequence = dataclasses.replace(dots(), correlation=recorded)
    config = ClipConfig(start_share=1.0, n_points=6)
    clip = draw_clip(np.random.default_rng(1), [sequence], 3, config, PLAIN, (64, 64), 1.0)
    np.testing.assert_allclose(clip.correlation, recorded[hidden_frames(clip)].reshape(3, -1), atol=1e-6)


def test_measured_correlation_is_one_with_itself():
    clip = draw_clip(np.random.default_rng(1), [dots()], 3, ClipConfig(), AugmentConfig(), (64, 64), 1.0)
    np.testing.assert_allclose(clip.correlation[0], 1, atol=1e-6)


def test_flip_mirrors_left_and_right():
    matrix = draw_geometry(
        np.random.default_rng(0),
        dataclasses.replace(PLAIN, flip=1.0),
        np.array([[10.0, 10], [20, 30]]),
        (0.5, 0.5),
        (64, 64),
        0.5,
    )
    np.testing.assert_allclose(matrix[:, :2], [[-1, 0], [0, 1]], atol=1e-12)


def test_grey_levels_stay_in_range_and_black_stays_black():
    frames = np.random.default_rng(0).integers(0, 256, (3, 20, 20), dtype=np.uint8)
    frames[:, :5] = 0
    varied = vary_grey_levels(np.random.default_rng(1), AugmentConfig(), frames)
    assert varied.dtype == np.float32 and varied.min() >= 0 and varied.max() <= 255
    assert (varied[:, :5] == 0).all() and np.corrcoef(varied.ravel(), frames.ravel())[0, 1] > 0.9


def test_losses_are_zero_for_a_perfect_and_known_for_a_shifted_track():
    truth = torch.rand(1, 6, 3, 2, dtype=torch.float64) * 40
    correlation = torch.rand(1, 6, 3, dtype=torch.float64) * 0.8 + 0.1
    logits = torch.logit(correlation)

    def followed(*shifts_px):
        windows = [
            Window(
                first,
                torch.arange(3),
                [truth[:, first : first + 4] / 4 + s / 4 for s in shifts_px],
                logits[:, first : first + 4],
                torch.zeros(1, 4, 3, 1),
                truth[:, first : first + 4] / 4,
            )
            for first in (0, 2)
        ]
        return Followed(truth / 4, logits, windows)

    position, visibility = track_losses(followed(0.0, 0.0), truth, correlation, cell_mm=4.0, stride=4)
    assert float(position) == 0 and float(visibility) == pytest.approx(0, abs=1e-12)
    # Iterations that miss by 2 px = 2 mm and 1 mm, weights 0.8 and 1: (0.8 * 2 + 1) / 1.8.
    position, _ = track_losses(followed(2.0, 1.0), truth, correlation, cell_mm=4.0, stride=4)
    assert float(position) == pytest.approx(2.6 / 1.8)


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (ClipConfig, {"lengths": (1,), "length_weights": (1,)}, "lengths must"),
        (ClipConfig, {"start_share": 1.5}, "start_share must"),
        (ClipConfig, {"start_phase": "noon"}, "start_phase must be ES, ED or diastasis, got 'noon'"),
        (AugmentConfig, {"zoom": (0, 1)}, "zoom must"),
        (AugmentConfig, {"noise": -1}, "noise must"),
    ],
)
def test_exception_bad_settings(kind, fields, message):
    with pytest.raises(ValueError, match=message):
        kind(**fields)


def test_exception_bad_sequences_name_the_recording():
    good = dots()
    with pytest.raises(ValueError, match="mesh_px of 'r1' must be finite"):
        TrainingSequence(good.frames, good.mesh_px * np.nan, (0.5, 0.5), 4, recording_id="r1")
    with pytest.raises(ValueError, match="es_frame must be in 0..8, got 9"):
        TrainingSequence(good.frames, good.mesh_px, (0.5, 0.5), 9)
    with pytest.raises(ValueError, match="spacing_mm must be known"):
        TrainingSequence(good.frames, good.mesh_px, None, 4)


def test_affine_motion_augmentation_shears_and_turns_motion_every_way():
    impartial = dataclasses.replace(PLAIN, rotation_deg=120, shear=0.3, flip=0.5, flip_depth=0.5)
    points = np.array([[10.0, 10.0], [30.0, 50.0]])
    matrices = [
        draw_geometry(np.random.default_rng(seed), impartial, points, (0.5, 0.5), (64, 64), 1.0) for seed in range(400)
    ]
    angles = np.degrees([np.arctan2(m[1, 1], m[0, 1]) for m in matrices])  # where downward motion goes
    counts, _ = np.histogram(angles, bins=np.arange(-180, 181, 30))
    assert (counts > 0).all()
    # A shear keeps areas: half the pixel size in either direction, mirrored or not.
    assert np.abs([np.linalg.det(m[:, :2]) for m in matrices]) == pytest.approx(0.25)
    column = [m[:, 0] @ m[:, 1] for m in matrices]
    assert np.abs(column).max() > 0.02
    plain = draw_geometry(np.random.default_rng(1), PLAIN, points, (0.5, 0.5), (64, 64), 1.0)
    assert plain[:, 0] @ plain[:, 1] == pytest.approx(0)
