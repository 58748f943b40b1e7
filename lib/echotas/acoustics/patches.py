"""The field of the array in small patches, as a short sum of functions of the position.

At range r a scatterer hears element e with G_e(x, f) = exp(-i k r) h_e(x, f). Over a patch of a few degrees and, further
out, a few centimetres of range, h turns by a few radians only, so that for all elements and all frequencies of the band
h_e(x, f) ~ sum_q B_q(x) a_qe(f) with some thirty real functions B_q. They are found once per patch: h at a tensor grid of
Chebyshev nodes in range, angle and (with elevation) distance from the image plane, and the leading eigenvectors of its
Gram matrix. Between the nodes B_q is the Chebyshev interpolant. The number of nodes grows until the field at random
points of the patches is met within the tolerance.

The number of functions is that of the degrees of freedom of an aperture's field, which is why so few do (Slepian's
time-bandwidth count: 2 k a dtheta / (2 pi), and a handful for the digits).
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float

from echotas.acoustics.chebyshev import chebyshev_nodes, interpolation_weights
from echotas.acoustics.element import element_field, element_response
from echotas.acoustics.probe import Probe
from echotas.acoustics.pulse import band_limits, two_way_spectrum

__all__ = ["ShellField", "far_field_step_m", "shell_field"]

ANGLE_PHASE_RAD = 5.0
"""Half the phase by which a patch's width turns the field at the aperture's edge; wider patches are fewer, but need
more functions each."""
RANGE_PHASE_RAD = 2.0
"""The same for its length: the wavefront's curvature k a^2 / (2 r) changes with the range."""
SLAB_STEP_M = 2e-3
"""Distances from the image plane are rounded up to this, so that the frames of a cine share their patches."""
MOST_NODES, MOST_FUNCTIONS = 800, 64
"""A shell whose patches need more is summed directly."""
ROW = 256
"""Scatterers of a patch are padded to whole rows, so that all patches are one product."""
ROWS_PER_BATCH = 48
"""Bounds the memory: 48 rows x 256 scatterers x 465 pairs of functions are 23 MB, x 200 frequencies 20 MB."""
N_BAND = 7
"""Frequencies at which functions are sought and checked; over a patch the field changes slowly with frequency."""
N_CHECKS = 6
"""Random points of a patch at which they are checked."""
BAND_DB = -80.0
"""The band over which the field is met."""


