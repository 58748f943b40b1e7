"""Records check what they hold."""

import numpy as np
import pytest

from echotas import seeds
from echotas.records import Cine, Mesh, Reading, Sector, Tracks

FRAMES = np.zeros((3, 4, 5), dtype=np.uint8)
TIMES = np.arange(3) / 40


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": FRAMES.astype(float)}, "frames must be u8"),
        ({"frames": FRAMES[:0]}, "frames must not be empty"),
        ({"spacing_mm": (0.3, 0.0)}, r"spacing_mm must be two positive numbers.*0\.0"),
        ({"spacing_mm": (0.3,)}, "spacing_mm"),
        ({"times_s": TIMES[::-1]}, "times_s must increase"),
        ({"times_s": TIMES[:2]}, "one value per frame"),
        ({"es_frame": 3}, r"es_frame must be in 0\.\.2, got 3"),
        ({"view": "A5C"}, "A5C"),
    ],
)
def test_cine_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        Cine(**{"frames": FRAMES, "spacing_mm": (0.3, 0.3), "times_s": TIMES, **change})


def test_cine_is_frozen():
    cine = Cine(FRAMES, None, TIMES)
    with pytest.raises(ValueError, match="read-only"):
        cine.frames[0, 0, 0] = 1
    assert cine.frame_rate == pytest.approx(40)


def test_other_records_refuse():
    with pytest.raises(ValueError, match="finite"):
        Mesh(np.full((2, 3, 2, 2), np.nan))
    with pytest.raises(ValueError, match=r"confidence must lie in \[0, 1\]"):
        Tracks(np.zeros((2, 1, 2)), np.full((2, 1), 1.5), 0)
    with pytest.raises(ValueError, match="query_frame"):
        Tracks(np.zeros((2, 1, 2)), np.ones((2, 1)), 2)
    with pytest.raises(ValueError, match=r"segment must lie in 0\.\.5"):
        Reading(np.zeros((2, 1, 2)), [6], [1] * 6, "A", 0, 1)
    with pytest.raises(ValueError, match="radius_min_px"):
        Sector((0, 0), 30, 5, 5)


def test_midwall_is_the_middle_line():
    points = np.random.default_rng(0).random((2, 4, 5, 2))
    np.testing.assert_array_equal(Mesh(points).midwall_px, points[:, :, 2])


def test_seeds_do_not_depend_on_order():
    first = [seeds.generator(1, "anatomy", f"p{i}").random() for i in range(4)]
    second = [seeds.generator(1, "anatomy", f"p{i}").random() for i in reversed(range(4))]
    assert first == second[::-1] and len(set(first)) == 4
    assert seeds.generator(1, "timing", "p0").random() != first[0]
    with pytest.raises(ValueError, match="seed"):
        seeds.generator(-1, "anatomy")
