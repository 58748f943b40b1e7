"""Synthetic readings against section 9 of the virtual-patient numbers."""

import numpy as np
import pytest

from echotas.phantom import ObserverModel, build_beat, plan
from echotas.phantom.observer import N_LINE, read_cine
from echotas.seeds import generator
from echotas.strain import longitudinal_strain

QUIET = ObserverModel(
    offset_mm=0.0, shift_mm=0.0, hinge_mm=0.0, apex_mm=0.0, es_step_probability=0.0, kernel_mm=0.01, kernel_frames=0.01,
    shrink=(1.0, 1.0), noise_mm=0.0, gain_percent=0.0, image_gain_percent=0.0, drift_percent=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def beats():
    return [build_beat(one) for one in plan("V-SSHF", 16, 5, views=["A4C"])]


def read(beat, index, model=None):
    name = f"{beat.plan.recording_id}/{index}"
    score = float(generator(5, "test-image", beat.plan.recording_id).normal())
    return read_cine(
        beat.motion, beat.section, beat.pose, f"o{index}", beat.quality, generator(5, "test", name), model,
        image_error=score,
    )  # fmt: skip


def gls(reading):
    return longitudinal_strain(reading.line_px, reading.ed_frame)[reading.es_frame]


def test_an_observer_without_error_reads_the_truth(beats):
    for beat in beats[:4]:
        reading = read(beat, 0, QUIET)
        truth = longitudinal_strain(beat.mesh_mm[:, :, 2], 0)
        assert reading.es_frame == beat.es_frame
        # 73 points against 36: the finer line follows the curve a little more closely.
        np.testing.assert_allclose(longitudinal_strain(reading.line_px, 0), truth, atol=0.15)


def test_readings_close_and_accept_most_segments(beats):
    readings = [read(beat, index) for beat in beats for index in (0, 1)]
    assert 0.8 < np.mean([reading.accepted.mean() for reading in readings]) < 0.96
    for reading, beat in zip(readings[::2], beats, strict=True):
        assert reading.line_px.shape == (len(beat.times_s), N_LINE, 2)
        assert np.abs(reading.line_px[0] - reading.line_px[-1]).max() < 1e-9
        assert abs(reading.es_frame - beat.es_frame) <= 1
        distance = np.linalg.norm(
            reading.line_px[beat.es_frame][:, None] - beat.mesh_mm[beat.es_frame, None, :, 2], axis=-1
        ).min(axis=1)
        assert distance.mean() < 6
        assert set(reading.segment) == set(range(6))


def test_exception(beats):
    with pytest.raises(ValueError, match="noise_mm"):
        ObserverModel(noise_mm=-1.0)
    beat = beats[0]
    with pytest.raises(ValueError, match="quality"):
        read_cine(beat.motion, beat.section, beat.pose, "o", "fine", generator(0, "test"))
