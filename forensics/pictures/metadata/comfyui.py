"""ComfyUI's graphs: `prompt`, the graph as it was executed, and `workflow`, the graph as it was drawn.

PNG keeps both as text entries; WebP and JPEG keep them in EXIF tags (`prompt:{…}`, `workflow:{…}`). A record is read by
going back from each node that makes a picture, along its links, through the rules of `comfyui_nodes`: inputs and
outputs are known by name there. A node without a rule is where the walk stops, and the record names it; texts behind
it are not guessed at. Of two graphs the executed one is read: it holds what ran.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from forensics.case import Fact
from forensics.pictures.metadata import webui
from forensics.pictures.metadata.base import Entries, GeneratorMetadata, Lora, document, real, shown, text, whole
from forensics.pictures.metadata.comfyui_drawn import executed_form
from forensics.pictures.metadata.comfyui_nodes import (
    DECODERS,
    GUIDERS,
    NODES,
    PASSED_ON,
    PLAIN,
    SAMPLER_SELECTORS,
    SAMPLERS,
    SIGMAS,
    Both,
    Checkpoint,
    Context,
    Empty,
    Encode,
    Held,
    Replaced,
    Rule,
    Same,
    SamplerType,
    Size,
    Styled,
    Switch,
    WithLora,
)

_DEPTH = 80
_MAX_LINKS = 20_000
"""Links followed for one record: a graph can have more ways through it than can be gone."""
_MAX_NODES = 5000
_MAX_BESIDE = 5040
"""Entries of the document looked through for what stands beside the nodes, as Civitai's generator writes it."""
_PLACES = ("prompt", "workflow", "Prompt", "Workflow", "comment", "Comment", "Description", "parameters")

Node = Mapping[str, Any]
Graph = dict[str, Node]


def read(entries: Entries) -> list[GeneratorMetadata]:
    """One record for every node of the graph that makes a picture; one without fields where there is none."""
    drawn: list[tuple[str, Graph]] = []
    graph: Graph
    for name, value in entries.items():
        if name not in _PLACES and not name.startswith(("EXIF ", "XMP ")):
            continue
        body = re.sub(r"^\s*(?:prompt|workflow) ?: ?(?=\{)", "", value[:20], flags=re.IGNORECASE) + value[20:]
        if '"class_type"' not in body and '"nodes"' not in body:
            continue
        parsed = document(body)
        if parsed is None:
            if body.lstrip().startswith("{") and '"class_type"' in body and '"inputs"' in body:
                return [_unreadable(name)]
            continue
        if isinstance(parsed.get("prompt"), dict) and _executed(parsed["prompt"]):
            parsed = parsed["prompt"]
        if (graph := _executed(parsed)) and _types(graph):
            beside = tuple(shown(k, v) for k, v in list(parsed.items())[:_MAX_BESIDE] if k not in graph and v)
            return [replace(r, further=(*r.further, *beside)) for r in _records(graph, "executed graph", name)]
        if isinstance(parsed.get("workflow"), dict):
            parsed = parsed["workflow"]
        if (graph := executed_form(parsed, _MAX_NODES)) and _types(graph):
            drawn.append((name, graph))
    return next((_records(graph, "drawn graph", name) for name, graph in drawn), [])


def _unreadable(name: str) -> GeneratorMetadata:
    return GeneratorMetadata(
        "ComfyUI",
        webui.described(name),
        problems=("The graph could not be read.",),
        entry=name,
        marks=("the names class_type and inputs",),
    )


def _executed(parsed: Mapping[str, Any]) -> Graph:
    nodes: Graph = {}
    for key, node in list(parsed.items())[:_MAX_NODES]:
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict) and "class_type" in node:
            nodes[str(key)] = node
    return nodes


