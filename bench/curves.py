"""What a threshold does at every height: shares passed, areas, and a picture of the curve."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from muniment.settings import CHECKOUT

PICTURES = CHECKOUT / "docs" / "pictures"
MARGIN, WIDTH, HEIGHT = 48, 380, 280
"""Of a picture, in points."""
COLOURS = ("#1f5fa8", "#b3541e", "#3f7d3a")


@dataclass(frozen=True, slots=True)
class Step:
    """What passes at a threshold.

    Attributes:
        threshold: Scores at and above it pass.
        wanted: Part of what should pass that does.
        unwanted: Part of what should not pass that does.
    """

    threshold: float
    wanted: float
    unwanted: float


def steps(scored: Iterable[tuple[float, bool]]) -> list[Step]:
    """Return what passes at every threshold that makes a difference, the highest first."""
    ordered = sorted(scored, key=lambda pair: -pair[0])
    total = sum(wanted for _, wanted in ordered)
    others = len(ordered) - total
    found: list[Step] = []
    passed = 0
    for place, (score, wanted) in enumerate(ordered, start=1):
        passed += wanted
        if place < len(ordered) and ordered[place][0] == score:
            continue
        unwanted = (place - passed) / max(others, 1)
        found.append(Step(score, passed / max(total, 1), unwanted))
    return found


def area(scored: Iterable[tuple[float, bool]]) -> float:
    """Return how often what should pass scores above what should not, ties for half."""
    known = list(scored)
    above = [score for score, wanted in known if wanted]
    below = [score for score, wanted in known if not wanted]
    won = sum((one > other) + 0.5 * (one == other) for one in above for other in below)
    return won / max(len(above) * len(below), 1)


def draw(
    name: str,
    lines: dict[str, Sequence[tuple[float, float]]],
    points: dict[str, tuple[float, float]],
    *,
    across: str,
    up: str,
) -> Path:
    """Write a picture of curves and of single points beside them; return its file.

    Args:
        name: Of the file, without its ending.
        lines: Curves by their name, as shares across and up.
        points: What is shipped, by the name of its curve.
        across: What the lower axis says.
        up: What the left axis says.
    """
    # Imported here: most of those who count do not draw.
    from reportlab.graphics import renderSVG  # noqa: PLC0415
    from reportlab.graphics.shapes import Circle, Drawing, PolyLine, String  # noqa: PLC0415
    from reportlab.lib.colors import HexColor  # noqa: PLC0415

    drawing = Drawing(2 * MARGIN + WIDTH, 2 * MARGIN + HEIGHT)
    grey = HexColor("#8a8a8a")
    for tenth in range(0, 11, 2):
        x, y = MARGIN + tenth / 10 * WIDTH, MARGIN + tenth / 10 * HEIGHT
        for line in ([x, MARGIN, x, MARGIN + HEIGHT], [MARGIN, y, MARGIN + WIDTH, y]):
            drawing.add(PolyLine(line, strokeColor=HexColor("#e0e0e0"), strokeWidth=0.6))
        share = f"{tenth * 10} %"
        drawing.add(String(x, MARGIN - 14, share, fontSize=9, textAnchor="middle", fillColor=grey))
        drawing.add(String(MARGIN - 6, y - 3, share, fontSize=9, textAnchor="end", fillColor=grey))
    drawing.add(String(MARGIN, MARGIN - 32, across, fontSize=10))
    drawing.add(String(MARGIN - 30, MARGIN + HEIGHT + 12, up, fontSize=10))
    for place, (which, curve) in enumerate(lines.items()):
        colour = HexColor(COLOURS[place % len(COLOURS)])
        flat = [value for x, y in curve for value in (MARGIN + x * WIDTH, MARGIN + y * HEIGHT)]
        drawing.add(PolyLine(flat, strokeColor=colour, strokeWidth=1.6))
        top = MARGIN + HEIGHT + 26 - 13 * place
        drawing.add(
            String(MARGIN + WIDTH, top, which, fontSize=9, textAnchor="end", fillColor=colour)
        )
        if which in points:
            x, y = points[which]
            spot = Circle(MARGIN + x * WIDTH, MARGIN + y * HEIGHT, 4, fillColor=colour)
            drawing.add(spot)
    path = PICTURES / f"{name}.svg"
    renderSVG.drawToFile(drawing, str(path))
    return path
