"""Start phases: where they lie, and that a perfect tracker does not care."""

import numpy as np
import pytest

from echotas.evaluation.start_phase import PHASES, start_frame, start_phase_table
from echotas.store import read_recording
from echotas.strain import slowest_diastolic_frame


def test_diastasis_is_the_flat_part_after_filling():
    systole = -20 * np.sin(np.linspace(0, np.pi / 2, 12))
    filling = np.linspace(-20, -4, 7)[1:]
    flat = np.full(14, -4.0)
    late = np.linspace(-4, 0, 5)[1:]
    curve = np.concatenate([systole, filling, flat, late])
    frame = slowest_diastolic_frame(curve, 11)
    assert 20 <= frame <= 29


def test_a_fast_heart_without_diastasis_has_a_frame_all_the_same():
    curve = -20 * np.sin(np.linspace(0, np.pi, 16)) ** 2
    assert 8 < slowest_diastolic_frame(curve, 8) < 16
    assert slowest_diastolic_frame(np.array([0.0, -10.0, -20.0, 0.0]), 2) == 3


def test_phases_name_frames(cohort):
    recording = read_recording(next((cohort / "V-HUNT-A").glob("*.h5")))
    cine, strain = recording.cine, recording.truth.global_percent
    assert start_frame("ED", cine, strain) == 0 and start_frame("ES", cine, strain) == 2
    assert start_frame("50 %", cine, strain) == 2 and start_frame("100%", cine, strain) == cine.n_frames - 1
    for bad in ("systole", "120 %"):
        with pytest.raises(ValueError, match="phase"):
            start_frame(bad, cine, strain)


def test_table_has_a_row_for_every_phase(cohort):
    paths = sorted((cohort / "V-HUNT-A").glob("*.h5"))
    table = start_phase_table(paths, {"frozen": ("frozen", {})}, n_jobs=1)
    assert len(table) == len(paths) * len(PHASES) and table["mte_mm"].gt(0).all()
    # Points that never move keep the length of their start frame: no strain at all.
    truth = read_recording(paths[0]).truth
    expected = -truth.global_percent[truth.es_frame]
    first = table[table["recording"] == read_recording(paths[0]).cine.recording_id]
    np.testing.assert_allclose(first["gls_error_percent"], expected, atol=1e-9)
