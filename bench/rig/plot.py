"""Curves as one SVG: latency over the number of calls (fan-out), requests a
second over connections (serve), time until all are answered (talk).

Drawn by hand so that it needs nothing installed: each curve carries its name
and last value at its end instead of a legend.
"""
import html
import math

WIDTH, HEIGHT = 960, 560
LEFT, RIGHT, TOP, BOTTOM = 84, 226, 92, 70
MARGIN = 32
LABEL_GAP = 19

FONT = "font-family=\"'Inter','Helvetica Neue',Arial,sans-serif\""
INK, FAINT, PAPER = "#1f2933", "#e4e7eb", "#fcfcfa"
MUTED = "#616e7c"

# Colours that stay apart for colour-blind readers too.
COLOURS = {
    "eddy": "#0072b2",
    "raw front": "#1f2933",
    "node": "#2e8b57",
    "aiohttp": "#e08a00",
    "tornado": "#b5487e",
    "gunicorn": "#b5487e",
    "uwsgi": "#8c6d8f",
    "plain": "#1f2933",
    "thread pool": "#2e8b57",
    "asyncio": "#e08a00",
    "gevent": "#8c6d8f",
    "gevent pool": "#b5487e",
    "eddy in uwsgi": "#4aa3d8",
    "eddy serve": "#0072b2",
}


class Scale:
    def __init__(self, low, high, start, end):
        self.low, self.high, self.start, self.end = low, high, start, end

    def __call__(self, value):
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def text(x, y, words, size=14, fill=INK, anchor="start", weight="400"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" '
        f'text-anchor="{anchor}" font-weight="{weight}">'
        f"{html.escape(words)}</text>"
    )


def line(x1, y1, x2, y2, colour, width=1.0):
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )


def nice_step(high):
    """A round distance between about five grid lines."""
    power = 1
    while high / power > 50:
        power *= 10
    return next(m * power for m in (1, 2, 5, 10) if high / (m * power) <= 6)


