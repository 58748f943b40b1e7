"""Recorded arrays of the public implementations: cases are listed from a folder, models built from each case's own sizes.

The folder is `$ECHOTAS_GOLDEN`, `../shared/golden` beside the project by default; tests that need it skip where it is absent.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch

from echotas.trackers.public_names import Names, rename

GOLDEN = Path(os.environ.get("ECHOTAS_GOLDEN", Path(__file__).parents[2] / ".." / "shared" / "golden"))
ABSENT = f"golden arrays not found in {GOLDEN}; set ECHOTAS_GOLDEN"


def specifications(architecture: str) -> dict[str, dict]:
    """Specification of every case of one architecture (`config.cls`), by name of the case."""
    found = {}
    for path in sorted((GOLDEN / "public_keys").glob("*.json")):
        one = json.loads(path.read_text())
        if one["config"]["cls"] == architecture and (GOLDEN / f"{path.stem}.npz").is_file():
            found[path.stem] = one
    return found


def golden_cases(architecture: str) -> list:
    """Parameters of a fixture: one (case, dtype) pair each, float64 first; a skipped one where there is no case."""
    names = list(specifications(architecture))
    if not names:
        return [pytest.param(None, marks=pytest.mark.skip(reason=ABSENT))]
    return [pytest.param((name, dtype), id=f"{name}-{dtype}") for dtype in ("float64", "float32") for name in names]


class Golden:
    """Network, recorded arrays and tolerances of one case in one precision."""

    def __init__(
        self, case: tuple[str, str], architecture: str, build: Callable[[dict], torch.nn.Module], names: Names
    ) -> None:
        torch.set_num_threads(1)
        self.name, dtype = case
        self.dtype = getattr(torch, dtype)
        self.specification = specifications(architecture)[self.name]
        self.network = build(self.specification["config"]).to(self.dtype).eval().requires_grad_(False)
        tensors = {rename(key, names): torch.from_numpy(value).to(self.dtype) for key, value in self._weights().items()}
        self.network.load_state_dict(tensors)  # strict: every public tensor used, none left over
        self.arrays = np.load(GOLDEN / f"{self.name}.npz")
        self.tolerance = json.loads((GOLDEN / "tolerances.json").read_text())[self.name]

    def _weights(self) -> dict[str, np.ndarray]:
        sys.path.insert(0, str(GOLDEN))
        try:
            from weights import weights
        finally:
            sys.path.pop(0)
        return weights(self.specification)

    @cached_property
    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def tensor(self, name: str) -> torch.Tensor:
        """A recorded array in the precision of the network; integers (videos) become floats."""
        return torch.from_numpy(self.arrays[name]).to(self.dtype)

    def check(self, name: str, value: torch.Tensor, rows: Sequence[int] | None = None) -> None:
        """Compare with the recorded array within its tolerance for this precision."""
        expected = self.arrays[name] if rows is None else self.arrays[name][rows]
        allowed = self.tolerance[name]["tol_f64" if self.dtype == torch.float64 else "tol_f32"]
        assert tuple(value.shape) == expected.shape, f"{name}: shape {tuple(value.shape)}, recorded {expected.shape}"
        np.testing.assert_allclose(value.double().numpy(), expected, rtol=0, atol=allowed, err_msg=name)
