"""Further files of the kinds of `wild`, made here after public layouts and format rules, each with its source.

    python -m tests.studies.wild_more [--only TEXT]

The inputs are written by the functions below, so that what is right follows from what was written; the judgements are
those of `wild`. Nothing here was chosen after seeing what the program says of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forensics.pictures import intake
from tests.metadata import files
from tests.studies import wild_pictures, wild_sources
from tests.studies.wild import Check, Got, fact, file, named, no_record, record
from tests.studies.wild_own import Own

_USER_COMMENT = "EXIF UserComment"


def _texts(kind: str, name: str, source: str, texts: dict[str, str], right: str, check: Check) -> Own:
    return Own(kind, name, source, files.png(None, **texts), right, check)


def _ordinary(name: str, source: str, texts: dict[str, str]) -> Own:
    return _texts("1 ordinary", name, source, texts, "no generator record", file(no_record))


def _not_offered(found: intake.Decoded) -> str:
    return "a prompt is offered" if intake.prompt_stated(found.generator) else ""


_UUID = "1f2e3d4c-0a1b-4c2d-8e3f-112233445566"

ORDINARY = [
    _ordinary(
        "shoe test: Performance, Steps, Model, Version",
        "layout of shop and review sites",
        {"Description": "Performance: 8 of 10, Steps: 1200, Model: Pegasus 40, Version: 2.1, Size: 42x30"},
    ),
    _ordinary(
        "training log of a classifier",
        "matplotlib's savefig(metadata=...), PyTorch training logs",
        {"Description": "Steps: 500, Seed: 42, Model: resnet50, Model hash: 9f8e7d6c5b, Version: 1.2.0, Size: 512x512"},
    ),
    _ordinary(
        "weekly plan: Schedule type",
        "project planning exports",
        {"Comment": "Schedule type: weekly, Steps: 30, Size: 20x30, Model: garden, Version: 1.0"},
    ),
    _ordinary(
        "parser's test report",
        "output of test runners",
        {"Comment": "Parser: JSON parser, Steps: 12, Version: 1.2, Model: x, Seed: 3"},
    ),
    _ordinary(
        "digests of a disk image",
        "forensic imaging logs",
        {"Comment": 'Hashes: {"sha256": "00ff"}, Steps: 3, Model: WD40, Version: 1.0, Seed: 0'},
    ),
    _ordinary(
        "map of noise: Schedule type, Steps, Seed, Size, Model",
        "texture generators of games and films",
        {"Description": "Noise map. Seed: 77, Steps: 8, Size: 1024x1024, Schedule type: linear, Model: perlin"},
    ),
    _ordinary(
        "a poll's settings as JSON: sampler, steps, seed",
        "survey software",
        {"Description": json.dumps({"prompt": "How many?", "steps": 5, "seed": 1, "sampler": "quota", "cfg_scale": 1})},
    ),
    _ordinary(
        "a stochastic simulation: Sampler NUTS",
        "Stan and PyMC, run logs",
        {"Comment": "Sampler: NUTS, Steps: 1000, Seed: 42, Model: hierarchical, Version: 2.1, Size: 100x200"},
    ),
    _ordinary(
        "a watch's share text with a half marathon",
        "share texts of running apps",
        {"Description": "Ran 5k today! Steps: 6210, Distance: 5.01 km, Seed: 12 in the half marathon, Model: Ghost 15"},
    ),
    _ordinary(
        "a language model's call as JSON",
        "chat completion requests (OpenAI, llama.cpp)",
        {"Comment": json.dumps({"prompt": "Write a poem", "model": "llama", "seed": 3, "steps": 5})},
    ),
    _ordinary(
        "a batch job with a scheduler as JSON",
        "job descriptions of Slurm and Airflow",
        {"Comment": json.dumps({"prompt": "run", "scheduler": "task scheduler", "seed": 1, "model": "x"})},
    ),
    _ordinary(
        "a terminal's configuration as JSON",
        "dotfiles",
        {"Comment": json.dumps({"prompt": "login: ", "cfg": 3, "seed": 5})},
    ),
    _ordinary(
        "print shop's job number",
        "JDF/JMF: JobID of print workflows",
        {"Description": f"Poster 12, matt paper Job ID: {_UUID}", "Author": "A. Printer"},
    ),
    _ordinary("diary with the key Dream", "PNG text keys are free (PNG 11.3.4.3)", {"Dream": "I flew over the sea"}),
    _ordinary(
        "audio graph of litegraph.js",
        "jagenjo/litegraph.js, serialised graph",
        {
            "workflow": json.dumps(
                {
                    "last_node_id": 2,
                    "nodes": [
                        {"id": 1, "type": "audio/source", "inputs": [], "widgets_values": ["a.wav"]},
                        {"id": 2, "type": "audio/gain", "inputs": [{"name": "in", "link": 1}]},
                    ],
                    "links": [[1, 1, 0, 2, 0, "audio"]],
                    "version": 0.4,
                }
            )
        },
    ),
    _ordinary(
        "n8n workflow",
        "n8n-io/n8n, exported workflow",
        {"workflow": json.dumps({"nodes": [{"name": "Start", "type": "n8n-nodes-base.start"}], "connections": {}})},
    ),
    _ordinary(
        "objects with class_type and inputs",
        "factory and object registries of home automation",
        {"prompt": json.dumps({"1": {"class_type": "Thermometer", "inputs": {"pin": 4}}})},
    ),
    _ordinary(
        "map style as JSON with short names",
        "chart and map renderers",
        {"Comment": json.dumps({"c": "blue", "model": "m", "scale": 2, "seed": 1, "size": "10 x 20", "steps": 3})},
    ),
    Own(
        "1 ordinary",
        "camera Hawkeye Firefly in Software",
        "EXIF of action cameras",
        files.exif({0x0131: "FIREFLY 8S V1.0"}),
        "no generator record",
        file(no_record),
        ".jpg",
    ),
    Own(
        "1 ordinary",
        "scanner software called Gemini",
        "EXIF Software of scanners",
        files.exif({0x0131: "Gemini 2 Flatbed"}),
        "no generator record",
        file(no_record),
        ".jpg",
    ),
    Own(
        "1 ordinary",
        "Imagen, an assistant for Lightroom",
        "XMP CreatorTool of photographers' software",
        files.exif({0x0131: "Imagen 3.2 for Lightroom Classic"}),
        "no generator record",
        file(no_record),
        ".jpg",
    ),
    _ordinary("credit to a magazine called Grok", "IPTC Credit names agencies", {"Credit": "Photo: Grok Magazine"}),
    _ordinary("strobe Flux 1 in Software", "studio software", {"Software": "Flux 1 Tether"}),
]

_LINE = "Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 4242, Size: 512x768, Model: inkwash"
_BASE: dict[str, Any] = {"prompt": "a hare in the grass, ink drawing", "seed": 4242, "steps": 25}


def _web(name: str, source: str, text: str, right: str, check: Check) -> Own:
    return _texts("3 web UI text", name, source, {"parameters": text}, right, check)


WEBUI = [
    _web(
        "everything on a line of its own, prompts with their names",
        "side texts of scripts around the web UI",
        "Prompt: a hare in the grass,\nink drawing\nNegative prompt: text\nSeed: 4242\nSteps: 25\nSampler: Euler a\n"
        "CFG scale: 7\nSize: 512x768",
        "prompt without its name, seed above the steps",
        record(prompt="a hare in the grass,\nink drawing", negative_prompt="text", seed=4242, steps=25, height=768),
    ),
    _web(
        "the same with underscores, width and height",
        "side texts in YAML",
        "prompt: a hare in the grass\nnegative_prompt: text\nsteps: 25\nsampler: euler_a\ncfg_scale: 7\nseed: 4242\n"
        "width: 512\nheight: 768",
        "prompts without their names, sides",
        record(prompt="a hare in the grass", negative_prompt="text", seed=4242, width=512, height=768),
    ),
    _web(
        "a prompt that begins with the word prompt",
        "free text in the prompt",
        f"prompt: a hare in the grass\nNegative prompt: text\n{_LINE}, Version: v1.9.4",
        "the word belongs to the prompt",
        record(prompt="prompt: a hare in the grass", negative_prompt="text", seed=4242),
    ),
    _web(
        "ADetailer's prompt holds a negative prompt",
        "Bing-su/adetailer, infotext",
        f"a hare in the grass, ink drawing\nNegative prompt: text\n{_LINE}, "
        'ADetailer model: face_yolov8n.pt, ADetailer prompt: "face, Negative prompt: Steps: 9, Seed: 1", '
        "ADetailer version: 23.11.1, Version: v1.9.4",
        "seed 4242, the quoted text whole",
        fact("ADetailer prompt", "face, Negative prompt: Steps: 9, Seed: 1", record(**_BASE, negative_prompt="text")),
    ),
    _web(
        "prompt speaks of steps on its last line",
        "free text in the prompt",
        f"a hare in the grass\nSteps: up to the door, Seed: of doubt\nNegative prompt: text\n{_LINE}",
        "both lines of the prompt",
        record(prompt="a hare in the grass\nSteps: up to the door, Seed: of doubt", negative_prompt="text", seed=4242),
    ),
    _web(
        "Forge: modules and distilled guidance",
        "lllyasviel/stable-diffusion-webui-forge, infotext of Flux",
        "a hare in the grass, ink drawing\n"
        "Steps: 25, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Distilled CFG Scale: 3.5, Seed: 4242, "
        "Size: 896x1152, Model hash: bea01d51bd, Model: flux1-dev-bnb-nf4-v2, Version: f2.0.1v1.10.1, "
        "Module 1: ae, Module 2: clip_l, Module 3: t5xxl_fp16",
        "modules kept, no negative",
        fact(
            "Module 3", "t5xxl_fp16", record("Forge f2.0.1", **_BASE, negative_prompt="", model="flux1-dev-bnb-nf4-v2")
        ),
    ),
    _web(
        "Windows line ends and Lora hashes in quotation marks",
        "AUTOMATIC1111 infotext of Lora",
        "a hare in the grass, ink drawing <lora:ink style:0.8>\r\nNegative prompt: text,\r\nblurry\r\n"
        f'{_LINE}, Lora hashes: "ink style: 0123abcd4567", TI hashes: "easyneg: c74b4e810b03", Version: v1.9.4',
        "prompt, two lines of negative, LoRA with strength and digest",
        record(negative_prompt="text,\nblurry", seed=4242, loras=("ink style",)),
    ),
    _web(
        "SD.Next with App and operations",
        "vladmandic/sdnext, infotext",
        "a hare in the grass, ink drawing\nNegative prompt: text\n"
        "Steps: 25, Size: 1024x1024, Sampler: UniPC, Seed: 4242, "
        "CFG scale: 6, App: SD.Next, Version: f2a1b3c, Parser: native, Pipeline: StableDiffusionXLPipeline, "
        "Operations: txt2img, Model: inkwash, Model hash: 0123abcd45",
        "SD.Next named",
        record("SD.Next", **_BASE, negative_prompt="text", model="inkwash"),
    ),
    _web(
        "value with commas in quotation marks behind, rest verbatim",
        "AUTOMATIC1111 infotext, quote()",
        f'a hare in the grass, ink drawing\nNegative prompt: text\n{_LINE}, Style Selector: "a, b: c", loose words',
        "the value whole, what has no name verbatim",
        fact("Style Selector", "a, b: c", record(**_BASE, rest="loose words")),
    ),
    _web(
        "no prompt at all",
        "AUTOMATIC1111 with an empty prompt",
        f"\nNegative prompt: text\n{_LINE}",
        "negative and seed, no prompt",
        record(prompt="", negative_prompt="text", seed=4242),
    ),
    _web(
        "Chinese labels are not taken for names",
        "infotext of translated clients",
        f"一只野兔，草丛：水墨画\nNegative prompt: 文字\n{_LINE}",
        "prompt in Chinese",
        record(prompt="一只野兔，草丛：水墨画", negative_prompt="文字", seed=4242),
    ),
]


def _node(kind: str, **inputs: object) -> dict[str, object]:
    return {"class_type": kind, "inputs": inputs}


def _comfy(name: str, source: str, graph: Mapping[str, object], right: str, check: Check) -> Own:
    return _texts("2 ComfyUI", name, source, {"prompt": json.dumps(graph)}, right, check)


_COMMON_NODES = {
    "1": _node("CheckpointLoaderSimple", ckpt_name="inkwash.safetensors"),
    "2": _node("CLIPTextEncode", text="a hare in the grass", clip=["1", 1]),
    "3": _node("CLIPTextEncode", text="text", clip=["1", 1]),
    "4": _node("EmptyLatentImage", width=512, height=768, batch_size=1),
    "9": _node("SaveImage", filename_prefix="x", images=["8", 0]),
    "8": _node("VAEDecode", samples=["5", 0], vae=["1", 2]),
}


def _sampled(model: list[object], positive: list[object], negative: list[object]) -> dict[str, object]:
    return _node(
        "KSampler",
        seed=4242,
        steps=20,
        cfg=7.0,
        sampler_name="euler",
        scheduler="normal",
        denoise=1.0,
        model=model,
        positive=positive,
        negative=negative,
        latent_image=["4", 0],
    )


_HARE: dict[str, Any] = {"prompt": "a hare in the grass", "negative_prompt": "text", "seed": 4242}

COMFY = [
    _comfy(
        "Lora Loader (LoraManager)",
        "willmiao/ComfyUI-Lora-Manager, executed graph",
        _COMMON_NODES
        | {
            "10": _node(
                "Lora Loader (LoraManager)",
                text="<lora:ink:0.8>",
                loras={
                    "__value__": [
                        {"name": "ink", "strength": "0.80", "active": True},
                        {"name": "off", "strength": 1, "active": False},
                    ]
                },
                model=["1", 0],
                clip=["1", 1],
            ),
            "5": _sampled(["10", 0], ["2", 0], ["3", 0]),
        },
        "model through it and LoRA ink, or said not to be followed",
        record("ComfyUI", **_HARE, model="inkwash.safetensors", loras=("ink",)),
    ),
    _comfy(
        "SDXL base and refiner",
        "ComfyUI examples, sdxl",
        _COMMON_NODES
        | {
            "5": _node(
                "KSamplerAdvanced",
                add_noise="enable",
                noise_seed=4242,
                steps=25,
                cfg=8.0,
                sampler_name="euler",
                scheduler="normal",
                start_at_step=0,
                end_at_step=20,
                model=["1", 0],
                positive=["2", 0],
                negative=["3", 0],
                latent_image=["4", 0],
            ),
            "6": _node(
                "KSamplerAdvanced",
                add_noise="disable",
                noise_seed=0,
                steps=25,
                cfg=8.0,
                sampler_name="euler",
                scheduler="normal",
                start_at_step=20,
                end_at_step=10000,
                model=["7", 0],
                positive=["2", 0],
                negative=["3", 0],
                latent_image=["5", 0],
            ),
            "7": _node("CheckpointLoaderSimple", ckpt_name="refiner.safetensors"),
        },
        "the base's record first",
        record("ComfyUI", **_HARE, model="inkwash.safetensors", steps=25, width=512, height=768),
    ),
    _comfy(
        "text from a language model's node",
        "stavsap/comfyui-ollama, linked to the encoder",
        _COMMON_NODES
        | {
            "10": _node("OllamaGenerate", prompt="describe a hare", model="llama3"),
            "2": _node("CLIPTextEncode", text=["10", 0], clip=["1", 1]),
            "5": _sampled(["1", 0], ["2", 0], ["3", 0]),
        },
        "no prompt invented, node named as not followed",
        file(
            lambda d: (
                ""
                if d.records and d.records[0].prompt == "" and any("OllamaGenerate" in p for p in d.records[0].problems)
                else "a prompt invented or node not named"
            )
        ),
    ),
    _comfy(
        "area conditioning of two texts",
        "ComfyUI examples, area composition",
        _COMMON_NODES
        | {
            "11": _node("CLIPTextEncode", text="ink drawing", clip=["1", 1]),
            "12": _node("ConditioningSetArea", width=64, height=64, x=0, y=0, strength=1.0, conditioning=["11", 0]),
            "13": _node("ConditioningCombine", conditioning_1=["2", 0], conditioning_2=["12", 0]),
            "5": _sampled(["1", 0], ["13", 0], ["3", 0]),
        },
        "both texts",
        record("ComfyUI", prompt="a hare in the grass\nink drawing", negative_prompt="text", seed=4242),
    ),
    _comfy(
        "circle of links",
        "graphs edited by hand",
        _COMMON_NODES
        | {
            "2": _node("ConditioningCombine", conditioning_1=["12", 0], conditioning_2=["2", 0]),
            "12": _node("ConditioningCombine", conditioning_1=["2", 0], conditioning_2=["2", 0]),
            "5": _sampled(["1", 0], ["2", 0], ["3", 0]),
        },
        "ends, circle said",
        file(lambda d: "" if any("circle" in p for p in d.records[0].problems) else "circle not said"),
    ),
    _comfy(
        "LoraLoaderStack and switch of texts",
        "rgthree/rgthree-comfy, Any Switch and Lora Loader Stack",
        _COMMON_NODES
        | {
            "10": _node(
                "Lora Loader Stack (rgthree)",
                lora_01="ink.safetensors",
                strength_01=0.7,
                lora_02="None",
                strength_02=1.0,
                lora_03="paper.safetensors",
                strength_03=0.2,
                lora_04="None",
                strength_04=1.0,
                model=["1", 0],
                clip=["1", 1],
            ),
            "11": _node("Any Switch (rgthree)", any_01=["404", 0], any_02=["2", 0]),
            "5": _sampled(["10", 0], ["11", 0], ["3", 0]),
        },
        "LoRA of both places; the first link that leads somewhere",
        record("ComfyUI", **_HARE, loras=("ink.safetensors", "paper.safetensors")),
    ),
    _comfy(
        "wildcards filled in before the run",
        "ltdrdata/ComfyUI-Impact-Pack, ImpactWildcardProcessor",
        _COMMON_NODES
        | {
            "10": _node(
                "ImpactWildcardProcessor",
                wildcard_text="a {hare|fox} in the grass",
                populated_text="a hare in the grass",
                mode="populate",
                seed=7,
            ),
            "2": _node("CLIPTextEncode", text=["10", 0], clip=["1", 1]),
            "5": _sampled(["1", 0], ["2", 0], ["3", 0]),
        },
        "the text that ran",
        record("ComfyUI", **_HARE),
    ),
]

COMFY += [
    _comfy(
        "stack of LoRA behind Efficient Loader, advanced mode",
        "jags111/efficiency-nodes-comfyui, LoRA Stacker",
        {
            "1": _node(
                "Efficient Loader",
                ckpt_name="inkwash.safetensors",
                vae_name="Baked VAE",
                lora_name="ink.safetensors",
                lora_model_strength=0.7,
                positive="a hare in the grass",
                negative="text",
                empty_latent_width=512,
                empty_latent_height=768,
                lora_stack=["2", 0],
            ),
            "2": _node(
                "LoRA Stacker",
                input_mode="advanced",
                lora_count=1,
                lora_name_1="paper.safetensors",
                lora_wt_1=1.0,
                model_str_1=0.25,
                lora_name_2="unused.safetensors",
            ),
            "5": _sampled(["1", 0], ["1", 1], ["1", 2]),
        },
        "both LoRA, not the one beyond the count",
        record("ComfyUI", prompt="a hare in the grass", seed=4242, loras=("ink.safetensors", "paper.safetensors")),
    ),
    _comfy(
        "model and prompts through a pipe",
        "ltdrdata/ComfyUI-Impact-Pack, ToBasicPipe and FromBasicPipe",
        _COMMON_NODES
        | {
            "10": _node(
                "ToBasicPipe", model=["1", 0], clip=["1", 1], vae=["1", 2], positive=["2", 0], negative=["3", 0]
            ),
            "11": _node("EditBasicPipe", basic_pipe=["10", 0]),
            "12": _node("FromBasicPipe_v2", basic_pipe=["11", 0]),
            "13": _node("FromBasicPipe", basic_pipe=["12", 0]),
            "5": _sampled(["13", 0], ["13", 3], ["13", 4]),
        },
        "model and prompts",
        record("ComfyUI", **_HARE, model="inkwash.safetensors"),
    ),
    _comfy(
        "a refiner beside the base, in one loader",
        "jags111/efficiency-nodes-comfyui, Eff. Loader SDXL",
        {
            "1": _node(
                "Eff. Loader SDXL",
                base_ckpt_name="inkwash.safetensors",
                refiner_ckpt_name="refiner.safetensors",
                vae_name="Baked VAE",
                positive="a hare in the grass",
                negative="text",
                empty_latent_width=1024,
                empty_latent_height=1024,
            ),
            "5": _node(
                "KSampler SDXL (Eff.)",
                noise_seed=4242,
                steps=25,
                cfg=7,
                sampler_name="euler",
                scheduler="normal",
                sdxl_tuple=["1", 0],
                latent_image=["1", 1],
            ),
        },
        "the refiner is not said to be merged",
        fact(
            "refiner model loaded",
            "refiner.safetensors",
            record("ComfyUI", prompt="a hare in the grass", model="inkwash.safetensors", width=1024, height=1024),
        ),
    ),
]

_TENSOR_ART = {
    "models": [
        {
            "label": "inkstyle",
            "type": "LORA",
            "modelId": "1",
            "modelFileName": "inkstyle",
            "weight": 0.8,
            "hash": "ABCDEF0123",
        }
    ],
    "prompt": "a hare in the grass, ink drawing",
    "negativePrompt": "text",
    "width": 512,
    "height": 768,
    "imageCount": 1,
    "samplerName": "Euler a",
    "steps": 25,
    "cfgScale": 7,
    "seed": "4242",
    "clipSkip": 2,
    "baseModel": {"label": "inkwash", "type": "BASE_MODEL", "modelFileName": "inkwash_v2", "hash": "0123ABCD45"},
}
_CIVITAI: dict[str, Any] = {
    "resource-stack": _node("CheckpointLoaderSimple", ckpt_name="urn:air:sdxl:checkpoint:civitai:101055@128078"),
    "resource-stack-1": _node(
        "LoraLoader",
        lora_name="urn:air:sdxl:lora:civitai:1@2",
        strength_model=0.8,
        strength_clip=1,
        model=["resource-stack", 0],
        clip=["resource-stack", 1],
    ),
    "6": _node("smZ CLIPTextEncode", text="a hare in the grass", clip=["resource-stack-1", 1]),
    "7": _node("smZ CLIPTextEncode", text="text", clip=["resource-stack-1", 1]),
    "11": _node(
        "KSampler",
        sampler_name="euler_ancestral",
        scheduler="normal",
        seed=4242,
        steps=25,
        cfg=7,
        denoise=1,
        model=["resource-stack-1", 0],
        positive=["6", 0],
        negative=["7", 0],
        latent_image=["5", 0],
    ),
    "5": _node("EmptyLatentImage", width=832, height=1216, batch_size=1),
    "extra": {"airs": ["urn:air:sdxl:lora:civitai:1@2"]},
    "extraMetadata": json.dumps(
        {
            "prompt": "a hare in the grass",
            "negativePrompt": "text",
            "resources": [{"modelVersionId": 2, "strength": 0.8}],
            "remixOfId": 1,
        }
    ),
}

OTHERS = [
    _texts(
        "4 other generators",
        "Tensor.Art",
        "generation_data of tensor.art downloads; receyuki/stable-diffusion-prompt-reader discussions",
        {"generation_data": json.dumps(_TENSOR_ART)},
        "prompt, seed, sampler, model, LoRA",
        record(**_BASE, negative_prompt="text", sampler="Euler a", model="inkwash_v2", loras=("inkstyle",)),
    ),
    Own(
        "4 other generators",
        "Civitai's own generator: graph in UserComment",
        "civitai/civitai, image metadata",
        files.user_comment(json.dumps(_CIVITAI)),
        "prompt, LoRA, the further text kept",
        fact(
            "extraMetadata",
            _CIVITAI["extraMetadata"],
            record("ComfyUI", **_HARE, steps=25, loras=("urn:air:sdxl:lora:civitai:1@2",)),
        ),
        ".jpg",
    ),
    Own(
        "4 other generators",
        "Mochi Diffusion in the description",
        "godly-devotion/MochiDiffusion, metadata fields",
        files.exif(
            {
                0x010E: "Include in Image: a hare in the grass; Exclude from Image: text; Model: inkwash; Steps: 25; "
                "Guidance Scale: 7.0; Seed: 4242; Size: 512x768; Scheduler: DPM-Solver++; "
                "ML Compute Unit: CPU & Neural Engine; Generator: Mochi Diffusion 4.0 (133)"
            }
        ),
        "prompt, negative, seed",
        record("Mochi Diffusion", **_HARE, steps=25, guidance=7.0, model="inkwash"),
        ".jpg",
    ),
    Own(
        "4 other generators",
        "Fooocus, scheme of the web UI, in JPEG",
        "lllyasviel/Fooocus, metadata scheme a1111",
        files.user_comment(
            "a hare in the grass, ink drawing\nNegative prompt: text\n"
            "Steps: 25, Sampler: DPM++ 2M SDE Karras, Seed: 4242, "
            "Size: 512x768, CFG scale: 4.0, Sharpness: 2.0, ADM Guidance: (1.5, 0.8, 0.3), Model: inkwash, Model hash: "
            "0123abcd45, Performance: Speed, Scheduler: karras, VAE: Default (model), Version: Fooocus v2.5.5"
        ),
        "Fooocus, prompt, seed",
        record("Fooocus v2.5.5", **_BASE, negative_prompt="text", model="inkwash"),
        ".jpg",
    ),
    Own(
        "4 other generators",
        "FLUX API: Make and Software",
        "EXIF of Black Forest Labs' API",
        files.exif({0x010F: "Black Forest Labs", 0x0110: "flux-pro-1.1", 0x0131: "AI generated;txt2img;flux"}),
        "named, no prompt",
        file(lambda d: named("FLUX", prompt="")(d) or _not_offered(d)),
        ".jpg",
    ),
    Own(
        "4 other generators",
        "Gemini's credit in XMP",
        "Google: Made with Google AI in photoshop:Credit and DigitalSourceType",
        files.xmp(
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description rdf:about="" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
            'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" photoshop:Credit="Made with Google AI" '
            'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>'
            "</rdf:RDF></x:xmpmeta>"
        ),
        "Google named",
        file(named("Google", prompt="")),
        ".webp",
    ),
    _texts(
        "4 other generators",
        "unknown program's keys",
        "PNG text keys are free",
        {"sd_recipe": "a hare // steps=4", "Software": "Atelier 3"},
        "no record; the text stands among the metadata raw",
        file(
            lambda d: (
                no_record(d) or ("" if any(f.value == "a hare // steps=4" for f in d.metadata) else "text not shown")
            )
        ),
    ),
    _texts(
        "4 other generators",
        "Midjourney without parameters",
        "Midjourney downloads: Description, Author, Creation Time",
        {
            "Description": f"a hare in the grass, ink drawing Job ID: {_UUID}",
            "Author": "a_user",
            "Creation Time": "Sat, 01 Feb 2025 10:00:00 GMT",
        },
        "prompt",
        record("Midjourney", prompt="a hare in the grass, ink drawing"),
    ),
]


def _encoded(name: str, source: str, comment: bytes, prompt: str) -> Own:
    return Own(
        "5 encodings",
        name,
        source,
        files.exif({}, comment),
        f"prompt “{prompt}”",
        record(prompt=prompt, seed=4242),
        ".jpg",
    )


def _parameters(prompt: str) -> str:
    return f"{prompt}\nNegative prompt: text\n{_LINE}, Version: v1.9.4"


_RUSSIAN, _ARABIC, _HINDI, _KOREAN = "заяц в траве, тушь", "أرنب في العشب", "घास में खरगोश 🐇", "풀밭의 토끼, 수묵화"

ENCODINGS = [
    _encoded(
        "Cyrillic, UTF-16 little-endian, declared",
        "EXIF 2.32 UserComment, ianare/exif-py",
        b"UNICODE\0" + _parameters(_RUSSIAN).encode("utf-16-le"),
        _RUSSIAN,
    ),
    _encoded(
        "Arabic, UTF-16 with mark",
        "EXIF UserComment written by Windows",
        b"UNICODE\0" + _parameters(_ARABIC).encode("utf-16"),
        _ARABIC,
    ),
    _encoded(
        "Devanagari and emoji, UTF-8 declared as ASCII",
        "EXIF UserComment with a wrong code, drewnoakes/metadata-extractor",
        b"ASCII\0\0\0" + _parameters(_HINDI).encode(),
        _HINDI,
    ),
    _encoded(
        "Korean, UTF-8 read as Windows-1252 and stored again",
        "mojibake, rspeer/python-ftfy",
        b"UNICODE\0" + _parameters(_KOREAN).encode().decode("latin-1").encode("utf-16-be"),
        _KOREAN,
    ),
    _encoded(
        "emoji outside the first plane, UTF-16 big-endian",
        "surrogate pairs, Unicode 3.9",
        b"UNICODE\0" + _parameters("a hare 🐇 and 𠮷").encode("utf-16-be"),
        "a hare 🐇 and 𠮷",
    ),
    Own(
        "5 encodings",
        "UTF-8 in tEXt, which declares Latin-1",
        "PNG 11.3.4.3; LykosAI/StabilityMatrix #1535",
        files.with_chunk(files.png(), files.chunk(b"tEXt", b"parameters\0" + _parameters(_ARABIC).encode())),
        f"prompt “{_ARABIC}”",
        record(prompt=_ARABIC, seed=4242),
    ),
    Own(
        "5 encodings",
        "Latin-1 in tEXt, as declared",
        "PNG 11.3.4.3",
        files.with_chunk(
            files.png(), files.chunk(b"tEXt", b"parameters\0" + _parameters("Häsin im Gebüsch").encode("latin-1"))
        ),
        "prompt “Häsin im Gebüsch”",
        record(prompt="Häsin im Gebüsch", seed=4242),
    ),
]

CASES = [*ORDINARY, *WEBUI, *COMFY, *OTHERS, *ENCODINGS, *wild_pictures.CASES]


def judge(own: Own | wild_sources.OwnSource) -> Got:
    """What is read of an input, and why it is not right."""
    if isinstance(own, wild_sources.OwnSource):
        return wild_sources.judge(own)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / f"input{own.suffix}"
        path.write_bytes(own.data)
        try:
            return own.check(path)
        except Exception as exc:  # a study goes on: what fails unexpectedly is a failure of the case
            return Got(f"{type(exc).__name__}: {exc}", "unexpected exception")


def main() -> None:
    """Print the table and how many are right; the exit code is 1 where any is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="Kinds or names that contain this.")
    given = parser.parse_args()
    counts: Counter[str] = Counter()
    every: tuple[Own | wild_sources.OwnSource, ...] = (*CASES, *wild_sources.CASES)
    for own in every:
        if given.only not in f"{own.kind} {own.name}":
            continue
        got = judge(own)
        word = "WRONG" if got.wrong else "right"
        counts[word] += 1
        print(f"{own.kind} | {own.name} | {own.source}\n    right: {own.right}\n    got:   {got.said[:600]}")
        print(f"    {word}{f': {got.wrong}' if got.wrong else ''}")
    print(", ".join(f"{count} {word}" for word, count in sorted(counts.items())))
    sys.exit(1 if counts["WRONG"] else 0)


if __name__ == "__main__":
    main()
