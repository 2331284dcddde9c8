"""Draws all pictures and the film of the sample campaign, the same bytes every time.

Run it as `python deploy/demo/make_media.py`. Pictures with Pillow, the film with PyAV (a development dependency);
what it makes is committed beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from random import Random

import av
from PIL import Image, ImageDraw

MEDIA = Path(__file__).parent / "media"
FINER = 2  # drawn larger and scaled down: smooth edges
FRAMES_PER_S, SECONDS = 20, 6

Colour = tuple[int, int, int]
Point = tuple[float, float]
MIST, PAPER, SUN = (232, 240, 226), (247, 244, 232), (240, 196, 112)
DEEP, TEA, LEAF, YOUNG, PALE = (24, 66, 52), (46, 108, 74), (88, 146, 88), (150, 190, 104), (206, 222, 170)
GLASS, BREW, ICE = (214, 230, 224), (196, 206, 120), (240, 248, 246)


class Canvas:
    """A picture in the making; all measures are fractions of its width, so one drawing fits every format."""

    def __init__(self, width: int, height: int, top: Colour, bottom: Colour) -> None:
        self.width, self.height = width, height
        self.tall = height / width
        self.image = Image.new("RGB", (width * FINER, height * FINER))
        self._draw = ImageDraw.Draw(self.image)
        for row in range(height * FINER):
            colour = mixed(top, bottom, row / (height * FINER))
            self._draw.line(((0, row), (width * FINER, row)), fill=colour)

    def polygon(self, points: list[Point], colour: Colour) -> None:
        self._draw.polygon([self._place(point) for point in points], fill=colour)

    def line(self, points: list[Point], colour: Colour, thickness: float) -> None:
        size = max(1, round(thickness * self.width * FINER))
        self._draw.line([self._place(point) for point in points], fill=colour, width=size, joint="curve")

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        (x, y), size = self._place(centre), radius * self.width * FINER
        self._draw.ellipse((x - size, y - size, x + size, y + size), fill=colour)

    def finished(self) -> Image.Image:
        return self.image.resize((self.width, self.height), Image.Resampling.LANCZOS)

    def _place(self, point: Point) -> Point:
        return point[0] * self.width * FINER, point[1] * self.width * FINER


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def leaf(canvas: Canvas, root: Point, length: float, angle: float, colour: Colour) -> None:
    """A tea leaf: two arcs that meet in a point, and its vein. angle in turns, 0 = upwards, clockwise."""
    cos, sin = math.cos(angle * math.tau), math.sin(angle * math.tau)

    def turned(along: float, aside: float) -> Point:
        return root[0] + along * sin + aside * cos, root[1] - along * cos + aside * sin

    steps = [step / 24 for step in range(25)]
    right = [turned(length * t, 0.24 * length * math.sin(math.pi * t**0.85)) for t in steps]
    left = [turned(length * t, -0.24 * length * math.sin(math.pi * t**0.85)) for t in reversed(steps)]
    canvas.polygon(right + left, colour)
    vein = mixed(colour, PAPER, 0.45)
    canvas.line([turned(0, 0), turned(length * 0.92, 0)], vein, length * 0.014)
    for side in (-1, 1):
        for t in (0.25, 0.42, 0.59, 0.74):
            canvas.line(
                [turned(length * t, 0), turned(length * (t + 0.11), side * length * 0.13)], vein, length * 0.008
            )


def sprig(canvas: Canvas, root: Point, length: float, angle: float = 0.0) -> None:
    """Two leaves and a bud: what is picked."""
    leaf(canvas, root, length * 0.8, angle - 0.13, TEA)
    leaf(canvas, root, length * 0.8, angle + 0.13, LEAF)
    leaf(canvas, root, length, angle, YOUNG)


def hills(canvas: Canvas, level: float, rows: int, seed: int) -> None:
    """Terraced hills, farther ones paler."""
    chance = Random(seed)
    for row in range(rows):
        share = (row + 1) / rows
        base = level + (canvas.tall - level) * row / rows
        phase, height = chance.random() * math.tau, 0.05 + 0.04 * chance.random()
        crest = [
            (x / 60, base + height * math.sin(phase + x / 60 * math.tau * (0.6 + 0.3 * share)))
            for x in range(61)
        ]  # fmt: skip
        colour = mixed(PALE, DEEP, share * 0.8)
        canvas.polygon([*crest, (1, canvas.tall), (0, canvas.tall)], colour)
        for line in range(1, 4):
            terrace = [(x, y + line * 0.028 * (1 + share)) for x, y in crest]
            canvas.line(terrace, mixed(colour, PAPER, 0.18), 0.004)


def tumbler(canvas: Canvas, middle: float, foot: float, size: float, filled: float) -> None:
    """A glass of cold brew with ice; filled from 0 to 1."""
    top, wide, narrow = foot - size * 1.35, size * 0.5, size * 0.4

    def edge(y: float) -> float:
        return narrow + (wide - narrow) * (foot - y) / (foot - top)

    def band(upper: float, lower: float, colour: Colour, shrink: float = 1.0) -> None:
        a, b = edge(upper) * shrink, edge(lower) * shrink
        canvas.polygon([(middle - a, upper), (middle + a, upper), (middle + b, lower), (middle - b, lower)], colour)

    band(top, foot, GLASS)
    surface = foot - (foot - top) * (0.06 + 0.8 * filled)
    band(surface, foot - size * 0.06, BREW, 0.93)
    canvas.line([(middle - edge(surface) * 0.93, surface), (middle + edge(surface) * 0.93, surface)], YOUNG, 0.006)
    for place, (across, down, turn) in enumerate(((-0.18, 0.10, 0.03), (0.16, 0.16, 0.09), (-0.02, 0.34, 0.16))):
        if filled > 0.3 + 0.15 * place:
            ice_cube(canvas, (middle + across * size, surface + down * size), size * 0.13, turn)
    canvas.line([(middle - wide * 0.8, top + size * 0.1), (middle - narrow * 0.86, foot - size * 0.2)], PAPER, 0.008)


def ice_cube(canvas: Canvas, centre: Point, half: float, turn: float) -> None:
    corners = [
        (
            centre[0] + half * 1.4 * math.cos((turn + quarter / 4) * math.tau),
            centre[1] + half * 1.4 * math.sin((turn + quarter / 4) * math.tau),
        )
        for quarter in range(4)
    ]
    canvas.polygon(corners, ICE)
    canvas.line([corners[0], corners[2]], GLASS, 0.004)


def scattered(canvas: Canvas, count: int, seed: int, top: float, bottom: float) -> None:
    """Leaves lying about."""
    chance = Random(seed)
    for _ in range(count):
        root = chance.random(), top + (bottom - top) * chance.random()
        leaf(canvas, root, 0.06 + 0.07 * chance.random(), chance.random(), chance.choice((TEA, LEAF, YOUNG, PALE)))


# --- the pictures --------------------------------------------------------------------------------------------------


def article_cover(canvas: Canvas) -> None:
    canvas.disc((0.78, 0.12), 0.07, SUN)
    hills(canvas, 0.2, 4, 7)
    for number, x in enumerate((0.14, 0.25, 0.36)):
        sprig(canvas, (x, 0.40 - 0.015 * (number % 2)), 0.2 + 0.03 * (number == 1), -0.04 + 0.04 * number)
    tumbler(canvas, 0.64, 0.38, 0.17, 0.9)


def garden(canvas: Canvas) -> None:
    canvas.disc((0.7, 0.16), 0.08, SUN)
    hills(canvas, 0.26, 6, 11)


def picking(canvas: Canvas) -> None:
    for number in range(5):
        sprig(canvas, (0.1 + 0.2 * number, canvas.tall * (0.9 - 0.06 * (number % 2))), 0.34, -0.05 + 0.025 * number)


def brewing(canvas: Canvas) -> None:
    for number, share in enumerate((0.2, 0.55, 0.95)):
        tumbler(canvas, 0.2 + 0.3 * number, canvas.tall * 0.86, 0.24, share)
    scattered(canvas, 9, 3, canvas.tall * 0.08, canvas.tall * 0.3)


def single_sprig(canvas: Canvas) -> None:
    canvas.disc((0.5, canvas.tall * 0.5), 0.36, PALE)
    sprig(canvas, (0.5, canvas.tall * 0.72), 0.52)


def glass(canvas: Canvas) -> None:
    canvas.disc((0.5, canvas.tall * 0.46), 0.38, PALE)
    tumbler(canvas, 0.5, canvas.tall * 0.8, 0.46, 0.92)
    sprig(canvas, (0.72, canvas.tall * 0.84), 0.24, 0.06)


def spread_leaves(canvas: Canvas) -> None:
    scattered(canvas, 46, 21, 0.05, canvas.tall)


def table(canvas: Canvas) -> None:
    edge = canvas.tall * 0.7
    canvas.polygon([(0, edge), (1, edge), (1, canvas.tall), (0, canvas.tall)], mixed(SUN, DEEP, 0.35))
    for number, x in enumerate((0.22, 0.5, 0.78)):
        tumbler(canvas, x, edge + 0.06, 0.2, 0.6 + 0.15 * number)
    sprig(canvas, (0.5, edge + 0.26), 0.26)


def film(canvas: Canvas, moment: float) -> None:
    """One frame, moment from 0 to 1: a leaf sinks, the glass fills, the sun rises behind it."""
    canvas.disc((0.5, 1.05 - 0.5 * moment), 0.3, mixed(PALE, SUN, moment))
    tumbler(canvas, 0.5, 1.45, 0.5, min(1.0, moment * 1.25))
    for number in range(4):
        fallen = moment * 1.6 - number * 0.22
        if 0 < fallen < 1:
            sway = 0.1 * math.sin(fallen * 7 + number)
            leaf(
                canvas,
                (0.32 + 0.12 * number + sway, 0.05 + 0.75 * fallen),
                0.13,
                0.4 + 0.3 * sway,
                (TEA, YOUNG)[number % 2],
            )
    if moment > 0.7:
        sprig(canvas, (0.5, 0.62), 0.3 * (moment - 0.7) / 0.3)


PICTURES: dict[str, tuple[int, int, Colour, Colour, Callable[[Canvas], None]]] = {
    "article-cover.jpg": (1128, 480, MIST, PAPER, article_cover),
    "article-garden.jpg": (900, 600, MIST, PAPER, garden),
    "article-picking.jpg": (900, 600, PAPER, PALE, picking),
    "article-brewing.jpg": (900, 600, PAPER, MIST, brewing),
    "film-cover.jpg": (720, 1280, MIST, YOUNG, lambda canvas: film(canvas, 0.98)),
    "gallery-1-garden.jpg": (810, 1080, MIST, PAPER, garden),
    "gallery-2-sprig.jpg": (810, 1080, PAPER, MIST, single_sprig),
    "gallery-3-leaves.jpg": (810, 1080, PAPER, PALE, spread_leaves),
    "gallery-4-glass.jpg": (810, 1080, MIST, PAPER, glass),
    "gallery-5-table.jpg": (810, 1080, PAPER, MIST, table),
    "notice-cover.jpg": (1128, 480, PAPER, PALE, picking),
}


def frames() -> Iterator[Image.Image]:
    total = FRAMES_PER_S * SECONDS
    for number in range(total):
        canvas = Canvas(720, 1280, MIST, YOUNG)
        film(canvas, number / (total - 1))
        yield canvas.finished()


def write_film(path: Path) -> None:
    """H.264 in one thread: more would give other bytes on another machine."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_S)
        stream.width, stream.height, stream.pix_fmt = 720, 1280, "yuv420p"
        stream.time_base = Fraction(1, FRAMES_PER_S)
        stream.options = {"crf": "27", "preset": "slow", "threads": "1"}
        for image in frames():
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())


def main() -> None:
    MEDIA.mkdir(exist_ok=True)
    for name, (width, height, top, bottom, draw) in PICTURES.items():
        canvas = Canvas(width, height, top, bottom)
        draw(canvas)
        canvas.finished().save(MEDIA / name, quality=84, optimize=True)
    write_film(MEDIA / "film.mp4")
    for path in sorted(MEDIA.iterdir()):
        print(f"{path.name:26} {path.stat().st_size:>8} bytes")


if __name__ == "__main__":
    main()
