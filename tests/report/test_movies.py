"""Movies: colours where they belong, the same bytes twice, readable again."""

import av
import numpy as np
import pytest
from PIL import Image

from echotas import report
from echotas.records import Cine

CINE = Cine(np.full((4, 40, 30), 60, dtype=np.uint8), (0.5, 1.0), np.arange(4) / 25)
SQUARE = np.stack(np.meshgrid(np.linspace(8, 22, 4), np.linspace(10, 30, 3), indexing="ij"), axis=-1)
MESH = np.repeat(SQUARE[None], 4, axis=0)


def test_overlay_colours_the_mesh_and_leaves_the_rest():
    strain = np.full((4, 4, 3), -25.0)
    strain[2:] = 5
    frames = report.overlay_frames(CINE, MESH, strain, scale=2.0, opacity=1.0)
    assert frames.shape[1:3] == (160, 60 + 90)  # twice the px, pixels twice as high as wide, colour scale at the right
    red, blue = frames[0, 80, 30].astype(int), frames[3, 80, 30].astype(int)
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50
    assert (frames[0, 10, 10] == 60).all()


def test_overlay_without_values_draws_the_cells():
    plain, wired = report.overlay_frames(CINE), report.overlay_frames(CINE, MESH)
    assert (plain == 60).all()
    assert 0 < (wired != 60).any(axis=-1).mean() < 0.3


def test_confidence_has_its_own_colours():
    low, high = (
        report.overlay_frames(CINE, MESH, np.full((4, 4, 3), float(v)), "confidence", 2.0, 1.0)[0, 80, 30]
        for v in (0, 1)
    )
    assert int(high[1]) > int(low[1]) + 100


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_written_twice_gives_the_same_bytes_and_reads_back(tmp_path, suffix):
    frames = np.random.default_rng(0).integers(0, 255, (5, 32, 48, 3), dtype=np.uint8)
    frames[..., 1] = frames[..., 0] // 2  # a smoother picture survives the codec better
    paths = [report.write_movie(tmp_path / f"{i}{suffix}", frames, 25.0) for i in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with av.open(str(paths[0])) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(decoded) == 5
    assert decoded[0].shape == (32, 48, 3)


def test_gif_plays_at_the_frame_rate(tmp_path):
    frames = np.stack([np.full((8, 8, 3), 50 * t, dtype=np.uint8) for t in range(4)])
    with Image.open(report.write_movie(tmp_path / "m.gif", frames, 25.0)) as movie:
        assert (movie.n_frames, movie.info["duration"]) == (4, 40)


def test_side_by_side_keeps_both_movies():
    left, right = report.overlay_frames(CINE), report.overlay_frames(CINE, MESH)
    both = report.side_by_side_frames({"real": left, "S3": right})
    assert both.shape[2] == left.shape[2] + right.shape[2]
    assert (both[:, 24:, : left.shape[2]] == left).all()
    assert (both[:, 24:, left.shape[2] :] == right).all()
    assert both[:, :24].max() > 200  # the names


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: report.overlay_frames(CINE, MESH[:3]), "mesh_px must have the 4 frames"),
        (lambda path: report.overlay_frames(CINE, MESH, np.zeros((4, 3, 3))), "values"),
        (lambda path: report.overlay_frames(CINE, None, np.zeros((4, 4, 3))), "values must have one value per node"),
        (lambda path: report.side_by_side_frames({}), "movies must have the same"),
        (lambda path: report.write_movie(path / "m.avi", np.zeros((1, 8, 8, 3), np.uint8), 25.0), "path must end in"),
        (lambda path: report.write_movie(path / "m.gif", np.zeros((1, 8, 8), np.uint8), 25.0), "frames"),
        (lambda path: report.write_movie(path / "m.gif", np.zeros((1, 8, 8, 3), np.uint8), 0.0), "frame_rate"),
        (lambda path: report.write_movie(path / "m.mp4", np.zeros((1, 7, 8, 3), np.uint8), 25.0), "even height"),
    ],
)
def test_movies_refuse(tmp_path, call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(tmp_path)
