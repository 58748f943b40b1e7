"""Clips drawn ahead by other processes: the same, in the same order, wherever training begins."""

import math
import os
from functools import partial

import numpy as np
import pytest
import torch

from echotas.training import session
from echotas.training.clip_loader import ClipLoader
from echotas.training.dataset import Clip
from tests.training.test_training import CONFIG, same, sequence, train

BAD_STEP = 7


def draw(step: int, clip: int) -> Clip:
    if step == BAD_STEP:
        raise ValueError("cine must be whole, got a torn one")
    value = np.full((2, 3), 10 * step + clip, np.float32)
    return Clip(value, value, value, np.full((2, 3), os.getpid(), np.float32), None)


def draw_once(folder, step: int, clip: int) -> Clip:
    with open(folder / f"{step}-{clip}", "x"):  # a second time fails
        return draw(step, clip)


def numbers(loader: ClipLoader, keys) -> list[float]:
    return [float(loader(*key).frames[0, 0]) for key in keys]


@pytest.mark.parametrize("n_workers", [0, 1, 2])
def test_every_clip_comes_in_its_turn(n_workers):
    loader = ClipLoader(draw, range(1, 4, 2), 5, n_workers)
    keys = [(step, clip) for step in range(5) for clip in (1, 3)]
    first = loader(*keys[0])
    assert numbers(loader, keys[1:]) == [10 * step + clip for step, clip in keys[1:]]
    assert float(first.frames[0, 0]) == 1 and loader.waited_s > 0


def test_each_clip_is_drawn_once(tmp_path):
    loader = ClipLoader(partial(draw_once, tmp_path), range(2), 4, 2)
    numbers(loader, [(step, clip) for step in range(4) for clip in range(2)])
    assert len(list(tmp_path.iterdir())) == 8


def test_a_training_may_begin_anywhere_and_ask_twice():
    loader = ClipLoader(draw, range(2), 6, 2)
    assert numbers(loader, [(3, 1), (4, 0), (4, 0), (0, 0), (0, 1)]) == [31, 40, 40, 0, 1]


def test_other_processes_draw_and_hand_over_tensors():
    drawn = ClipLoader(draw, range(1), 2, 1)(0, 0)
    assert isinstance(drawn.frames, torch.Tensor) and drawn.guess_px is None
    assert drawn.correlation[0, 0] != os.getpid() == draw(0, 0).correlation[0, 0].astype(int)


@pytest.mark.parametrize("n_workers", [0, 2])
def test_what_goes_wrong_there_is_told_here(n_workers):
    loader = ClipLoader(draw, range(1), BAD_STEP + 2, n_workers)
    assert numbers(loader, [(BAD_STEP - 1, 0)]) == [10 * (BAD_STEP - 1)]
    with pytest.raises(ValueError, match="cine must be whole"):
        loader(BAD_STEP, 0)


@pytest.mark.parametrize("key", [(5, 0), (-1, 0), (0, 2)])
def test_a_clip_of_no_step_is_refused(key):
    with pytest.raises(IndexError, match="step and clip must be in 0..4 and range"):
        ClipLoader(draw, range(2), 5)(*key)


def test_a_negative_number_of_processes_is_refused():
    with pytest.raises(ValueError, match="n_workers must be >= 0, got -1"):
        ClipLoader(draw, range(2), 5, -1)


def test_real_clips_are_those_drawn_here():
    clips = partial(session.clip_at, CONFIG, [sequence(0), sequence(1)], (64, 64), 0.5, True)
    ahead = ClipLoader(clips, range(2), 3, 2)
    for step, clip in [(0, 0), (0, 1), (1, 0), (2, 1)]:
        for ours, theirs in zip(ahead(step, clip), clips(step, clip), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_weights_do_not_depend_on_who_draws(tmp_path, monkeypatch):
    cines = [sequence(seed) for seed in range(3)]
    here = train(CONFIG, cines[:2], cines[2:], tmp_path / "here")
    monkeypatch.setattr(session, "ClipLoader", lambda draw, batch, n_steps, *rest: ClipLoader(draw, batch, n_steps, 2))
    ahead = train(CONFIG, cines[:2], cines[2:], tmp_path / "ahead")
    assert same(here.final_weights_path, ahead.final_weights_path)
    assert 0 < here.waiting_share < 1 and not math.isnan(ahead.waiting_share)
