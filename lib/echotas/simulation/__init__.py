"""Template-driven simulation: a real cine and a motion in, a synthetic cine with exactly that motion out."""

from echotas.simulation.config import STRATEGIES, SimulationConfig
from echotas.simulation.engine import MASKS, EngineNode, masks_to_mesh, ordered_nodes, paper_nodes, tracks_to_mesh
from echotas.simulation.strategies import Simulated, simulate_sequence

__all__ = [
    "MASKS",
    "STRATEGIES",
    "EngineNode",
    "Simulated",
    "SimulationConfig",
    "masks_to_mesh",
    "ordered_nodes",
    "paper_nodes",
    "simulate_sequence",
    "tracks_to_mesh",
]
