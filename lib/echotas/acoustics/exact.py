"""Exact engine: the SIMUS frequency sum for every scatterer, all transmits at once.

Per frequency, with G (n, E) the element responses, W (E, B) the transmit delays and rho the reflectivities,
P = G W is the pressure at the scatterers and X = G^T (rho * P) the echo at the elements; the channel signal is
rf(t) = 2 Re integral X(f) S(f) H(f)^2 exp(i 2 pi f t) df, times the element width in 2-D. (MUST's amplitude is this
times its own frequency step over the sampling frequency, so it depends on the deepest scatterer; here it does not.)

Two things make it fast, and neither changes the sum beyond a stated tolerance (`Accuracy`):

- Scatterers are handled in shells of range. The echoes of a shell last some 40-70 us, so that the frequency step may be
  several times coarser than for a whole frame.
- In a shell, apart from the phase of its own range, G hardly depends on where in a small patch a scatterer lies:
  G = exp(-i k r) L A with a few real functions L of the position (`patches`). Then X = A^T C A W with
  C = L^T diag(rho exp(-2 i k r)) L, and what is done for every beam and element no longer depends on the number of
  scatterers. Shells too shallow or too sparse for that are summed directly.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.fft
import torch
from jaxtyping import Complex, Float, Int

from echotas.acoustics.beamform import beamform, scan_beams
from echotas.acoustics.element import element_field, element_response, propagation
from echotas.acoustics.lens import ShellLens
from echotas.acoustics.patches import ShellField, far_field_step_m, shell_field
from echotas.acoustics.probe import Probe
from echotas.acoustics.pulse import band_limits, two_way_spectrum
from echotas.acoustics.scan import Scan
from echotas.acoustics.scatterers import check_frames, check_scatterers

__all__ = ["Accuracy", "simulate_channels", "simulate_exact"]

SHELL_M = (2.5e-3, 25e-3)
"""Thinnest and thickest shell: thin ones waste transforms, thick ones frequencies."""
SCATTERERS_PER_BATCH = 128
"""Bounds the memory: 128 scatterers x 128 beams x 200 frequencies of complex64 are 26 MB."""
FREQUENCIES_PER_BATCH = 32
"""The same for patches: 22 patches x 30 functions x 128 beams x 32 frequencies are 22 MB."""
BATCH_ANGLE_RAD = math.radians(2.0)
"""With a beam window, scatterers that are summed together lie within this angle."""
SPARSE = 1.5
"""A shell is summed directly unless it holds this many scatterers per function of its field."""


@dataclass(frozen=True)
class Accuracy:
    """What the frequency sum leaves out, as a share of the channel signals."""

    band_db: float = -80.0
    """Frequencies whose two-way level is lower, relative to the peak, are left out: 1e-5 at -80 dB, 5e-5 at -60 dB."""
    pulse_margin_s: float = 6e-6
    """Room for the pulse beyond the first and last arrival of a shell: 1e-5 at 6 us, 1e-3 at 3 us, 4e-3 at 2 us."""
    field_tolerance: float = 4e-5
    """Relative L2 error of the element responses in a patch; 0 sums every scatterer directly."""

    def __post_init__(self) -> None:
        if not self.band_db < 0:
            raise ValueError(f"band_db must be negative, got {self.band_db}")
        if not self.pulse_margin_s > 0:
            raise ValueError(f"pulse_margin_s must be positive, got {self.pulse_margin_s}")
        if not 0 <= self.field_tolerance < 0.1:
            raise ValueError(f"field_tolerance must be in [0, 0.1), got {self.field_tolerance}")


def simulate_channels(
    positions_m: Float[np.ndarray, "n 3"],
    reflectivity: Float[np.ndarray, " n"],
    scan: Scan,
    transmits: np.ndarray | list[int] | None = None,
    elevation: bool = False,
    device: str = "cpu",
    beam_window_deg: float | None = None,
    accuracy: Accuracy | None = None,
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
        beam_window_deg: Leave out the echoes of scatterers that are further than this from a beam (and up to a patch
            more): at 12 degrees the beamformed IQ changes by 0.5 % beyond 3 cm, raw channels by tens of percent.
        accuracy: What may be left out; the defaults of `Accuracy`, which agree with MUST to 1e-4, if None.

    Returns:
        RF, float32, sampled at `scan.sampling_hz` from the first firing of each transmit on. Echoes that arrive after
        the last sample are cut off.

    Raises:
        ValueError: A shape does not fit, a value is not finite, a scatterer is not in front of the array, a beam
            index is out of range, or the beam window is not positive.
    """
    beams = scan_beams(scan, transmits)
    return _channels(positions_m, reflectivity, scan, beams, elevation, device, beam_window_deg, accuracy).cpu().numpy()


