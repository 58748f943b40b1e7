"""Fast engine: splat scatterers on a polar grid, then apply the tabulated rank-K response as matrix products.

IQ = sum_blocks sum_k v_k * ( sum_o U_k[b, o] grid[row(b) + o, n] ): the cost after the splat depends neither on the
number of scatterers nor on the number of transmits. With elevation, the lens factor M(y, r, f)^2 is expanded over Q
terms (see `elevation`): Q grids, each with its short axial filter, are summed before the response.
"""

import functools
import itertools
import logging
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from jaxtyping import Complex, Float, Int

from echotas.acoustics.elevation import ELEVATION_STEP_M, HALF_SLAB_M, build_elevation_table
from echotas.acoustics.response import Response, ResponsePlan, load_response
from echotas.acoustics.scatterers import check_frames
from echotas.acoustics.splat import splat_matrix

__all__ = ["FastModel", "fast_model"]

FRAMES_PER_BATCH = 4
"""Frames that share one matrix product; more leaves the cache."""
COLUMNS_PER_PIECE = 16
"""Columns handled by one axial matrix, whose cost per column grows as columns + kernel length."""

logger = logging.getLogger(__name__)


class FastModel:
    """A tabulated response ready to be applied."""

    def __init__(self, response: Response, device: str = "cpu", elevation_terms: int = 3) -> None:
        """Prepare the kernels of a response on a device.

        Args:
            response: The table; its plan says whether the elevation lens is applied.
            device: Where the matrix products run, a torch device.
            elevation_terms: Terms of the lens expansion; used only with elevation.
        """
        plan = self.plan = response.plan
        self.device = torch.device(device)
        self._shape = (len(plan.row_angles_rad), len(plan.column_ranges_m))
        self._coef = torch.from_numpy(response.coef).to(self.device)
        self._pieces = _pieces(plan.block_edges)
        self._axial = [
            _axial_matrix(*response.axial[block], share).to(self.device) for block, _, _, share in self._pieces
        ]
        self._n_terms = 1
        if plan.elevation:
            nodes = plan.scan.start_m + plan.scan.range_step_m * (plan.block_edges - plan.n_front)
            table = build_elevation_table(plan.scan, nodes, elevation_terms)
            self._n_terms = elevation_terms
            self._lens_taps = table.filters.shape[-1]
            self._lens = [
                _axial_matrix(table.filters[block], table.filters[block + 1], share, term_first=False).to(self.device)
                for block, _, _, share in self._pieces
            ]
            parts = np.concatenate([table.amplitudes.real, table.amplitudes.imag])
            self._amplitudes = torch.from_numpy(parts)[None]  # (1, 2 n_terms, n_nodes, n_elevations)
            columns = np.arange(self._shape[1])
            node = np.interp(columns, plan.block_edges, np.arange(len(plan.block_edges)))
            self._node_of_column = torch.from_numpy(node.astype(np.float32))

    def simulate(
        self, positions_m: np.ndarray, reflectivity: np.ndarray
    ) -> tuple[Complex[np.ndarray, "n_frames n_beams n_ranges"], Int[np.ndarray, " n_frames"]]:
        """IQ of every frame, and how many scatterers of each frame lie off the table.

        Args:
            positions_m: (n_frames, n, 3) of moving or (n, 3) of static scatterers, m. Static ones are splatted by one
                sparse operator for all frames, which is cheaper.
            reflectivity: (n_frames, n), or (n,) if constant.

        Returns:
            IQ, complex64; and the number of scatterers per frame outside the tabulated angles, ranges and elevations,
            which contribute nothing.

        Raises:
            ValueError: As in `check_frames`.
        """
        positions, weights = check_frames(positions_m, reflectivity)
        (n_frames,) = np.broadcast_shapes(positions.shape[:1], weights.shape[:1])
        iq = np.empty((n_frames, self.plan.scan.n_beams, self.plan.scan.n_ranges), np.complex64)
        off_table = np.zeros(n_frames, dtype=np.int64)
        # Scatterers move little within a cine: in the first frame's grid order, every splat walks memory in order.
        order = self._grid_order(positions[0]) if n_frames else slice(None)
        static = self._operator(positions[0, order]) if len(positions) == 1 else None
        for start in range(0, n_frames, FRAMES_PER_BATCH):
            batch = slice(start, min(start + FRAMES_PER_BATCH, n_frames))
            grids = []
            for t in range(batch.start, batch.stop):
                matrix, values, off_table[t] = static or self._operator(positions[t, order])
                grids.append(self._splat(matrix, values, weights[t if len(weights) > 1 else 0, order]))
            iq[batch] = self.apply(torch.stack(grids))
        if off_table.any():
            logger.info(
                "%d to %d of %d scatterers per frame lie off the table",
                off_table.min(),
                off_table.max(),
                weights.shape[1],
            )
        return iq, off_table

    def apply(
        self, grid: Complex[torch.Tensor, "n_frames n_rows n_columns n_terms"]
    ) -> Complex[np.ndarray, "n_frames n_beams n_ranges"]:
        """IQ of scatterers already on the grid."""
        grid = self._filter_elevation(grid) if self.plan.elevation else grid[..., 0]
        plan, n_frames = self.plan, len(grid)
        n_beams, n_offsets, n_taps = plan.scan.n_beams, 2 * plan.n_side + 1, 2 * plan.half_window + 1
        out = torch.zeros((n_beams, n_frames, self._shape[1] + n_taps - 1), dtype=torch.complex64, device=self.device)
        for (block, low, high, _), axial in zip(self._pieces, self._axial, strict=True):
            size = high - low
            rows = grid[:, :, low:high].transpose(0, 1).contiguous()  # (n_rows, n_frames, size)
            stride = n_frames * size
            # Beam b sees the rows from rows_per_beam * b on: overlapping windows of the same memory.
            seen = rows.as_strided((n_beams, n_offsets, stride), (plan.rows_per_beam * stride, stride, 1))
            kernels = torch.bmm(self._coef[block], seen).reshape(n_beams, plan.rank, n_frames, size)
            kernels = kernels.transpose(1, 2).reshape(n_beams * n_frames, plan.rank * size)
            out[:, :, low : high + n_taps - 1] += (kernels @ axial).reshape(n_beams, n_frames, -1)
        first = plan.n_front + plan.half_window
        return out[:, :, first : first + plan.scan.n_ranges].transpose(0, 1).cpu().numpy()

    def _filter_elevation(self, grid: torch.Tensor) -> torch.Tensor:
        """Apply each term's axial filter and sum the terms, complex64 (n_frames, n_rows, n_columns)."""
        n_frames, n_rows, n_columns, _ = grid.shape
        padded = torch.zeros(
            (n_frames, n_rows, n_columns + self._lens_taps - 1), dtype=torch.complex64, device=self.device
        )
        for (_, low, high, _), lens in zip(self._pieces, self._lens, strict=True):
            terms = grid[:, :, low:high].reshape(n_frames * n_rows, -1)  # columns x terms
            padded[:, :, low : high + self._lens_taps - 1] += (terms @ lens).reshape(n_frames, n_rows, -1)
        half = self._lens_taps // 2
        return padded[:, :, half : half + n_columns]

    def _grid_order(self, positions: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, " n"]:
        """Order of the scatterers along the grid's memory, row by row."""
        row = np.arctan2(positions[:, 0], positions[:, 2]) / self.plan.row_step_rad
        column = np.hypot(positions[:, 0], positions[:, 2]) / self.plan.scan.range_step_m
        return np.argsort(np.floor(row) * 2 * self._shape[1] + column)

    def _operator(
        self, positions: Float[np.ndarray, "n 3"]
    ) -> tuple[scipy.sparse.csc_matrix, Complex[torch.Tensor, "n n_terms"], int]:
        """Splat matrix, what a unit reflectivity puts on the grid, and the number off the table, for one frame."""
        plan, probe = self.plan, self.plan.scan.probe
        lateral, elevation, depth = torch.from_numpy(np.ascontiguousarray(positions.T, dtype=np.float64))
        range_m = torch.hypot(lateral, depth)
        if plan.elevation:
            # With sin(angle) = x / range, an in-plane scatterer at this range has the same distance to every element.
            range_m = torch.hypot(range_m, elevation)
        sine = (lateral / range_m).float()
        row = (torch.asin(sine) - float(plan.row_angles_rad[0])) / plan.row_step_rad
        column = ((range_m - float(plan.column_ranges_m[0])) / plan.scan.range_step_m).float()
        turns = range_m * (2 * probe.freq_center_hz / probe.speed_of_sound)
        phase = (turns - torch.round(turns)).float() * (-2 * torch.pi)
        values = torch.polar(torch.ones_like(phase), phase)[:, None]
        in_slab = None
        if plan.elevation:
            values = values * self._lens_amplitudes(elevation.float(), column)
            in_slab = elevation.abs() <= HALF_SLAB_M
        matrix, inside = splat_matrix(row, column, self._shape, plan.splat_order, in_slab)
        return matrix, values, int(len(inside) - inside.sum())

    def _lens_amplitudes(self, elevation: torch.Tensor, column: torch.Tensor) -> Complex[torch.Tensor, "n n_terms"]:
        """a_q at each scatterer, bilinear in elevation and block node."""
        _, _, n_nodes, n_elevations = self._amplitudes.shape
        node = self._node_of_column[column.round().clamp(0, self._shape[1] - 1).long()]
        across = elevation.abs() * (2 / (ELEVATION_STEP_M * (n_elevations - 1))) - 1
        where = torch.stack([across, node * (2 / (n_nodes - 1)) - 1], dim=-1)
        parts = torch.nn.functional.grid_sample(
            self._amplitudes, where[None, None], align_corners=True, padding_mode="border"
        )[0, :, 0]
        return torch.complex(parts[: self._n_terms], parts[self._n_terms :]).T

    def _splat(
        self, matrix: scipy.sparse.csc_matrix, values: torch.Tensor, weights: np.ndarray
    ) -> Complex[torch.Tensor, "n_rows n_columns n_terms"]:
        """Grid of one frame."""
        scaled = values * torch.from_numpy(np.ascontiguousarray(weights, dtype=np.float32))[:, None]
        grid = torch.from_numpy(matrix @ torch.view_as_real(scaled).flatten(1).numpy())  # (n_nodes, 2 n_terms)
        return torch.view_as_complex(grid.reshape(*self._shape, -1, 2)).to(self.device)


