"""Random records of every generator, written in the layout that the generator documents, with the values to read back.

The writers are independent of the readers: they follow the programs' own rules (what AUTOMATIC1111 puts in quotation
marks, how InvokeAI writes a negative prompt). Texts hold what makes grammars fail: commas, colons, quotation marks,
brackets, words of the layout itself, several scripts, several lines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Written:
    """Text entries of a file, and what a reader must find in them."""

    entries: Mapping[str, str]
    software: str
    expected: Mapping[str, Any]
    loras: tuple[tuple[str, float | None], ...] = ()
    further: Mapping[str, str] = field(default_factory=dict)


LABEL = "Negative prompt:"
"""A prompt that holds the label itself cannot be written in the web UI's layout: nothing marks which of two divides."""
LETTERS = st.characters(
    codec="utf-8", categories=("L", "N", "P", "S", "Zs", "M"), exclude_characters="\x85\u2028\u2029"
)
LINE = st.text(alphabet=LETTERS, min_size=1, max_size=24).map(str.strip).filter(bool)
TRAPS = st.sampled_from(
    [
        "Steps: 3",
        "Seed: 7, Size: 3x4",
        "(ink:1.2)",
        "[a:b:0.5]",
        "{hare|fox}",
        '"quoted, text"',
        "\\\\",
        "a, b: c",
        "Model: x",
        '{"seed": 1}',
        "CFG scale: 7",
        "Version: 2",
        "草むら",
        "أرنب",
        "🐇",
        "--ar 3:2",
        "a | b",
        "c; d",
    ]
)
SEED = st.integers(0, 2**64 - 1)
STEPS = st.integers(1, 150)
SAMPLERS = st.sampled_from(["Euler a", "DPM++ 2M", "DDIM", "LCM", "UniPC", "Heun", "LMS", "DPM adaptive", "Restart"])
SIDE = st.integers(2, 512).map(lambda n: 8 * n)
NAME = st.text(alphabet="abcdefghijklmnopqrstuvwxyzABC0123456789_-.", min_size=1, max_size=20).filter(
    lambda n: n.strip(".") and n not in ("None", "none", "null", "nan")
)
HASH = st.text(alphabet="0123456789abcdef", min_size=10, max_size=10)
SCALE = st.integers(2, 60).map(lambda n: n / 2)
STRENGTH = st.integers(-20, 20).filter(bool).map(lambda n: n / 10)


@st.composite
def prompts(draw: Draw, lines: int = 3, traps: bool = True) -> str:
    """A prompt of up to so many lines."""
    parts = []
    for _ in range(draw(st.integers(1, lines))):
        pieces = draw(st.lists(LINE | TRAPS if traps else LINE, min_size=1, max_size=4))
        parts.append(draw(st.sampled_from([", ", " "])).join(pieces).strip())
    text = "\n".join(part for part in parts if part).replace(LABEL, "Negative prompt")
    return text or "a hare"


def _quoted(value: str) -> str:
    """As the web UI does: values with commas, colons or line ends stand as JSON strings."""
    return json.dumps(value, ensure_ascii=False) if any(c in value for c in ",:\n") else value


VALUE = LINE.filter(lambda v: not v.startswith('"'))
EXTRA = st.sampled_from(
    [
        "Hires upscale",
        "ControlNet 0",
        "ADetailer model",
        "RNG",
        "NGMS",
        "Refiner",
        "Token merging ratio",
        "Pad conds",
        "Beta schedule type",
        "Emphasis",
        "Wildcard prompt",
        "Variation seed strength",
    ]
)