def simulate_exact(
    positions_m: np.ndarray,
    reflectivity: np.ndarray,
    scan: Scan,
    elevation: bool = False,
    device: str = "cpu",
    beam_window_deg: float | None = None,
    accuracy: Accuracy | None = None,
) -> Complex[np.ndarray, "n_frames n_beams n_ranges"]:
    """Beamformed IQ of a cine, every frame by the frequency sum; arguments as in `simulate` and `simulate_channels`."""
    positions, weights = check_frames(positions_m, reflectivity)
    (n_frames,) = np.broadcast_shapes(positions.shape[:1], weights.shape[:1])
    beams = np.arange(scan.n_beams)
    iq = np.empty((n_frames, scan.n_beams, scan.n_ranges), np.complex64)
    for t in range(n_frames):
        here, rho = positions[t if len(positions) > 1 else 0], weights[t if len(weights) > 1 else 0]
        rf = _channels(here, rho, scan, beams, elevation, device, beam_window_deg, accuracy)
        iq[t] = beamform(rf, scan, beams).cpu().numpy()
    return iq


def _channels(
    positions_m: np.ndarray,
    reflectivity: np.ndarray,
    scan: Scan,
    beams: np.ndarray,
    elevation: bool,
    device: str,
    beam_window_deg: float | None,
    accuracy: Accuracy | None,
) -> Float[torch.Tensor, "n_tx n_elements n_samples"]:
    """`simulate_channels` on the device."""
    positions = np.asarray(positions_m, dtype=np.float64)
    weights = np.asarray(reflectivity)
    if positions.ndim != 2 or weights.shape != positions.shape[:1]:
        raise ValueError(f"positions_m must be (n, 3) and reflectivity (n,), got {positions.shape} and {weights.shape}")
    check_scatterers(positions, weights)
    _check_face(positions, scan)
    if beam_window_deg is not None and not beam_window_deg > 0:
        raise ValueError(f"beam_window_deg must be positive, got {beam_window_deg}")
    # Beams that fire together share one event, which is computed once.
    event_of = np.argmax((scan.events[:, :, None] == beams).any(axis=1), axis=0)
    fired, row = np.unique(event_of, return_inverse=True)
    sequence = _Sequence(scan, scan.events[fired], elevation, torch.device(device), beam_window_deg)
    rf = torch.zeros((len(fired), scan.probe.n_elements, scan.n_samples), device=device)
    for near_m, far_m, members in _shells(positions, scan, elevation):
        _add_shell(rf, near_m, far_m, positions[members], weights[members], sequence, accuracy or Accuracy())
    return rf if np.array_equal(row, np.arange(len(rf))) else rf[torch.as_tensor(row, device=rf.device)]


@dataclass(frozen=True, eq=False)
class _Sequence:
    """What every shell needs to know of the transmits."""

    scan: Scan
    events: Int[np.ndarray, "n_tx n_simultaneous"]
    elevation: bool
    device: torch.device
    beam_window_deg: float | None

    def heard(self, low_rad: float, high_rad: float) -> torch.Tensor | slice:
        """Events with a beam near scatterers between two angles."""
        if self.beam_window_deg is None:
            return slice(None)
        angles = self.scan.angles_rad[self.events]
        away = np.maximum(angles - high_rad, low_rad - angles).min(axis=1)
        found = np.flatnonzero(away <= math.radians(self.beam_window_deg))
        if len(found) and found[-1] - found[0] == len(found) - 1:
            return slice(int(found[0]), int(found[-1]) + 1)  # neighbours, as in every plain scan: nothing is copied
        return torch.as_tensor(found, device=self.device)