def _records(graph: Graph, source: str, entry: str) -> list[GeneratorMetadata]:
    marks = (f"{len(graph)} nodes with types and inputs", *_types(graph))
    found = []
    for key, node in graph.items():
        if (shape := _sampler_type(node)) is not None:
            found.append(_record(key, shape, graph, source, entry, marks))
    if found:
        return list(dict.fromkeys(found))
    problem = "The graph holds no node of a known kind that makes a picture."
    return [GeneratorMetadata("ComfyUI", source, problems=(problem,), marks=marks, entry=entry)]


def _types(graph: Graph) -> list[str]:
    """Types of the nodes that are known to be ComfyUI's, as marks."""
    kinds = dict.fromkeys(text(node.get("class_type")) for node in graph.values())
    named = [kind for kind in kinds if kind in SAMPLERS or kind in NODES or kind in GUIDERS or kind in PLAIN]
    return [f"node type {kind}" for kind in named[:3]]


def _sampler_type(node: Node) -> SamplerType | None:
    kind, inputs = text(node.get("class_type")), node["inputs"]
    if kind in SAMPLERS:
        return SAMPLERS[kind]
    seed = next((n for n in ("seed", "noise_seed") if n in inputs), None)
    if "positive" in inputs and seed and ("steps" in inputs or "cfg" in inputs) and kind not in NODES:
        return SamplerType(seed=seed)
    return None


def _record(
    key: str, shape: SamplerType, graph: Graph, source: str, entry: str, marks: tuple[str, ...]
) -> GeneratorMetadata:
    walk, node = Walk(graph), graph[key]
    kind = text(node.get("class_type"))
    if kind not in SAMPLERS:
        walk.say(f"Node {key} ({kind}) is of no known kind; its inputs were read by their names.")
    asked = _asked(node["inputs"], shape, walk)
    positive = walk.conditioning(asked.get("positive"), "positive")
    guidance = asked.get("guidance")
    guided = walk.number(guidance) if guidance is not None else None
    negative = walk.conditioning(asked.get("negative"), "negative")
    found = walk.model(asked.get("model"))
    size = walk.size(asked.get("latent"))
    prompt = "\n".join(positive)
    further = [Fact("flux guidance", f"{walk.guidance:g}")] if walk.guidance is not None and guided is not None else []
    if len(found.names) > 1:
        further.append(Fact("models merged", ", ".join(found.names)))
    if found.refiner:
        further.append(Fact("refiner model loaded", found.refiner))
    return GeneratorMetadata(
        software="ComfyUI",
        source=f"{source}, node {key}" if len(graph) > 1 else source,
        prompt=prompt,
        negative_prompt="\n".join(negative),
        seed=whole(walk.number(asked.get("seed"))),
        steps=whole(walk.number(asked.get("steps"))),
        sampler=text(walk.number(asked.get("sampler"))),
        scheduler=text(walk.number(asked.get("scheduler"))),
        guidance=real(guided) if guided is not None else walk.guidance,
        model=found.names[0] if found.names else "",
        width=size[0],
        height=size[1],
        vae=_vae(graph, walk),
        loras=tuple(dict.fromkeys([*found.loras, *webui.loras(prompt, {})])),
        further=tuple(further),
        problems=tuple(walk.problems),
        marks=marks,
        entry=entry,
    )


def _asked(inputs: Mapping[str, Any], shape: SamplerType, walk: Walk) -> dict[str, Any]:
    """The inputs by what they mean, those of guider, noise, sampler and spacing put in for a custom sampler."""
    asked = {
        "seed": inputs.get(shape.seed),
        "steps": inputs.get(shape.steps),
        "guidance": inputs.get(shape.guidance),
        "sampler": inputs.get(shape.sampler),
        "scheduler": inputs.get(shape.scheduler),
        "model": inputs.get(shape.model),
        "positive": inputs.get(shape.positive),
        "negative": inputs.get(shape.negative),
        "latent": inputs.get(shape.latent),
    }
    for meaning, name in _IN_BUNDLES.items():
        if (place := walk.at(asked[meaning])) is not None and walk.is_bundle(place):
            asked[meaning] = walk.held(place, name)
    if not shape.custom:
        return asked
    if (guider := walk.at(inputs.get("guider"))) is not None:
        row = GUIDERS.get(guider.kind)
        if row is None:
            walk.stopped(guider, "the guider")
        asked |= {meaning: guider.inputs.get(name) for meaning, name in (row or {}).items()}
    asked |= _spacing(inputs.get("sigmas"), walk)
    if (selector := walk.at(inputs.get("sampler"))) is not None:
        named = SAMPLER_SELECTORS.get(selector.kind)
        if named is None:
            walk.stopped(selector, "the sampler")
        asked["sampler"] = selector.inputs.get(named) if named else selector.kind if named == "" else None
    return asked


