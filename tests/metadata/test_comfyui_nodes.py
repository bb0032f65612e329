"""Graphs by the table of node types: followed where a rule is there, named where none is.

Sources: the published definitions of the nodes (ComfyUI, efficiency-nodes, rgthree, WAS, KJNodes, Comfyroll, Impact
Pack) and reports of prompts that readers of such graphs exchanged or invented.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from forensics.pictures import intake
from forensics.pictures.metadata import Lora
from forensics.pictures.metadata.base import GeneratorMetadata
from forensics.pictures.metadata.comfyui_nodes import NODES, SAMPLERS, Context, Held
from tests.metadata import files


def one(graph: dict[str, Any], name: str = "prompt") -> GeneratorMetadata:
    (record,) = intake.decode(files.png(**{name: json.dumps(graph)}), "test").records
    return record


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def with_nodes(**nodes: dict[str, Any]) -> dict[str, Any]:
    return files.graph() | {key.removeprefix("n"): value for key, value in nodes.items()}


def test_an_unknown_node_is_named_and_texts_behind_it_are_not_guessed() -> None:
    graph = with_nodes(n6=node("CLIPTextEncode", text=["30", 0], clip=["4", 1]), n30=node("MysteryText", text="a fox"))
    record = one(graph)
    assert record.prompt == ""
    assert record.negative_prompt == "text"
    assert record.problems == ("Not followed: node 30 (MysteryText), on the way to the text of the positive prompt.",)


def test_an_unknown_node_before_the_model_is_named() -> None:
    graph = with_nodes(n10=node("MysteryPatch", model=["4", 0]))
    record = one(graph)
    assert record.model == ""
    assert record.problems == ("Not followed: node 10 (MysteryPatch), on the way to the model.",)
    assert record.prompt == "a hare, ink"


def test_lora_and_vae_are_found_along_the_model() -> None:
    graph = with_nodes(
        n10=node(
            "LoraLoader",
            model=["31", 0],
            clip=["4", 1],
            lora_name="ink.safetensors",
            strength_model=0.7,
            strength_clip=1,
        ),
        n31=node(
            "Power Lora Loader (rgthree)",
            model=["32", 0],
            lora_1={"on": True, "lora": "a.safetensors", "strength": 0.5},
            lora_2={"on": False, "lora": "b.safetensors", "strength": 1},
        ),
        n32=node("CR Apply LoRA Stack", model=["4", 0], clip=["4", 1], lora_stack=["33", 0]),
        n33=node(
            "CR LoRA Stack",
            switch_1="On",
            lora_name_1="c.safetensors",
            model_weight_1=0.3,
            switch_2="Off",
            lora_name_2="d.safetensors",
            model_weight_2=1.0,
        ),
        n8=node("VAEDecode", samples=["3", 0], vae=["34", 0]),
        n34=node("VAELoader", vae_name="painter-vae.safetensors"),
    )
    record = one(graph)
    assert record.loras == (
        Lora("c.safetensors", 0.3),
        Lora("a.safetensors", 0.5),
        Lora("ink.safetensors", 0.7),
    )
    assert record.vae == "painter-vae.safetensors"
    assert record.model == "v1-5-pruned-emaonly.safetensors"
    assert record.problems == ()


def test_contexts_hold_each_value_under_its_name() -> None:
    graph = with_nodes(
        n40=node("Context (rgthree)", model=["10", 0], positive=["6", 0], negative=["7", 0], seed=77),
        n41=node("Context (rgthree)", base_ctx=["40", 0], latent=["5", 0]),
        n42=node("Context Switch (rgthree)", ctx_01=["41", 0]),
        n3=node(
            "KSampler",
            seed=["42", 8],
            steps=20,
            cfg=8.0,
            sampler_name="euler",
            scheduler="normal",
            denoise=1,
            model=["42", 1],
            positive=["42", 4],
            negative=["42", 5],
            latent_image=["42", 6],
        ),
    )
    record = one(graph)
    assert (record.prompt, record.negative_prompt, record.seed) == ("a hare, ink", "text", 77)
    assert (record.width, record.height) == (512, 768)
    assert record.problems == ()


def test_zeroed_conditioning_is_no_prompt_and_combined_ones_are_both() -> None:
    graph = with_nodes(
        n50=node("ConditioningZeroOut", conditioning=["6", 0]),
        n51=node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["52", 0]),
        n52=node("CLIPTextEncode", text="a fox", clip=["4", 1]),
    )
    graph["3"]["inputs"] |= {"positive": ["51", 0], "negative": ["50", 0]}
    record = one(graph)
    assert (record.prompt, record.negative_prompt) == ("a hare, ink\na fox", "")


def test_double_encoders_and_guidance() -> None:
    flux = with_nodes(
        n6=node("CLIPTextEncodeFlux", clip_l="a hare", t5xxl="a hare in the grass", guidance=3.5, clip=["4", 1])
    )
    flux["3"]["inputs"]["cfg"] = 1.0
    record = one(flux)
    assert (record.prompt, record.guidance) == ("a hare\na hare in the grass", 1.0)
    assert ("flux guidance", "3.5") in [(f.name, f.value) for f in record.further]
    sdxl = with_nodes(
        n6=node("CLIPTextEncodeSDXL", text_g="a hare", text_l="ink", width=1024, height=1024, clip=["4", 1])
    )
    assert one(sdxl).prompt == "a hare\nink"


@pytest.mark.parametrize(
    ("switch", "expected"),
    [
        (node("CR Text Input Switch", Input=1, text1=["60", 0], text2=["61", 0]), "first"),
        (node("ImpactSwitch", select=2, input1=["60", 0], input2=["61", 0]), "second"),
        (node("Any Switch (rgthree)", any_02=["61", 0]), "second"),
        (node("LazySwitchKJ", switch=True, on_false=["60", 0], on_true=["61", 0]), "second"),
        (node("StringConcatenate", string_a=["60", 0], string_b=["61", 0], delimiter=" and "), "first and second"),
        (
            node("JoinStringMulti", inputcount=2, string_1=["60", 0], string_2=["61", 0], delimiter="; "),
            "first; second",
        ),
        (node("StringReplace", string=["60", 0], find="fir", replace="la"), "last"),
        (
            node(
                "ImpactWildcardProcessor", wildcard_text="__animal__", populated_text="a stoat", mode="populate", seed=1
            ),
            "a stoat",
        ),
    ],
)
def test_switches_and_joined_texts(switch: dict[str, Any], expected: str) -> None:
    graph = with_nodes(
        n6=node("CLIPTextEncode", text=["62", 0], clip=["4", 1]),
        n60=node("PrimitiveString", value="first"),
        n61=node("Text Multiline", text="second"),
        n62=switch,
    )
    record = one(graph)
    assert record.prompt == expected
    assert record.problems == ()


def test_a_switch_without_a_position_is_said_and_not_guessed() -> None:
    graph = with_nodes(
        n6=node("CLIPTextEncode", text=["62", 0], clip=["4", 1]),
        n60=node("PrimitiveString", value="first"),
        n62=node("CR Text Input Switch", text1=["60", 0], text2=["60", 0]),
    )
    record = one(graph)
    assert record.prompt == ""
    assert any("position is not stated" in problem for problem in record.problems)


def test_custom_sampler_with_guider_and_split_spacing() -> None:
    graph = {
        "1": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
        "2": node("LoraLoaderModelOnly", model=["1", 0], lora_name="artist.safetensors", strength_model=0.9),
        "3": node("CLIPTextEncode", text="a hare", clip=["9", 0]),
        "4": node("FluxGuidance", conditioning=["3", 0], guidance=3.5),
        "5": node("BasicGuider", model=["2", 0], conditioning=["4", 0]),
        "6": node("RandomNoise", noise_seed=12),
        "7": node("KSamplerSelect", sampler_name="euler"),
        "8": node("BasicScheduler", model=["2", 0], scheduler="beta", steps=24, denoise=1),
        "10": node("SplitSigmas", sigmas=["8", 0], step=3),
        "11": node("EmptySD3LatentImage", width=1024, height=768, batch_size=1),
        "12": node(
            "SamplerCustomAdvanced",
            noise=["6", 0],
            guider=["5", 0],
            sampler=["7", 0],
            sigmas=["10", 1],
            latent_image=["11", 0],
        ),
    }
    record = one(graph)
    assert (record.prompt, record.negative_prompt, record.seed, record.steps) == ("a hare", "", 12, 24)
    assert (record.guidance, record.sampler, record.scheduler) == (3.5, "euler", "beta")
    assert record.loras == (Lora("artist.safetensors", 0.9),)
    assert record.problems == ()


def test_a_sampler_of_no_known_kind_is_read_by_names_and_said() -> None:
    graph = with_nodes()
    graph["3"]["class_type"] = "SomeNewSampler"
    record = one(graph)
    assert record.prompt == "a hare, ink"
    assert record.problems == ("Node 3 (SomeNewSampler) is of no known kind; its inputs were read by their names.",)


# Drawn graphs


def drawn(**changes: Any) -> dict[str, Any]:
    return files.workflow() | changes


def test_muted_nodes_are_out_and_bypassed_ones_bridged() -> None:
    graph = drawn()
    graph["nodes"].append(
        {
            "id": 20,
            "type": "LoraLoader",
            "mode": 4,
            "inputs": [{"name": "model", "type": "MODEL", "link": 3}],
            "outputs": [{"name": "MODEL", "type": "MODEL"}],
            "widgets_values": ["skipped.safetensors", 1, 1],
        }
    )
    graph["links"][2] = [3, 4, 0, 20, 0, "MODEL"]
    graph["links"].append([30, 20, 0, 3, 0, "MODEL"])
    graph["nodes"][4]["inputs"][0]["link"] = 30
    record = one(graph, "workflow")
    assert record.model == "v1-5-pruned-emaonly.safetensors"
    assert record.loras == ()
    graph["nodes"][-1]["mode"] = 0
    assert one(graph, "workflow").loras == (Lora("skipped.safetensors", 1.0),)
    graph["nodes"][2]["mode"] = 2
    assert one(graph, "workflow").prompt == ""


def test_set_and_get_nodes_are_joined() -> None:
    graph = drawn()
    graph["nodes"] += [
        {
            "id": 21,
            "type": "SetNode",
            "inputs": [{"name": "CONDITIONING", "type": "CONDITIONING", "link": 40}],
            "outputs": [{"name": "*", "type": "*"}],
            "widgets_values": ["pos"],
        },
        {
            "id": 22,
            "type": "GetNode",
            "inputs": [],
            "outputs": [{"name": "CONDITIONING", "type": "CONDITIONING"}],
            "widgets_values": ["pos"],
        },
    ]
    graph["links"] += [[40, 6, 0, 21, 0, "CONDITIONING"], [41, 22, 0, 3, 1, "CONDITIONING"]]
    graph["nodes"][4]["inputs"][1]["link"] = 41
    assert one(graph, "workflow").prompt == "a hare, ink"


def test_a_drawn_subgraph_is_opened_with_the_values_on_its_face() -> None:
    inner = {
        "id": "f2fdebf6-dfaf-43b6-9eb2-7f70613cfdc1",
        "name": "Text to image",
        "nodes": [
            {
                "id": 27,
                "type": "CLIPTextEncode",
                "inputs": [{"name": "clip", "link": 11}],
                "widgets_values": ["inside"],
            },
            {"id": 33, "type": "CLIPTextEncode", "inputs": [{"name": "clip", "link": 12}], "widgets_values": ["text"]},
            {"id": 4, "type": "CheckpointLoaderSimple", "inputs": [], "widgets_values": ["ink.safetensors"]},
            {
                "id": 31,
                "type": "KSampler",
                "inputs": [
                    {"name": "model", "link": 13},
                    {"name": "positive", "link": 14},
                    {"name": "negative", "link": 15},
                    {"name": "latent_image", "link": 16},
                ],
                "widgets_values": [42, "fixed", 20, 7, "euler", "simple", 1],
            },
        ],
        "links": [
            {"id": 11, "origin_id": 4, "origin_slot": 1, "target_id": 27, "target_slot": 0, "type": "CLIP"},
            {"id": 12, "origin_id": 4, "origin_slot": 1, "target_id": 33, "target_slot": 0, "type": "CLIP"},
            {"id": 13, "origin_id": 4, "origin_slot": 0, "target_id": 31, "target_slot": 0, "type": "MODEL"},
            {"id": 14, "origin_id": 27, "origin_slot": 0, "target_id": 31, "target_slot": 1, "type": "CONDITIONING"},
            {"id": 15, "origin_id": 33, "origin_slot": 0, "target_id": 31, "target_slot": 2, "type": "CONDITIONING"},
            {"id": 16, "origin_id": -10, "origin_slot": 0, "target_id": 31, "target_slot": 3, "type": "LATENT"},
            {"id": 17, "origin_id": 31, "origin_slot": 0, "target_id": -20, "target_slot": 0, "type": "LATENT"},
        ],
    }
    graph = {
        "nodes": [
            {
                "id": 57,
                "type": inner["id"],
                "inputs": [{"name": "latent", "link": 2}],
                "outputs": [{"name": "LATENT", "type": "LATENT", "links": [1]}],
                "properties": {"proxyWidgets": [["27", "text"]]},
                "widgets_values": ["a hare from the face"],
            },
            {"id": 5, "type": "EmptyLatentImage", "inputs": [], "widgets_values": [640, 512, 1]},
            {"id": 9, "type": "VAEDecode", "inputs": [{"name": "samples", "link": 1}]},
        ],
        "links": [[1, 57, 0, 9, 0, "LATENT"], [2, 5, 0, 57, 0, "LATENT"]],
        "definitions": {"subgraphs": [inner]},
    }
    record = one(graph, "workflow")
    assert (record.prompt, record.negative_prompt, record.seed) == ("a hare from the face", "text", 42)
    assert (record.width, record.height, record.model) == (640, 512, "ink.safetensors")


def test_the_table_is_consistent() -> None:
    for kind, row in NODES.items():
        names = [name for name, _ in row.outputs]
        assert names, kind
        for name, rule in row.outputs:
            if isinstance(rule, Held):
                assert any(isinstance(r, Context) for _, r in row.outputs), f"{kind}.{name} is held by no bundle"
    assert not NODES.keys() & SAMPLERS.keys()


def test_pipes_hold_each_value_under_its_name() -> None:
    graph = {
        "1": node(
            "easy fullLoader",
            ckpt_name="ink.safetensors",
            vae_name="Baked VAE",
            lora_name="None",
            positive="a hare",
            negative="text",
            empty_latent_width=512,
            empty_latent_height=768,
        ),
        "2": node(
            "easy preSampling", pipe=["1", 0], steps=22, cfg=6.5, sampler_name="euler", scheduler="karras", seed=8
        ),
        "3": node("easy kSampler", pipe=["2", 0], image_output="Preview"),
    }
    record = one(graph)
    assert (record.prompt, record.negative_prompt, record.seed, record.steps) == ("a hare", "text", 8, 22)
    assert (record.guidance, record.sampler, record.scheduler, record.model) == (
        6.5,
        "euler",
        "karras",
        "ink.safetensors",
    )
    assert record.problems == ()


def test_a_second_sampler_takes_what_the_first_hands_on() -> None:
    graph = with_nodes()
    graph["3"]["class_type"] = "KSampler (Efficient)"
    graph["70"] = node(
        "KSampler (Efficient)",
        seed=9,
        steps=10,
        cfg=4.0,
        sampler_name="euler",
        scheduler="normal",
        denoise=0.5,
        model=["3", 0],
        positive=["3", 1],
        negative=["3", 2],
        latent_image=["3", 3],
    )
    first, second = intake.decode(files.png(prompt=json.dumps(graph)), "test").records
    assert (second.prompt, second.negative_prompt, second.seed) == ("a hare, ink", "text", 9)
    assert (second.model, second.width) == (first.model, 512)
    assert second.problems == ()


def test_graphs_made_to_take_for_ever_end() -> None:
    graph = with_nodes()
    for n in range(100, 160):
        graph[str(n)] = node("ConditioningCombine", conditioning_1=[str(n + 1), 0], conditioning_2=[str(n + 1), 0])
    graph["160"] = node("CLIPTextEncode", text="a hare", clip=["4", 1])
    graph["3"]["inputs"]["positive"] = ["100", 0]
    assert any("Not followed" in problem for problem in one(graph).problems)
    inner = {"id": "self", "nodes": [{"id": n, "type": "self", "inputs": []} for n in range(20)], "links": []}
    drawn_graph = {"nodes": inner["nodes"], "links": [], "definitions": {"subgraphs": [inner]}}
    intake.decode(files.png(workflow=json.dumps(drawn_graph)), "test")