def _shells(positions: np.ndarray, scan: Scan, elevation: bool) -> Iterator[tuple[float, float, np.ndarray]]:
    """(nearest range, furthest range, scatterers in order of angle) of each shell, at fixed places for all frames."""
    if not len(positions):
        return
    range_m = _ranges(positions, elevation)
    edges = [0.0]
    while edges[-1] <= range_m.max():
        edges.append(edges[-1] + float(np.clip(far_field_step_m(edges[-1], scan.probe), *SHELL_M)))
    shell = np.searchsorted(edges, range_m, side="right") - 1
    order = np.lexsort((np.arctan2(positions[:, 0], positions[:, 2]), shell))
    cuts = np.searchsorted(shell[order], np.arange(len(edges)))
    for index, (start, stop) in enumerate(zip(cuts[:-1], cuts[1:], strict=True)):
        if stop > start:
            yield edges[index], edges[index + 1], order[start:stop]


def _ranges(positions: np.ndarray, elevation: bool) -> np.ndarray:
    """Distance from the probe's centre, m: in the plane for the 2-D law."""
    in_plane = np.hypot(positions[:, 0], positions[:, 2])
    return np.hypot(in_plane, positions[:, 1]) if elevation else in_plane


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


def _add_shell(
    rf: torch.Tensor,
    near_m: float,
    far_m: float,
    positions: np.ndarray,
    weights: np.ndarray,
    sequence: _Sequence,
    accuracy: Accuracy,
) -> None:
    """Add the echoes of a shell's scatterers to the channel signals."""
    scan, device, elevation = sequence.scan, sequence.device, sequence.elevation
    probe, rate = scan.probe, scan.sampling_hz
    range_m = _ranges(positions, elevation)
    field = None
    if accuracy.field_tolerance and far_field_step_m(near_m, probe) >= SHELL_M[0]:
        field = shell_field(probe, near_m, far_m, positions, elevation, accuracy.field_tolerance)
        if field is not None and len(positions) < SPARSE * field.n_patches * field.n_functions:
            field = None

    delays = scan.transmit_delays_s[sequence.events]  # (n_tx, n_simultaneous, n_elements)
    excess = _excess(positions if field is None else field.nodes_m.reshape(-1, 3), probe, elevation)
    first = 2 * (range_m.min() + excess[0]) / probe.speed_of_sound + delays.min() - accuracy.pulse_margin_s / 2
    last = 2 * (range_m.max() + excess[1]) / probe.speed_of_sound + delays.max() + accuracy.pulse_margin_s / 2
    start = math.floor(first * rate)
    n_samples = scipy.fft.next_fast_len(math.ceil(last * rate) - start + 1, real=True)
    if start >= rf.shape[-1]:
        return
    low, high = (limit * n_samples / rate for limit in band_limits(probe, accuracy.band_db))
    bins = np.arange(math.floor(low), min(math.ceil(high), n_samples // 2) + 1)
    freq_hz = bins * (rate / n_samples)

    fire = sum(
        propagation(freq_hz, probe.speed_of_sound * delays[:, k].T, probe, device=device)
        for k in range(delays.shape[1])
    )  # (n_freqs, n_elements, n_tx)
    gain = two_way_spectrum(freq_hz, probe)[:, None] * scan.transmit_weights * (1 if elevation else probe.width_m)
    fire *= torch.tensor(gain.astype(np.complex64), device=device)[:, :, None]

    if elevation:
        lens = ShellLens(positions[:, 1], range_m, freq_hz, probe, accuracy.field_tolerance)

    def source(members: np.ndarray | slice) -> Complex[torch.Tensor, "n_freqs n_members"]:
        """Reflectivity, lens and the phase of the own range, there and back, from the first sample on."""
        path = 2 * range_m[members] - start / rate * probe.speed_of_sound
        strength = propagation(freq_hz, path, probe, device=device)
        strength *= torch.tensor(weights[members], dtype=torch.float32, device=device)
        if elevation:
            strength *= lens(positions[members, 1], range_m[members]).T.to(device)
        return strength

    if field is None:
        echo = _direct_echo(freq_hz, positions, source, fire, sequence)
    else:
        echo = _patch_echo(freq_hz, positions, source, fire, sequence, field)
    spectrum = torch.zeros((len(delays), probe.n_elements, n_samples // 2 + 1), dtype=torch.complex64, device=device)
    spectrum[..., bins[0] : bins[-1] + 1] = echo.permute(2, 1, 0)
    segment = torch.fft.irfft(spectrum, n=n_samples, dim=-1) * rate
    skip, stop = max(0, -start), min(rf.shape[-1] - start, n_samples)
    rf[..., start + skip : start + stop] += segment[..., skip:stop]


def _excess(points: np.ndarray, probe: Probe, elevation: bool) -> tuple[float, float]:
    """Least and largest path to an element beyond a point's own range, m."""
    low, high = [], []
    for start in range(0, len(points), 8 * SCATTERERS_PER_BATCH):
        batch = points[start : start + 8 * SCATTERERS_PER_BATCH]
        excess = element_response(batch, probe, elevation)[0] - _ranges(batch, elevation)[:, None, None]
        low.append(excess.min())
        high.append(excess.max())
    return min(low), max(high)


def _direct_echo(
    freq_hz: np.ndarray,
    positions: np.ndarray,
    source: Callable[[slice], torch.Tensor],
    fire: Complex[torch.Tensor, "n_freqs n_elements n_tx"],
    sequence: _Sequence,
) -> Complex[torch.Tensor, "n_freqs n_elements n_tx"]:
    """The echo of every scatterer, one by one."""
    probe = sequence.scan.probe
    echo = torch.zeros_like(fire)
    angle = np.arctan2(positions[:, 0], positions[:, 2])
    for batch in _batches(angle, None if sequence.beam_window_deg is None else BATCH_ANGLE_RAD):
        heard = sequence.heard(angle[batch].min(), angle[batch].max())
        distance, amplitude = element_response(positions[batch], probe, sequence.elevation)
        reference = _ranges(positions[batch], sequence.elevation)[:, None]
        field = element_field(freq_hz, distance, amplitude, reference, probe, sequence.device)
        pressure = torch.bmm(field, fire[..., heard]).mul_(source(batch)[:, :, None])
        echo[..., heard] += torch.bmm(field.transpose(1, 2), pressure)
    return echo


def _patch_echo(
    freq_hz: np.ndarray,
    positions: np.ndarray,
    source: Callable[[np.ndarray], torch.Tensor],
    fire: Complex[torch.Tensor, "n_freqs n_elements n_tx"],
    sequence: _Sequence,
    field: ShellField,
) -> Complex[torch.Tensor, "n_freqs n_elements n_tx"]:
    """The same by way of the functions of the patches."""
    core = field.core(positions, source, len(freq_hz), sequence.device)
    echo = torch.zeros_like(fire)
    neighbours = field.n_patches if sequence.beam_window_deg is None else 2
    for low in range(0, len(freq_hz), FREQUENCIES_PER_BATCH):
        batch = slice(low, low + FREQUENCIES_PER_BATCH)
        amplitudes = field.amplitudes(freq_hz[batch], sequence.device)
        for first in range(0, field.n_patches, neighbours):
            group = slice(first, first + neighbours)
            heard = sequence.heard(field.low[group, 1].min(), field.high[group, 1].max())
            echo[batch, :, heard] += field.echo(core[batch, group], amplitudes[:, group], fire[batch, :, heard])
    return echo


def _batches(angle: np.ndarray, width_rad: float | None) -> Iterator[slice]:
    """Runs of scatterers in order of angle: not too many and, if asked for, not too wide."""
    cuts = [0, len(angle)]
    if width_rad is not None:
        cuts = np.unique([*cuts, *(np.flatnonzero(np.diff(np.floor(angle / width_rad))) + 1)])
    for low, high in itertools.pairwise(cuts):
        for start in range(low, high, SCATTERERS_PER_BATCH):
            yield slice(start, min(start + SCATTERERS_PER_BATCH, high))
