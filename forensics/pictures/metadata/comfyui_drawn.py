"""A drawn graph of ComfyUI in the form of an executed one: nodes by id, inputs by name, links as `[id, place]`.

Drawn graphs store links in a table of their own and widget values by position. What the program resolves before it runs
a graph is resolved here likewise: subgraphs are opened, muted nodes taken out, bypassed ones bridged by type, set and
get nodes joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from forensics.pictures.metadata.base import text, whole
from forensics.pictures.metadata.comfyui_nodes import widgets

_MUTED, _BYPASSED = 2, 4
_INPUTS, _OUTPUTS = -10, -20
"""Ids of the two ends of a subgraph."""
_CONTROLS = frozenset({"fixed", "randomize", "increment", "decrement"})
_LEVELS = 12
_MAX_OPENED = 500

Link = tuple[str, int]


@dataclass(slots=True)
class _Flat:
    """All nodes of a graph and of the subgraphs in it."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    ends: dict[tuple[str, int], Link | None] = field(default_factory=dict)
    """Output of a subgraph's node -> the output inside that it stands for."""
    limit: int = 5000
    opened: int = 0
    """Subgraphs opened so far: one can hold itself."""


def executed_form(parsed: Mapping[str, Any], limit: int) -> dict[str, Mapping[str, Any]]:
    """The nodes; empty where the document is no drawn graph.

    Args:
        parsed: the document.
        limit: of the number of nodes.
    """
    if not isinstance(parsed.get("nodes"), list):
        return {}
    definitions = parsed.get("definitions")
    listed = definitions.get("subgraphs") if isinstance(definitions, dict) else None
    subgraphs = {text(s.get("id")): s for s in _list(listed) if isinstance(s, dict)}
    flat = _Flat(limit=limit)
    _open(parsed, subgraphs, flat, "", {}, 0)
    if not any(node["class_type"] for node in flat.nodes.values()):
        return {}
    _bridge(flat)
    return {
        key: {"class_type": node["class_type"], "inputs": node["inputs"]}
        for key, node in flat.nodes.items()
        if node["mode"] not in (_MUTED, _BYPASSED)
    }


def _open(
    graph: Mapping[str, Any],
    subgraphs: Mapping[str, Any],
    flat: _Flat,
    prefix: str,
    outer: Mapping[int, Link | None],
    level: int,
) -> None:
    """Put the nodes of one level into the flat graph."""
    links = dict(_links(graph.get("links")))

    def source(number: object) -> Link | None:
        found = links.get(number) if isinstance(number, int | str) else None
        if found is None:
            return None
        origin, slot = found
        if origin == str(_INPUTS):
            return outer.get(slot)
        return f"{prefix}{origin}", slot

    for node in _list(graph.get("nodes")):
        if not isinstance(node, dict) or len(flat.nodes) >= flat.limit:
            continue
        key, kind = f"{prefix}{text(node.get('id'))}", text(node.get("type"))
        slots = [slot for slot in _list(node.get("inputs")) if isinstance(slot, dict)]
        arriving = {n: source(slot.get("link")) for n, slot in enumerate(slots)}
        if kind in subgraphs and level < _LEVELS and flat.opened < _MAX_OPENED:
            flat.opened += 1
            inside = _with_proxies(subgraphs[kind], node)
            _open(inside, subgraphs, flat, f"{key}:", arriving, level + 1)
            inner = dict(_links(inside.get("links"), ends=True))
            for slot, (origin, place) in inner.items():
                found = arriving.get(place) if origin == str(_INPUTS) else (f"{key}:{origin}", place)
                flat.ends[key, int(slot)] = found
            continue
        inputs = _widget_values(kind, node, slots)
        for n, slot in enumerate(slots):
            if arriving[n] is not None:
                inputs[text(slot.get("name"))] = arriving[n]
        types = [text(o.get("type")) for o in _list(node.get("outputs")) if isinstance(o, dict)]
        flat.nodes[key] = {
            "class_type": kind,
            "inputs": inputs,
            "mode": whole(node.get("mode")) or 0,
            "outputs": types,
            "arriving": [(text(slot.get("type")), arriving[n]) for n, slot in enumerate(slots)],
        }