@st.composite
def webui(draw: Draw) -> Written:
    """AUTOMATIC1111's own line, with or without negative prompt and templates."""
    prompt, negative = draw(prompts()), draw(st.just("") | prompts())
    values = {
        "Steps": str(draw(STEPS)),
        "Sampler": draw(SAMPLERS),
        "CFG scale": f"{draw(SCALE):g}",
        "Seed": str(draw(SEED)),
        "Size": f"{draw(SIDE)}x{draw(SIDE)}",
        "Model hash": draw(HASH),
        "Model": draw(VALUE),
    }
    extra = draw(st.dictionaries(EXTRA, VALUE, max_size=4))
    resources = draw(
        st.just([]) | st.lists(st.fixed_dictionaries({"type": st.just("lora"), "modelName": LINE}), max_size=3)
    )
    line = ", ".join(f"{name}: {_quoted(value)}" for name, value in (values | extra).items())
    further = dict(extra)
    if resources:
        text = json.dumps(resources, ensure_ascii=False)
        line += f", Civitai resources: {text}"
        further["Civitai resources"] = text
    line += ", Version: v1.10.1"
    body = f"{prompt}\nNegative prompt: {negative}\n{line}" if negative else f"{prompt}\n{line}"
    template = draw(st.just("") | prompts(lines=1, traps=False))
    if template:
        body += f"\nTemplate: {template}"
        further["Template"] = template
    width, height = map(int, values["Size"].split("x"))
    expected = {
        "prompt": prompt,
        "negative_prompt": negative,
        "steps": int(values["Steps"]),
        "seed": int(values["Seed"]),
        "sampler": values["Sampler"],
        "guidance": float(values["CFG scale"]),
        "model": values["Model"],
        "model_hash": values["Model hash"],
        "width": width,
        "height": height,
        "rest": "",
        "problems": (),
    }
    name = draw(st.sampled_from(["parameters", "EXIF UserComment", "comment", "XMP dc:description"]))
    return Written({name: body}, "Stable Diffusion web UI v1.10.1", expected, further=further)


@st.composite
def webui_pipes(draw: Draw) -> Written:
    """SD.Next's older line, with bars between the pairs."""
    prompt, negative = draw(prompts(traps=False)), draw(prompts(traps=False))
    seed, steps, scale, model = draw(SEED), draw(STEPS), draw(SCALE), draw(NAME)
    line = (
        f"Steps: {steps} | Seed: {seed} | Sampler: DPM++ 2M Karras, ancestral | CFG scale: {scale:g} | Size: 512x768 | "
        f"Parser: Full parser | Model: {model} | Model hash: {draw(HASH)} | Version: 42c6147"
    )
    expected = {
        "prompt": prompt,
        "negative_prompt": negative,
        "seed": seed,
        "steps": steps,
        "guidance": scale,
        "model": model,
        "sampler": "DPM++ 2M Karras, ancestral",
        "width": 512,
        "height": 768,
        "rest": "",
    }
    return Written({"parameters": f"{prompt}\nNegative prompt: {negative}\n{line}"}, "SD.Next", expected)


@st.composite
def webui_one_line(draw: Draw) -> Written:
    """All in one line, as programs that flatten comments leave it."""
    prompt, negative = draw(prompts(1, traps=False)), draw(prompts(1, traps=False))
    seed, steps = draw(SEED), draw(STEPS)
    text = (
        f"{prompt} Negative prompt: {negative} Steps: {steps}, Sampler: Euler a, CFG scale: 7, "
        f"Seed: {seed}, Size: 512x512, "
        "Model: m"
    )
    expected = {"prompt": prompt, "negative_prompt": negative, "seed": seed, "steps": steps, "model": "m"}
    return Written({"parameters": text}, "Stable Diffusion web UI", expected)


@st.composite
def webui_lines(draw: Draw) -> Written:
    """One parameter a line."""
    prompt = draw(prompts(traps=False))
    seed, steps, model = draw(SEED), draw(STEPS), draw(NAME)
    rows = [f"Model: {model}", f"Steps: {steps}", "Sampler: Euler", "CFG scale: 7", f"Seed: {seed}", "Size: 64x64"]
    expected = {"prompt": prompt, "seed": seed, "steps": steps, "model": model, "width": 64}
    return Written({"parameters": "\n".join([prompt, *rows])}, "Stable Diffusion web UI", expected)


