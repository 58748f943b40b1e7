"""The exact engine against PyMUST, against a slow direct sum, and against what physics demands."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from echo_points import at, pymust, relative_l2
from hypothesis import given, settings
from hypothesis import strategies as st

from echotas.acoustics import Probe, Scan, delay_and_sum, phased_2p5_mhz, simulate, simulate_channels
from echotas.acoustics.element import element_response
from echotas.acoustics.exact import Accuracy, simulate_exact
from echotas.acoustics.lens import ShellLens, lens_factor
from echotas.acoustics.patches import far_field_step_m, shell_field
from echotas.acoustics.pulse import band_limits, probe_spectrum, two_way_spectrum
from echotas.acoustics.pymust_reference import pymust_channels


def simus(positions, reflectivity, scan, beam, preset="P4-2v"):
    """PyMUST's RF (n_elements, n_samples), its gain (frequency step over sampling frequency) divided out."""
    probe = scan.probe
    parameters = pymust.getparam(preset)
    parameters.fc, parameters.c, parameters.bandwidth = (
        probe.freq_center_hz,
        probe.speed_of_sound,
        probe.bandwidth_percent,
    )
    parameters.baffle, parameters.fs, parameters.TXnow = probe.baffle, scan.sampling_hz, probe.n_cycles
    parameters.attenuation = probe.attenuation_db * 8.69 * np.log(10) / 20  # it takes a neper for 8.69 dB
    delays = scan.transmit_delays_s[scan.events[np.argmax((scan.events == beam).any(axis=1))]]
    rf, spectrum = pymust.simus(positions[None, :, 0], positions[None, :, 2], reflectivity[None], delays, parameters)
    step_hz = 2 * probe.freq_center_hz / (len(spectrum) - 1)
    return rf.T * scan.sampling_hz / step_hz


def direct_sum(positions, reflectivity, scan, beam, elevation):
    """The same signal by a float64 sum over scatterers, elements and a fine frequency grid."""
    probe, period = scan.probe, 200e-6
    low, high = band_limits(probe, -100)
    freq_hz = np.arange(int(low * period), int(high * period) + 2) / period
    distance, amplitude = element_response(positions, probe, elevation)
    spectrum = np.zeros((len(freq_hz), probe.n_elements), complex)
    fire = np.exp(-2j * np.pi * freq_hz[:, None] * scan.transmit_delays_s[beam])
    for i, rho in enumerate(reflectivity):
        parts = amplitude[i] * np.exp(-2j * np.pi * freq_hz[:, None, None] * distance[i] / probe.speed_of_sound)
        one = parts.mean(axis=-1)
        if elevation:
            one = one * lens_factor(positions[i, 1], np.linalg.norm(positions[i]), freq_hz, probe)[:, None]
        spectrum += rho * (one * fire).sum(axis=1, keepdims=True) * one
    spectrum *= 2 / period * (1 if elevation else probe.width_m) * two_way_spectrum(freq_hz, probe)[:, None]
    time = np.arange(scan.n_samples) / scan.sampling_hz
    return (np.exp(2j * np.pi * time[:, None] * freq_hz) @ spectrum).real.T


@pytest.mark.parametrize("beam", [0, 63])
def test_rf_matches_pymust(beam, cloud):
    scan = Scan(phased_2p5_mhz(), depth_m=0.08)
    positions, reflectivity = cloud(40, depth_m=(0.01, 0.08), half_angle_deg=37)
    ours = simulate_channels(positions, reflectivity, scan, [beam])[0]
    theirs = simus(positions, reflectivity, scan, beam)
    n = min(ours.shape[1], theirs.shape[1])
    # 4.5e-5 of this is PyMUST's own single precision, the rest our -80 dB band.
    assert relative_l2(ours[:, :n], theirs[:, :n]) < 1e-4


def preset(name, **changes):
    """A probe of PyMUST's list."""
    listed = pymust.getparam(name)
    return Probe(
        n_elements=int(listed.Nelements), pitch_m=listed.pitch, width_m=listed.width, freq_center_hz=listed.fc,
        bandwidth_percent=listed.bandwidth, radius_m=getattr(listed, "radius", np.inf), **changes,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes", "scan_changes"),
    [
        ("P4-2v", {"baffle": "rigid", "attenuation_db": 0.5}, {}),
        ("P4-2v", {"baffle": 1.75}, {"transmit": "plane"}),
        ("P4-2v", {}, {"transmit": "diverging", "source_m": 0.015}),
        ("P4-2v", {"n_cycles": 2.0}, {"n_simultaneous": 2}),
        ("L11-5v", {"attenuation_db": 0.7}, {"range_step_m": 5e-5, "focus_m": 0.025, "depth_m": 0.03}),
        ("C5-2v", {}, {"start_m": 0.02, "focus_m": 0.05}),
        ("C5-2v", {"baffle": 1.75, "attenuation_db": 0.5}, {"start_m": 0.02, "transmit": "plane"}),
    ],
)
def test_rf_matches_pymust_for_other_probes_baffles_and_transmits(name, changes, scan_changes, cloud):
    probe = preset(name, **changes)
    chosen = {"n_beams": 6, "sector_deg": 40.0, "depth_m": 0.06, "start_m": 0.01} | scan_changes
    scan = Scan(probe, **chosen)
    positions, reflectivity = cloud(30, depth_m=(max(scan.start_m, 0.02), scan.depth_m), half_angle_deg=25)
    beam = 1
    ours = simulate_channels(positions, reflectivity, scan, [beam])[0]
    theirs = simus(positions, reflectivity, scan, beam, name)
    n = min(ours.shape[1], theirs.shape[1])
    assert relative_l2(ours[:, :n], theirs[:, :n]) < 1e-4


