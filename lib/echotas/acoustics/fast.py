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
        self._blocks = list(itertools.pairwise(plan.block_edges.tolist()))
        self._axial = _convolution(_along_columns(response.axial, self._blocks)).to(self.device)
        self._n_terms = 1
        if plan.elevation:
            nodes = plan.scan.start_m + plan.scan.range_step_m * (plan.block_edges - plan.n_front)
            table = build_elevation_table(plan.scan, nodes, elevation_terms)
            self._n_terms = elevation_terms
            self._lens_taps = table.filters.shape[-1]
            ends = np.stack([table.filters[:-1], table.filters[1:]], axis=1)
            self._lens = _convolution(_along_columns(ends, self._blocks)).to(self.device)
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
        kernels = torch.empty((n_beams, plan.rank, n_frames, self._shape[1]), dtype=torch.complex64, device=self.device)
        for (low, high), coef in zip(self._blocks, self._coef, strict=True):
            rows = grid[:, :, low:high].transpose(0, 1).contiguous()  # (n_rows, n_frames, size)
            stride = n_frames * (high - low)
            # Beam b sees the rows from rows_per_beam * b on: overlapping windows of the same memory.
            seen = rows.as_strided((n_beams, n_offsets, stride), (plan.rows_per_beam * stride, stride, 1))
            kernels[..., low:high] = torch.bmm(coef, seen).reshape(n_beams, plan.rank, n_frames, high - low)
        out = _convolve(kernels.permute(2, 0, 1, 3), self._axial, n_taps)
        first = plan.n_front + plan.half_window
        return out[:, first : first + plan.scan.n_ranges].reshape(n_frames, n_beams, -1).cpu().numpy()

    def _filter_elevation(self, grid: torch.Tensor) -> torch.Tensor:
        """Apply each term's axial filter and sum the terms, complex64 (n_frames, n_rows, n_columns)."""
        n_frames, n_rows, n_columns, _ = grid.shape
        out = _convolve(grid.transpose(2, 3), self._lens, self._lens_taps)
        half = self._lens_taps // 2
        return out[:, half : half + n_columns].reshape(n_frames, n_rows, n_columns)

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


def _along_columns(ends: np.ndarray, blocks: list[tuple[int, int]]) -> np.ndarray:
    """Kernels of every column, (n_columns, n_kernels, n_taps), linear between both ends (n_blocks, 2, ...) of its block."""
    columns = []
    for (near, far), (low, high) in zip(ends, blocks, strict=True):
        share = ((np.arange(low, high) - low) / (high - low)).astype(np.float32)[:, None, None]
        columns.append((1 - share) * near + share * far)
    return np.concatenate(columns)


def _convolution(kernels: np.ndarray) -> torch.Tensor:
    """Range-variant convolution as matrices, complex64 (n_pieces, n_kernels * COLUMNS, COLUMNS + n_taps - 1).

    A piece is a run of columns; row (k, n) of its matrix holds kernel k of column n, shifted by n.
    """
    n_columns, n_kernels, n_taps = kernels.shape
    n_pieces = -(-n_columns // COLUMNS_PER_PIECE)
    matrices = np.zeros(
        (n_pieces, n_kernels, COLUMNS_PER_PIECE, COLUMNS_PER_PIECE + n_taps - 1), np.complex64
    )  # the last piece may be padded with columns that do nothing
    for column in range(n_columns):
        piece, n = divmod(column, COLUMNS_PER_PIECE)
        matrices[piece, :, n, n : n + n_taps] = kernels[column]
    return torch.from_numpy(matrices.reshape(n_pieces, n_kernels * COLUMNS_PER_PIECE, -1))


def _convolve(
    signals: Complex[torch.Tensor, "a b n_kernels n_columns"], matrices: torch.Tensor, n_taps: int
) -> Complex[torch.Tensor, "a*b n"]:
    """Sum over the kernels of each signal convolved with its kernel; at least n_columns + n_taps - 1 samples."""
    *shape, n_columns = signals.shape
    n_signals, n_pieces, size = shape[0] * shape[1], len(matrices), COLUMNS_PER_PIECE
    # Straight from the signals, however they lie in memory, to pieces: this is bound by memory.
    pieces = torch.empty((n_pieces, *shape, size), dtype=signals.dtype, device=signals.device)
    whole = n_columns // size
    pieces[:whole] = signals[..., : whole * size].unflatten(-1, (whole, size)).movedim(-2, 0)
    if whole < n_pieces:
        rest = n_columns - whole * size
        pieces[-1, ..., :rest], pieces[-1, ..., rest:] = signals[..., whole * size :], 0
    parts = torch.bmm(pieces.reshape(n_pieces, n_signals, -1), matrices)  # (n_pieces, n_signals, size + n_taps - 1)
    n_steps = -(-parts.shape[-1] // size)
    out = torch.zeros((n_signals, n_pieces + n_steps, size), dtype=signals.dtype, device=signals.device)
    for step in range(n_steps):
        part = parts[..., step * size : (step + 1) * size]
        out[:, step : step + n_pieces, : part.shape[-1]] += part.transpose(0, 1)
    return out.flatten(1)