_IN_BUNDLES = {
    "seed": "seed",
    "steps": "steps",
    "guidance": "cfg",
    "sampler": "sampler_name",
    "scheduler": "scheduler",
}
"""What is asked for -> its name in a bundle that a sampler takes all from."""


def _spacing(link: object, walk: Walk) -> dict[str, Any]:
    for _ in range(_DEPTH):
        found = walk.at(link)
        if found is None:
            return {"scheduler": None}
        row = SIGMAS.get(found.kind)
        if row is None:
            walk.stopped(found, "the spacing of the noise levels")
            return {"scheduler": None}
        if "from" not in row:
            named = found.inputs.get(row.get("scheduler", ""))
            return {"steps": found.inputs.get(row["steps"]), "scheduler": named if named is not None else found.kind}
        link = found.inputs.get(row["from"])
    return {"scheduler": None}


def _vae(graph: Graph, walk: Walk) -> str:
    """The decoder's file where a node loads one by name."""
    for node in graph.values():
        if text(node.get("class_type")) in DECODERS:
            for name in walk.model(node["inputs"].get("vae"), quiet=True).names:
                return name
    return ""


@dataclass(frozen=True, slots=True)
class Place:
    """A node and the output of it that a link names."""

    key: str
    kind: str
    inputs: Mapping[str, Any]
    slot: int

    @property
    def name(self) -> str:
        """For messages."""
        return f"node {self.key} ({self.kind or 'without a type'})"

    @property
    def title(self) -> str:
        """As `name`, at the beginning of a sentence."""
        return f"N{self.name[1:]}"


@dataclass(frozen=True, slots=True)
class Models:
    """Models behind a link, nearest first, and what was loaded beside them."""

    names: tuple[str, ...] = ()
    loras: tuple[Lora, ...] = ()
    refiner: str = ""
    """A second model for the last steps, which is not merged into the first."""