# ComfyUI


@st.composite
def comfyui(draw: Draw) -> Written:
    """A graph with a random way from the sampler to its texts, its model and its seed."""
    graph: dict[str, Any] = {}

    def add(kind: str, **inputs: Any) -> list[Any]:
        key = str(len(graph) + 1)
        graph[key] = {"class_type": kind, "inputs": inputs}
        return [key, 0]

    def text_of(value: str) -> Any:
        way = draw(st.sampled_from(["plain", "node", "primitive", "concat", "switch", "reroute"]))
        if way == "node":
            return add("Text Multiline", text=value)
        if way == "primitive":
            return add("PrimitiveStringMultiline", value=value)
        if way == "switch":
            wanted, other = add("CR Text", text=value), add("CR Text", text="the other")
            return add("CR Text Input Switch", Input=2, text1=other, text2=wanted)
        if way == "reroute":
            return add("Reroute", value=add("Text Multiline", text=value))
        if way == "concat" and len(value) > 1:
            cut = len(value) // 2
            if value[:cut].strip() == value[:cut] and value[cut:].strip() == value[cut:]:
                return add("StringConcatenate", string_a=value[:cut], string_b=value[cut:], delimiter="")
        return value

    positive, negative = draw(prompts()), draw(prompts())
    values = {"seed": draw(SEED), "steps": draw(STEPS), "cfg": draw(SCALE)}
    model, loras = draw(NAME), draw(st.lists(st.tuples(NAME, STRENGTH), max_size=3, unique_by=lambda p: p[0]))
    loader = add("CheckpointLoaderSimple", ckpt_name=model)
    chain = loader
    for name, strength in loras:
        chain = add(
            "LoraLoader", model=chain, clip=[loader[0], 1], lora_name=name, strength_model=strength, strength_clip=1
        )
    if draw(st.booleans()):
        chain = add("ModelSamplingFlux", model=chain, max_shift=1.15)
    width, height = draw(SIDE), draw(SIDE)
    latent = add("EmptyLatentImage", width=width, height=height, batch_size=1)
    ends = [
        add("CLIPTextEncode", text=text_of(positive), clip=[loader[0], 1]),
        add("CLIPTextEncode", text=text_of(negative), clip=[loader[0], 1]),
    ]
    for _ in range(draw(st.integers(0, 2))):
        way = draw(st.sampled_from(["control", "context", "area"]))
        if way == "control":
            node = add("ControlNetApplyAdvanced", positive=ends[0], negative=ends[1], strength=1.0)
            ends = [node, [node[0], 1]]
        elif way == "context":
            base = add("Context (rgthree)", positive=ends[0], model=chain)
            node = add("Context (rgthree)", base_ctx=base, negative=ends[1])
            ends, chain = [[node[0], 4], [node[0], 5]], [node[0], 1]
        else:
            ends[0] = add("ConditioningSetArea", conditioning=ends[0], strength=1.0)
    zeroed = draw(st.booleans())
    if zeroed:
        ends[1] = add("ConditioningZeroOut", conditioning=ends[1])
    seed: Any = add("Seed (rgthree)", seed=values["seed"]) if draw(st.booleans()) else values["seed"]
    sampler = add(
        "KSampler",
        seed=seed,
        steps=values["steps"],
        cfg=values["cfg"],
        sampler_name="euler",
        scheduler="normal",
        denoise=1.0,
        model=chain,
        positive=ends[0],
        negative=ends[1],
        latent_image=latent,
    )
    add("SaveImage", images=add("VAEDecode", samples=sampler, vae=[loader[0], 2]), filename_prefix="x")
    expected = {
        "prompt": positive,
        "negative_prompt": "" if zeroed else negative,
        "seed": values["seed"],
        "steps": values["steps"],
        "guidance": values["cfg"],
        "model": model,
        "width": width,
        "height": height,
        "sampler": "euler",
        "problems": (),
    }
    name = draw(st.sampled_from(["prompt", "EXIF Model"]))
    body = json.dumps(graph, ensure_ascii=draw(st.booleans()))
    return Written({name: f"prompt:{body}" if name == "EXIF Model" else body}, "ComfyUI", expected, tuple(loras))


