"""The scan's own response, tabulated once: SIMUS and delay-and-sum as a short sum of separable kernels.

The beamformed IQ is linear in the reflectivities, and the echo of a scatterer at range r on beam b depends only on b,
on r and on the angle between scatterer and beam. For a row of ranges r_j, h[b, o, m] is that echo at angle offset o and
axial sample m, computed from the same frequency sums as `exact`. Per range an SVD over m gives
h[b, o, m] ~ sum_k U_k[b, o] v_k[m]; the classic COLE (Gao et al. 2009) is the separable case of one real profile and
one pulse. Ranges are cut into blocks; within a block, U is fixed and v changes linearly from the block's first to its
last range. Blocks shrink where the wavefront's curvature changes quickly: x^2 / (2 r) changes by x^2 d / (2 r^2) over
d.
"""

import hashlib
import json
import logging
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import scipy.ndimage
import torch

from echotas.acoustics.beamform import receive_aperture
from echotas.acoustics.element import element_field, element_response
from echotas.acoustics.pulse import band_limits, two_way_spectrum
from echotas.acoustics.scan import Scan
from echotas.acoustics.splat import SPLINE_ORDERS

__all__ = ["Response", "ResponsePlan", "build_response", "load_response"]

VERSION = 3
"""Part of the cache key; raise it whenever the table's numbers change."""
AXIAL_HALF_WINDOW_M = 2.4e-3
"""Half length of the tabulated echo: +-2.3 mm is the arrival spread of a 19 mm aperture at 7 degrees, halved by the
two-way path, plus a pulse of about 1 mm."""
PULSE_HALF_S = 2e-6
"""Half length of the pulse in the time window of the frequency grid; at 4 us full length the RF error is 1e-4."""
BAND_DB = -60.0
"""Two-way band kept in the table; costs 5e-5 of the RF."""
BLOCK_PHASE_RAD = 0.4
BLOCK_SIZE_M = (1e-3, 4e-3)
"""How far a block may reach, as a phase change and as a length; linear interpolation then errs by at most
0.4^2 / 8 rad at the aperture's edge."""
MOST_MEMORY_MB = 6000
"""Tables whose building would need more are refused before anything is computed."""
EDGE_ROWS = 4
"""Extra offsets on each side while prefiltering, so that the spline's boundary rule does not reach the table."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ResponsePlan:
    """Everything the table depends on; its hash is the cache key."""

    scan: Scan
    """The scan."""
    method: str = "fast"
    """"fast" (rank-K response) or "cole" (one real lateral profile per depth, one pulse)."""
    rank: int = 8
    """Number of separable kernels per range; 1 for COLE."""
    elevation: bool = False
    """3-D spreading law; the lens itself is applied by `elevation`."""
    offset_deg: float = 7.0
    """Largest angle between scatterer and beam that is tabulated, degrees."""
    splat_order: int = 3
    """B-spline order of the scatterer grid, 1, 2 or 3."""

    def __post_init__(self) -> None:
        if self.method not in ("fast", "cole"):
            raise ValueError(f"method must be 'fast' or 'cole', got {self.method!r}")
        if self.method == "cole":
            object.__setattr__(self, "rank", 1)
        if isinstance(self.rank, bool) or not isinstance(self.rank, int | np.integer) or not 1 <= self.rank <= 32:
            raise ValueError(f"rank must be an integer in 1..32, got {self.rank!r}")
        if self.splat_order not in SPLINE_ORDERS:
            raise ValueError(f"splat_order must be one of {SPLINE_ORDERS}, got {self.splat_order!r}")
        if self.scan.n_simultaneous > 1:
            raise ValueError(
                "scan must fire one beam at a time to be tabulated: a table holds no echoes from other beams, got "
                f"n_simultaneous = {self.scan.n_simultaneous}; use the exact engine"
            )
        if not 0 < self.offset_deg <= 30:
            raise ValueError(f"offset_deg must be in (0, 30], got {self.offset_deg}")
        if np.degrees(self.row_angles_rad[-1]) > 85:
            raise ValueError(f"offset_deg must keep the table below 85 degrees from the axis, got {self.offset_deg}")

    @property
    def key(self) -> str:
        """Content hash of the plan and the table's version."""
        fields = asdict(self)
        return hashlib.sha256(json.dumps([VERSION, fields], sort_keys=True, default=float).encode()).hexdigest()[:20]

    @property
    def rows_per_beam(self) -> int:
        """Grid rows per beam step: enough for twice the bandwidth of the two-way aperture, wavelength / (4 D)."""
        beam_step = self.scan.angles_rad[1] - self.scan.angles_rad[0]
        finest = self.scan.probe.wavelength_m / (4 * self.scan.probe.n_elements * self.scan.probe.pitch_m)
        return int(np.ceil(beam_step / finest - 1e-9))

    @property
    def row_step_rad(self) -> float:
        """Angle between grid rows, rad."""
        return float(self.scan.angles_rad[1] - self.scan.angles_rad[0]) / self.rows_per_beam

    @property
    def n_side(self) -> int:
        """Tabulated offsets on each side of a beam, in grid rows."""
        return int(np.ceil(np.radians(self.offset_deg) / self.row_step_rad))

    @property
    def row_angles_rad(self) -> np.ndarray:
        """Angles of the grid rows, rad; rows `n_side + rows_per_beam * b` lie on the beams."""
        n_rows = self.rows_per_beam * (self.scan.n_beams - 1) + 1 + 2 * self.n_side
        return self.scan.angles_rad[0] + self.row_step_rad * (np.arange(n_rows) - self.n_side)

    @property
    def half_window(self) -> int:
        """Axial samples of the echo on each side of the scatterer."""
        return int(np.ceil(AXIAL_HALF_WINDOW_M / self.scan.range_step_m))

    @property
    def n_front(self) -> int:
        """Grid columns before the first imaged range; they stop one wavelength in front of the probe."""
        room = (self.scan.start_m - self.scan.probe.wavelength_m) / self.scan.range_step_m
        return int(np.clip(np.floor(room), 0, self.half_window))

    @property
    def column_ranges_m(self) -> np.ndarray:
        """Ranges of the grid columns, m."""
        n_columns = self.n_front + self.scan.n_ranges + self.half_window
        return self.scan.start_m + self.scan.range_step_m * (np.arange(n_columns) - self.n_front)

    @property
    def block_edges(self) -> np.ndarray:
        """Grid columns at which range blocks start, int, and the number of columns at the end."""
        ranges, step = self.column_ranges_m, self.scan.range_step_m
        # One-way phase change over a block at the aperture's edge: 2 pi / lambda * x^2 d / (2 r^2).
        half_aperture = self.scan.probe.aperture_m / 2
        allowed = BLOCK_PHASE_RAD * 2 * self.scan.probe.wavelength_m / (2 * np.pi * half_aperture**2)
        edges = [0]
        while edges[-1] < len(ranges):
            size_m = np.clip(allowed * ranges[edges[-1]] ** 2, *BLOCK_SIZE_M)
            edges.append(min(len(ranges), edges[-1] + max(4, round(size_m / step))))
        return np.array(edges)

    @property
    def memory_mb(self) -> float:
        """Memory that building the table takes, estimated, MB: the coefficients four times over, and one range's sums."""
        n_offsets, n_axial = 2 * self.n_side + 1, 2 * self.half_window + 1
        coefficients = (len(self.block_edges) - 1) * self.scan.n_beams * self.rank * n_offsets * 8
        probe = self.scan.probe
        window = 2 * AXIAL_HALF_WINDOW_M / probe.speed_of_sound * 2 + 2 * PULSE_HALF_S
        n_freqs = 2 * probe.freq_center_hz * window
        n_beams = (self.scan.n_beams + 1) // 2
        n_rows = self.rows_per_beam * n_beams + n_offsets
        sums = n_freqs * (probe.n_elements * (2 * n_rows + n_offsets + 2 * n_axial) + n_rows * n_beams) * 8
        return (4 * coefficients + sums + 3 * n_beams * n_offsets * n_axial * 8) / 1e6


