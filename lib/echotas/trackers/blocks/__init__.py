"""Pieces that two or more trackers share."""