# Others


@st.composite
def swarmui(draw: Draw) -> Written:
    """SwarmUI's object."""
    loras = draw(st.lists(st.tuples(NAME, STRENGTH), max_size=3, unique_by=lambda p: p[0]))
    record = {
        "prompt": draw(prompts()),
        "negativeprompt": draw(st.just("") | prompts()),
        "model": draw(NAME),
        "seed": draw(SEED),
        "steps": draw(STEPS),
        "cfgscale": draw(SCALE),
        "width": draw(SIDE),
        "height": draw(SIDE),
        "sampler": "euler",
        "scheduler": "simple",
        "swarm_version": "0.9.6.3",
    }
    if loras:
        record |= {"loras": [n for n, _ in loras], "loraweights": [str(s) for _, s in loras]}
    expected = {
        "prompt": record["prompt"],
        "negative_prompt": record["negativeprompt"],
        "model": record["model"],
        "seed": record["seed"],
        "steps": record["steps"],
        "guidance": record["cfgscale"],
        "width": record["width"],
    }
    name = draw(st.sampled_from(["parameters", "EXIF UserComment"]))
    body = json.dumps({"sui_image_params": record}, indent=2, ensure_ascii=draw(st.booleans()))
    return Written({name: body}, "SwarmUI", expected, tuple(loras))


@st.composite
def drawthings(draw: Draw) -> Written:
    """Draw Things: the JSON, or the text alone."""
    prompt, negative = draw(prompts(traps=False)), draw(prompts(1, traps=False).filter(lambda n: not n.startswith("-")))
    seed, steps, scale, model = draw(st.integers(0, 2**32 - 1)), draw(STEPS), draw(SCALE), draw(NAME)
    width, height = draw(SIDE), draw(SIDE)
    loras = draw(st.lists(st.tuples(NAME, STRENGTH), max_size=2, unique_by=lambda p: p[0]))
    expected = {
        "prompt": prompt,
        "negative_prompt": negative,
        "seed": seed,
        "steps": steps,
        "guidance": scale,
        "model": model,
        "width": width,
        "height": height,
    }
    if draw(st.booleans()):
        record = {
            "c": prompt,
            "uc": negative,
            "seed": seed,
            "steps": steps,
            "scale": scale,
            "model": model,
            "sampler": "DDIM",
            "size": f"{width}x{height}",
            "strength": 1,
            "lora": [{"model": n, "weight": w} for n, w in loras],
        }
        place = draw(st.sampled_from(["EXIF UserComment", "XMP exif:UserComment"]))
        return Written(
            {place: json.dumps(record), "EXIF Software": "Draw Things"}, "Draw Things", expected, tuple(loras)
        )
    prompt = "\n".join(line.lstrip("-").strip() or "x" for line in prompt.split("\n"))
    expected["prompt"] = prompt
    text = (
        f"{prompt}\n-{negative}\nSteps: {steps}, Sampler: DDIM, Guidance Scale: {scale}, Seed: {seed}, "
        f"Size: {width}x{height}, "
        f"Model: {model}, Strength: 1.0"
    )
    return Written({"XMP dc:description": text, "XMP xmp:CreatorTool": "Draw Things"}, "Draw Things", expected)