def _with_proxies(definition: Mapping[str, Any], instance: Mapping[str, Any]) -> dict[str, Any]:
    """A subgraph with the values its node shows on its face, which take the place of those inside."""
    properties = instance.get("properties")
    shown = _list(properties.get("proxyWidgets")) if isinstance(properties, dict) else []
    values = _list(instance.get("widgets_values"))
    changed: dict[str, dict[str, Any]] = {}
    for proxy, value in zip(shown, values, strict=False):
        if isinstance(proxy, list) and len(proxy) == 2 and value is not None:
            changed.setdefault(text(proxy[0]), {})[text(proxy[1])] = value
    nodes = [
        {**node, "forced": changed[text(node.get("id"))]}
        if isinstance(node, dict) and text(node.get("id")) in changed
        else node
        for node in _list(definition.get("nodes"))
    ]
    return {**definition, "nodes": nodes}


def _links(listed: object, *, ends: bool = False) -> Iterator[tuple[Any, Link]]:
    """(number of a link, where it comes from); with `ends`, (output of the subgraph, where it comes from)."""
    for link in _list(listed):
        if isinstance(link, dict):
            number, origin, slot = link.get("id"), link.get("origin_id"), whole(link.get("origin_slot"))
            target, place = whole(link.get("target_id")), whole(link.get("target_slot"))
        elif isinstance(link, list) and len(link) >= 5:
            number, origin, slot, target, place = link[0], link[1], whole(link[2]), whole(link[3]), whole(link[4])
        else:
            continue
        if not isinstance(number, int | str) or slot is None:
            continue
        if not ends:
            yield number, (text(origin), slot)
        elif target == _OUTPUTS and place is not None:
            yield place, (text(origin), slot)


def _widget_values(kind: str, node: Mapping[str, Any], slots: list[dict[str, Any]]) -> dict[str, Any]:
    """Widget values by name: by the table of node types, else by the names the newer form keeps at the inputs."""
    values = node.get("widgets_values")
    inputs: dict[str, Any] = dict(values) if isinstance(values, dict) else {}
    listed = _list(values)
    names = widgets(kind)
    if not names:
        marked = (slot["widget"] for slot in slots if isinstance(slot.get("widget"), dict))
        names = _with_controls([text(widget.get("name")) for widget in marked], listed)
    for name, value in zip(names, listed, strict=False):
        if name:
            inputs[name] = value
    for number, value in enumerate(listed):
        if isinstance(value, dict) and "lora" in value:  # a list of any length, drawn by the node itself
            inputs[f"lora_{number}"] = value
    forced = node.get("forced")
    return inputs | forced if isinstance(forced, dict) else inputs


def _with_controls(names: list[str], values: list[Any]) -> tuple[str, ...]:
    """Names with a gap where the form keeps what to do with a seed: it has a value and no name."""
    found: list[str] = []
    for name in names:
        found.append(name)
        following = values[len(found)] if len(found) < len(values) else None
        if name in ("seed", "noise_seed", "value") and isinstance(following, str) and following in _CONTROLS:
            found.append("")
    return tuple(found)


def _bridge(flat: _Flat) -> None:
    """Resolve links to subgraphs, to bypassed and muted nodes, and to what a set node keeps under a name."""
    kept = {
        text(node["inputs"].get("name")): next(iter(v for _, v in node["arriving"] if v is not None), None)
        for node in flat.nodes.values()
        if node["class_type"] == "SetNode"
    }

    def end(link: Link | None) -> Link | None:
        for _ in range(200):
            if link is None:
                return None
            if link in flat.ends:
                link = flat.ends[link]
                continue
            node = flat.nodes.get(link[0])
            if node is None or node["mode"] == _MUTED:
                return None
            if node["class_type"] == "GetNode":
                link = kept.get(text(node["inputs"].get("name")))
            elif node["class_type"] == "SetNode":
                link = next(iter(v for _, v in node["arriving"] if v is not None), None)
            elif node["mode"] == _BYPASSED:
                wanted = node["outputs"][link[1]] if link[1] < len(node["outputs"]) else ""
                link = next((v for kind, v in node["arriving"] if kind == wanted and v is not None), None)
            else:
                return link
        return None

    for node in flat.nodes.values():
        for name, value in list(node["inputs"].items()):
            if isinstance(value, tuple):
                found = end(value)
                if found is None:
                    del node["inputs"][name]
                else:
                    node["inputs"][name] = list(found)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