@dataclass(frozen=True, eq=False)
class ShellField:
    """Patches side by side in angle, all of one range shell."""

    probe: Probe
    """The array."""
    elevation: bool
    """3-D law."""
    low: Float[np.ndarray, "n_patches n_axes"]
    """Lower corners: range (m), angle (rad), squared distance from the plane (m^2)."""
    high: Float[np.ndarray, "n_patches n_axes"]
    """Upper corners."""
    n_nodes: tuple[int, ...]
    """Chebyshev nodes along each axis."""
    nodes_m: Float[np.ndarray, "n_patches n_all_nodes 3"]
    """Their places, m."""
    project: Float[torch.Tensor, "n_patches n_functions n_all_nodes"]
    """From values at the nodes to amplitudes of the functions; its transpose are the functions' values at the nodes."""

    @property
    def n_patches(self) -> int:
        """Number of patches."""
        return len(self.low)

    @property
    def n_functions(self) -> int:
        """Number of functions of each patch."""
        return self.project.shape[1]

    def amplitudes(
        self, freq_hz: Float[np.ndarray, " n_freqs"], device: torch.device | str = "cpu"
    ) -> Complex[torch.Tensor, "n_freqs n_patches n_functions n_elements"]:
        """a_qe(f) of every patch."""
        points = self.nodes_m.reshape(-1, 3)
        values = _relative_field(freq_hz, points, self.probe, self.elevation, device)
        values = torch.view_as_real(values).reshape(len(freq_hz), self.n_patches, points.shape[0] // self.n_patches, -1)
        amplitudes = torch.matmul(self.project.to(device), values)
        return torch.view_as_complex(amplitudes.reshape(*amplitudes.shape[:3], -1, 2))

    def functions(
        self, coordinates: Float[np.ndarray, "*rows n n_axes"], patch: np.ndarray, device: torch.device | str = "cpu"
    ) -> Float[torch.Tensor, "*rows n n_functions"]:
        """B_q at points (range, angle, squared distance from the plane) of the patch given for each row."""
        low, high = self.low[patch][:, None], self.high[patch][:, None]
        unit = (2 * coordinates - low - high) / (high - low)  # -1..1
        cubes = 1
        for axis, count in enumerate(self.n_nodes):
            along = torch.tensor(interpolation_weights(unit[..., axis], count), dtype=torch.float32, device=device)
            cubes = along if axis == 0 else (cubes[..., :, None] * along[..., None, :]).flatten(-2)
        return torch.bmm(cubes, self.project.to(device)[torch.as_tensor(patch, device=device)].transpose(1, 2))

    def core(
        self,
        positions: Float[np.ndarray, "n 3"],
        source: Callable[[np.ndarray], Complex[torch.Tensor, "n_freqs n_chosen"]],
        n_freqs: int,
        device: torch.device | str = "cpu",
    ) -> Complex[torch.Tensor, "n_freqs n_patches n_functions n_functions"]:
        """C = sum_i s_i B(x_i) B(x_i)^T of every patch.

        Args:
            positions: Scatterers, m.
            source: Strengths s of the scatterers whose indices it is given, at every frequency.
            n_freqs: Number of frequencies.
            device: Where the result lies.
        """
        coordinates = _coordinates(positions, self.low.shape[1] > 2)
        patch = np.clip(np.searchsorted(self.low[:, 1], coordinates[:, 1], side="right") - 1, 0, self.n_patches - 1)
        member, used, row_patch = _rows(patch)
        upper = torch.triu_indices(self.n_functions, self.n_functions, device=device)
        moments = torch.zeros((self.n_patches, upper.shape[1], 2 * n_freqs), device=device)
        for start in range(0, len(member), ROWS_PER_BATCH):
            rows = slice(start, start + ROWS_PER_BATCH)
            functions = self.functions(coordinates[member[rows]], row_patch[rows], device)
            functions *= torch.as_tensor(used[rows], dtype=torch.float32, device=device)[..., None]
            functions = functions.transpose(1, 2).contiguous()  # (n_rows, n_functions, ROW)
            pairs = functions[:, upper[0]] * functions[:, upper[1]]
            strength = source(member[rows].ravel()).T.contiguous()  # (n_rows x ROW, n_freqs)
            strength = torch.view_as_real(strength).reshape(len(functions), ROW, 2 * n_freqs)
            moments.index_add_(0, torch.as_tensor(row_patch[rows], device=device), torch.bmm(pairs, strength))
        moments = torch.view_as_complex(moments.reshape(self.n_patches, -1, n_freqs, 2)).permute(2, 0, 1)
        square = torch.empty((self.n_functions, self.n_functions), dtype=torch.long, device=device)
        square[upper[0], upper[1]] = square[upper[1], upper[0]] = torch.arange(upper.shape[1], device=device)
        return moments.contiguous()[..., square]

    def echo(
        self,
        core: Complex[torch.Tensor, "n_freqs n_patches n_functions n_functions"],
        amplitudes: Complex[torch.Tensor, "n_freqs n_patches n_functions n_elements"],
        fire: Complex[torch.Tensor, "n_freqs n_elements n_tx"],
    ) -> Complex[torch.Tensor, "n_freqs n_elements n_tx"]:
        """A^T C A W: what the elements hear of scatterers in some of the patches.

        Args:
            core: C of these patches.
            amplitudes: A of these patches.
            fire: Transmit weights W.
        """
        flat = amplitudes.flatten(1, 2)  # (n_freqs, functions of all patches, n_elements)
        pressure = torch.bmm(flat, fire).reshape(*amplitudes.shape[:3], -1)
        scattered = torch.matmul(core, pressure).flatten(1, 2)
        return torch.bmm(flat.transpose(1, 2), scattered)


def far_field_step_m(range_m: float, probe: Probe) -> float:
    """How far a patch may reach beyond a range before the wavefront's curvature has changed too much, m."""
    highest = 2 * math.pi * band_limits(probe, BAND_DB)[1] / probe.speed_of_sound
    return 4 * RANGE_PHASE_RAD * range_m**2 / (highest * (probe.aperture_m / 2) ** 2)


def shell_field(
    probe: Probe, near_m: float, far_m: float, positions: Float[np.ndarray, "n 3"], elevation: bool, tolerance: float
) -> ShellField | None:
    """Patches that hold some scatterers of a shell; None where the field cannot be met with few functions.

    Args:
        probe: The array.
        near_m: Least range, m.
        far_m: Largest range, m.
        positions: The scatterers, m; only their extent counts.
        elevation: 3-D law.
        tolerance: Relative L2 error of the field, over elements and band, in a patch.
    """
    angle = np.arctan2(positions[:, 0], positions[:, 2])
    first, last = (math.floor(edge / _width_rad(probe)) for edge in (angle.min(), angle.max()))
    slab = math.ceil(np.abs(positions[:, 1]).max() / SLAB_STEP_M) if elevation else 0
    if slab * SLAB_STEP_M > 0.7 * near_m:
        return None
    return _shell_field(probe, near_m, far_m, first, last - first + 1, slab, elevation, tolerance)


@functools.lru_cache(maxsize=64)
def _shell_field(
    probe: Probe,
    near_m: float,
    far_m: float,
    first: int,
    n_patches: int,
    slab: int,
    elevation: bool,
    tolerance: float,
) -> ShellField | None:
    width = _width_rad(probe)
    low = np.empty((n_patches, 3 if slab else 2))
    high = np.empty_like(low)
    low[:, 0], high[:, 0] = near_m, far_m
    low[:, 1] = width * (first + np.arange(n_patches))
    high[:, 1] = low[:, 1] + width
    if slab:
        low[:, 2], high[:, 2] = 0.0, (slab * SLAB_STEP_M) ** 2
    # An interpolant of exp(i p t), -1 <= t <= 1, has met its digits some eight nodes beyond p.
    n_nodes = [math.ceil(RANGE_PHASE_RAD) + 5, math.ceil(ANGLE_PHASE_RAD) + 8] + [4] * bool(slab)
    tried = np.unique([0, n_patches // 2, n_patches - 1])
    inside = np.random.default_rng(0).uniform(size=(len(tried), N_CHECKS, low.shape[1]))
    checks = low[tried, None] + inside * (high - low)[tried, None]
    while math.prod(n_nodes) <= MOST_NODES:
        sample = _build(probe, low[tried], high[tried], tuple(n_nodes), elevation, tolerance)
        if _error(sample, checks) <= 1.5 * tolerance:
            field = _build(probe, low, high, tuple(n_nodes), elevation, tolerance)
            return field if field.n_functions < MOST_FUNCTIONS else None
        n_nodes = [count + 1 for count in n_nodes]
    return None


def _build(
    probe: Probe, low: np.ndarray, high: np.ndarray, n_nodes: tuple[int, ...], elevation: bool, tolerance: float
) -> ShellField:
    unit = np.stack(
        [axis.ravel() for axis in np.meshgrid(*(chebyshev_nodes(count) for count in n_nodes), indexing="ij")], axis=-1
    )
    corners = (low[:, None] + high[:, None]) / 2 + unit * (high - low)[:, None] / 2
    nodes = _places(corners)
    freq_hz, level = _band(probe)
    values = _relative_field(freq_hz, nodes.reshape(-1, 3), probe, elevation) * level[:, None, None]
    values = torch.view_as_real(values).reshape(len(freq_hz), *nodes.shape[:2], -1)
    values = values.permute(1, 2, 0, 3).flatten(2).double()  # (n_patches, n_all_nodes, frequencies x elements x 2)
    gram = torch.bmm(values, values.transpose(1, 2))
    # Subspace iteration: the spectrum falls so steeply that two rounds find its head to all digits that matter.
    generator = torch.Generator().manual_seed(0)
    subspace = torch.randn((gram.shape[-1], min(MOST_FUNCTIONS, gram.shape[-1])), generator=generator, dtype=gram.dtype)
    for _ in range(3):
        subspace = torch.linalg.qr(gram @ subspace)[0]
    strength, vectors = torch.linalg.eigh(subspace.transpose(1, 2) @ gram @ subspace)
    whole = gram.diagonal(dim1=1, dim2=2).sum(dim=1, keepdim=True)
    left_out = 1 - torch.cumsum(strength.flip(-1), dim=-1) / whole
    n_functions = min(int((left_out > tolerance**2).sum(dim=1).max()) + 1, strength.shape[-1])
    project = (subspace @ vectors.flip(-1)[..., :n_functions]).transpose(1, 2).float().contiguous()
    return ShellField(probe, elevation, low, high, n_nodes, nodes, project)


def _error(field: ShellField, checks: np.ndarray) -> float:
    """Relative L2 error of the field at check points, in the worst patch."""
    freq_hz, level = _band(field.probe)
    exact = _relative_field(freq_hz, _places(checks).reshape(-1, 3), field.probe, field.elevation)
    exact = exact.reshape(len(freq_hz), *checks.shape[:2], -1) * level[:, None, None, None]
    functions = field.functions(checks, np.arange(field.n_patches))
    met = torch.matmul(functions.to(torch.complex64), field.amplitudes(freq_hz)) * level[:, None, None, None]
    worst = (met - exact).abs().square().sum(dim=(0, 2, 3)) / exact.abs().square().sum(dim=(0, 2, 3))
    return float(worst.max().sqrt())


def _band(probe: Probe) -> tuple[np.ndarray, torch.Tensor]:
    """A few frequencies over the band and the echo's level there."""
    freq_hz = np.linspace(*band_limits(probe, BAND_DB), N_BAND)
    return freq_hz, torch.tensor(np.abs(two_way_spectrum(freq_hz, probe)), dtype=torch.float32)


def _width_rad(probe: Probe) -> float:
    highest = 2 * math.pi * band_limits(probe, BAND_DB)[1] / probe.speed_of_sound
    return 2 * ANGLE_PHASE_RAD / (highest * probe.aperture_m / 2)


def _relative_field(
    freq_hz: np.ndarray, points: np.ndarray, probe: Probe, elevation: bool, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """h: the field without the phase of the point's own range, complex64 (n_freqs, n_points, n_elements)."""
    distance, amplitude = element_response(points, probe, elevation)
    own = np.linalg.norm(points, axis=1) if elevation else np.hypot(points[:, 0], points[:, 2])
    return element_field(freq_hz, distance, amplitude, own[:, None], probe, device)


def _coordinates(positions: np.ndarray, slab: bool) -> np.ndarray:
    """(range, angle) and, in a slab, the squared distance from the plane; the range is the distance from the origin."""
    in_plane, angle = np.hypot(positions[:, 0], positions[:, 2]), np.arctan2(positions[:, 0], positions[:, 2])
    if not slab:
        return np.stack([in_plane, angle], axis=1)
    return np.stack([np.hypot(in_plane, positions[:, 1]), angle, positions[:, 1] ** 2], axis=1)


def _places(coordinates: np.ndarray) -> np.ndarray:
    """Inverse of `_coordinates`, y >= 0; the field is even in it."""
    squared = coordinates[..., 2] if coordinates.shape[-1] > 2 else np.zeros(coordinates.shape[:-1])
    r, angle = np.sqrt(coordinates[..., 0] ** 2 - squared), coordinates[..., 1]
    return np.stack([r * np.sin(angle), np.sqrt(squared), r * np.cos(angle)], axis=-1)


def _rows(patch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scatterers cut into rows of one patch each, (n_rows, ROW), which of the places are used, and each row's patch.

    A place that is not used repeats a scatterer of the row.
    """
    order = np.argsort(patch, kind="stable")
    present, count = np.unique(patch, return_counts=True)
    n_rows = -(-count // ROW)
    within = np.arange(len(patch)) - np.repeat(np.cumsum(count) - count, count)
    place = np.repeat((np.cumsum(n_rows) - n_rows) * ROW, count) + within
    used = np.zeros(n_rows.sum() * ROW, bool)
    member = np.zeros(len(used), np.int64)
    used[place], member[place] = True, order
    used, member = used.reshape(-1, ROW), member.reshape(-1, ROW)
    return np.where(used, member, member[:, :1]), used, np.repeat(present, n_rows)
