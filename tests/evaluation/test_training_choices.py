"""Studies of choices in training: what differs between them, and which way things move."""

import numpy as np
import pandas as pd
import pytest

from echotas.evaluation.training_choices import CHOICES, choice_rows, directions_of_motion, train_choice
from echotas.records import Cine, Mesh, View
from echotas.report.polar import direction_roses
from echotas.store import write_recording

PLAIN = {"rotation_deg": 0.0, "flip": 0.0, "stretch": 0.0, "zoom": (1.0, 1.0)}


@pytest.fixture
def rising(tmp_path):
    """A wall that moves straight up, to the end."""
    u, v = np.meshgrid(np.linspace(0, np.pi, 36), np.linspace(-4, 4, 5), indexing="ij")
    mesh = np.stack([60 - (26 + v) * np.cos(u), 80 - (34 + v) * np.sin(u)], axis=-1)
    paths = mesh[None] + np.arange(9)[:, None, None, None] * np.array([0.0, -1.5])
    frames = np.random.default_rng(0).integers(0, 255, (9, 120, 120), dtype=np.uint8)
    cine = Cine(
        frames, (1.0, 1.0), np.arange(9) / 40, View.A4C, ed_frame=8, es_frame=0, patient_id="P", recording_id="R"
    )
    return write_recording(tmp_path / "R.h5", cine=cine, mesh=Mesh(paths))


def test_directions_follow_the_wall_and_the_augmentation(rising):
    table = directions_of_motion([rising], {"plain": PLAIN, "affine": {**PLAIN, "rotation_deg": 120.0}}, n_clips=30)
    assert set(table["view"]) == {"A4C"}
    totals = table.groupby("augmentation")["share"].sum()
    np.testing.assert_allclose(totals, 1.0)
    plain = table[table["augmentation"] == "plain"].set_index("angle_deg")["share"]
    upright = plain[[angle for angle in plain.index if abs(abs(angle) - 90) < 10]].sum()
    assert upright > 0.99  # up, and down in clips that run backwards
    turned = table[table["augmentation"] == "affine"]["share"]
    assert turned.max() < 0.5 * plain.max()


def test_choices_differ_within_a_question_and_share_a_folder_only_when_their_training_is_the_same():
    names = {(choice.question, choice.name) for choice in CHOICES}
    assert len(names) == len(CHOICES)
    folders = {}
    for choice in CHOICES:
        assert folders.setdefault(choice.folder, dict(choice.settings)) == dict(choice.settings)


def test_exception_unknown_setting_is_named(rising, tmp_path):
    choice = CHOICES[0]
    with pytest.raises(ValueError, match="'colour'"):
        train_choice(choice, 0, [rising], [], tmp_path, 1, {"colour": "red"})


def test_a_choice_is_trained_and_measured(cohort, tmp_path):
    choice, recorded_heart = CHOICES[0], cohort / "V-HUNT-A" / "h1-A4C.h5"
    train_choice(choice, 0, [recorded_heart], [], tmp_path / "t", 1, {"lengths": (3,), "length_weights": (1.0,)})
    mesh = {"n_long": 36, "n_rad": 5, "wall_thickness_mm": 10.0}
    row = choice_rows([recorded_heart], choice, tmp_path / "t", mesh).iloc[0]
    assert row["choice"] == choice.name and row["mte_mm"] > 0 and np.isfinite(row["gls_error"])


def test_a_rose_for_every_view_and_augmentation():
    rows = [(name, view, angle, 0.25) for name in "ab" for view in ("A2C", "A4C") for angle in (-135, -45, 45, 135)]
    figure = direction_roses(pd.DataFrame(rows, columns=["augmentation", "view", "angle_deg", "share"]), "t")
    assert len(figure.axes) == 4 and figure.axes[0].get_title() == "a\nA2C"
