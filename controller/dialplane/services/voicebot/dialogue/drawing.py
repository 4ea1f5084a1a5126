"""A picture of a dialogue as SVG, from left to right.

Where states and labels stand is worked out by fast-sugiyama; a label has its own place, so that none hides another.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from xml.sax.saxutils import escape

from fast_sugiyama import from_edges

from dialplane.services.voicebot.dialogue.graph import Card, CardKind, Picture, wrapped

COLOURS: Final = {
    CardKind.ASKS: ("#e3f0fc", "#3b7dbd"),
    CardKind.ACTS: ("#fdf3d8", "#b98a1b"),
    CardKind.ENDS: ("#e2f3e4", "#3f9150"),
}
_STYLE: Final = """
text { font: 12px sans-serif; fill: #223; }
.name { font-weight: bold; font-size: 13px; }
.says { font-style: italic; }
.does { fill: #556; font-size: 11px; }
.label { font-size: 11px; fill: #335; text-anchor: middle; }
.way { fill: none; stroke: #667; stroke-width: 1.3; }
.back { stroke: #a67; stroke-dasharray: 5 3; }
"""
_LETTER: Final = 6.6
"""Width of a letter."""
_LINE: Final = 16
_COLUMNS: Final = 34
"""Letters in a line of a card."""
_LINES: Final = 4
_LABEL: Final = 24
"""Letters in a line of a label."""
_GAP: Final = 34
_MARGIN: Final = 20


@dataclass(frozen=True, slots=True)
class _Box:
    lines: Sequence[tuple[str, str]]
    """Class and text of each."""
    width: float
    height: float
    card: Card | None = None


Point = tuple[float, float]


def svg(picture: Picture) -> str:
    """Return the picture as a document of SVG."""
    boxes: dict[str, _Box] = {"call": _box([("name", "call")])}
    boxes |= {f"s:{card.name}": _card_box(card) for card in picture.cards}
    ways: list[list[str]] = [["call", f"s:{picture.start}"]]
    for index, arrow in enumerate(picture.arrows):
        ends = [f"s:{arrow.source}", f"s:{arrow.target}"]
        if arrow.label or arrow.source == arrow.target:
            boxes[f"l:{index}"] = _box([("label", line) for line in wrapped(arrow.label, _LABEL, 3)])
            ends.insert(1, f"l:{index}")
        ways.append(ends)
    edges = [edge for way in ways for edge in pairwise(way)]
    places, paths = _laid_out(edges, boxes)
    width = max(x + _width(boxes, name) / 2 for name, (x, _) in places.items()) + _MARGIN
    height = max(y + (boxes[name].height if name in boxes else 0) / 2 for name, (_, y) in places.items()) + _MARGIN
    lines = [_path(paths[edge], boxes, places, last=edge[1] == way[-1]) for way in ways for edge in pairwise(way)]
    drawn = [line for name, box in boxes.items() for line in _drawn(box, places[name])]
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    marker = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#667"/></marker></defs>'
    )
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join((head, f"<style>{_STYLE}</style>", marker, ground, *lines, *drawn, "</svg>", ""))


def _laid_out(
    edges: Sequence[tuple[str, str]], boxes: Mapping[str, _Box]
) -> tuple[dict[str, Point], dict[tuple[str, str], list[str]]]:
    """Return where everything stands, and by which bends each edge goes. The layout's rows become columns."""
    tallest = max(box.height for box in boxes.values())
    (layout,) = from_edges(edges, vertex_spacing=tallest + 14, dummy_vertices=True, dummy_size=18)
    positions, _, _, pieces = layout
    layers: dict[float, list[str]] = defaultdict(list)
    for name, (_, row) in positions:
        layers[row].append(str(name))
    middles: dict[float, float] = {}
    x = float(_MARGIN)
    for row in sorted(layers, reverse=True):
        widest = max(_width(boxes, name) for name in layers[row])
        middles[row] = x + widest / 2
        x += widest + _GAP
    top = min(column for _, (column, _) in positions)
    places = {str(name): (middles[row], column - top + _MARGIN + tallest / 2) for name, (column, row) in positions}
    return places, _bends(edges, [(str(source), str(target)) for source, target in pieces or ()], boxes)


def _bends(
    edges: Sequence[tuple[str, str]], pieces: Sequence[tuple[str, str]], boxes: Mapping[str, _Box]
) -> dict[tuple[str, str], list[str]]:
    after: dict[str, list[str]] = defaultdict(list)
    for source, target in pieces:
        after[source].append(target)
    paths: dict[tuple[str, str], list[str]] = {}
    for source, first in pieces:
        if source in boxes:
            path = [source, first]
            while path[-1] not in boxes:
                path.append(after[path[-1]][0])
            paths[source, path[-1]] = path
    return {edge: paths.get(edge, list(edge)) for edge in edges}


def _path(path: Sequence[str], boxes: Mapping[str, _Box], places: Mapping[str, Point], *, last: bool) -> str:
    forward = places[path[-1]][0] >= places[path[0]][0]
    side = 1 if forward else -1
    points = [places[name] for name in path]
    points[0] = (points[0][0] + side * _width(boxes, path[0]) / 2, points[0][1])
    points[-1] = (points[-1][0] - side * _width(boxes, path[-1]) / 2, points[-1][1])
    way = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
    for (x, y), (to_x, to_y) in pairwise(points):
        bend = (to_x - x) / 2
        way += f" C{x + bend:.0f} {y:.0f} {to_x - bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
    kind = "way" if forward else "way back"
    return f'<path class="{kind}" d="{way}"' + (' marker-end="url(#tip)"/>' if last else "/>")


def _card_box(card: Card) -> _Box:
    lines = [("name", card.name)]
    lines += [("says", line) for line in wrapped(card.says, _COLUMNS, _LINES)]
    lines += [("does", line) for line in wrapped(card.does, _COLUMNS, 2)]
    return _box(lines, card)


def _box(lines: Sequence[tuple[str, str]], card: Card | None = None) -> _Box:
    widest = max((len(text) for _, text in lines), default=1)
    return _Box(lines, widest * _LETTER + 20, max(len(lines), 1) * _LINE + 10, card)


def _width(boxes: Mapping[str, _Box], name: str) -> float:
    return boxes[name].width if name in boxes else 0


def _drawn(box: _Box, place: Point) -> Iterator[str]:
    x, y = place[0] - box.width / 2, place[1] - box.height / 2
    is_label = all(kind == "label" for kind, _ in box.lines)
    if is_label:
        size = f'width="{box.width - 12:.0f}" height="{box.height - 6:.0f}"'
        yield f'<rect x="{x + 6:.0f}" y="{y + 3:.0f}" {size} fill="#fff"/>'
    else:
        fill, stroke = COLOURS[box.card.kind] if box.card else ("#eee", "#667")
        size = f'width="{box.width:.0f}" height="{box.height:.0f}" rx="7"'
        yield f'<rect x="{x:.0f}" y="{y:.0f}" {size} fill="{fill}" stroke="{stroke}"/>'
    left = place[0] if is_label else x + 10
    for index, (kind, text) in enumerate(box.lines):
        yield f'<text class="{kind}" x="{left:.0f}" y="{y + 5 + _LINE * (index + 0.75):.0f}">{escape(text)}</text>'