def test_convex_elements_are_where_pymust_has_them():
    listed = pymust.getparam("C5-2v")
    x, z, angle, _ = listed.getElementPositions()
    probe = preset("C5-2v")
    np.testing.assert_allclose(probe.element_x_m, np.ravel(x), atol=1e-9)
    np.testing.assert_allclose(probe.element_z_m, np.ravel(z), atol=1e-9)
    np.testing.assert_allclose(probe.element_angle_rad, np.ravel(angle), atol=1e-9)


def test_beams_that_fire_at_once_are_the_sum_of_their_events(scan, cloud):
    positions, reflectivity = cloud(30)
    together = replace(scan, n_simultaneous=2)
    pair = together.events[3]
    mixed = simulate_channels(positions, reflectivity, together, list(pair))
    np.testing.assert_array_equal(mixed[0], mixed[1])
    alone = simulate_channels(positions, reflectivity, scan, list(pair))
    # Alone, each beam's clock starts with its own first element; together, with the first of both.
    shift = (together.centre_delays_s[pair] - scan.centre_delays_s[pair]) * scan.sampling_hz
    spectrum = np.fft.rfft(alone, 2 * scan.n_samples)
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(2 * scan.n_samples)[None] * shift[:, None])
    moved = np.fft.irfft(spectrum * turn[:, None], 2 * scan.n_samples)[..., : scan.n_samples].sum(axis=0)
    assert relative_l2(mixed[0], moved) < 1e-3


def test_apodisation_weighs_the_elements(scan, cloud):
    positions, reflectivity = cloud(20)
    plain = simulate_channels(positions, reflectivity, scan, [4])
    received = delay_and_sum(plain, replace(scan, receive_apodisation="hann"), [4])
    weighed = delay_and_sum(plain * np.hanning(66)[1:-1, None], scan, [4])
    assert relative_l2(received, weighed) < 1e-5
    sent = simulate_channels(positions, reflectivity, replace(scan, transmit_apodisation="hamming"), [4])
    assert 0.3 < np.linalg.norm(sent) / np.linalg.norm(plain) < 0.8


def test_beam_window_leaves_the_beamformed_image_nearly_as_it_is(scan, cloud):
    positions, reflectivity = cloud(300, depth_m=(0.03, 0.07))
    exact = simulate(positions, reflectivity, scan, method="exact")
    windowed = simulate_exact(positions, reflectivity, scan, beam_window_deg=12.0)
    narrow = simulate_exact(positions, reflectivity, scan, beam_window_deg=3.0)
    assert relative_l2(windowed, exact) < 0.01 < relative_l2(narrow, exact)


@pytest.mark.parametrize(
    ("changes", "scan_changes", "elevation"),
    [
        ({}, {}, False),
        ({"attenuation_db": 0.5, "baffle": 1.75}, {"transmit": "plane", "n_simultaneous": 2}, False),
        ({}, {}, True),
        ({"radius_m": 0.05}, {}, False),
    ],
)
def test_patches_change_nothing_beyond_their_tolerance(changes, scan_changes, elevation, cloud):
    chosen = {"n_beams": 4, "sector_deg": 60.0, "depth_m": 0.12, "start_m": 0.02} | scan_changes
    scan = Scan(phased_2p5_mhz(**changes), **chosen)
    # Dense, so that the shells beyond some 3 cm go by patches.
    positions, reflectivity = cloud(6000, depth_m=(0.02, 0.12), half_angle_deg=15, slab_m=5e-3)
    direct = simulate_channels(positions, reflectivity, scan, [0, 2], elevation, accuracy=Accuracy(field_tolerance=0))
    patched = simulate_channels(positions, reflectivity, scan, [0, 2], elevation)
    assert 0 < relative_l2(patched, direct) < 1e-4


