"""Compression, gain, scan conversion and noise."""

import numpy as np
import pytest
from echo_points import relative_l2
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.acoustics import (
    Scan,
    add_thermal_noise,
    phased_2p5_mhz,
    polar_resample,
    reference_level,
    scan_convert,
    tgc_curve,
    to_bmode,
)
from echotas.records import Sector

SCAN = Scan(phased_2p5_mhz(), n_beams=64, depth_m=0.06, start_m=0.005)


def speckle(n_frames=2, seed=0, scan=SCAN):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n_frames, scan.n_beams, scan.n_ranges, 2)) @ [1, 1j]).astype(np.complex64)


def test_grey_levels_are_known_at_known_amplitudes():
    iq = np.array([[[1, 1j, 0.1, 10 ** (-50 / 20), 1e-9, 20]]], dtype=np.complex64)
    assert to_bmode(iq, 50, reference=1.0)[0, 0].tolist() == [255, 255, 153, 0, 0, 255]


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(1e-3, 1e3), dynamic_range_db=st.floats(20, 90))
def test_the_default_reference_makes_the_gain_irrelevant(gain, dynamic_range_db):
    iq = speckle()[:, :8, :50]
    one, other = to_bmode(iq, dynamic_range_db), to_bmode(iq * np.float32(gain), dynamic_range_db)
    assert np.abs(one.astype(int) - other).max() <= 1


def test_reference_is_a_quantile_of_the_whole_cine():
    iq = np.arange(1, 1001, dtype=np.complex64).reshape(10, 10, 10)
    assert reference_level(iq, 1.0) == 1000
    assert reference_level(iq) == 999
    assert reference_level(iq, 0.5) == 500


def test_a_silent_cine_is_black():
    assert not to_bmode(np.zeros((2, 3, 4), np.complex64)).any()
    assert (tgc_curve(np.zeros((2, 3, 4)), np.arange(4.0)) == 1).all()


def test_gain_curve_undoes_an_exponential():
    fall = np.exp(-40 * SCAN.ranges_m)
    iq = speckle() * fall
    level = np.abs(iq * tgc_curve(iq, SCAN.ranges_m)).mean(axis=(0, 1))
    slope = np.polyfit(SCAN.ranges_m, np.log(level), 1)[0]
    assert abs(slope) < 1e-3


def test_noise_has_the_stated_level_and_grows_with_depth():
    silent = np.zeros((6, SCAN.n_beams, SCAN.n_ranges), np.complex64)
    noise = add_thermal_noise(silent, SCAN, 40, np.random.default_rng(1), reference=2.0, reference_range_m=0.03)
    rms = np.sqrt((np.abs(noise) ** 2).mean(axis=(0, 1)))
    near, far = np.searchsorted(SCAN.ranges_m, [0.03, 0.05])
    band = slice(-25, 25)
    assert rms[near + band.start : near + band.stop].mean() == pytest.approx(2.0 * 10 ** (-40 / 20), rel=0.1)
    gain_db = 20 * np.log10(rms[far - 25 : far + 25].mean() / rms[near - 25 : near + 25].mean())
    assert gain_db == pytest.approx(2 * 0.5 * 2.5 * 2.0, abs=0.6)


def test_noise_is_reproducible_and_adds_to_the_signal():
    iq = speckle(1)
    one = add_thermal_noise(iq, SCAN, 20, np.random.default_rng(5), reference=1.0)
    same = add_thermal_noise(iq, SCAN, 20, np.random.default_rng(5), reference=1.0)
    alone = add_thermal_noise(0 * iq, SCAN, 20, np.random.default_rng(5), reference=1.0)
    assert one.tobytes() == same.tobytes()
    np.testing.assert_allclose(one - iq, alone, atol=1e-5)
    assert not np.array_equal(one, add_thermal_noise(iq, SCAN, 20, np.random.default_rng(6), reference=1.0))


def test_noise_keeps_to_the_receive_band():
    silent = np.zeros((4, SCAN.n_beams, SCAN.n_ranges), np.complex64)
    noise = add_thermal_noise(silent, SCAN, 0, np.random.default_rng(1), reference=1.0, attenuation=0)
    power = (np.abs(np.fft.fft(noise, axis=-1)) ** 2).mean(axis=(0, 1))
    offset_hz = np.fft.fftfreq(SCAN.n_ranges, 2 * SCAN.range_step_m / 1540)
    assert power[np.abs(offset_hz) > 2.2e6].mean() < 1e-2 * power[np.abs(offset_hz) < 0.3e6].mean()


@pytest.mark.parametrize("spacing", [(0.3, 0.3), (0.25, 0.4)])
def test_a_bright_sample_lands_where_pixel_of_says(spacing):
    for beam, sample in ((10, 300), (50, 480)):
        polar = np.zeros((1, SCAN.n_beams, SCAN.n_ranges), np.uint8)
        polar[0, beam - 1 : beam + 2, sample - 6 : sample + 7] = 255
        image = scan_convert(polar, SCAN, spacing)[0].astype(float)
        rows, columns = np.nonzero(image)
        centre = np.average(np.stack([columns, rows], 1), axis=0, weights=image[rows, columns])
        angle, range_m = SCAN.angles_rad[beam], SCAN.ranges_m[sample]
        expected = SCAN.pixel_of(range_m * np.array([np.sin(angle), 0, np.cos(angle)]), spacing)
        np.testing.assert_allclose(centre, expected, atol=0.35)


