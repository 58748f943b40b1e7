import numpy as np
import pytest

from echotas.strain import apical_thirds_weights, equal_arc_weights, segmental_strain


def wall(lean: float = 0.0, n_points: int = 61) -> np.ndarray:
    """An arch whose apex leans to one side, shortening by a tenth in frame 1."""
    angle = np.linspace(np.pi, 2 * np.pi, n_points)
    line = np.stack([30 * np.cos(angle) - lean * np.sin(angle) ** 2, 60 * np.sin(angle)], axis=-1)
    return line * np.array([1.0, 0.9])[:, None, None]


def test_both_rules_agree_where_the_apex_is_in_the_middle():
    line = wall()
    np.testing.assert_allclose(apical_thirds_weights(line[0]), equal_arc_weights(line[0]), atol=1e-9)
    np.testing.assert_allclose(segmental_strain(line, 0, cut_rule="apical_thirds")[:, 1], -10.0)


def test_walls_meet_at_the_apex_and_their_thirds_are_equal():
    line = wall(lean=25.0)
    weights = apical_thirds_weights(line[0])
    lengths = weights @ np.linalg.norm(np.diff(line[0], axis=0), axis=-1)
    np.testing.assert_allclose(lengths[:3], lengths[0])
    np.testing.assert_allclose(lengths[3:], lengths[3])
    assert abs(lengths[0] - lengths[3]) > 1.0
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)


def test_exception_unknown_rule_and_a_line_without_apex():
    with pytest.raises(ValueError, match="cut_rule must be one of equal_arcs, apical_thirds"):
        segmental_strain(wall(), 0, cut_rule="halves")
    straight = np.stack([np.linspace(0, 10, 5), np.zeros(5)], axis=-1)
    with pytest.raises(ValueError, match="apex between its ends"):
        apical_thirds_weights(straight)