@dataclass(slots=True)
class Walk:
    """Going back along links, with what could not be followed."""

    graph: Graph
    problems: dict[str, None] = field(default_factory=dict)
    guidance: float | None = None
    """What a node for guidance stated on the way to the positive prompt."""
    _trail: list[tuple[str, int, str]] = field(default_factory=list)
    _links: int = 0

    def say(self, problem: str) -> None:
        """Note a sentence once."""
        self.problems[problem] = None

    def stopped(self, place: Place, of: str) -> None:
        """Note where the walk ends."""
        self.say(f"Not followed: {place.name}, on the way to {of}.")

    def at(self, link: object) -> Place | None:
        """The output a link `[id, place]` points to; None for a plain value or a link to nothing."""
        if not (isinstance(link, list) and len(link) == 2 and isinstance(link[0], str | int)):
            return None
        node = self.graph.get(str(link[0]))
        slot = whole(link[1])
        if node is None or slot is None:
            return None
        return Place(str(link[0]), text(node.get("class_type")), node["inputs"], slot)

    def conditioning(self, link: object, of: str) -> list[str]:
        """The texts behind a conditioning, each once."""
        found = self._follow(link, f"the {of} prompt", lambda place, rule: self._texts(place, rule, of))
        if isinstance(found, str):
            return [found.strip()] if found.strip() else []
        # A plain value in the place of a link can be of any kind: a switch, a number, a table.
        parts = [part.strip() for part in found if isinstance(part, str)] if isinstance(found, list | tuple) else []
        return list(dict.fromkeys(part for part in parts if part))

    def string(self, value: object, of: str) -> str:
        """A text, or the text behind a link."""
        found = self._follow(value, f"the text of the {of} prompt", lambda place, rule: self._joined(place, rule, of))
        return found if isinstance(found, str) else text(found)

    def number(self, value: object) -> object:
        """A number or a name, or the one behind a link."""
        return self._follow(value, "a value", self._value, plain=True)

    def model(self, link: object, *, quiet: bool = False) -> Models:
        """Models and LoRA behind a link."""
        before = dict(self.problems)
        found = self._follow(link, "the model", self._models)
        if quiet:
            self.problems = before
        return found if isinstance(found, Models) else Models()

    def size(self, link: object) -> tuple[int | None, int | None]:
        """Sides of the latent picture; unknown where it comes from a picture."""
        for _ in range(_DEPTH):
            place = self.at(link)
            if place is None:
                return None, None
            if place.kind in SAMPLERS:
                link = place.inputs.get(SAMPLERS[place.kind].latent)
                continue
            row = NODES.get(place.kind)
            rule = row.outputs[place.slot][1] if row and place.slot < len(row.outputs) else None
            if isinstance(rule, Size):
                width, height = self.number(place.inputs.get(rule.width)), self.number(place.inputs.get(rule.height))
                return whole(width), whole(height)
            if isinstance(rule, Context) and (latent := self.held(place, "latent")) is not None:
                link = latent
            elif isinstance(rule, Context):
                sides = (self.number(self.held(place, f"empty_latent_{side}")) for side in ("width", "height"))
                width, height = sides
                return whole(width), whole(height)
            elif isinstance(rule, Held):
                link = self.held(place, rule.name)
            elif isinstance(rule, Same):
                link = _first(place.inputs, rule.inputs)
            else:
                return None, None
        return None, None

    # One step back

    def _follow(self, value: object, of: str, step: Callable[[Place, Rule], Any], *, plain: bool = False) -> Any:
        """What a step gives at the node a link points to; a plain value as it is."""
        place = self.at(value)
        if place is None:
            return None if isinstance(value, list | dict) else value
        self._links += 1
        if self._links > _MAX_LINKS:
            self.say(f"Not followed: more than {_MAX_LINKS} links.")
            return None
        here = (place.key, place.slot, of)
        if here in self._trail or len(self._trail) > _DEPTH:
            self.say(f"Not followed: {place.name} stands in a circle of links.")
            return None
        row = NODES.get(place.kind) or PASSED_ON.get(place.kind)
        if row is None or place.slot >= len(row.outputs):
            self.stopped(place, of)
            return None
        rule = row.outputs[place.slot][1]
        if rule is None:
            if not plain or place.kind not in SAMPLERS:
                self.say(f"{place.title} makes a value that the graph does not hold.")
            return None
        self._trail.append(here)
        try:
            if isinstance(rule, Held):
                return self._follow(self.held(place, rule.name), of, step, plain=plain)
            if isinstance(rule, Switch):
                return self._follow(self._chosen(place, rule), of, step, plain=plain)
            if isinstance(rule, Same):
                if rule.guidance and self.guidance is None:
                    self.guidance = real(self.number(place.inputs.get(rule.guidance)))
                return self._follow(_first(place.inputs, rule.inputs), of, step, plain=plain)
            return step(place, rule)
        finally:
            self._trail.pop()

    def _texts(self, place: Place, rule: Rule, of: str) -> list[str]:
        match rule:
            case Encode():
                if rule.guidance and self.guidance is None:
                    self.guidance = real(self.number(place.inputs.get(rule.guidance)))
                names = [n for n in rule.texts if n in place.inputs]
                return [self.string(place.inputs[name], of) for name in names]
            case Both():
                return [part for value in _all(place.inputs, rule) for part in self.conditioning(value, of)]
            case Empty():
                return []
            case Context():
                return self.conditioning(self.held(place, of), of)
            case _:
                return [self._joined(place, rule, of)]

    def _joined(self, place: Place, rule: Rule, of: str) -> str:
        match rule:
            case Both():
                separator = place.inputs.get(rule.delimiter, rule.separator) if rule.delimiter else rule.separator
                parts = (self.string(value, of) for value in _all(place.inputs, rule))
                return self.string(separator, of).replace("\\n", "\n").join(part for part in parts if part)
            case Styled():
                named = text(place.inputs.get(rule.template))
                self.say(
                    f"{place.title} lays the words of the template “{named}” around the text; they are not in the file."
                )
                return self.string(place.inputs.get(rule.text), of)
            case Replaced():
                whole_text, found = (self.string(place.inputs.get(n), of) for n in (rule.text, rule.find))
                return (
                    whole_text.replace(found, self.string(place.inputs.get(rule.replace), of)) if found else whole_text
                )
            case Encode():
                return "\n".join(self._texts(place, rule, of))
            case _:
                self.stopped(place, f"the text of the {of} prompt")
                return ""

    def _value(self, place: Place, rule: Rule) -> object:
        if isinstance(rule, Both | Replaced | Styled):
            return self._joined(place, rule, "stated")
        self.stopped(place, "a value")
        return None

    def _models(self, place: Place, rule: Rule) -> Models:
        match rule:
            case Checkpoint():
                names = [text(self.number(place.inputs.get(name))) for name in rule.names]
                lora = self._lora(place, *rule.lora) if rule.lora[0] else ()
                stacked = self.model(place.inputs.get(rule.stack)).loras if rule.stack else ()
                return Models(tuple(filter(_named, names)), (*lora, *stacked))
            case WithLora():
                below = self.model(place.inputs.get(rule.model)) if rule.model else Models()
                return replace(below, loras=(*below.loras, *self._loras(place, rule)))
            case Both():
                several = [self.model(value) for value in _all(place.inputs, rule)]
                return Models(tuple(n for m in several for n in m.names), tuple(x for m in several for x in m.loras))
            case Context():
                held = self.held(place, "model")
                if held is not None:
                    return self.model(held)
                return self._loaded(place)
            case _:
                self.stopped(place, "the model")
                return Models()

    def _loaded(self, place: Place) -> Models:
        """What a loader put into a bundle by the names of files."""
        held = {name: text(self.number(self.held(place, name))) for name in _LOADED}
        loras = [Lora(held["lora_name"], real(self.held(place, "lora_model_strength")))]
        for name in ("lora_stack", "optional_lora_stack"):
            loras += self.model(self.held(place, name)).loras
        names = (held["base_ckpt_name"], held["ckpt_name"])
        refiner = held["refiner_ckpt_name"] if _named(held["refiner_ckpt_name"]) else ""
        return Models(tuple(filter(_named, names)), tuple(lora for lora in loras if _named(lora.name)), refiner)

    def _lora(self, place: Place, name: str, strength: str) -> tuple[Lora, ...]:
        found = text(self.number(place.inputs.get(name)))
        return (Lora(found, real(self.number(place.inputs.get(strength)))),) if _named(found) else ()

    def _loras(self, place: Place, rule: WithLora) -> Iterator[Lora]:
        for name, strength in rule.pairs:
            number = name.rsplit("_", 1)[-1]
            if text(place.inputs.get(f"switch_{number}")).lower() != "off":
                yield from self._lora(place, name, strength)
        listed = place.inputs.items() if rule.series else ()
        for key, value in listed:
            if not (key.lower().startswith(rule.series) and isinstance(value, dict)) or value.get("on") is False:
                continue
            if _named(name := text(value.get("lora"))):
                yield Lora(name, real(value.get("strength")))
        held = place.inputs.get(rule.rows) if rule.rows else None
        held = held.get("__value__") if isinstance(held, dict) else held
        for row in held if isinstance(held, list) else ():
            if isinstance(row, dict) and row.get("active") is not False and _named(name := text(row.get("name"))):
                yield Lora(name, real(row.get("strength")))
        if rule.stack:
            count = whole(self.number(place.inputs.get("lora_count")))
            for place_of in range(1, 51 if count is None else min(50, count) + 1):
                names = (f"lora_wt_{place_of}", f"model_str_{place_of}")
                if text(place.inputs.get("input_mode")) == "advanced":
                    names = names[::-1]
                strength = next((n for n in names if n in place.inputs), "")
                if not rule.pairs:
                    yield from self._lora(place, f"lora_name_{place_of}", strength)
            yield from self.model(place.inputs.get(rule.stack)).loras

    def is_bundle(self, place: Place) -> bool:
        """Whether the output a link names is a bundle of values."""
        row = NODES.get(place.kind)
        return row is not None and place.slot < len(row.outputs) and isinstance(row.outputs[place.slot][1], Context)

    def held(self, place: Place, name: str, depth: int = 0) -> object:
        """A value of a bundle: the node's own input, else what the bundles below hold."""
        if place.inputs.get(name) is not None:
            return place.inputs[name]
        row = NODES.get(place.kind)
        rule = next((r for _, r in row.outputs if isinstance(r, Context)), None) if row else None
        if rule is None:
            self.stopped(place, f"the bundle that holds {name}")
            return None
        for base in _bases(place.inputs, rule):
            below = self.at(base)
            if below is not None and depth < _DEPTH and (found := self.held(below, name, depth + 1)) is not None:
                return found
        return None

    def _chosen(self, place: Place, rule: Switch) -> object:
        """The input a switch lets through."""
        names: Sequence[str] = rule.inputs or sorted(
            (n for n in place.inputs if re.fullmatch(rf"{re.escape(rule.series)}\d+", n)),
            key=lambda n: int(n.removeprefix(rule.series)),
        )
        if not rule.chooser:
            there = (place.inputs[n] for n in names if place.inputs.get(n) is not None)
            # A link to a node that is not in the graph, a muted one perhaps, brought nothing when it ran.
            return next((v for v in there if not isinstance(v, list) or self.at(v) is not None), None)
        value = self.number(place.inputs.get(rule.chooser))
        number = int(value) if isinstance(value, bool) else whole(value)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            number = int(value.lower() == "true")
        if number is None:
            self.say(f"Not followed: {place.name}, a switch whose position is not stated.")
            return None
        if rule.series:
            return place.inputs.get(f"{rule.series}{number}")
        place_of = number - rule.start
        return place.inputs.get(names[place_of]) if 0 <= place_of < len(names) else None