def test_smooth_images_survive_there_and_back():
    beam, sample = np.meshgrid(np.arange(SCAN.n_beams), np.arange(SCAN.n_ranges), indexing="ij")
    polar = (120 + 60 * np.sin(beam / 9) * np.cos(sample / 60))[None]
    back = polar_resample(scan_convert(polar, SCAN, (0.2, 0.2)), SCAN, (0.2, 0.2))
    inner = (slice(None), slice(3, -3), slice(30, -30))
    assert relative_l2(back[inner], polar[inner]) < 0.02


def test_outside_of_the_sector_is_black_and_inside_is_not():
    white = np.full((1, SCAN.n_beams, SCAN.n_ranges), 255, np.uint8)
    image = scan_convert(white, SCAN, (0.3, 0.3))[0]
    sector = SCAN.sector((0.3, 0.3))
    rows, columns = np.indices(image.shape)
    radius = np.hypot(columns - sector.apex_px[0], rows)
    angle = np.degrees(np.arctan2(columns - sector.apex_px[0], rows))
    inside = (radius > sector.radius_min_px + 1) & (radius < sector.radius_max_px - 1)
    inside &= np.abs(angle) < sector.half_angle_deg - 0.5
    outside = (radius < sector.radius_min_px - 1) | (radius > sector.radius_max_px + 1)
    outside |= np.abs(angle) > sector.half_angle_deg + 0.5
    assert (image[inside] == 255).all()
    assert not image[outside].any()


def test_shape_may_be_chosen_and_the_apex_stays_in_the_middle():
    polar = to_bmode(speckle())
    natural = scan_convert(polar, SCAN, (0.3, 0.3))
    height, width = natural.shape[1:]
    larger = scan_convert(polar, SCAN, (0.3, 0.3), shape=(height + 20, width + 40))
    np.testing.assert_array_equal(larger[:, :height, 20:-20], natural)
    assert not larger[:, height:].any()


def test_fine_ranges_are_averaged_not_skipped():
    polar = np.zeros((1, SCAN.n_beams, SCAN.n_ranges), np.uint8)
    polar[..., ::2] = 200  # alternating samples, five times finer than the pixel
    image = scan_convert(polar, SCAN, (0.5, 0.5))[0]
    middle = image[30:100, image.shape[1] // 2]
    assert middle.min() > 60 and middle.max() < 140


def test_resampling_follows_a_given_apex():
    image = np.zeros((1, 200, 200), np.float32)
    image[0, :, 80] = 100
    straight = Scan(phased_2p5_mhz(), n_beams=3, sector_deg=20, depth_m=0.05, start_m=0.02)
    polar = polar_resample(image, straight, (0.3, 0.3), Sector((80, 0), 10, 60, 170))
    np.testing.assert_allclose(polar[0, 1], 100)
    assert not polar[0, 0].any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: to_bmode(speckle(), 0), "dynamic_range_db must be positive, got 0"),
        (lambda: to_bmode(speckle(), 50, reference=-1.0), r"reference must be positive, got -1\.0"),
        (lambda: to_bmode(np.full((1, 2, 3), np.nan), 50, reference=1.0), "iq must be finite"),
        (lambda: reference_level(np.empty((0, 2, 3))), "iq must be finite and not empty"),
        (lambda: reference_level(speckle(), 0), r"quantile must be in \(0, 1\], got 0"),
        (lambda: tgc_curve(speckle(), np.arange(3)), "ranges_m must have one value per range"),
        (lambda: tgc_curve(speckle(), SCAN.ranges_m, -1), "degree must not be negative, got -1"),
        (lambda: scan_convert(np.zeros((1, 3, 4), np.uint8), SCAN, (0.3, 0.3)), "polar must be .* got"),
        (lambda: scan_convert(to_bmode(speckle()), SCAN, None), "spacing_mm must be known"),
        (lambda: scan_convert(to_bmode(speckle()), SCAN, (0.3, 0.3), (0, 5)), "shape must be positive"),
        (lambda: scan_convert(np.full(speckle().shape, np.nan), SCAN, (0.3, 0.3)), "polar must be finite"),
        (lambda: polar_resample(np.zeros((4, 4)), SCAN, (0.3, 0.3)), "image must be"),
        (lambda: add_thermal_noise(speckle()[0], SCAN, 20, np.random.default_rng(0)), "iq must be"),
        (lambda: add_thermal_noise(speckle(), SCAN, np.nan, np.random.default_rng(0)), "snr_db must be finite"),
        (
            lambda: add_thermal_noise(speckle(), SCAN, 20, np.random.default_rng(0), attenuation=-1),
            "attenuation must not be negative, got -1",
        ),
    ],
)
def test_exception(call, message):
    with pytest.raises(ValueError, match=message):
        call()
