"""The contact sheet: all frames of a medium on one picture, each with its time below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from mediaanalysis.media import pictures
from mediaanalysis.sandbox import Reach, Sandbox
from mediaanalysis.structs.media import ContactSheet, Frame, Tile

FILENAME = "contact_sheet.jpg"
WIDTH, HEIGHT = 1920, 1080
MARGIN, GAP, ROW_GAP = 24, 16, 24


class Grid(Struct, frozen=True):
    """Rows and columns; the room of a tile and of the label below it; where the first row starts. In pixels."""

    rows: int
    columns: int
    tile_width: float
    tile_height: float
    label_height: int

    @property
    def top(self) -> float:
        used = self.rows * (self.tile_height + self.label_height) + (self.rows - 1) * ROW_GAP
        return (HEIGHT - used) / 2


async def compose(sandbox: Sandbox, frames: Sequence[Frame], *, folder: Path) -> ContactSheet:
    """Draw `contact_sheet.jpg` from the frames' pictures in `folder` (all of them, in their order; at least one)."""
    grid = lay_out(frames)
    tiles = tuple(_tile(frame, number, grid) for number, frame in enumerate(frames))
    await pictures.ask(
        sandbox,
        "sheet",
        reach=Reach(writes=(folder,)),
        folder=folder,
        filename=FILENAME,
        width=WIDTH,
        height=HEIGHT,
        label_height=grid.label_height,
        tiles=[(t.filename, clock(t.at_seconds), (t.x, t.y, t.width, t.height)) for t in tiles],
    )
    return ContactSheet(FILENAME, f"{grid.rows}x{grid.columns}", f"{WIDTH}x{HEIGHT}", tiles)


def clock(seconds: float) -> str:
    """`1:02:03.4`, `2:03.4`, `0:03.4`: rounded down, as a player shows it."""
    tenths = math.floor(seconds * 10 + 1e-6)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest / 10:04.1f}" if hours else f"{minutes}:{rest / 10:04.1f}"


def lay_out(frames: Sequence[Frame]) -> Grid:
    """As square as can be; rows stand no farther apart than the tallest frame needs."""
    columns = math.ceil(math.sqrt(len(frames)))
    rows = math.ceil(len(frames) / columns)
    label_height = round(24 + 96 / columns)
    width = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns
    room = (HEIGHT - 2 * MARGIN - (rows - 1) * ROW_GAP) / rows - label_height
    tallest = max(frame.height / frame.width for frame in frames) * width
    return Grid(rows, columns, width, min(room, tallest), label_height)


def _tile(frame: Frame, number: int, grid: Grid) -> Tile:
    """As large as the tile's room allows, in the middle of it."""
    row, column = divmod(number, grid.columns)
    scale = min(grid.tile_width / frame.width, grid.tile_height / frame.height)
    width, height = max(1, int(frame.width * scale)), max(1, int(frame.height * scale))
    left = MARGIN + column * (grid.tile_width + GAP)
    top = grid.top + row * (grid.tile_height + grid.label_height + ROW_GAP)
    x, y = left + (grid.tile_width - width) / 2, top + (grid.tile_height - height) / 2
    return Tile(frame.filename, frame.at_seconds, round(x), round(y), width, height)