@dataclass(frozen=True, eq=False)
class Response:
    """A rank-K table of the scan's response."""

    plan: ResponsePlan
    """What was tabulated."""
    coef: np.ndarray
    """U, complex64 (n_blocks, n_beams, rank, 2 n_side + 1), B-spline coefficients over the offset."""
    axial: np.ndarray
    """v at the first and last range of each block, complex64 (n_blocks, 2, rank, 2 half_window + 1), B-spline
    coefficients over the axial sample."""


def load_response(plan: ResponsePlan, cache_dir: str | Path | None = None) -> Response:
    """The table of a plan, from the cache if it is there and sound, otherwise built and cached.

    Args:
        plan: What to tabulate.
        cache_dir: Folder of cached tables, made if missing; nothing is read or written if None.

    Returns:
        The table. A damaged or foreign cache file is replaced. Several processes may ask at once: each writes a
        temporary file and renames it, so a reader sees a whole table or none.
    """
    if cache_dir is None:
        return build_response(plan)
    path = Path(cache_dir) / f"response-{plan.key}.npz"
    try:
        return _read(path, plan)
    except FileNotFoundError:
        pass
    except Exception as error:  # whatever a damaged zip raises: the table can always be rebuilt
        logger.warning("rebuilding the response table %s: %s", path, error)
    response = build_response(plan)
    _write(path, response)
    return response