@st.composite
def invokeai(draw: Draw) -> Written:
    """InvokeAI's third layout."""
    loras = draw(st.lists(st.tuples(NAME, STRENGTH), max_size=3, unique_by=lambda p: p[0]))
    older = draw(st.booleans())
    model = draw(NAME)
    record = {
        "app_version": "5.0.2",
        "generation_mode": "txt2img",
        "positive_prompt": draw(prompts()),
        "negative_prompt": draw(prompts()),
        "seed": draw(SEED),
        "steps": draw(STEPS),
        "scheduler": "euler",
        "cfg_scale": draw(SCALE),
        "width": draw(SIDE),
        "height": draw(SIDE),
        "model": {"model_name": model} if older else {"name": model, "hash": "blake3:ab"},
        "loras": [
            {"lora": {"model_name": n}, "weight": w} if older else {"model": {"name": n, "key": "k"}, "weight": w}
            for n, w in loras
        ],
    }
    expected = {
        "prompt": record["positive_prompt"],
        "negative_prompt": record["negative_prompt"],
        "seed": record["seed"],
        "steps": record["steps"],
        "guidance": record["cfg_scale"],
        "model": model,
        "width": record["width"],
    }
    return Written({"invokeai_metadata": json.dumps(record)}, "InvokeAI 5.0.2", expected, tuple(loras))


PLAIN = (
    st.text(alphabet="abcdefghij ,.:;'!?()äöü草", min_size=1, max_size=40)
    .map(lambda t: " ".join(t.split()))
    .filter(bool)
)


@st.composite
def invokeai_second(draw: Draw) -> Written:
    """InvokeAI's second layout: a picture, or a sheet of one; negative prompts in square brackets."""
    prompt, negative = draw(PLAIN), draw(st.just("") | PLAIN)
    image = {
        "prompt": [{"prompt": f"{prompt} [{negative}]" if negative else prompt, "weight": 1}],
        "steps": draw(STEPS),
        "cfg_scale": draw(SCALE),
        "seed": draw(SEED),
        "sampler": "k_lms",
        "width": 512,
        "height": 640,
    }
    several = draw(st.booleans())
    record = {
        "model_weights": "sd-1.5",
        "app_version": "2.3.5",
        **({"images": [image]} if several else {"image": image}),
    }
    expected = {
        "prompt": prompt,
        "negative_prompt": negative,
        "seed": image["seed"],
        "steps": image["steps"],
        "guidance": image["cfg_scale"],
        "model": "sd-1.5",
        "height": 640,
    }
    return Written({"sd-metadata": json.dumps(record)}, "InvokeAI 2.3.5", expected)


@st.composite
def invokeai_dream(draw: Draw) -> Written:
    """InvokeAI's first layout, a command line."""
    prompt = draw(PLAIN.filter(lambda t: not t.startswith("-")))
    seed, steps, scale = draw(SEED), draw(STEPS), draw(SCALE)
    line = f'"{prompt}" -s {steps} -S {seed} -W 512 -H 640 -C {scale} -A k_lms'
    expected = {"prompt": prompt, "seed": seed, "steps": steps, "guidance": scale, "width": 512, "sampler": "k_lms"}
    return Written({"Dream": line}, "InvokeAI", expected)


@st.composite
def novelai(draw: Draw) -> Written:
    """NovelAI's entries, of the third or the fourth generation of models."""
    prompt, negative = draw(prompts()), draw(prompts())
    comment: dict[str, Any] = {
        "steps": draw(STEPS),
        "height": draw(SIDE),
        "width": draw(SIDE),
        "scale": draw(SCALE),
        "seed": draw(SEED),
        "noise_schedule": "karras",
        "sampler": "k_euler",
        "uc": negative,
        "prompt": prompt,
    }
    if draw(st.booleans()):
        comment["v4_prompt"] = {"caption": {"base_caption": prompt, "char_captions": []}}
    expected = {
        "prompt": prompt,
        "negative_prompt": negative,
        "seed": comment["seed"],
        "steps": comment["steps"],
        "guidance": comment["scale"],
        "model": "NovelAI Diffusion V4",
        "model_hash": "37442FCA",
        "width": comment["width"],
    }
    entries = {
        "Title": "NovelAI generated image",
        "Description": prompt,
        "Software": "NovelAI",
        "Source": "NovelAI Diffusion V4 37442FCA",
        "Comment": json.dumps(comment),
    }
    return Written(entries, "NovelAI", expected)


