"""Figures, movies and tables: functions take arrays and return a matplotlib Figure or text, and show nothing."""

from .bland_altman import bland_altman_grid, bland_altman_panel, scatter_panel
from .bullseye import bullseye, bullseyes
from .cine import Panel, frame_panel, image_panels, worst_case_gallery
from .correlation_curves import correlation_bands
from .curves import global_curves, strain_curves, strain_panels
from .intervals import interval_plot
from .learning import loss_curves
from .m_mode import strain_m_mode
from .movies import overlay_frames, side_by_side_frames, write_movie
from .style import apply, save, strategy_color, tracker_look
from .tables import Column, format_estimate, leaderboard_markdown, markdown_table, write_between_markers

__all__ = [
    "Column",
    "Panel",
    "apply",
    "bland_altman_grid",
    "bland_altman_panel",
    "bullseye",
    "bullseyes",
    "correlation_bands",
    "format_estimate",
    "frame_panel",
    "global_curves",
    "image_panels",
    "interval_plot",
    "leaderboard_markdown",
    "loss_curves",
    "markdown_table",
    "overlay_frames",
    "save",
    "scatter_panel",
    "side_by_side_frames",
    "strain_curves",
    "strain_m_mode",
    "strain_panels",
    "strategy_color",
    "tracker_look",
    "worst_case_gallery",
    "write_between_markers",
    "write_movie",
]
