"""Exact engine: the SIMUS frequency sum for every scatterer, all transmits at once.

Per frequency, with G (n, E) the element responses, W (E, B) the transmit delays and rho the reflectivities,
P = G W is the pressure at the scatterers and X = G^T (rho * P) the echo at the elements; the channel signal is
rf(t) = 2 Re integral X(f) S(f) H(f)^2 exp(i 2 pi f t) df, times the element width in 2-D. (MUST's amplitude is this
times its own frequency step over the sampling frequency, so it depends on the deepest scatterer; here it does not.)

Scatterers are handled in small polar patches. Taking out the delays of the patch's centre leaves arrivals within some
10-20 us, so tens of frequencies do instead of thousands; the sum stays exact up to the pulse's tails.
"""

import math

import numpy as np
import torch
from jaxtyping import Complex, Float

from echotas.acoustics.beamform import delay_and_sum, scan_beams
from echotas.acoustics.element import element_field, element_response
from echotas.acoustics.lens import lens_factor
from echotas.acoustics.pulse import band_limits, two_way_spectrum
from echotas.acoustics.scan import Scan
from echotas.acoustics.scatterers import check_frames, check_scatterers

__all__ = ["simulate_channels", "simulate_exact"]

PATCH_RANGE_M = 4e-3
PATCH_ANGLE_RAD = math.radians(4.0)
BAND_DB = -80.0
PULSE_MARGIN_S = 6e-6
"""Band and pulse length at which the RF agrees with MUST to 4.6e-5, MUST's own rounding (4 us and -60 dB: 1e-4)."""
SCATTERERS_PER_BATCH = 512
"""Bounds the memory of a patch: 512 x 64 elements x 60 frequencies of complex64 are 16 MB."""


def simulate_channels(
    positions_m: Float[np.ndarray, "n 3"],
    reflectivity: Float[np.ndarray, " n"],
    scan: Scan,
    transmits: np.ndarray | list[int] | None = None,
    elevation: bool = False,
    device: str = "cpu",
    beam_window_deg: float | None = None,
) -> Float[np.ndarray, "n_tx n_elements n_samples"]:
    """Channel data of one frame.

    Args:
        positions_m: Scatterers, (lateral, elevation, depth) in m, depth > 0. No scatterers give zeros.
        reflectivity: Signed amplitude of each scatterer.
        scan: The scan.
        transmits: Beam indices to fire; all beams if None. A beam that fires with others has their echoes too.
        elevation: 3-D law (1/r) with the elevation lens, instead of the 2-D law (1/sqrt(r)), which ignores the
            elevation coordinate.
        device: Where the matrix products run, a torch device.
        beam_window_deg: Leave out the echoes of scatterers further than this from a beam. Four times faster at 12
            degrees, where the beamformed IQ changes by 0.5 % beyond 3 cm; raw channels change by tens of percent.

    Returns:
        RF, float32, sampled at `scan.sampling_hz` from the first firing of each transmit on. Echoes that arrive after
        the last sample are cut off.

    Raises:
        ValueError: A shape does not fit, a value is not finite, a scatterer is not in front of the array, a beam
            index is out of range, or the beam window is not positive.
    """
    positions = np.asarray(positions_m, dtype=np.float64)
    weights = np.asarray(reflectivity)
    if positions.ndim != 2 or weights.shape != positions.shape[:1]:
        raise ValueError(f"positions_m must be (n, 3) and reflectivity (n,), got {positions.shape} and {weights.shape}")
    check_scatterers(positions, weights)
    _check_face(positions, scan)
    if beam_window_deg is not None and not beam_window_deg > 0:
        raise ValueError(f"beam_window_deg must be positive, got {beam_window_deg}")
    beams = scan_beams(scan, transmits)
    # Beams that fire together share one event, which is computed once.
    event_of = np.argmax((scan.events[:, :, None] == beams).any(axis=1), axis=0)
    fired, row = np.unique(event_of, return_inverse=True)
    events = scan.events[fired]
    recorder = _Recorder(len(events), scan, torch.device(device))
    for patch in _patches(positions):
        heard = _within(positions[patch], scan, events, beam_window_deg)
        if heard.size:
            _add_patch(recorder, positions[patch], weights[patch], scan, events[heard], heard, elevation)
    rf = recorder.rf()
    return rf if np.array_equal(row, np.arange(len(rf))) else rf[row]


