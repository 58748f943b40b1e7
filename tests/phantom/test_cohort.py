"""Cohorts: reproducible, disjoint, complete; and one small rendered recording."""

from dataclasses import replace

import numpy as np
import pytest

from echotas.phantom import COHORTS, PhantomSettings, build, build_beat, plan
from echotas.phantom.truth import annotated_labels
from echotas.speckle import correlation_curves
from echotas.store import read_recording, write_recording
from echotas.strain import longitudinal_strain, segmental_strain

SMALL = PhantomSettings(
    frame_rate_hz=20.0, spacing_mm=(0.8, 0.8), n_beams=48, depths_m=(0.16,), scatterers_per_wavelength2=0.5, rank=2,
    offset_deg=3.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="module")
def evaluation(cache):
    return build(plan("V-HUNT-A", 1, 7)[0], SMALL, cache)


def test_adding_patients_changes_no_earlier_one():
    small, large = plan("V-SSHF", 2, 7), plan("V-SSHF", 6, 7)
    assert large[: len(small)] == small
    np.testing.assert_array_equal(build_beat(small[3]).mesh_mm, build_beat(large[3]).mesh_mm)


def test_split_never_shares_a_patient():
    seen = [{one.patient_id for one in plan(cohort, 5, 7)} for cohort in COHORTS]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 5 * len(COHORTS)
    first = [build_beat(plan(cohort, 1, 7, views=["A4C"], population="normal")[0]).mesh_mm[0] for cohort in COHORTS]
    for k, mesh in enumerate(first):
        assert all(np.abs(mesh - other).max() > 0.1 for other in first[k + 1 :])


def test_a_repeat_is_the_same_patient_seen_again():
    first, second = (build_beat(plan("V-SSHF", 1, 7)[index]) for index in (0, 3))
    assert first.plan.view == second.plan.view and first.anatomy.length_mm == second.anatomy.length_mm
    assert first.timing.heart_rate_bpm != second.timing.heart_rate_bpm
    assert first.pose.azimuth_deg != second.pose.azimuth_deg


def test_designs_give_what_they_promise():
    repeat = plan("V-SSHF", 2, 7)
    assert len(repeat) == 2 * 2 * 3 and len({one.recording_id for one in repeat}) == len(repeat)
    assert {str(one.view) for one in plan("templates", 1, 7)} == {"A2C", "A4C"}


def test_recording_is_complete_and_consistent(evaluation, tmp_path):
    cine, mesh = evaluation.cine, evaluation.mesh.points_px
    assert cine.ed_frame == 0 and len(evaluation.readings) == 2 and evaluation.labels is None
    assert evaluation.coherence.shape == mesh.shape[:3] and (evaluation.coherence[cine.es_frame] == 1).all()
    assert cine.meta["stratum"] in ("standard", "hard")
    line = evaluation.mesh.midwall_px * np.asarray(cine.spacing_mm)
    np.testing.assert_allclose(longitudinal_strain(line, 0), evaluation.truth.global_percent, atol=1e-9)
    np.testing.assert_allclose(segmental_strain(line, 0), evaluation.truth.segment_percent, atol=1e-9)
    assert cine.meta["gls_true_percent"] == pytest.approx(evaluation.truth.global_percent[cine.es_frame], abs=1e-3)
    path = write_recording(
        tmp_path / "one.h5",
        **{
            name: getattr(evaluation, name)
            for name in ("cine", "mesh", "truth", "readings", "through_plane_mm", "attributes")
        },
    )
    assert (read_recording(path).cine.frames == cine.frames).all()


def test_same_plan_same_bytes(evaluation, cache):
    again = build(plan("V-HUNT-A", 3, 7)[0], SMALL, cache)
    assert again.cine.frames.tobytes() == evaluation.cine.frames.tobytes()
    assert again.mesh.points_px.tobytes() == evaluation.mesh.points_px.tobytes()
    assert again.readings[1].line_px.tobytes() == evaluation.readings[1].line_px.tobytes()


def test_image_looks_like_the_measured_ones(evaluation):
    """Contrast 20-50 grey levels; speckle keeps between chance and all of its likeness from ES to ED (section 8)."""
    cine, mesh = evaluation.cine, evaluation.mesh.points_px
    labels = annotated_labels(mesh, cine.frames.shape[1:], np.random.default_rng(0), noise_px=0.0)
    frame, mask = cine.frames[0].astype(float), labels[0]
    assert 12 < frame[(mask == 2) & (frame > 0)].mean() - frame[(mask == 1) & (frame > 0)].mean() < 60
    curve = correlation_curves(cine.frames, mesh, cine.es_frame, 10.0, 3.0, cine.spacing_mm, stride=4)
    middle = np.median(curve[:, :, 2], axis=1)
    assert middle[cine.es_frame] > 0.999
    assert 0.35 < middle[0] < 0.85


def test_labels_follow_the_wall(cache):
    recording = build(plan("templates", 1, 7)[0], SMALL, cache)
    labels, mesh = recording.labels, recording.mesh.points_px
    assert labels.shape == recording.cine.frames.shape and set(np.unique(labels)) == {0, 1, 2}
    es = recording.cine.es_frame
    cavity = (labels == 1).sum(axis=(1, 2))
    assert cavity[es] < 0.75 * cavity[0]
    x, y = np.round(mesh[0, 4:-4, 2]).astype(int).T
    assert (labels[0, y, x] == 2).mean() > 0.95
    exact = annotated_labels(mesh, labels.shape[1:], np.random.default_rng(0), noise_px=0.0)
    overlap = 2 * ((labels == 2) & (exact == 2)).sum() / ((labels == 2).sum() + (exact == 2).sum())
    assert 0.7 < overlap < 0.99


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("CAMUS", 3, 0), "cohort"),
        (("templates", 0, 0), "n_patients"),
        (("templates", 1, -1), "seed"),
    ],
)
def test_exception(arguments, message):
    with pytest.raises(ValueError, match=message):
        plan(*arguments)


def test_bad_requests_are_refused():
    with pytest.raises(ValueError, match="views"):
        plan("templates", 1, 0, views=["PLAX"])
    with pytest.raises(ValueError, match="population"):
        plan("templates", 1, 0, population="athlete")
    with pytest.raises(ValueError, match="depths_m"):
        PhantomSettings(depths_m=())
    with pytest.raises(ValueError, match="frame_rate_hz"):
        replace(SMALL, frame_rate_hz=1.0)
