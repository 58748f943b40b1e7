"""Make predicted errors mean what they say: one factor and one correlation length, from cines of patients held out.

The network is trained to predict the error of each point. What is reported are lengths; so both numbers are chosen to make the
lengths that were measured on the validation cines, of the whole line and of its six segments, most likely.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch

from echotas.records import Mesh
from echotas.strain.regional import segment_lengths, segment_weights
from echotas.strain.uncertainty import length_error_mm, midwall_error_mm
from echotas.trackers.tas_net import SMOOTHING_MM, TasNet, TasNetTracker
from echotas.training.dataset import TrainingSequence

__all__ = ["LENGTHS", "calibrate", "fit_error_law"]

LENGTHS = tuple(np.geomspace(0.02, 5.0, 30))
"""Correlation lengths tried, shares of the line."""


class TrackedLine(NamedTuple):
    """A tracked line beside the true one."""

    found_mm: np.ndarray
    true_mm: np.ndarray
    error_mm: np.ndarray
    query_frame: int


def fit_error_law(lines: Iterable[TrackedLine]) -> tuple[float, float]:
    """Factor on the predicted errors, and correlation length, by maximum likelihood under a normal law.

    Raises:
        ValueError: No line.
    """
    lines = list(lines)
    if not lines:
        raise ValueError("lines must hold at least one tracked line, got none")
    best = (np.inf, 1.0, 1.0)
    for length in LENGTHS:
        squares, logs = [], []
        for line in lines:
            others = np.arange(len(line.found_mm)) != line.query_frame
            six = segment_weights(line.true_mm, line.query_frame, None)
            for weights in (np.ones((1, line.true_mm.shape[1] - 1)), six):
                off = segment_lengths(line.found_mm, weights) - segment_lengths(line.true_mm, weights)
                sd = length_error_mm(line.found_mm, line.error_mm, weights, length)[:, others]
                # Of equal say: the whole line, and its segments together.
                squares.append(((off[:, others] / np.maximum(sd, 1e-6)) ** 2).mean())
                logs.append(np.log(np.maximum(sd, 1e-6)).mean())
        factor = float(np.sqrt(np.mean(squares)))
        likelihood = np.mean(logs) + np.log(factor)
        if likelihood < best[0]:
            best = (likelihood, factor, float(length))
    return best[1], best[2]


def calibrate(model: TasNet, sequences: Iterable[TrainingSequence], n_iterations: int) -> tuple[float, float]:
    """Set `error_scale` and `error_length` of a network from held-out cines, tracked as by default; returns both.

    Args:
        model: With an error head; in evaluation mode while this runs.
        sequences: Cines of patients that it was not trained on.
        n_iterations: Refinements per window.
    """
    with torch.no_grad():
        model.error_scale.fill_(1.0)
    tracker = TasNetTracker.from_network(model, n_iterations, SMOOTHING_MM)
    lines = []
    for sequence in sequences:
        cine, shape = sequence.cine, sequence.mesh_px.shape
        limit = np.array(cine.frames.shape[:0:-1]) - 1.0
        query = np.clip(sequence.mesh_px[sequence.es_frame].reshape(-1, 2), 0, limit)
        tracks = tracker.track(cine, query, sequence.es_frame, sequence.mesh_uv)
        found, true = (Mesh(points.reshape(shape)).midwall_px for points in (tracks.points_px, sequence.mesh_px))
        spacing, error = np.array(sequence.spacing_mm), midwall_error_mm(tracks.error_mm, *shape[1:3])
        lines.append(TrackedLine(found * spacing, true * spacing, error, sequence.es_frame))
    scale, length = fit_error_law(lines)
    with torch.no_grad():
        model.error_scale.fill_(scale)
        model.error_length.fill_(length)
    return scale, length