@settings(max_examples=8, deadline=None)
@given(near_mm=st.floats(30, 140), length_mm=st.floats(1, 20), first_deg=st.floats(-80, 60), seed=st.integers(0, 99))
def test_field_of_any_patch_is_met(near_mm, length_mm, first_deg, seed):
    probe = phased_2p5_mhz()
    near, far = near_mm / 1e3, (near_mm + min(length_mm, 1e3 * far_field_step_m(near_mm / 1e3, probe))) / 1e3
    rng = np.random.default_rng(seed)
    r, angle = rng.uniform(near, far, 50), np.radians(first_deg + rng.uniform(0, 8, 50))
    points = np.stack([r * np.sin(angle), 0 * r, r * np.cos(angle)], axis=1)
    field = shell_field(probe, near, far, points, False, 4e-5)
    patch = np.searchsorted(field.low[:, 1], angle, side="right") - 1
    values = field.functions(np.stack([r, angle], axis=1)[:, None], patch)[:, 0]  # (n, n_functions)
    freq_hz = np.array([1.5e6, 2.5e6, 3.5e6])
    met = torch.einsum("nq,fnqe->fne", values.to(torch.complex64), field.amplitudes(freq_hz)[:, patch])
    distance, amplitude = element_response(points, probe, False)
    exact = amplitude[..., 0] * np.exp(-2j * np.pi * freq_hz[:, None, None] / 1540.0 * (distance[..., 0] - r[:, None]))
    assert relative_l2(met.numpy(), exact) < 2e-4
    assert field.n_functions < 45


