"""Waiting for clips, at toy size: shares that can be, whoever draws."""

from echotas.evaluation.training_speed import clip_waiting_table
from tests.training.test_training import CONFIG, sequence


def test_shares_of_waiting_by_processes_and_device():
    table = clip_waiting_table([sequence(0)], (0, 1), (1.0, 200.0), 4, CONFIG)
    assert table["n_workers"].tolist() == [0, 1] and (table["clips_per_s"] > 0).all()
    shares = table[["waiting_1", "waiting_200"]]
    assert ((shares > 0) & (shares < 1)).all(axis=None)
    assert table["waiting_200"][0] < table["waiting_1"][0]
