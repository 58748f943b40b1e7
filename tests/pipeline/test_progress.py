"""Progress lines say what, how far and how long to go; to the stage log, or to stderr."""

import pytest

from echotas.pipeline import progress
from echotas.pipeline.progress import LOG_VARIABLE, Progress


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_line_has_count_share_pace_and_note(clock, tmp_path, monkeypatch):
    log = tmp_path / "logs" / "stage.log"
    monkeypatch.setenv(LOG_VARIABLE, str(log))
    with Progress("simulate S2", 40) as bar:
        clock[0] = 30.0
        bar.update(12, "loss 1.2")
        clock[0] = 31.0
        bar.update(13)  # too soon after the last line
        clock[0] = 3700.0
        bar.update(40)
    assert log.read_text().splitlines() == [
        "simulate S2  12/40  30 %  0:30 gone, 1:10 to go  loss 1.2",
        "simulate S2  40/40  100 %  1:01:40 gone",
    ]


def test_steps_of_an_earlier_process_do_not_count_for_the_pace(clock, capsys):
    bar = Progress("train", 100, already_done=90)
    clock[0] = 10.0
    bar.step()
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["train  90/100 found from an earlier run", "train  91/100  91 %  0:10 gone, 1:30 to go"]


def test_a_failure_says_where_it_stopped(capsys):
    with pytest.raises(KeyError), Progress("train", 3) as bar:
        bar.step()
        raise KeyError
    assert capsys.readouterr().err.splitlines()[-1] == "train  stopped at 1/3"


def test_exception():
    with pytest.raises(ValueError, match=r"already_done must lie in 0\.\.total, got 4 of 3"):
        Progress("train", 3, 4)
