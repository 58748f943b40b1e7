"""Make predicted errors mean what they say: one factor and one correlation length, from cines of patients held out.

The network is trained to predict the error of each point. What is reported is strain at end-systole; so both numbers are chosen
to make the strains that were measured on the validation cines, of the whole line and of its six segments, most likely. Fitted to the
lengths in all frames instead, intervals are a fifth too narrow where it counts: end-diastole is among the frames farthest from the
start, and there the head trusts itself more than it should.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch

from echotas.records import Mesh
from echotas.strain.regional import segment_lengths, segment_weights
from echotas.strain.uncertainty import midwall_error_mm, strain_error_percent
from echotas.trackers.tas_net import SMOOTHING_MM, TasNet, TasNetTracker
from echotas.training.dataset import TrainingSequence

__all__ = ["LENGTHS", "calibrate", "fit_error_law"]

LENGTHS = tuple(np.geomspace(0.02, 5.0, 30))
"""Correlation lengths tried, shares of the line."""


class TrackedLine(NamedTuple):
    """A line tracked from end-systole beside the true one."""

    found_mm: np.ndarray
    true_mm: np.ndarray
    error_mm: np.ndarray
    es_frame: int
    ed_frame: int


def fit_error_law(lines: Iterable[TrackedLine]) -> tuple[float, float]:
    """Factor on the predicted errors, and correlation length, by maximum likelihood under a normal law.

    Raises:
        ValueError: No line.
    """
    lines = list(lines)
    if not lines:
        raise ValueError("lines must hold at least one tracked line, got none")
    parts = [(line, weights) for line in lines for weights in _whole_and_segments(line)]
    off = [_strain(line.found_mm, line, weights) - _strain(line.true_mm, line, weights) for line, weights in parts]
    best = (np.inf, 1.0, 1.0)
    for length in LENGTHS:
        squares, logs = [], []
        for (line, weights), error in zip(parts, off, strict=True):
            sd = strain_error_percent(line.found_mm, line.error_mm, line.ed_frame, length, weights)[:, line.es_frame]
            sd = np.maximum(sd, 1e-6)
            # Of equal say: the whole line, and its segments together.
            squares.append(((error / sd) ** 2).mean())
            logs.append(np.log(sd).mean())
        factor = float(np.sqrt(np.mean(squares)))
        likelihood = np.mean(logs) + np.log(max(factor, 1e-6))
        if likelihood < best[0]:
            best = (likelihood, factor, float(length))
    return best[1], best[2]


def _whole_and_segments(line: TrackedLine) -> tuple[np.ndarray, np.ndarray]:
    return np.ones((1, line.found_mm.shape[1] - 1)), segment_weights(line.found_mm, line.ed_frame, None)


def _strain(points_mm: np.ndarray, line: TrackedLine, weights: np.ndarray) -> np.ndarray:
    """Strain at end-systole of each part, percent."""
    lengths = segment_lengths(points_mm, weights)
    return 100 * (lengths[:, line.es_frame] / lengths[:, line.ed_frame] - 1)


def calibrate(
    model: TasNet, sequences: Iterable[TrainingSequence], n_iterations: int | None = None
) -> tuple[float, float]:
    """Set `error_scale` and `error_length` of a network from held-out cines, tracked as by default; returns both.

    Args:
        model: With an error head; in evaluation mode while this runs.
        sequences: Cines of patients that it was not trained on; one whose end-systole is its end-diastole says nothing of
            strain and is passed over. With none left the head is taken at its word.
        n_iterations: Refinements per window; None for the network's own number.
    """
    with torch.no_grad():
        model.error_scale.fill_(1.0)
    tracker = TasNetTracker.from_network(model, n_iterations, SMOOTHING_MM)
    lines = []
    for sequence in sequences:
        cine, shape, ed_frame = sequence.cine, sequence.mesh_px.shape, sequence.ed_frame or 0
        if ed_frame == sequence.es_frame:
            continue
        limit = np.array(cine.frames.shape[:0:-1]) - 1.0
        query = np.clip(sequence.mesh_px[sequence.es_frame].reshape(-1, 2), 0, limit)
        tracks = tracker.track(cine, query, sequence.es_frame, sequence.mesh_uv)
        found, true = (Mesh(points.reshape(shape)).midwall_px for points in (tracks.points_px, sequence.mesh_px))
        spacing, error = np.array(sequence.spacing_mm), midwall_error_mm(tracks.error_mm, *shape[1:3])
        lines.append(TrackedLine(found * spacing, true * spacing, error, sequence.es_frame, ed_frame))
    if not lines:
        return float(model.error_scale), float(model.error_length)
    scale, length = fit_error_law(lines)
    with torch.no_grad():
        model.error_scale.fill_(scale)
        model.error_length.fill_(length)
    return scale, length
