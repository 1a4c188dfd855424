"""Old scores against new ones as a picture: an SVG written by hand, and the same in characters for a terminal."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from moderation.scoring.comparison import Comparison

SIDE: Final = 400
MARGIN: Final = 50
MOST_POINTS: Final = 5_000
"""Points of an SVG; of more comments, as many are drawn, evenly chosen."""

COLUMNS: Final = 40
ROWS: Final = 12
SHADES: Final = " .:+*#@"


def svg(found: Comparison, old_threshold: float, new_threshold: float) -> str:
    """Return an SVG document with a point per comment, both thresholds, and axes from 0 to 1."""
    chosen = np.linspace(0, len(found.old) - 1, min(len(found.old), MOST_POINTS)).astype(int)
    size = SIDE + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" font-family="sans-serif" font-size="12">',
        f"<title>{len(found.old)} comments: Perspective's score and Tidegate's</title>",
        f'<rect width="{size}" height="{size}" fill="white"/>',
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#444"/>',
    ]
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        parts.append(f'<text x="{_x(tick)}" y="{MARGIN + SIDE + 16}" text-anchor="middle">{tick:.1f}</text>')
        parts.append(f'<text x="{MARGIN - 6}" y="{_y(tick) + 4}" text-anchor="end">{tick:.1f}</text>')
    parts += [
        f'<circle cx="{_x(float(found.old[each]))}" cy="{_y(float(found.new[each]))}" r="2" fill="#1f5fa8" fill-opacity="0.35"/>'
        for each in chosen
    ]
    left, top, right, bottom = MARGIN, MARGIN, MARGIN + SIDE, MARGIN + SIDE
    x, y = _x(old_threshold), _y(new_threshold)
    parts += [
        f'<line x1="{x}" y1="{top}" x2="{x}" y2="{bottom}" stroke="#b3261e" stroke-dasharray="4 3"/>',
        f'<line x1="{left}" y1="{y}" x2="{right}" y2="{y}" stroke="#b3261e" stroke-dasharray="4 3"/>',
        f'<text x="{x}" y="{top - 6}" text-anchor="middle" fill="#b3261e">{old_threshold:.2f}</text>',
        f'<text x="{right + 6}" y="{y + 4}" fill="#b3261e">{new_threshold:.3f}</text>',
        f'<text x="{size / 2}" y="{size - 12}" text-anchor="middle">Perspective</text>',
        f'<text x="14" y="{size / 2}" text-anchor="middle" transform="rotate(-90 14 {size / 2})">Tidegate</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def characters(found: Comparison) -> Iterator[str]:
    """Yield the lines of a plot in characters, darker where more comments lie; the old score goes to the right."""
    counts, _, _ = np.histogram2d(found.new, found.old, bins=(ROWS, COLUMNS), range=((0, 1), (0, 1)))
    # On the scale of the logarithm: most comments of a blog are harmless, and the others are those of interest.
    shade = np.ceil(np.log1p(counts) / np.log1p(max(1.0, float(counts.max()))) * (len(SHADES) - 1)).astype(int)
    for row in range(ROWS - 1, -1, -1):
        label = f"{(row + 1) / ROWS:4.2f}" if row in {ROWS - 1, ROWS // 2 - 1} else "    "
        yield f"{label} |{''.join(SHADES[each] for each in shade[row])}|"
    yield f"0.00 +{'-' * COLUMNS}+"
    yield f"      0.0{'Perspective':^{COLUMNS - 6}}1.0"


def _x(value: float) -> float:
    return round(MARGIN + SIDE * value, 1)


def _y(value: float) -> float:
    return round(MARGIN + SIDE * (1 - value), 1)
