"""Trackers: every method that follows points through a cine, behind one contract."""

from echotas.trackers.base import Tracker
from echotas.trackers.registry import Description, available, create, describe, fitted_config, module_of

__all__ = ["Description", "Tracker", "available", "create", "describe", "fitted_config", "module_of"]