def simulate_exact(
    positions_m: np.ndarray,
    reflectivity: np.ndarray,
    scan: Scan,
    elevation: bool = False,
    device: str = "cpu",
    beam_window_deg: float | None = None,
) -> Complex[np.ndarray, "n_frames n_beams n_ranges"]:
    """Beamformed IQ of a cine, every frame by the frequency sum; arguments as in `simulate` and `simulate_channels`."""
    positions, weights = check_frames(positions_m, reflectivity)
    (n_frames,) = np.broadcast_shapes(positions.shape[:1], weights.shape[:1])
    iq = np.empty((n_frames, scan.n_beams, scan.n_ranges), np.complex64)
    for t in range(n_frames):
        here, rho = positions[t if len(positions) > 1 else 0], weights[t if len(weights) > 1 else 0]
        iq[t] = delay_and_sum(simulate_channels(here, rho, scan, None, elevation, device, beam_window_deg), scan)
    return iq


class _Recorder:
    """Accumulates short segments into the channel signals."""

    def __init__(self, n_tx: int, scan: Scan, device: torch.device) -> None:
        self.scan, self.device = scan, device
        self.shape = (n_tx, scan.probe.n_elements)
        self.pad = 512  # segments may start before the first or end after the last sample
        self.length = scan.n_samples + 2 * self.pad
        self.samples = torch.zeros(math.prod(self.shape) * self.length, device=device)

    def add(self, segments: torch.Tensor, first_sample: np.ndarray, rows: np.ndarray) -> None:
        """Add segments (n_rows, n_elements, n) to transmits `rows` at the sample index of their first value."""
        n = segments.shape[-1]
        start = torch.as_tensor(first_sample, device=self.device) + self.pad
        kept = (start >= 0) & (start + n <= self.length)
        element = torch.arange(self.shape[1], device=self.device)
        channel = (torch.as_tensor(rows, device=self.device)[:, None] * self.shape[1] + element) * self.length
        index = (channel + start)[kept][:, None] + torch.arange(n, device=self.device)
        self.samples.index_add_(0, index.flatten(), segments[kept].flatten())

    def rf(self) -> np.ndarray:
        """The recorded signals, float32 (n_tx, n_elements, n_samples)."""
        rf = self.samples.reshape(*self.shape, self.length)[..., self.pad : self.pad + self.scan.n_samples]
        return rf.contiguous().cpu().numpy()


def _patches(positions: np.ndarray):
    """Indices of scatterers that lie close together, in batches."""
    range_m = np.linalg.norm(positions, axis=1)
    sine = np.divide(positions[:, 0], range_m)
    cell = np.stack([np.floor(range_m / PATCH_RANGE_M), np.floor(np.arcsin(sine) / PATCH_ANGLE_RAD)], axis=1)
    order = np.lexsort((cell[:, 1], cell[:, 0]))
    changes = np.flatnonzero(np.any(np.diff(cell[order], axis=0) != 0, axis=1)) + 1
    for members in np.split(order, changes):
        for start in range(0, len(members), SCATTERERS_PER_BATCH):
            yield members[start : start + SCATTERERS_PER_BATCH]


def _check_face(positions: np.ndarray, scan: Scan) -> None:
    """Refuse scatterers behind the face of a convex array; those behind a straight one have been refused already."""
    probe = scan.probe
    if math.isinf(probe.radius_m) or not len(positions):
        return
    centre_z = probe.element_z_m.max() - probe.radius_m
    behind = np.hypot(positions[:, 0], positions[:, 2] - centre_z) <= probe.radius_m
    if behind.any():
        worst = positions[np.argmax(behind)]
        place = f"({worst[0]:.4g}, {worst[2]:.4g}) m"
        raise ValueError(f"positions_m must lie in front of the array's curved face, got {behind.sum()}, e.g. {place}")