def _first(inputs: Mapping[str, Any], names: Sequence[str]) -> object:
    return next((inputs[name] for name in names if name in inputs and inputs[name] is not None), None)


def _all(inputs: Mapping[str, Any], rule: Both) -> list[object]:
    names: Sequence[str] = rule.inputs
    if rule.series:
        numbered = (n for n in inputs if re.fullmatch(rf"{re.escape(rule.series)}\d+", n))
        names = sorted(numbered, key=lambda n: int(n.removeprefix(rule.series)))
    return [inputs[name] for name in names if inputs.get(name) is not None]


def _bases(inputs: Mapping[str, Any], rule: Context) -> list[object]:
    """Bundles below, the one that counts first: of those that are merged the last one wins."""
    found = [inputs[name] for name in rule.bases if name in inputs]
    series = rule.series.removeprefix("-")
    if series:
        names = sorted(n for n in inputs if re.fullmatch(rf"{re.escape(series)}\d+", n))
        ordered = reversed(names) if rule.series.startswith("-") else names
        found += [inputs[name] for name in ordered]
    return found


_LOADED = ("base_ckpt_name", "ckpt_name", "refiner_ckpt_name", "lora_name")
"""Inputs by which loaders name files."""


def _named(name: str) -> bool:
    return name not in ("", "None", "Baked VAE", "none")