def build_response(plan: ResponsePlan) -> Response:
    """Tabulate the response of a scan.

    Args:
        plan: What to tabulate.

    Returns:
        The table; the same bytes for the same plan on the same machine.

    Raises:
        ValueError: It would need more than `MOST_MEMORY_MB`.
    """
    if plan.memory_mb > MOST_MEMORY_MB:
        raise ValueError(
            f"scan needs a response table of {plan.memory_mb:,.0f} MB while it is built, more than {MOST_MEMORY_MB:,}: use "
            f"fewer beams (n_beams = {plan.scan.n_beams}), a lower rank ({plan.rank}), a narrower table "
            f"(offset_deg = {plan.offset_deg:g}) or the exact engine"
        )
    n_beams = plan.scan.n_beams
    nodes = plan.scan.start_m + plan.scan.range_step_m * (plan.block_edges - plan.n_front)
    tables = (_cole_blocks if plan.method == "cole" else _rank_blocks)(plan, nodes)
    coef, axial = (np.stack(parts) for parts in zip(*tables, strict=True))
    coef = _spline_coefficients(coef, plan.splat_order)[..., EDGE_ROWS:-EDGE_ROWS]
    axial = _spline_coefficients(axial, plan.splat_order)
    # The array is symmetric: beam B-1-b at offset o answers like beam b at -o.
    mirrored = coef[:, : n_beams // 2, :, ::-1][:, ::-1]
    coef = np.concatenate([coef, mirrored], axis=1)
    return Response(plan, np.ascontiguousarray(coef, np.complex64), np.ascontiguousarray(axial, np.complex64))


def _echoes(plan: ResponsePlan, range_m: float, beams: np.ndarray) -> np.ndarray:
    """Demodulated echoes at one range, complex64 (n_beams, offsets with edge rows, axial samples)."""
    scan, probe = plan.scan, plan.scan.probe
    n_offsets = 2 * (plan.n_side + EDGE_ROWS) + 1
    rows = scan.angles_rad[beams[0]] + plan.row_step_rad * (
        np.arange(plan.rows_per_beam * (len(beams) - 1) + n_offsets) - plan.n_side - EDGE_ROWS
    )
    positions = np.stack([range_m * np.sin(rows), 0 * rows, range_m * np.cos(rows)], axis=1)
    positions[:, 2] = np.maximum(positions[:, 2], 1e-9)
    distance, amplitude = element_response(positions, probe, plan.elevation)
    excess = distance - range_m  # (n_rows, n_elements, n_segments)
    advance = scan.transmit_delays_s[beams] - scan.centre_delays_s[beams, None]  # (n_beams, n_elements)
    axial = scan.range_step_m * (np.arange(2 * plan.half_window + 1) - plan.half_window)
    pixel = range_m + axial
    angles = scan.angles_rad[beams]
    # |p - x_e| of the pixels on each beam: (n_beams, n_elements, n_axial)
    to_pixel = np.hypot(
        pixel * np.sin(angles)[:, None, None] - probe.element_x_m[:, None],
        pixel * np.cos(angles)[:, None, None] - probe.element_z_m[:, None],
    )
    lead = axial + to_pixel - range_m
    aperture = receive_aperture(scan, beams, pixel)  # (n_beams, n_elements, n_axial)

    freq_hz = _frequency_grid(plan, excess, advance, axial)
    field = element_field(freq_hz, distance, amplitude, range_m, probe)  # (n_freqs, n_rows, n_elements)
    step_hz = freq_hz[1] - freq_hz[0]
    gain = 2 * step_hz * two_way_spectrum(freq_hz, probe) * (1 if plan.elevation else probe.width_m)
    fire = np.exp(-2j * np.pi * freq_hz[:, None, None] * advance.T) * gain[:, None, None]
    fire = fire * scan.transmit_weights[:, None]
    # pressure at each row from each beam: (n_freqs, n_rows, n_beams)
    pressure = torch.bmm(field, torch.tensor(fire.astype(np.complex64)))
    field = field.transpose(0, 1).contiguous()

    echoes = np.empty((len(beams), n_offsets, len(axial)), np.complex64)
    for b in range(len(beams)):
        window = slice(plan.rows_per_beam * b, plan.rows_per_beam * b + n_offsets)
        echo = (field[window] * pressure[:, window, b].T[:, :, None]).reshape(n_offsets, -1)
        align = _alignment(freq_hz, lead[b], aperture[b], axial, scan)
        echoes[b] = (echo @ align).numpy()
    return echoes


def _alignment(
    freq_hz: np.ndarray, lead: np.ndarray, aperture: np.ndarray, axial: np.ndarray, scan: Scan
) -> torch.Tensor:
    """Receive focusing and demodulation, complex64 (n_freqs * n_elements, n_axial)."""
    speed = scan.probe.speed_of_sound
    start = freq_hz[0] * lead - 2 * scan.probe.freq_center_hz * axial
    current = torch.polar(
        torch.tensor(aperture, dtype=torch.float32), torch.tensor(2 * np.pi / speed * start, dtype=torch.float32)
    )
    turn = torch.tensor(2 * np.pi / speed * (freq_hz[1] - freq_hz[0]) * lead, dtype=torch.float32)
    turn = torch.polar(torch.ones_like(turn), turn)
    steps = torch.empty((len(freq_hz), *lead.shape), dtype=torch.complex64)
    steps[0] = current
    for k in range(1, len(freq_hz)):  # advancing by one product per bin is far cheaper than one exponential
        torch.mul(steps[k - 1], turn, out=steps[k])
    return steps.reshape(-1, lead.shape[1])


def _frequency_grid(plan: ResponsePlan, excess: np.ndarray, advance: np.ndarray, axial: np.ndarray) -> np.ndarray:
    """Frequencies of the sum, Hz: coarse, because all arrivals lie in a short window around the scatterer's range."""
    speed = plan.scan.probe.speed_of_sound
    on_beams = slice(plan.n_side + EDGE_ROWS, excess.shape[0] - plan.n_side - EDGE_ROWS, plan.rows_per_beam)
    transmit = np.abs(excess[on_beams] / speed + advance[:, :, None]).max()
    # Off the beam both paths change by at most x sin(offset) and the pixel's own path cancels the rest.
    steering = plan.scan.probe.aperture_m / speed * np.sin(np.radians(plan.offset_deg))
    window = 2 * axial[-1] / speed + transmit + steering + PULSE_HALF_S
    low, high = band_limits(plan.scan.probe, BAND_DB)
    first, last = int(np.floor(low * window)), int(np.ceil(high * window))
    return np.arange(first, last + 1) / window


def _rank_blocks(plan: ResponsePlan, nodes: np.ndarray):
    """For each block, U (n_beams, rank, n_offsets) and v (2, rank, n_axial) at its first and last range."""
    beams = np.arange((plan.scan.n_beams + 1) // 2)
    near = _echoes(plan, nodes[0], beams)
    for range_m in nodes[1:]:
        far = _echoes(plan, range_m, beams)
        yield _separate(np.concatenate([near, far], axis=-1), plan.rank)
        near = far


def _separate(echoes: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Best rank-K factors of the echoes at both ends of a block: one U for the block, one v per end."""
    kept = echoes[:, EDGE_ROWS:-EDGE_ROWS].reshape(-1, echoes.shape[-1])
    _, vectors = np.linalg.eigh((kept.conj().T @ kept).astype(np.complex128))
    basis = vectors[:, ::-1][:, :rank].T
    # The phase of an eigenvector is free; fixing it keeps the table reproducible.
    basis = basis * np.exp(-1j * np.angle(basis[np.arange(rank), np.abs(basis).argmax(axis=1)]))[:, None]
    # The rows of `kept` are nearly spanned by the conjugate eigenvectors, an orthonormal set.
    u = np.einsum("bom,km->bko", echoes, basis.astype(np.complex64), optimize=True)
    return u, basis.conj().reshape(rank, 2, -1).transpose(1, 0, 2)


def _cole_blocks(plan: ResponsePlan, nodes: np.ndarray):
    """As `_rank_blocks`, with the real lateral profile of the central beam and the pulse at the focus for all beams."""
    central = np.array([(plan.scan.n_beams - 1) // 2])
    pulse = _echoes(plan, plan.scan.focus_m, central)[0, plan.n_side + EDGE_ROWS]
    pulse = np.broadcast_to(pulse / np.linalg.norm(pulse), (2, 1, len(pulse)))
    n_half = (plan.scan.n_beams + 1) // 2
    for low, high in zip(nodes[:-1], nodes[1:], strict=True):
        profile = np.linalg.norm(_echoes(plan, (low + high) / 2, central)[0], axis=-1)
        # Symmetrised, since with an even number of beams the central beam is half a step off the axis.
        profile = (profile + profile[::-1]) / 2
        yield np.broadcast_to(profile.astype(np.complex64), (n_half, 1, len(profile))), pulse


def _spline_coefficients(values: np.ndarray, order: int) -> np.ndarray:
    """B-spline coefficients, along the last axis, of the spline through the values; the values for order 1."""
    if order == 1:
        return values
    return scipy.ndimage.spline_filter1d(values.astype(np.complex128), order=order, axis=-1, output=np.complex128)


def _write(path: Path, response: Response) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = (response.plan.scan.n_beams + 1) // 2
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, key=np.array(response.plan.key), coef=response.coef[:, :half], axial=response.axial)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _read(path: Path, plan: ResponsePlan) -> Response:
    with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as file:
        if str(file["key"]) != plan.key:
            raise ValueError("its key does not belong to this scan")
        half, axial = file["coef"], file["axial"]
    coef = np.concatenate([half, half[:, : plan.scan.n_beams // 2, :, ::-1][:, ::-1]], axis=1)
    blocks = len(plan.block_edges) - 1
    if coef.shape != (blocks, plan.scan.n_beams, plan.rank, 2 * plan.n_side + 1):
        raise ValueError(f"its coefficients have shape {coef.shape}")
    if axial.shape != (blocks, 2, plan.rank, 2 * plan.half_window + 1):
        raise ValueError(f"its axial kernels have shape {axial.shape}")
    if not (np.isfinite(coef).all() and np.isfinite(axial).all()):
        raise ValueError("it holds values that are not finite")
    return Response(plan, np.ascontiguousarray(coef), axial)