@st.composite
def fooocus(draw: Draw) -> Written:
    """Fooocus' own scheme."""
    lines = draw(st.lists(LINE | TRAPS, min_size=1, max_size=3))
    loras = draw(st.lists(st.tuples(NAME, STRENGTH), max_size=3, unique_by=lambda p: p[0]))
    record = {
        "prompt": lines[0],
        "full_prompt": lines,
        "negative_prompt": draw(LINE),
        "seed": str(draw(SEED)),
        "steps": draw(STEPS),
        "base_model": draw(NAME),
        "guidance_scale": draw(SCALE),
        "sampler": "dpmpp_2m_sde_gpu",
        "scheduler": "karras",
        "resolution": "(1152, 896)",
        "loras": [[n, w, "ab12"] for n, w in loras],
        "metadata_scheme": "fooocus",
        "version": "Fooocus v2.5.5",
    }
    expected = {
        "prompt": "\n".join(lines).strip(),
        "negative_prompt": record["negative_prompt"],
        "seed": int(record["seed"]),
        "steps": record["steps"],
        "guidance": record["guidance_scale"],
        "model": record["base_model"],
        "width": 1152,
    }
    name = draw(st.sampled_from(["parameters", "EXIF UserComment"]))
    return Written({name: json.dumps(record)}, "Fooocus v2.5.5", expected, tuple(loras))


@st.composite
def easydiffusion(draw: Draw) -> Written:
    """Easy Diffusion's entries, one an argument, with Python's word for nothing."""
    lora = draw(st.none() | NAME)
    prompt = draw(prompts().filter(lambda p: not p.startswith("{")))
    entries = {
        "prompt": prompt,
        "negative_prompt": draw(LINE),
        "seed": str(draw(SEED)),
        "num_inference_steps": str(draw(STEPS)),
        "guidance_scale": str(draw(SCALE)),
        "sampler_name": "euler_a",
        "width": "512",
        "height": "512",
        "use_stable_diffusion_model": draw(NAME),
        "use_vae_model": "None",
        "use_lora_model": str(lora),
        "lora_alpha": "0.5" if lora else "None",
        "clip_skip": "False",
    }
    expected = {
        "prompt": prompt,
        "negative_prompt": entries["negative_prompt"],
        "seed": int(entries["seed"]),
        "vae": "",
        "steps": int(entries["num_inference_steps"]),
        "guidance": float(entries["guidance_scale"]),
        "model": entries["use_stable_diffusion_model"],
    }
    return Written(entries, "Easy Diffusion", expected, ((lora, 0.5),) if lora else ())


@st.composite
def midjourney(draw: Draw) -> Written:
    """Midjourney's description with flags and the identification of the job."""
    prompt = draw(PLAIN)
    style, last = draw(st.integers(0, 1000)), draw(HASH)
    text = f"{prompt} --ar 3:2 --v 6.1 --stylize {style} Job ID: 0a1b2c3d-0000-4000-8000-{last}ab"
    return Written({"Description": text, "Author": "user"}, "Midjourney", {"prompt": prompt})


GRAMMARS: dict[str, st.SearchStrategy[Written]] = {
    "web UI": webui(),
    "web UI, bars": webui_pipes(),
    "web UI, one line": webui_one_line(),
    "web UI, one a line": webui_lines(),
    "ComfyUI": comfyui(),
    "SwarmUI": swarmui(),
    "Draw Things": drawthings(),
    "InvokeAI 3": invokeai(),
    "InvokeAI 2": invokeai_second(),
    "InvokeAI 1": invokeai_dream(),
    "NovelAI": novelai(),
    "Fooocus": fooocus(),
    "Easy Diffusion": easydiffusion(),
    "Midjourney": midjourney(),
}
