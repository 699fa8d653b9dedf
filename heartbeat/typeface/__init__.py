"""The letters of all screens and pictures: Inter, as `make typeface` makes its files."""

from pathlib import Path
from typing import Final

FAMILY: Final = "Heartbeat Inter"
"""A name of its own: an Inter that a machine may have is of another version, of other widths."""

FOLDER: Final = Path(__file__).parent
"""Holds the woff2 files of the pages, the ttf files of the renderer, and their licence."""