@functools.lru_cache(maxsize=4)
def fast_model(
    plan: ResponsePlan, device: str = "cpu", cache_dir: str | Path | None = None, elevation_terms: int = 3
) -> FastModel:
    """The model of a plan; the last few are kept in memory, since the table takes seconds to build."""
    return FastModel(load_response(plan, cache_dir), device, elevation_terms)


def _pieces(edges: np.ndarray) -> list[tuple[int, int, int, np.ndarray]]:
    """Blocks cut into short runs: (block, first column, end column, position of each column within the block, 0..1)."""
    pieces = []
    for block, (low, high) in enumerate(itertools.pairwise(edges.tolist())):
        n_pieces = -(-(high - low) // COLUMNS_PER_PIECE)
        cuts = np.linspace(low, high, n_pieces + 1).round().astype(int).tolist()
        for start, stop in itertools.pairwise(cuts):
            pieces.append((block, start, stop, (np.arange(start, stop) - low) / (high - low)))
    return pieces


def _axial_matrix(near: np.ndarray, far: np.ndarray, share: np.ndarray, term_first: bool = True) -> torch.Tensor:
    """Range-variant convolution as one matrix, complex64 (n_kernels * size, size + n_taps - 1).

    Row (k, n), or (n, k) unless `term_first`, holds the kernel of column n, shifted by n:
    (1 - share[n]) near_k + share[n] far_k.
    """
    n_kernels, n_taps = near.shape
    size = len(share)
    matrix = np.zeros((n_kernels, size, size + n_taps - 1), np.complex64)
    for n in range(size):
        matrix[:, n, n : n + n_taps] = (1 - share[n]) * near + share[n] * far
    if not term_first:
        matrix = matrix.transpose(1, 0, 2)
    return torch.from_numpy(matrix.reshape(n_kernels * size, -1))
