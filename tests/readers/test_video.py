"""Video: what is encoded comes back, and what the container cannot know stays unknown."""

from fractions import Fraction

import numpy as np
import pytest

from echotas.readers import ReaderError, read_video
from echotas.records import View


def test_lossless_frames_come_back_unchanged(tmp_path, fan, write_video):
    frames = fan(n_frames=10, size=(64, 80))
    cine = read_video(write_video(tmp_path / "clip.mkv", frames))
    np.testing.assert_array_equal(cine.frames, frames)
    assert cine.recording_id == "clip"


def test_times_are_those_of_the_container_and_say_so(tmp_path, fan, write_video):
    cine = read_video(write_video(tmp_path / "clip.avi", fan(n_frames=10, size=(64, 80)), rate=20))
    np.testing.assert_allclose(cine.times_s, np.arange(10) / 20, atol=1e-9)
    assert cine.meta["frame_rate_source"] == "container"


def test_given_frame_rate_and_spacing_override(tmp_path, fan, write_video):
    path = write_video(tmp_path / "clip.avi", fan(n_frames=5, size=(64, 80)))
    cine = read_video(path, frame_rate=50, spacing_mm=(0.3, 0.2), view="A4C", patient_id="p1")
    np.testing.assert_allclose(cine.times_s, np.arange(5) / 50)
    assert (cine.spacing_mm, cine.view, cine.patient_id) == ((0.3, 0.2), View.A4C, "p1")
    assert (cine.meta["frame_rate_source"], cine.meta["spacing_source"]) == ("given", "given")


def test_spacing_stays_unknown_unless_given(tmp_path, fan, write_video):
    cine = read_video(write_video(tmp_path / "clip.avi", fan(n_frames=3, size=(64, 80))))
    assert cine.spacing_mm is None
    assert cine.meta["spacing_source"] == "unknown"


def test_lossy_mp4_keeps_grey_levels_within_compression(tmp_path, write_video):
    ramp = np.broadcast_to(np.linspace(0, 255, 80).astype(np.uint8), (6, 64, 80))
    cine = read_video(write_video(tmp_path / "clip.mp4", ramp, codec="mpeg4", pixel_format="yuv420p"))
    # Full grey range: a reader that forgets the limited range of yuv420p returns 16..235.
    assert np.abs(cine.frames.astype(int) - ramp).max() < 25
    assert cine.frames.min() < 8
    assert cine.frames.max() > 247
    assert cine.meta["lossy_compression"]


def test_gif_is_read(tmp_path, fan):
    from PIL import Image

    frames = fan(n_frames=4, size=(32, 40))
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(tmp_path / "clip.gif", save_all=True, append_images=images[1:], duration=50)
    cine = read_video(tmp_path / "clip.gif")
    np.testing.assert_array_equal(cine.frames, frames)


def test_coloured_overlay_is_noticed(tmp_path, fan, write_video):
    grey = np.repeat(fan(n_frames=4, size=(64, 80))[..., None], 3, axis=-1)
    plain = read_video(write_video(tmp_path / "plain.mkv", grey))
    assert plain.meta["coloured_share"] == 0
    painted = grey.copy()
    painted[:, :16] = (255, 0, 0)
    assert read_video(write_video(tmp_path / "overlay.mkv", painted)).meta["coloured_share"] == pytest.approx(0.25)


def test_stretched_pixels_are_noticed(tmp_path, fan, write_video):
    frames = fan(n_frames=3, size=(64, 80))
    path = write_video(tmp_path / "clip.mp4", frames, codec="mpeg4", pixel_format="yuv420p", aspect=Fraction(4, 3))
    cine = read_video(path)
    assert cine.meta["pixel_aspect"] == pytest.approx(4 / 3)
    assert not cine.meta["square_pixels"]


@pytest.mark.parametrize("share", [0.02, 0.4, 0.9])
def test_truncated_video_is_refused(tmp_path, fan, write_video, share):
    whole = write_video(tmp_path / "clip.avi", fan(n_frames=12, size=(64, 80))).read_bytes()
    path = tmp_path / "cut.avi"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ReaderError, match="cut.avi.*truncated"):
        read_video(path)


def test_exception(tmp_path, fan, write_video):
    with pytest.raises(ReaderError, match=r"none\.mp4: no such file"):
        read_video(tmp_path / "none.mp4")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ReaderError, match=r"empty\.mp4: must hold data, got an empty file"):
        read_video(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("not a video at all, only some text\n" * 50)
    with pytest.raises(ReaderError, match=r"text\.mp4: is no readable video"):
        read_video(tmp_path / "text.mp4")
    path = write_video(tmp_path / "clip.avi", fan(n_frames=3, size=(64, 80)))
    with pytest.raises(ReaderError, match="spacing_mm must be two positive numbers.*-0.3"):
        read_video(path, spacing_mm=(-0.3, 0.3))
    with pytest.raises(ReaderError, match="frame_rate must be a positive number.*0"):
        read_video(path, frame_rate=0)
    with pytest.raises(ReaderError, match="PLAX"):
        read_video(path, view="PLAX")


def test_real_video_has_the_documented_size(real):
    cine = read_video(real("video/echotracker_a4c.mp4"))
    assert cine.frames.shape == (45, 768, 1024)
    assert cine.frame_rate == pytest.approx(20)
    assert cine.spacing_mm is None
    assert cine.meta["coloured_share"] == 0