def _within(positions: np.ndarray, scan: Scan, events: np.ndarray, window_deg: float | None) -> np.ndarray:
    """Rows of `events` with a beam near the patch."""
    if window_deg is None:
        return np.arange(len(events))
    angle = np.arctan2(positions[:, 0], np.hypot(positions[:, 1], positions[:, 2]))
    away = np.maximum(scan.angles_rad - angle.max(), angle.min() - scan.angles_rad)
    return np.flatnonzero((away <= math.radians(window_deg))[events].any(axis=1))


def _add_patch(
    recorder: _Recorder,
    positions: np.ndarray,
    weights: np.ndarray,
    scan: Scan,
    events: np.ndarray,
    rows: np.ndarray,
    elevation: bool,
) -> None:
    probe, device = scan.probe, recorder.device
    speed, rate = probe.speed_of_sound, scan.sampling_hz
    distance, amplitude = element_response(positions, probe, elevation)
    centre_distance = (distance.min(axis=(0, 2)) + distance.max(axis=(0, 2))) / 2
    reach = np.abs(distance - centre_distance[:, None]).max()
    # When each beam of each event arrives at the patch's centre: (n_tx, n_simultaneous, n_elements)
    arrival = scan.transmit_delays_s[events] + centre_distance / speed
    centre_arrival = (arrival.min(axis=(1, 2)) + arrival.max(axis=(1, 2))) / 2
    spread = np.ptp(arrival, axis=(1, 2)).max()
    window = 4 * reach / speed + spread + PULSE_MARGIN_S
    low, high = band_limits(probe, BAND_DB)
    freq_hz = np.arange(math.floor(low * window), math.ceil(high * window) + 1) / window

    field = element_field(freq_hz, distance, amplitude, centre_distance, probe, device)  # (n_freqs, n, n_elements)
    spectrum = 2 / window * two_way_spectrum(freq_hz, probe) * (1 if elevation else probe.width_m)
    lag = (arrival - centre_arrival[:, None, None]).transpose(1, 2, 0)  # (n_simultaneous, n_elements, n_tx)
    fire = sum(_rotation(freq_hz, beam, device) for beam in lag)
    weight = spectrum[:, None] * scan.transmit_weights  # (n_freqs, n_elements)
    fire *= torch.tensor(weight.astype(np.complex64), device=device)[:, :, None]
    pressure = torch.bmm(field, fire)  # (n_freqs, n, n_tx)
    pressure *= torch.tensor(weights, dtype=torch.float32, device=device)[:, None]
    if elevation:
        factor = lens_factor(positions[:, 1], np.linalg.norm(positions, axis=1), freq_hz, probe) ** 2
        pressure *= torch.tensor(factor.T.astype(np.complex64), device=device)[:, :, None]
    echo = torch.bmm(field.transpose(1, 2), pressure)  # (n_freqs, n_elements, n_tx)

    # Each segment is centred on its own arrival; the part of a sample left over is a phase.
    centre = (centre_arrival[:, None] + centre_distance / speed) * rate  # (n_tx, n_elements), in samples
    nearest = np.round(centre).astype(np.int64)
    echo *= _rotation(freq_hz, ((centre - nearest) / rate).T, device)
    n_segment = math.ceil(window * rate)
    offset = np.arange(n_segment) - n_segment // 2
    synthesis = np.exp(2j * np.pi * freq_hz[:, None] * (offset / rate))
    synthesis = torch.tensor(synthesis.astype(np.complex64), device=device)
    segments = (echo.permute(2, 1, 0).reshape(-1, len(freq_hz)) @ synthesis).real
    recorder.add(segments.reshape(*nearest.shape, n_segment), nearest + offset[0], rows)


def _rotation(
    freq_hz: Float[np.ndarray, " n_freqs"], delay_s: Float[np.ndarray, "*shape"], device: torch.device
) -> torch.Tensor:
    """exp(-i 2 pi f t), complex64 (n_freqs, *shape); whole turns are taken out in double precision."""
    turns = freq_hz.reshape(-1, *(1,) * delay_s.ndim) * delay_s
    turns -= np.round(turns)
    phase = torch.tensor(turns, dtype=torch.float32, device=device) * (-2 * np.pi)
    return torch.polar(torch.ones_like(phase), phase)