def test_accuracy_refuses():
    for values, message in (
        ({"band_db": 3.0}, "band_db must be negative, got 3"),
        ({"pulse_margin_s": 0.0}, "pulse_margin_s must be positive, got 0"),
        ({"field_tolerance": -1.0}, r"field_tolerance must be in \[0, 0.1\), got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            Accuracy(**values)


def test_lens_of_a_shell_is_its_formula():
    probe, rng, freq_hz = phased_2p5_mhz(), np.random.default_rng(0), np.linspace(1e6, 4e6, 40)
    r, y = rng.uniform(0.06, 0.08, 4000), rng.uniform(-8e-3, 8e-3, 4000)
    exact = lens_factor(y, r, freq_hz, probe) ** 2
    met = ShellLens(y, r, freq_hz, probe)(y, r).numpy()
    assert 0 < np.abs(met - exact).max() < 3e-5 * np.abs(exact).max()
    few = ShellLens(y[:9], r[:9], freq_hz, probe)(y[:9], r[:9]).numpy()
    np.testing.assert_array_equal(few, exact[:9].astype(np.complex64))


def test_attenuation_weakens_by_distance_and_frequency():
    lossy = Scan(phased_2p5_mhz(attenuation_db=0.5), n_beams=3, sector_deg=10.0, depth_m=0.09)
    clear = Scan(phased_2p5_mhz(), n_beams=3, sector_deg=10.0, depth_m=0.09)
    for depth in (0.04, 0.08):
        level = [np.abs(simulate(at(depth, 0.0), np.ones(1), s, method="exact")[0, 1]).max() for s in (lossy, clear)]
        expected_db = -0.5 * 2.5 * 2 * depth * 100
        # The band's low side survives, so a wideband echo loses less than its centre frequency.
        assert expected_db < 20 * np.log10(level[0] / level[1]) < 0.75 * expected_db


@pytest.mark.parametrize("elevation", [False, True])
def test_rf_matches_a_direct_sum(elevation, scan, cloud):
    positions, reflectivity = cloud(8, slab_m=4e-3)
    for beam in (0, 12):
        ours = simulate_channels(positions, reflectivity, scan, [beam], elevation=elevation)[0]
        assert relative_l2(ours, direct_sum(positions, reflectivity, scan, beam, elevation)) < 3e-4


def test_channels_add_up_and_do_not_depend_on_the_other_transmits(scan, cloud):
    positions, reflectivity = cloud(60)
    both = simulate_channels(positions, reflectivity, scan, [3, 15])
    parts = [simulate_channels(positions[s], reflectivity[s], scan, [3, 15]) for s in (slice(25), slice(25, None))]
    assert relative_l2(parts[0] + parts[1], both) < 1e-4
    assert relative_l2(simulate_channels(positions, -2 * reflectivity, scan, [15])[0], -2 * both[1]) < 1e-4


@pytest.mark.parametrize(("beam", "range_m"), [(beam, 0.034 + 0.0017 * beam) for beam in range(20)])
def test_a_point_appears_at_its_range_and_angle_on_every_beam(beam, range_m, scan):
    iq = simulate(at(range_m, scan.angles_rad[beam]), np.ones(1), scan, method="exact")[0]
    peak_beam, peak_range = np.unravel_index(np.abs(iq).argmax(), iq.shape)
    assert peak_beam == beam
    assert scan.ranges_m[peak_range] == pytest.approx(range_m, abs=1.1e-4)


def test_a_point_off_the_plane_appears_where_pixel_of_says(scan):
    point = at(0.045, scan.angles_rad[14], elevation_m=3e-3)
    iq = simulate(point, np.ones(1), scan, method="exact", elevation=True)[0]
    beam, sample = np.unravel_index(np.abs(iq).argmax(), iq.shape)
    drawn = np.array([np.sin(scan.angles_rad[beam]), np.cos(scan.angles_rad[beam])]) * scan.ranges_m[sample]
    apex = np.array(scan.sector((1, 1)).apex_px)
    expected = (scan.pixel_of(point[0], (1, 1)) - apex) / 1e3
    # y^2 / (2 |r - R|) = 0.3 mm at worst, and towards the probe, since the lens focuses at 60 mm
    assert abs(drawn[0] - expected[0]) < 1e-4
    assert -3e-4 < drawn[1] - expected[1] < 1e-4


def test_f_number_narrows_the_aperture_without_blanking_steered_beams():
    scan = Scan(phased_2p5_mhz(), n_beams=9, depth_m=0.05, start_m=0.03, focus_m=0.04)
    point = at(0.04, scan.angles_rad[0])
    full = np.abs(delay_and_sum(simulate_channels(point, np.ones(1), scan, [0]), scan, [0]))
    narrow = replace(scan, f_number=4.0)
    less = np.abs(delay_and_sum(simulate_channels(point, np.ones(1), narrow, [0]), narrow, [0]))
    assert 0.3 * full.max() < less.max() < 0.95 * full.max()


def test_probe_band_is_half_at_the_bandwidth_edges():
    probe = phased_2p5_mhz()
    edge = probe.freq_center_hz * (1 + np.array([-1, 1]) * probe.bandwidth_percent / 200)
    np.testing.assert_allclose(probe_spectrum(edge, probe) ** 2, 0.5, rtol=1e-9)
    low, high = band_limits(probe, -60)
    assert low < edge[0] < edge[1] < high
    with pytest.raises(ValueError, match="threshold_db must be negative, got 3"):
        band_limits(probe, 3)


def test_no_scatterers_give_zeros(scan):
    rf = simulate_channels(np.empty((0, 3)), np.empty(0), scan, [0, 1])
    assert rf.shape == (2, 64, scan.n_samples)
    assert rf.dtype == np.float32
    assert not rf.any()


@pytest.mark.parametrize(
    ("positions", "reflectivity", "transmits", "message"),
    [
        ([[0, 0, -0.01]], [1.0], None, r"positions_m must lie in front of the array \(depth z > 0\), got z = -0\.01"),
        ([[0, 0, 0.0]], [1.0], None, "in front of the array"),
        ([[0, 0, np.nan]], [1.0], None, "positions_m must be finite"),
        ([[0, 0, 0.05]], [np.nan], None, "reflectivity must be finite"),
        ([[0, 0, 0.05]], [1j], None, "reflectivity must be real"),
        ([[0, 0, 0.05]], [1.0, 2.0], None, r"reflectivity \(n,\), got \(1, 3\) and \(2,\)"),
        ([[0, 0, 0.05]], [1.0], [20], r"transmits must lie in 0\.\.19, got 20\.\.20"),
        ([[0, 0, 0.05]], [1.0], [0.5], "transmits must be a list of beam indices"),
    ],
)
def test_channels_refuse(positions, reflectivity, transmits, message, scan):
    with pytest.raises(ValueError, match=message):
        simulate_channels(np.array(positions), np.array(reflectivity), scan, transmits)


def test_beamformer_refuses(scan):
    with pytest.raises(ValueError, match=r"rf must be \(n_tx = 20, n_elements = 64, n_samples\), got \(1, 64, 5\)"):
        delay_and_sum(np.zeros((1, 64, 5)), scan)
    with pytest.raises(ValueError, match="rf must be finite"):
        delay_and_sum(np.full((1, 64, 5), np.nan), scan, [0])


@pytest.mark.parametrize("name", ["P4-2v", "C5-2v"])
def test_reference_that_the_product_uses_is_the_one_of_these_tests(name, cloud):
    scan = Scan(preset(name), n_beams=4, sector_deg=20.0, depth_m=0.05, start_m=0.02)
    positions, reflectivity = cloud(5, depth_m=(0.03, 0.05), half_angle_deg=10)
    ours = pymust_channels(positions, reflectivity, scan, 1)
    np.testing.assert_allclose(ours, simus(positions, reflectivity, scan, 1, name), atol=1e-6 * np.abs(ours).max())
    with pytest.raises(ValueError, match="one beam at a time without apodisation"):
        pymust_channels(positions, reflectivity, replace(scan, transmit_apodisation="hann"), 1)
