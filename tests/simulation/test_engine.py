"""The data engine's tree and its meshes."""

import numpy as np
import pytest

from echotas.geometry import mesh_from_mask
from echotas.records import Tracks
from echotas.simulation import EngineNode, masks_to_mesh, ordered_nodes, paper_nodes, tracks_to_mesh
from echotas.simulation.engine import MASKS


def mask(shortening: float) -> np.ndarray:
    """Half an elliptic ring, open downwards."""
    row, column = np.indices((130, 120))
    x, y = column - 60, row - 110
    result = np.zeros((130, 120), dtype=np.int64)
    result[(x / 36) ** 2 + (y / (95 * (1 - shortening))) ** 2 <= 1] = 2
    result[(x / 25) ** 2 + (y / (82 * (1 - shortening))) ** 2 <= 1] = 1
    result[y > 0] = 0
    return result


MASKS_OF_A_BEAT = np.stack([mask(s) for s in (0.0, 0.1, 0.2, 0.1, 0.0)])


def test_parents_come_before_children_whatever_the_order_given():
    nodes = [EngineNode("c", "b", "S3"), EngineNode("b", "a", "S2"), EngineNode("a", MASKS, "S1")]
    assert [node.name for node in ordered_nodes(nodes)] == ["a", "b", "c"]


def test_the_papers_table_has_nine_configurations_ending_in_s3():
    nodes = ordered_nodes(paper_nodes())
    assert len(nodes) == 9
    last = {node.name: node for node in nodes}["S1-S2-S3"]
    assert (last.parent, last.strategy) == ("S1-S2", "S3")
    assert [node.name for node in nodes if node.parent == MASKS] == ["S1", "S2"]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([("a", MASKS, "S1"), ("a", MASKS, "S2")], "unique names, got a more than once"),
        ([("a", "b", "S1")], "parent of node 'a'.*got 'b'"),
        ([("a", "b", "S1"), ("b", "a", "S1")], "circle among a, b"),
        ([("a", "a", "S1")], "circle among a"),
    ],
)
def test_exception_tree(nodes, message):
    with pytest.raises(ValueError, match=message):
        ordered_nodes([EngineNode(*node) for node in nodes])


def test_exception_node():
    with pytest.raises(ValueError, match="strategy must be one of S1, S2, S3, got 'S4'"):
        EngineNode("a", MASKS, "S4")
    for name in ("", "masks", "a/b"):
        with pytest.raises(ValueError, match="name must be"):
            EngineNode(name, MASKS, "S1")


def test_mesh_of_masks_follows_the_masks():
    mesh = masks_to_mesh(MASKS_OF_A_BEAT, smoothing_frames=0.0)
    assert mesh.points_px.shape == (5, 36, 5, 2)
    np.testing.assert_allclose(mesh.points_px[2], mesh_from_mask(MASKS_OF_A_BEAT[2]))
    apex = mesh.points_px[:, 17:19, -1, 1].mean(axis=1)
    np.testing.assert_allclose(apex, [15, 24.5, 34, 24.5, 15], atol=1.0)


def test_smoothing_in_time_calms_a_jumping_mask():
    still = np.stack([mask(0.1)] * 9)
    still[4] = np.roll(still[4], 4, axis=1)
    raw = masks_to_mesh(still, smoothing_frames=0.0).points_px
    smooth = masks_to_mesh(still, smoothing_frames=1.5).points_px
    assert np.abs(np.diff(smooth, axis=0)).max() < 0.4 * np.abs(np.diff(raw, axis=0)).max()


def test_a_bad_mask_is_named_by_its_frame():
    masks = MASKS_OF_A_BEAT.copy()
    masks[3][masks[3] == 2] = 0
    with pytest.raises(ValueError, match="labels of frame 3 give no mesh.*myocardium"):
        masks_to_mesh(masks)


def test_tracks_of_a_mesh_give_the_mesh_back():
    points = masks_to_mesh(MASKS_OF_A_BEAT).points_px
    tracks = Tracks(points.reshape(5, 180, 2), np.ones((5, 180)), 2)
    np.testing.assert_array_equal(tracks_to_mesh(tracks, 36, 5).points_px, points)


def test_exception_tracks():
    points = masks_to_mesh(MASKS_OF_A_BEAT).points_px

    def mesh_of(moved, **options):
        return tracks_to_mesh(Tracks(moved.reshape(5, 180, 2), np.ones((5, 180)), 2), 36, 5, **options)

    with pytest.raises(ValueError, match="n_long \\* n_rad = 144 points, got 180"):
        tracks_to_mesh(Tracks(points.reshape(5, 180, 2), np.ones((5, 180)), 2), 36, 4)
    folded = points.copy()
    folded[4] = folded[4, :, ::-1]
    with pytest.raises(ValueError, match="folded triangles, got 100 % in frame 4"):
        mesh_of(folded)
    tiny = points.copy()
    tiny[1] = tiny[1].mean(axis=(0, 1)) + 0.1 * (tiny[1] - tiny[1].mean(axis=(0, 1)))
    with pytest.raises(ValueError, match="keep its area.*in frame 1"):
        mesh_of(tiny)
    start = points.copy()
    start[2, 4:9, 2] += 60
    with pytest.raises(ValueError, match="at most 1 % folded.*in frame 2"):
        mesh_of(start, max_folded=0.01)


def test_a_few_folds_are_tolerated():
    points = masks_to_mesh(MASKS_OF_A_BEAT).points_px.copy()
    points[4, 10, 2] += [25, 25]
    tracks = Tracks(points.reshape(5, 180, 2), np.ones((5, 180)), 2)
    assert tracks_to_mesh(tracks, 36, 5).points_px.shape == (5, 36, 5, 2)
    with pytest.raises(ValueError, match="folded"):
        tracks_to_mesh(tracks, 36, 5, max_folded=0.0)
