"""Draws groups of bars on a logarithmic scale, as SVG that a browser shows as it is."""

import math
from html import escape

WIDTH, LEFT, BAR, GAP, TOP = 940, 190, 12, 14, 70
COLOURS = ("#888888", "#c0392b", "#1f6feb", "#5499f5", "#9cc4fb", "#8e44ad")
STYLE = "text{font:12px sans-serif;fill:#222}rect.paper{fill:#fff}line{stroke:#ddd}"


def bars(title: str, groups: dict[str, dict[str, float]]) -> str:
    """Draw one group of bars under the other: by its name, values above 0 by what they are of."""
    values = [value for group in groups.values() for value in group.values()]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    scale = (WIDTH - LEFT - 60) / max(1, high - low)
    height = TOP + sum(len(group) * BAR + GAP for group in groups.values())
    colours = dict(zip(dict.fromkeys(n for g in groups.values() for n in g), COLOURS, strict=False))

    def x(value: float) -> float:
        return LEFT + (math.log10(value) - low) * scale

    parts = [_text(10, 18, title), *_legend(colours)]
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts.append(f'<line x1="{at:.0f}" y1="52" x2="{at:.0f}" y2="{height}"/>')
        parts.append(_text(at - 8, 50, f"{10.0**power:g}"))
    y = TOP
    for name, group in groups.items():
        parts.append(_text(10, y + len(group) * BAR / 2 + 4, name))
        for what, value in group.items():
            width = x(value) - LEFT
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{width:.0f}" height="{BAR - 2}"'
                f' fill="{colours[what]}"/>'
            )
            parts.append(_text(x(value) + 4, y + BAR - 2, f"{value:.2g}"))
            y += BAR
        y += GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">'
        f'<style>{STYLE}</style><rect class="paper" width="{WIDTH}" height="{height}"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _legend(colours: dict[str, str]) -> list[str]:
    parts = []
    for number, (name, colour) in enumerate(colours.items()):
        at = 10 + number * 150
        parts.append(f'<rect x="{at}" y="26" width="10" height="10" fill="{colour}"/>')
        parts.append(_text(at + 15, 35, name))
    return parts


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}">{escape(words)}</text>'
