"""The order in which a person reads lines that lie on a page: rows from the top, but columns of prose one by one."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from mediaanalysis.structs.media import TextLine

PROSE_WIDTH = 6
"""Line heights: narrower columns are those of a table, which is read across."""


def in_reading_order(pieces: Sequence[TextLine]) -> tuple[TextLine, ...]:
    """Pieces of lines, as recognition finds them, to whole lines in order."""
    return _ordered([line for row in _rows(pieces) for line in _joined(row)])


def _ordered(lines: Sequence[TextLine]) -> tuple[TextLine, ...]:
    columns = _columns(lines)
    if columns is None:
        return tuple(line for row in _rows(lines) for line in row)
    return tuple(line for part in columns for line in _ordered(part))


def _joined(row: Sequence[TextLine]) -> list[TextLine]:
    """Neighbours of a row that stand no further apart than words do are one line."""
    lines: list[TextLine] = []
    for piece in row:
        if lines and piece.box[0] - lines[-1].box[2] < 0.6 * (piece.box[3] - piece.box[1]):
            lines[-1] = _merged(lines[-1], piece)
        else:
            lines.append(piece)
    return lines


def _merged(one: TextLine, other: TextLine) -> TextLine:
    (left, top, right, bottom), box = one.box, other.box
    around = (min(left, box[0]), min(top, box[1]), max(right, box[2]), max(bottom, box[3]))
    return TextLine(f"{one.text} {other.text}", min(one.confidence, other.confidence), around)


def _columns(lines: Sequence[TextLine]) -> tuple[list[TextLine], ...] | None:
    """(above, left, right, below) of a gutter between two columns of prose, if there is one.

    A gutter starts at the left edge of some line. Headings and footers may span it.
    """
    for x in sorted({line.box[0] for line in lines}):
        left = [line for line in lines if line.box[2] <= x]
        right = [line for line in lines if line.box[0] >= x]
        if not (_is_prose(left) and _is_prose(right)):
            continue
        top = min(line.box[1] for line in (*left, *right))
        across = [line for line in lines if line.box[0] < x < line.box[2]]
        above = [line for line in across if line.box[1] < top]
        bottom = max(line.box[3] for line in (*left, *right))
        below = [line for line in across if line.box[3] > bottom]
        if len(above) + len(below) == len(across):
            return above, left, right, below
    return None


def _is_prose(lines: Sequence[TextLine]) -> bool:
    if len(lines) < 3:
        return False
    return median((line.box[2] - line.box[0]) / max(1, line.box[3] - line.box[1]) for line in lines) >= PROSE_WIDTH


def _rows(lines: Sequence[TextLine]) -> list[list[TextLine]]:
    """Rows from the top, each from the left: lines whose middles lie within half a line of each other."""
    rows: list[list[TextLine]] = []
    for line in sorted(lines, key=_middle):
        height = line.box[3] - line.box[1]
        if rows and _middle(line) - _middle(rows[-1][0]) < height / 2:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda line: line.box[0]) for row in rows]


def _middle(line: TextLine) -> float:
    return (line.box[1] + line.box[3]) / 2
