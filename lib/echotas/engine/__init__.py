"""The data engine on disk: per recording, motion from masks -> simulate -> (train) -> track the template."""

from echotas.engine.items import motion_from_masks, read_motion, simulate_template, track_template
from echotas.engine.motion_error import motion_error_table

__all__ = ["motion_error_table", "motion_from_masks", "read_motion", "simulate_template", "track_template"]