def spread(wanted, gap):
    """Moves positions apart until none is closer than `gap`, in order."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = list(wanted)
    for _ in range(200):
        moved = False
        for above, below in zip(order, order[1:]):
            short = gap - (placed[below] - placed[above])
            if short > 0.01:
                placed[above] -= short / 2
                placed[below] += short / 2
                moved = True
        if not moved:
            break
    return placed


def curve(points, x, y, colour, strong, dashed):
    path = " ".join(f"{x(n):.1f},{y(ms):.1f}" for n, ms in points)
    width = 3.5 if strong else 2
    dash = ' stroke-dasharray="3 5"' if dashed else ""
    parts = [
        f'<polyline points="{path}" fill="none" stroke="{colour}" '
        f'stroke-width="{width}" stroke-linejoin="round" '
        f'stroke-linecap="round"{dash}/>'
    ]
    if not dashed:
        parts += [
            f'<circle cx="{x(n):.1f}" cy="{y(ms):.1f}" '
            f'r="{4 if strong else 3}" fill="{colour}" '
            f'stroke="{PAPER}" stroke-width="1.5"/>'
            for n, ms in points
        ]
    return parts


def axes(x, y, ticks_x, high, unit=" ms"):
    parts = []
    step = nice_step(high)
    value = 0
    while value <= high:
        parts.append(line(LEFT, y(value), WIDTH - RIGHT, y(value), FAINT))
        words = f"{value:,.10g}{unit}" if value else "0"
        parts.append(text(LEFT - 10, y(value) + 4.5, words, 13, MUTED, "end"))
        value += step
    base = HEIGHT - BOTTOM
    parts.append(line(LEFT, base, WIDTH - RIGHT, base, MUTED, 1.2))
    for n in ticks_x:
        parts.append(line(x(n), base, x(n), base + 5, MUTED))
        parts.append(text(x(n), base + 21, f"{n}", 13, MUTED, "middle"))
    return parts


def labels(curves, y, x_end):
    wanted = [y(points[-1][1]) for _, points in curves]
    placed = spread(wanted, LABEL_GAP)
    parts = []
    for (name, points), at, label_y in zip(curves, wanted, placed):
        colour = COLOURS.get(name, MUTED)
        if abs(at - label_y) > 2:
            parts.append(line(x_end + 7, at, x_end + 17, label_y, FAINT, 1.2))
        weight = "700" if name == "eddy" else "400"
        words = f"{name}, {points[-1][1]:.3g} ms"
        parts.append(
            text(x_end + 20, label_y + 4.5, words, 14, colour, weight=weight)
        )
    return parts


def fanout_svg(curves, delay_ms, subtitle):
    """An SVG of [(name, [(n, p50 ms), ...]), ...] and what calling one
    backend after the other would take."""
    ticks = [n for n, _ in curves[0][1]]
    sequence = [(n, n * delay_ms) for n in ticks]
    everything = [("one after the other", sequence), *curves]
    high = 1.04 * max(ms for _, points in everything for _, ms in points)
    x = Scale(0, ticks[-1], LEFT, WIDTH - RIGHT)
    y = Scale(0, high, HEIGHT - BOTTOM, TOP)

    title = f"One page that calls N services of {delay_ms} ms"
    middle = (LEFT + WIDTH - RIGHT) / 2
    below = "N, the calls one page makes"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
        f'height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>',
        text(MARGIN, 38, title, 22, weight="700"),
        text(MARGIN, 62, subtitle, 13.5, MUTED),
        text(middle, HEIGHT - 20, below, 14, MUTED, "middle"),
    ]
    parts += axes(x, y, ticks, high)
    # Eddy's curve is drawn last, so that it lies on top.
    for name, points in sorted(everything, key=lambda c: c[0] == "eddy"):
        colour = COLOURS.get(name, MUTED)
        dashed = points is sequence
        parts += curve(points, x, y, colour, name == "eddy", dashed)
    parts += labels(everything, y, WIDTH - RIGHT)
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def whiskers(points, x, y, colour):
    return [
        line(x(n), y(low), x(n), y(high), colour, 1.4)
        for n, _, (low, high) in points
    ]


def rates_svg(title, subtitle, curves):
    """An SVG of [(name, [(connections, median, quartiles), ...]), ...]; steps
    between connections are alike, however many they are. A name ends with the
    number of workers: one is dotted."""
    ticks = [n for n, _, _ in curves[0][1]]
    place = Scale(0, max(1, len(ticks) - 1), LEFT + 30, WIDTH - RIGHT)
    high = 1.04 * max(top for _, own in curves for _, _, (_, top) in own)
    y = Scale(0, high, HEIGHT - BOTTOM, TOP)

    def x(n):
        return place(ticks.index(n))

    middle = (LEFT + WIDTH - RIGHT) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
        f'height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>',
        text(MARGIN, 38, title, 22, weight="700"),
        text(MARGIN, 62, subtitle, 13.5, MUTED),
        text(middle, HEIGHT - 20, "connections", 14, MUTED, "middle"),
        *axes(x, y, ticks, high, unit=""),
    ]
    for name, points in curves:
        kind, workers = name.split()
        colour = COLOURS.get(kind, MUTED)
        flat = [(n, median) for n, median, _ in points]
        parts += curve(flat, x, y, colour, kind == "eddy", workers == "1")
        parts += whiskers(points, x, y, colour)
    parts += rate_labels(curves, y)
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def rate_labels(curves, y):
    placed = spread([y(points[-1][1]) for _, points in curves], LABEL_GAP)
    parts = []
    for (name, points), at in zip(curves, placed):
        kind, workers = name.split()
        words = f"{kind} × {workers}, {points[-1][1]:,.0f}"
        weight = "700" if kind == "eddy" else "400"
        colour = COLOURS.get(kind, MUTED)
        parts.append(
            text(WIDTH - RIGHT + 14, at + 4.5, words, 14, colour, weight=weight)
        )
    return parts


# ---- talk ----

PANEL = 330  # pixels of height
PANEL_GAP = 62
DECADE = (1, 2, 5)


class LogScale(Scale):
    def __call__(self, value):
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)


def spoken_ms(ms):
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.3g} s"


def log_axes(x, y, ticks_x):
    parts = []
    for value in (m * 10**power for power in range(1, 6) for m in DECADE):
        if not y.low <= value <= y.high:
            continue
        parts.append(line(LEFT, y(value), WIDTH - RIGHT, y(value), FAINT))
        parts.append(
            text(LEFT - 10, y(value) + 4.5, spoken_ms(value), 13, MUTED, "end")
        )
    for n in ticks_x:
        parts.append(line(x(n), y.start, x(n), y.start + 5, MUTED))
        parts.append(text(x(n), y.start + 21, f"{n}", 13, MUTED, "middle"))
    parts.append(line(LEFT, y.start, WIDTH - RIGHT, y.start, MUTED, 1.2))
    return parts


def panel(top, name, curves, low, high):
    ticks = [n for n, _ in curves[0][1]]
    x = Scale(ticks[0], ticks[-1], LEFT + 16, WIDTH - RIGHT - 8)
    y = LogScale(low, high, top + PANEL, top)
    parts = [text(LEFT, top - 12, name, 15, weight="700")]
    parts += log_axes(x, y, ticks)
    for way, points in sorted(curves, key=lambda c: c[0].startswith("eddy")):
        colour = COLOURS.get(way, MUTED)
        parts += curve(points, x, y, colour, way == "eddy serve", False)
    placed = spread([y(points[-1][1]) for _, points in curves], LABEL_GAP)
    for (way, points), label_y in zip(curves, placed):
        words = f"{way}, {spoken_ms(points[-1][1])}"
        weight = "700" if way == "eddy serve" else "400"
        at, edge = y(points[-1][1]), WIDTH - RIGHT
        parts.append(line(edge, at, edge + 10, label_y, FAINT, 1.2))
        parts.append(
            text(
                *(edge + 14, label_y + 4.5, words, 14),
                COLOURS.get(way, MUTED),
                weight=weight,
            )
        )
    return parts


def walls_svg(title, subtitle, panels):
    """An SVG of [(name, [(way, [(requests, ms), ...]), ...]), ...], one above
    the other. Ways differ by decades: so the scale is one of ratios."""
    times = [ms for _, own in panels for _, points in own for _, ms in points]
    low, high = min(times) / 1.25, max(times) * 1.25
    height = TOP + 30 + len(panels) * (PANEL + PANEL_GAP) + 22
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
        f'height="{height}" viewBox="0 0 {WIDTH} {height}" {FONT}>',
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
        text(MARGIN, 38, title, 22, weight="700"),
        text(MARGIN, 62, subtitle, 13.5, MUTED),
    ]
    for i, (name, curves) in enumerate(panels):
        top = TOP + 30 + i * (PANEL + PANEL_GAP)
        parts += panel(top, name, curves, low, high)
    below = "requests sent at once; until the last of them is answered"
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(text(middle, height - 20, below, 14, MUTED, "middle"))
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


# ---- compare ----

ROW = 58


def bars_svg(title, rows):
    """An SVG of [(name, what it runs, ms), ...], a bar for each."""
    low = TOP + len(rows) * ROW
    x = Scale(0, max(ms for _, _, ms in rows), 216, WIDTH - 118)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
        f'height="{low + 12}" viewBox="0 0 {WIDTH} {low + 12}" {FONT}>',
        f'<rect width="{WIDTH}" height="{low + 12}" fill="{PAPER}"/>',
        text(MARGIN, 46, title, 22, weight="700"),
    ]
    for i, (name, what, ms) in enumerate(rows):
        y = TOP + i * ROW
        colour = COLOURS.get(name, MUTED)
        weight = "700" if name.startswith("eddy") else "400"
        parts += [
            text(MARGIN, y + 18, name, 16, weight=weight),
            text(MARGIN, y + 36, what, 13.5, MUTED),
            f'<rect x="{x(0):.1f}" y="{y + 4}" height="32" rx="4" '
            f'width="{x(ms) - x(0):.1f}" fill="{colour}"/>',
            text(x(ms) + 10, y + 26, spoken_ms(ms), 16, colour, weight=weight),
        ]
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
