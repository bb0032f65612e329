"""ComfyUI's graphs: `prompt`, the graph as it was executed, and `workflow`, the graph as it was drawn.

PNG keeps both as text entries; WebP keeps them in the EXIF tags Model (`prompt:{…}`) and Make (`workflow:{…}`). A
record is read by walking back from each sampler along its links, so that text boxes that fed nothing are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forensics.pictures.metadata.base import Entries, GeneratorMetadata, document, real, text, whole

_TEXTS = ("text", "text_g", "text_l", "clip_l", "t5xxl", "prompt", "string", "value", "populated_text", "wildcard_text")
_MODELS = ("ckpt_name", "unet_name", "model_name", "base_ckpt_name")
_WIDGETS = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": ("add_noise", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler"),
    "CLIPTextEncode": ("text",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
    "LoraLoader": ("lora_name",),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "RandomNoise": ("noise_seed",),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "CFGGuider": ("cfg",),
    "FluxGuidance": ("guidance",),
    "PrimitiveNode": ("value",),
}
"""Names of the widget values of a drawn graph, which stores them by position; an empty name is a control of
the form."""
_DEPTH = 40
_MAX_NODES = 5000

Node = Mapping[str, Any]
Graph = dict[str, Node]


def read(entries: Entries) -> list[GeneratorMetadata]:
    """One record for every sampler of the graph; one without fields where the graph holds no sampler."""
    executed = entries.get("prompt", "") or entries.get("EXIF Model", "").removeprefix("prompt:")
    drawn = entries.get("workflow", "") or entries.get("EXIF Make", "").removeprefix("workflow:")
    if _looks_like_graph(executed):
        return _records(executed, "executed graph", _executed)
    if _looks_like_graph(drawn):
        return _records(drawn, "drawn graph", _drawn)
    return []


def _looks_like_graph(value: str) -> bool:
    return value.lstrip().startswith("{") and ('"class_type"' in value or '"nodes"' in value or '"inputs"' in value)


def _records(value: str, source: str, convert: Any) -> list[GeneratorMetadata]:
    parsed = document(value)
    graph = convert(parsed) if parsed is not None else {}
    if not graph:
        return [GeneratorMetadata("ComfyUI", source, problems=("The graph could not be read.",))]
    found = [_sampler(node, graph, source) for node in graph.values() if _is_sampler(node)]
    unique = list(dict.fromkeys(found))
    return unique or [GeneratorMetadata("ComfyUI", source, problems=("The graph holds no sampler of a known kind.",))]


def _executed(parsed: dict[str, Any]) -> Graph:
    nodes: Graph = {}
    for key, node in list(parsed.items())[:_MAX_NODES]:
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict):
            nodes[str(key)] = node
    return nodes


def _drawn(parsed: dict[str, Any]) -> Graph:
    """The same form as an executed graph: links by name, widget values by name where the kind of node is known."""
    links: dict[object, tuple[str, object]] = {}
    for link in _list(parsed.get("links")):
        if isinstance(link, list) and len(link) >= 5 and isinstance(link[0], int | str):
            links[link[0]] = (str(link[1]), link[2])
    nodes: Graph = {}
    for node in _list(parsed.get("nodes"))[:_MAX_NODES]:
        if not isinstance(node, dict):
            continue
        kind, inputs = text(node.get("type")), {}
        values = node.get("widgets_values")
        if isinstance(values, dict):
            inputs.update(values)
        for name, value in zip(_WIDGETS.get(kind, ()), _list(values), strict=False):
            if name:
                inputs[name] = value
        for slot in _list(node.get("inputs")):
            if isinstance(slot, dict) and isinstance(slot.get("link"), int | str) and slot["link"] in links:
                inputs[text(slot.get("name"))] = list(links[slot["link"]])
        nodes[text(node.get("id"))] = {"class_type": kind, "inputs": inputs}
    return nodes


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_sampler(node: Node) -> bool:
    inputs = node["inputs"]
    classic = "positive" in inputs and ("seed" in inputs or "noise_seed" in inputs)
    return classic or {"noise", "guider", "sampler", "sigmas"} <= set(inputs)


def _sampler(node: Node, graph: Graph, source: str) -> GeneratorMetadata:
    inputs = dict(node["inputs"])
    for name in ("noise", "guider", "sampler", "sigmas"):  # the custom sampler keeps its parameters in four nodes
        if (other := _follow(inputs.get(name), graph)) is not None:
            inputs = {**other["inputs"], **inputs}
    latent = _first(inputs.get("latent_image"), graph, ("width",))
    positive = inputs.get("positive", inputs.get("conditioning"))
    sampler, scheduler = _value(inputs.get("sampler_name"), graph), _value(inputs.get("scheduler"), graph)
    guided = _first(positive, graph, ("guidance",))
    cfg = _value(inputs.get("cfg"), graph)
    return GeneratorMetadata(
        software="ComfyUI",
        source=source,
        prompt=_text(positive, graph),
        negative_prompt=_text(inputs.get("negative"), graph),
        seed=whole(_value(inputs.get("seed", inputs.get("noise_seed")), graph)),
        steps=whole(_value(inputs.get("steps"), graph)),
        sampler=text(sampler),
        scheduler=text(scheduler),
        guidance=real(cfg if cfg is not None or guided is None else _value(guided["inputs"]["guidance"], graph)),
        model=_model(inputs.get("model"), graph),
        width=whole(_value(latent["inputs"].get("width"), graph)) if latent else None,
        height=whole(_value(latent["inputs"].get("height"), graph)) if latent else None,
    )


def _follow(link: object, graph: Graph) -> Node | None:
    """The node a link `[id, slot]` points to."""
    if isinstance(link, list) and len(link) == 2:
        return graph.get(str(link[0]))
    return None


def _value(value: object, graph: Graph) -> object:
    """A value, or through a link the first plain value of the node it comes from."""
    for _ in range(_DEPTH):
        node = _follow(value, graph)
        if node is None:
            return None if isinstance(value, list) else value
        names = ("seed", "noise_seed", "value", "int", "float", "string", "text")
        value = next((node["inputs"][n] for n in names if n in node["inputs"]), None)
    return None


def _ancestors(link: object, graph: Graph) -> list[Node]:
    """The nodes behind a link, nearest first, each once."""
    seen: dict[str, Node] = {}
    front = [link]
    for _ in range(_DEPTH):
        following: list[object] = []
        for one in front:
            node = _follow(one, graph)
            if node is None or not isinstance(one, list) or f"{one[0]}/{one[1]}" in seen:
                continue
            seen[f"{one[0]}/{one[1]}"] = node
            inputs = node["inputs"]
            if "positive" in inputs and "negative" in inputs and one[1] in (0, 1):
                # A node such as a control net passes both conditionings through, each to the slot of its own.
                following.append(inputs["negative" if one[1] else "positive"])
            else:
                following += [v for v in inputs.values() if isinstance(v, list)]
        front = following
    return list(seen.values())


def _first(link: object, graph: Graph, names: tuple[str, ...]) -> Node | None:
    return next((n for n in _ancestors(link, graph) if any(name in n["inputs"] for name in names)), None)


def _text(link: object, graph: Graph) -> str:
    """All texts behind a conditioning link, nearest first, each once."""
    parts: dict[str, None] = {}
    for node in _ancestors(link, graph):
        for name in _TEXTS:
            value = node["inputs"].get(name)
            if isinstance(value, str) and value.strip():
                parts[value.strip()] = None
    return "\n".join(parts)


def _model(link: object, graph: Graph) -> str:
    for node in _ancestors(link, graph):
        for name in _MODELS:
            if found := text(_value(node["inputs"].get(name), graph)):
                return found
    return ""
