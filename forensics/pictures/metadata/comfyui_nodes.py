"""What the nodes of ComfyUI do with prompts, models and numbers: one row a node type, inputs and outputs by name.

Sources: the node definitions of ComfyUI itself and of the packs named in the comments, as they are published. An output
is known by its place in a link, so the names of the outputs stand in the order the node declares them; what the output
carries is said by rules that name inputs. A type without a row is not followed, and the record says which it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Encode:
    """A prompt encoded: the texts of these inputs."""

    texts: tuple[str, ...]
    guidance: str = ""
    """Input with the guidance that this encoder adds."""


@dataclass(frozen=True, slots=True)
class Same:
    """What comes in at this input, unchanged in what concerns us. Several names: the first that is there."""

    inputs: tuple[str, ...]
    guidance: str = ""


@dataclass(frozen=True, slots=True)
class Both:
    """All of these inputs together: conditionings side by side, texts joined, models merged."""

    inputs: tuple[str, ...]
    separator: str = "\n"
    delimiter: str = ""
    """Input that holds the separator."""
    series: str = ""
    """Beginning of the names of any number of inputs: `string_`."""


@dataclass(frozen=True, slots=True)
class Empty:
    """Nothing, whatever comes in: a conditioning set to zero is no prompt."""


@dataclass(frozen=True, slots=True)
class Styled:
    """A text with the words of a template around it that are not in the graph."""

    text: str
    template: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model by the name of its file."""

    names: tuple[str, ...]
    lora: tuple[str, str] = ("", "")
    """Inputs with the name and the strength of a LoRA that the loader adds."""
    stack: str = ""
    """Input with a stack of LoRA from other nodes."""


@dataclass(frozen=True, slots=True)
class WithLora:
    """The model at `model`, with a LoRA: names of the inputs for its file and its strength."""

    model: str
    pairs: tuple[tuple[str, str], ...] = (("lora_name", "strength_model"),)
    series: str = ""
    """Beginning of the names of inputs that are objects `{on, lora, strength}`."""
    stack: str = ""
    """Input with a stack of LoRA from other nodes."""
    rows: str = ""
    """Input with a list of objects `{name, strength, active}`, perhaps within `{"__value__": …}`."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One of several inputs, by the value of another; the first that is there where no value chooses."""

    inputs: tuple[str, ...] = ()
    chooser: str = ""
    series: str = ""
    start: int = 1
    """Value of the chooser that means the first input."""


@dataclass(frozen=True, slots=True)
class Context:
    """A bundle of values under names; what it does not hold itself it takes from the bundles at these inputs."""

    bases: tuple[str, ...] = ("base_ctx",)
    series: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A value of a bundle: the node's own input of this name, else that of the bundles below."""

    name: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """A text in which one part is replaced."""

    text: str
    find: str
    replace: str


@dataclass(frozen=True, slots=True)
class Size:
    """A latent picture of these sides."""

    width: str = "width"
    height: str = "height"


Rule = Encode | Same | Both | Empty | Styled | Checkpoint | WithLora | Switch | Context | Held | Replaced | Size


@dataclass(frozen=True, slots=True)
class NodeType:
    """One kind of node."""

    outputs: tuple[tuple[str, Rule | None], ...]
    """(name, rule) in the order of the node's declaration; None for what is not looked at."""
    widgets: tuple[str, ...] = ()
    """Names of the widget values of a drawn graph, which stores them by position; an empty name is a control of the
    form, such as what to do with the seed afterwards."""


@dataclass(frozen=True, slots=True)
class SamplerType:
    """A kind of node that makes the picture, with the names of its inputs."""

    seed: str = "seed"
    steps: str = "steps"
    guidance: str = "cfg"
    sampler: str = "sampler_name"
    scheduler: str = "scheduler"
    model: str = "model"
    positive: str = "positive"
    negative: str = "negative"
    latent: str = "latent_image"
    custom: bool = False
    """Whether noise, guider, sampler and spacing come from nodes of their own."""
    widgets: tuple[str, ...] = field(default=())


def _one(name: str, rule: Rule | None, *widgets: str) -> NodeType:
    return NodeType(((name, rule),), widgets)


def _text(*names: str, widgets: tuple[str, ...] | None = None) -> NodeType:
    return NodeType((("STRING", Same(names)),), names if widgets is None else widgets)


def _model(*names: str) -> NodeType:
    return NodeType((("MODEL", Checkpoint(names)), ("CLIP", None), ("VAE", Checkpoint(("vae_name",)))), names)


def _patch(model: str = "model") -> NodeType:
    """A node that changes a model in ways that leave it that model."""
    return NodeType((("MODEL", Same((model,))), ("CLIP", None)))


def _pair(*more: str) -> NodeType:
    """A node that takes both conditionings and lets each out through an output of its own."""
    return NodeType(
        (("positive", Same(("positive",))), ("negative", Same(("negative",))), *((name, None) for name in more))
    )


_CONTEXT = ("base_ctx", "model", "clip", "vae", "positive", "negative", "latent", "images", "seed")
_CONTEXT_BIG = (
    *_CONTEXT,
    "steps",
    "step_refiner",
    "cfg",
    "ckpt_name",
    "sampler",
    "scheduler",
    "clip_width",
    "clip_height",
    "text_pos_g",
    "text_pos_l",
    "text_neg_g",
    "text_neg_l",
    "mask",
    "control_net",
)


def _context(names: tuple[str, ...], bases: tuple[str, ...] = ("base_ctx",), series: str = "") -> NodeType:
    rule = Context(bases, series)
    return NodeType((("CONTEXT", rule), *((name, Held(name)) for name in names[1:])))


_BASIC_PIPE: tuple[tuple[str, Rule | None], ...] = tuple(
    (name, Held(name)) for name in ("model", "clip", "vae", "positive", "negative")
)

_EFFICIENT = (
    "ckpt_name",
    "vae_name",
    "clip_skip",
    "lora_name",
    "lora_model_strength",
    "lora_clip_strength",
    "positive",
    "negative",
    "token_normalization",
    "weight_interpretation",
    "empty_latent_width",
    "empty_latent_height",
    "batch_size",
)

NODES: dict[str, NodeType] = {
    # ComfyUI: models
    "CheckpointLoaderSimple": _model("ckpt_name"),
    "CheckpointLoader": NodeType(
        (("MODEL", Checkpoint(("ckpt_name",))), ("CLIP", None), ("VAE", Checkpoint(("vae_name",)))),
        ("config_name", "ckpt_name"),
    ),
    "unCLIPCheckpointLoader": _model("ckpt_name"),
    "ImageOnlyCheckpointLoader": _model("ckpt_name"),
    "CheckpointLoaderNF4": _model("ckpt_name"),
    "UNETLoader": NodeType((("MODEL", Checkpoint(("unet_name",))),), ("unet_name", "weight_dtype")),
    "UnetLoaderGGUF": _one("MODEL", Checkpoint(("unet_name",)), "unet_name"),
    "UnetLoaderGGUFAdvanced": _one("MODEL", Checkpoint(("unet_name",)), "unet_name"),
    "DiffusersLoader": _model("model_path"),
    "NunchakuFluxDiTLoader": _one("MODEL", Checkpoint(("model_path",)), "model_path"),
    "NunchakuQwenImageDiTLoader": _one("MODEL", Checkpoint(("model_name",)), "model_name"),
    "VAELoader": _one("VAE", Checkpoint(("vae_name",)), "vae_name"),
    "LoraLoader": NodeType(
        (("MODEL", WithLora("model")), ("CLIP", None)), ("lora_name", "strength_model", "strength_clip")
    ),
    "LoraLoaderModelOnly": NodeType((("MODEL", WithLora("model")),), ("lora_name", "strength_model")),
    "LoraLoaderBypass": NodeType((("MODEL", WithLora("model")), ("CLIP", None)), ("lora_name", "strength_model")),
    "NunchakuFluxLoraLoader": NodeType(
        (("MODEL", WithLora("model", (("lora_name", "lora_strength"),))),), ("lora_name", "lora_strength")
    ),
    "HypernetworkLoader": _patch(),
    "ModelMergeSimple": _one("MODEL", Both(("model1", "model2"))),
    "ModelMergeBlocks": _one("MODEL", Both(("model1", "model2"))),
    "ModelMergeAdd": _one("MODEL", Both(("model1", "model2"))),
    "ModelMergeSubtract": _one("MODEL", Both(("model1", "model2"))),
    **dict.fromkeys(
        (
            "ModelSamplingDiscrete",
            "ModelSamplingContinuousEDM",
            "ModelSamplingContinuousV",
            "ModelSamplingFlux",
            "ModelSamplingSD3",
            "ModelSamplingAuraFlow",
            "ModelSamplingStableCascade",
            "ModelSamplingLTXV",
            "RescaleCFG",
            "PatchModelAddDownscale",
            "FreeU",
            "FreeU_V2",
            "PerturbedAttentionGuidance",
            "SelfAttentionGuidance",
            "DifferentialDiffusion",
            "CFGNorm",
            "CFGZeroStar",
            "SkipLayerGuidanceSD3",
            "SkipLayerGuidanceDiT",
            "TomePatchModel",
            "HyperTile",
            "TorchCompileModel",
            "TorchCompileModelFluxAdvanced",
            "TeaCache",
            "EasyCache",
            "LazyCache",
            "ApplyFBCacheOnModel",
            "PathchSageAttentionKJ",
            "Automatic CFG",
            "SamplerCustomModelMixtureDuo",
            "IPAdapter",
            "IPAdapterAdvanced",
            "IPAdapterApply",
            "IPAdapterFaceID",
            "IPAdapterTiled",
            "IPAdapterStyleComposition",
            "PulidModelLoader",
            "ApplyPulidFlux",
            "ApplyPulid",
            "ReActorFaceSwap",
            "UNetSelfAttentionMultiply",
            "UNetCrossAttentionMultiply",
            "MahiroCFG",
            "Mahiro",
            "TCFG",
            "APG",
            "ScaleROPE",
            "OptimalStepsModel",
        ),
        _patch(),
    ),  # adapters for pictures among them: the picture that steers is not a prompt, and the model stays what it is
    # ComfyUI: prompts
    "CLIPTextEncode": _one("CONDITIONING", Encode(("text",)), "text"),
    "CLIPTextEncodeSDXL": _one(
        "CONDITIONING",
        Encode(("text_g", "text_l")),
        "width",
        "height",
        "crop_w",
        "crop_h",
        "target_width",
        "target_height",
        "text_g",
        "text_l",
    ),
    "CLIPTextEncodeSDXLRefiner": _one("CONDITIONING", Encode(("text",)), "ascore", "width", "height", "text"),
    "CLIPTextEncodeFlux": _one("CONDITIONING", Encode(("clip_l", "t5xxl"), "guidance"), "clip_l", "t5xxl", "guidance"),
    "CLIPTextEncodeSD3": _one("CONDITIONING", Encode(("clip_l", "clip_g", "t5xxl")), "clip_l", "clip_g", "t5xxl"),
    "CLIPTextEncodeHunyuanDiT": _one("CONDITIONING", Encode(("bert", "mt5xl")), "bert", "mt5xl"),
    "CLIPTextEncodeHiDream": _one(
        "CONDITIONING", Encode(("clip_l", "clip_g", "t5xxl", "llama")), "clip_l", "clip_g", "t5xxl", "llama"
    ),
    "CLIPTextEncodePixArtAlpha": _one("CONDITIONING", Encode(("text",)), "width", "height", "text"),
    "CLIPTextEncodeLumina2": _one("CONDITIONING", Encode(("user_prompt",)), "system_prompt", "user_prompt"),
    "CLIPTextEncodeControlnet": _one("CONDITIONING", Encode(("text",)), "text"),
    "CLIPTextEncodeKandinsky5": _one("CONDITIONING", Encode(("clip_l", "qwen25_7b")), "clip_l", "qwen25_7b"),
    "TextEncodeQwenImageEdit": _one("CONDITIONING", Encode(("prompt",)), "prompt"),
    "TextEncodeQwenImageEditPlus": _one("CONDITIONING", Encode(("prompt",)), "prompt"),
    "TextEncodeZImageOmni": _one("CONDITIONING", Encode(("prompt",)), "prompt"),
    "TextEncodeHunyuanVideo_ImageToVideo": _one("CONDITIONING", Encode(("prompt",)), "prompt", "image_interleave"),
    "ConditioningZeroOut": _one("CONDITIONING", Empty()),
    "ConditioningCombine": _one("CONDITIONING", Both(("conditioning_1", "conditioning_2"))),
    "ConditioningConcat": _one("CONDITIONING", Both(("conditioning_to", "conditioning_from"))),
    "ConditioningAverage": _one(
        "CONDITIONING", Both(("conditioning_to", "conditioning_from")), "conditioning_to_strength"
    ),
    **dict.fromkeys(
        (
            "ConditioningSetArea",
            "ConditioningSetAreaPercentage",
            "ConditioningSetAreaStrength",
            "ConditioningSetAreaPercentageVideo",
            "ConditioningSetMask",
            "ConditioningSetTimestepRange",
            "ConditioningSetProperties",
            "unCLIPConditioning",
            "StyleModelApply",
            "ControlNetApply",
            "ReferenceLatent",
            "FluxKontextMultiReferenceLatentMethod",
            "FluxDisableGuidance",
            "ControlNetApplyFlux2",
        ),
        _one("CONDITIONING", Same(("conditioning",))),
    ),
    "FluxGuidance": NodeType((("CONDITIONING", Same(("conditioning",), "guidance")),), ("guidance",)),
    "GLIGENTextboxApply": _one("CONDITIONING", Both(("conditioning_to", "text")), "text"),
    "GLIGENTextBoxApply": _one("CONDITIONING", Both(("conditioning_to", "text")), "text"),
    **dict.fromkeys(
        (
            "ControlNetApplyAdvanced",
            "ControlNetApplySD3",
            "ControlNetInpaintingAliMamaApply",
            "ACN_AdvancedControlNetApply",
            "ACN_AdvancedControlNetApply_v2",
            "ControlNetApplyAdvanced_v2",
            "InstructPixToPixConditioning",
            "InpaintModelConditioning",
            "LTXVConditioning",
            "CosmosImageToVideoLatent",
            "PairConditioningSetProperties",
            "PairConditioningSetDefaultCombine",
            "ConditioningSetPropertiesAndCombine",
            "ApplyControlNet",
            "Apply Kolors",
        ),
        _pair("latent"),
    ),
    "ApplyInstantID": NodeType(
        (("MODEL", Same(("model",))), ("positive", Same(("positive",))), ("negative", Same(("negative",))))
    ),
    "ConditioningMultiCombine": _one("CONDITIONING", Both((), series="conditioning_")),  # KJNodes
    # ComfyUI: sizes, numbers, texts
    **dict.fromkeys(
        (
            "EmptyLatentImage",
            "EmptySD3LatentImage",
            "EmptyLatentImagePresets",
            "EmptyHunyuanLatentVideo",
            "EmptyFlux2LatentImage",
            "EmptyQwenImageLayeredLatentImage",
            "EmptyChromaRadianceLatentImage",
        ),
        _one("LATENT", Size(), "width", "height", "batch_size"),
    ),
    "SDXLEmptyLatentSizePicker+": NodeType((("LATENT", None), ("width", None), ("height", None))),
    "LatentUpscale": NodeType((("LATENT", Size()),), ("upscale_method", "width", "height", "crop")),
    "LatentUpscaleBy": _one("LATENT", None),
    "VAEEncode": _one("LATENT", None),
    "VAEEncodeForInpaint": _one("LATENT", None),
    "PrimitiveNode": _one("value", Same(("value",)), "value"),
    "PrimitiveInt": _one("INT", Same(("value",)), "value", ""),
    "PrimitiveFloat": _one("FLOAT", Same(("value",)), "value"),
    "PrimitiveBoolean": _one("BOOLEAN", Same(("value",)), "value"),
    "PrimitiveString": _text("value"),
    "PrimitiveStringMultiline": _text("value"),
    "StringConcatenate": NodeType(
        (("STRING", Both(("string_a", "string_b"), "", "delimiter")),), ("string_a", "string_b", "delimiter")
    ),
    "StringReplace": NodeType((("STRING", Replaced("string", "find", "replace")),), ("string", "find", "replace")),
    "StringTrim": _text("string", widgets=("string", "mode")),
    "PreviewAny": _one("STRING", Same(("source",))),
    "ComfySwitchNode": _one("output", Switch(("on_false", "on_true"), "switch", start=0)),
    "RandomNoise": _one("NOISE", Same(("noise_seed",)), "noise_seed", ""),
    "Reroute": _one("*", Same(("", "any", "value", "input"))),
    "Reroute (rgthree)": _one("*", Same(("", "any", "value", "input"))),
    # efficiency-nodes-comfyui
    "Efficient Loader": NodeType(
        (
            ("MODEL", Checkpoint(("ckpt_name",), ("lora_name", "lora_model_strength"), "lora_stack")),
            ("CONDITIONING+", Encode(("positive",))),
            ("CONDITIONING-", Encode(("negative",))),
            ("LATENT", Size("empty_latent_width", "empty_latent_height")),
            ("VAE", Checkpoint(("vae_name",))),
            ("CLIP", None),
            ("DEPENDENCIES", None),
        ),
        _EFFICIENT,
    ),
    "Eff. Loader SDXL": NodeType(
        (
            ("SDXL_TUPLE", Context(())),
            ("LATENT", Size("empty_latent_width", "empty_latent_height")),
            ("VAE", Checkpoint(("vae_name",))),
            ("DEPENDENCIES", None),
        ),
    ),
    "Apply ControlNet Stack": _pair(),
    # ComfyUI-Impact-Pack: model and prompts in one pipe; the last output of the first row stands for the pipe within
    "ToBasicPipe": _one("basic_pipe", Context(())),
    "EditBasicPipe": _one("basic_pipe", Context(("basic_pipe",))),
    "FromBasicPipe": NodeType((*_BASIC_PIPE, ("", Context(("basic_pipe",))))),
    "FromBasicPipe_v2": NodeType((("basic_pipe", Context(("basic_pipe",))), *_BASIC_PIPE)),
    # ComfyUI-Image-Saver: names chosen apart from the sampler
    "Sampler Selector": _text("sampler_name"),
    "Scheduler Selector": _text("scheduler"),
    # ComfyUI-Easy-Use and tinyterra keep all of a loader in one bundle, the pipe
    **dict.fromkeys(
        ("easy fullLoader", "easy a1111Loader", "easy comfyLoader", "easy fluxLoader", "easy sd3Loader"),
        NodeType(
            (
                ("pipe", Context(())),
                ("model", Checkpoint(("ckpt_name",), ("lora_name", "lora_model_strength"), "optional_lora_stack")),
                ("vae", Checkpoint(("vae_name",))),
                ("clip", None),
                ("positive", Encode(("positive",))),
                ("negative", Encode(("negative",))),
                ("latent", Size("empty_latent_width", "empty_latent_height")),
            )
        ),
    ),
    **dict.fromkeys(
        ("easy preSampling", "easy preSamplingAdvanced", "easy preSamplingNoiseIn", "easy pipeIn", "easy pipeEdit"),
        NodeType((("pipe", Context(("pipe",))),)),
    ),
    **dict.fromkeys(
        ("ttN pipeLoader", "ttN pipeLoader_v2", "ttN pipeLoaderSDXL", "ttN pipeLoaderSDXL_v2"),
        NodeType((("pipe", Context(())), ("model", Checkpoint(("ckpt_name",))), ("positive", Encode(("positive",))))),
    ),
    "Lora Loader (LoraManager)": NodeType(
        (("MODEL", WithLora("model", (), stack="lora_stack", rows="loras")), ("CLIP", None))
    ),
    "Lora Stacker (LoraManager)": _one("LORA_STACK", WithLora("", (), stack="lora_stack", rows="loras")),
    "LoRA Stacker": _one("LORA_STACK", WithLora("", (), stack="lora_stack")),
    # rgthree-comfy
    "Context (rgthree)": _context(_CONTEXT),
    "Context Big (rgthree)": _context(_CONTEXT_BIG),
    "Context Switch (rgthree)": _context(_CONTEXT, (), "ctx_"),
    "Context Switch Big (rgthree)": _context(_CONTEXT_BIG, (), "ctx_"),
    "Context Merge (rgthree)": _context(_CONTEXT, (), "-ctx_"),
    "Context Merge Big (rgthree)": _context(_CONTEXT_BIG, (), "-ctx_"),
    "Any Switch (rgthree)": _one("*", Switch(series="any_")),
    "Seed (rgthree)": _one("SEED", Same(("seed",)), "seed"),
    "Power Lora Loader (rgthree)": NodeType((("MODEL", WithLora("model", (), "lora_")), ("CLIP", None))),
    "Lora Loader Stack (rgthree)": NodeType(
        (
            ("MODEL", WithLora("model", tuple((f"lora_{n:02d}", f"strength_{n:02d}") for n in range(1, 5)))),
            ("CLIP", None),
        ),
        tuple(name for n in range(1, 5) for name in (f"lora_{n:02d}", f"strength_{n:02d}")),
    ),
    "Power Prompt (rgthree)": NodeType(
        (
            ("CONDITIONING", Encode(("prompt",))),
            ("MODEL", Same(("opt_model",))),
            ("CLIP", None),
            ("TEXT", Same(("prompt",))),
        ),
        ("prompt",),
    ),
    "Power Prompt - Simple (rgthree)": NodeType(
        (("CONDITIONING", Encode(("prompt",))), ("TEXT", Same(("prompt",)))), ("prompt",)
    ),
    "SDXL Power Prompt - Positive (rgthree)": NodeType((("CONDITIONING", Encode(("prompt_g", "prompt_l"))),)),
    # was-node-suite
    "Text Multiline": _text("text"),
    "Text Multiline (Code Compatible)": _text("text"),
    "Text Concatenate": NodeType(
        (("STRING", Both(("text_a", "text_b", "text_c", "text_d"), ", ", "delimiter")),),
        ("delimiter", "clean_whitespace"),
    ),
    "Text String": NodeType(
        tuple((f"STRING {n}", Same((n,))) for n in ("text", "text_b", "text_c", "text_d")),
        ("text", "text_b", "text_c", "text_d"),
    ),
    "Text Find and Replace": _one("STRING", Replaced("text", "find", "replace"), "find", "replace"),
    "Text Input Switch": _one("STRING", Switch(("text_b", "text_a"), "boolean", start=0)),
    "Text to Conditioning": _one("CONDITIONING", Encode(("text",))),
    "CLIPTextEncode (NSP)": NodeType((("CONDITIONING", Encode(("parsed_text", "text"))),)),
    "CLIPTextEncode (BlenderNeko Advanced + NSP)": NodeType((("CONDITIONING", Encode(("parsed_text", "text"))),)),
    "Conditioning Input Switch": _one("CONDITIONING", Switch(("conditioning_b", "conditioning_a"), "boolean", start=0)),
    "Model Input Switch": _one("MODEL", Switch(("model_b", "model_a"), "boolean", start=0)),
    "Seed": NodeType(
        (("seed", Same(("seed",))), ("number", Same(("seed",))), ("float", Same(("seed",))), ("int", Same(("seed",)))),
        ("seed", ""),
    ),
    "Text Random Line": _one("STRING", None),
    # ComfyUI-Custom-Scripts (pysssss), KJNodes, Comfyroll, Impact Pack, Inspire Pack, Easy Use, tinyterra, others
    "ShowText|pysssss": _text("text", widgets=()),
    "StringFunction|pysssss": NodeType(
        (("STRING", Both(("text_a", "text_b", "text_c"), ", ")),), ("action", "tidy_tags", "text_a", "text_b", "text_c")
    ),
    "INTConstant": _one("value", Same(("value",)), "value"),
    "FloatConstant": _one("value", Same(("value",)), "value"),
    "StringConstant": _text("string"),
    "StringConstantMultiline": _text("string", widgets=("string", "strip_newlines")),
    "JoinStrings": NodeType((("STRING", Both(("string1", "string2"), " ", "delimiter")),), ("delimiter",)),
    "JoinStringMulti": NodeType(
        (("string", Both((), " ", "delimiter", "string_")),), ("inputcount", "delimiter", "return_list")
    ),
    "LazySwitchKJ": _one("*", Switch(("on_false", "on_true"), "switch", start=0)),
    "CR Text": NodeType((("text", Same(("text",))), ("show_help", None)), ("text",)),
    "CR Prompt Text": NodeType((("prompt", Same(("prompt",))), ("show_help", None)), ("prompt",)),
    "CR Text Concatenate": NodeType(
        (("STRING", Both(("text1", "text2"), "", "separator")), ("show_help", None)), ("text1", "text2", "separator")
    ),
    "CR Combine Prompt": NodeType((("prompt", Both(("part1", "part2", "part3", "part4"), ", ", "separator")),)),
    "CR Text Input Switch": NodeType(
        (("STRING", Switch(("text1", "text2"), "Input")), ("show_help", None)), ("Input",)
    ),
    "CR Conditioning Input Switch": NodeType(
        (("CONDITIONING", Switch(("conditioning1", "conditioning2"), "Input")),), ("Input",)
    ),
    "CR Model Input Switch": NodeType((("MODEL", Switch(("model1", "model2"), "Input")),), ("Input",)),
    "CR Seed": NodeType((("seed", Same(("seed",))), ("show_help", None)), ("seed", "")),
    "CR LoRA Stack": NodeType(
        (
            (
                "LORA_STACK",
                WithLora("", tuple((f"lora_name_{n}", f"model_weight_{n}") for n in (1, 2, 3)), stack="lora_stack"),
            ),
        )
    ),
    "CR Apply LoRA Stack": NodeType((("MODEL", WithLora("model", (), stack="lora_stack")), ("CLIP", None))),
    "ImpactWildcardProcessor": NodeType(
        (("processed text", Same(("populated_text",))),), ("wildcard_text", "populated_text", "mode", "seed", "")
    ),
    "ImpactWildcardEncode": NodeType(
        (
            ("model", Same(("model",))),
            ("clip", None),
            ("conditioning", Encode(("populated_text",))),
            ("populated_text", Same(("populated_text",))),
        ),
        ("wildcard_text", "populated_text", "mode"),
    ),
    "ImpactSwitch": NodeType((("*", Switch((), "select", "input")),), ("select",)),
    "ImpactConditionalBranch": _one("*", Switch(("ff_value", "tt_value"), "cond", start=0)),
    "ImpactStringSelector": _one("STRING", None),
    "WildcardEncode //Inspire": NodeType(
        (
            ("model", Same(("model",))),
            ("clip", None),
            ("conditioning", Encode(("populated_text",))),
            ("populated_text", Same(("populated_text",))),
        )
    ),
    "easy positive": _text("positive"),
    "easy negative": _text("negative"),
    "easy promptLine": NodeType(
        (("STRING", Same(("prompt",))), ("COMBO", None)), ("prompt", "start_index", "max_rows")
    ),
    "easy promptConcat": NodeType(
        (("STRING", Both(("prompt1", "prompt2"), "", "separator")),), ("prompt1", "prompt2", "separator")
    ),
    "easy wildcards": NodeType((("text", Same(("text",))), ("populated_text", Same(("text",))))),
    "easy seed": NodeType((("seed", Same(("seed",))),), ("seed", "")),
    "easy string": _text("value"),
    "easy showAnything": _one("output", Same(("anything",))),
    "easy ifElse": _one("*", Switch(("on_false", "on_true"), "boolean", start=0)),
    "ttN text": _text("text"),
    "ttN textDebug": _text("text"),
    "ttN concat": NodeType(
        (("concat", Both(("text1", "text2", "text3"), "", "delimiter")),), ("text1", "text2", "text3", "delimiter")
    ),
    "ttN seed": NodeType((("seed", Same(("seed",))),), ("seed", "")),
    "PromptManager": NodeType((("CONDITIONING", Encode(("text",))), ("STRING", Same(("text",))))),
    "PromptManagerText": _text("text"),
    "smZ CLIPTextEncode": NodeType((("CONDITIONING", Encode(("text",))),), ("text", "parser")),
    "BNK_CLIPTextEncodeAdvanced": NodeType(
        (("CONDITIONING", Encode(("text",))),), ("text", "token_normalization", "weight_interpretation")
    ),
    "BNK_CLIPTextEncodeSDXLAdvanced": NodeType((("CONDITIONING", Encode(("text_l", "text_g"))),)),
    "CLIPTextEncodeSDXL+": NodeType((("CONDITIONING", Encode(("text_g", "text_l"))),)),
    "SDXLPromptStyler": NodeType(
        (("text_positive", Styled("text_positive", "style")), ("text_negative", Styled("text_negative", "style"))),
        ("text_positive", "text_negative", "style", "log_prompt"),
    ),
    "SDXLPromptStylerAdvanced": NodeType(
        (
            ("text_positive_g", Styled("text_positive_g", "style")),
            ("text_positive_l", Styled("text_positive_l", "style")),
            ("text_positive", Styled("text_positive_g", "style")),
            ("text_negative_g", Styled("text_negative", "style")),
            ("text_negative_l", Styled("text_negative", "style")),
            ("text_negative", Styled("text_negative", "style")),
        )
    ),
    "TriggerWord Toggle (LoraManager)": _one("STRING", None),
    "String Literal": _text("string"),
    "Int Literal": _one("INT", Same(("int",)), "int"),
    "Float Literal": _one("FLOAT", Same(("float",)), "float"),
    "Text _O": _text("text"),
    "Concat Text _O": NodeType(
        (("STRING", Both(("text1", "text2"), "", "separator")),), ("text1", "separator", "text2")
    ),
    "String": _text("String", "string", "value", widgets=("String",)),
    "Simple String": _text("string"),
    "Textbox": _text("text"),
    "TextBox": _text("text"),
    "JWString": _text("text"),
    "JWInteger": _one("INT", Same(("value",)), "value"),
    "JWStringConcat": NodeType((("STRING", Both(("a", "b"), "")),), ("a", "b")),
    "Text box": _text("text"),
    "CLIPTextEncodeList": NodeType((("CONDITIONING", Encode(("text",))),)),
    "DPRandomGenerator": _one("STRING", None),
    "Seed Generator": NodeType((("INT", Same(("seed",))),), ("seed", "")),
    "Width and height for scaling": NodeType((("width", None), ("height", None))),
}
"""Rows whose rule is None name a node that makes a value which the graph does not hold: a line drawn at random, a size
taken from a picture."""

_CLASSIC = ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise")


def _piped(*, own: bool = False) -> SamplerType:
    """A sampler that takes what it needs from the bundle at `pipe`; with `own`, its numbers stand on the node."""
    numbers = ("seed", "steps", "cfg", "sampler_name", "scheduler") if own else ("pipe",) * 5
    seed, steps, guidance, sampler, scheduler = numbers
    return SamplerType(seed, steps, guidance, sampler, scheduler, "pipe", "pipe", "pipe", "pipe")


SAMPLERS: dict[str, SamplerType] = {
    "KSampler": SamplerType(widgets=_CLASSIC),
    "KSamplerAdvanced": SamplerType(
        seed="noise_seed",
        widgets=(
            "add_noise",
            "noise_seed",
            "",
            "steps",
            "cfg",
            "sampler_name",
            "scheduler",
            "start_at_step",
            "end_at_step",
        ),
    ),
    "KSampler (Efficient)": SamplerType(widgets=("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise")),
    "KSampler Adv. (Efficient)": SamplerType(seed="noise_seed"),
    "KSampler SDXL (Eff.)": SamplerType(
        seed="noise_seed", model="sdxl_tuple", positive="sdxl_tuple", negative="sdxl_tuple"
    ),
    "ImpactKSamplerBasicPipe": SamplerType(model="basic_pipe", positive="basic_pipe", negative="basic_pipe"),
    "ImpactKSamplerAdvancedBasicPipe": SamplerType(
        seed="noise_seed", model="basic_pipe", positive="basic_pipe", negative="basic_pipe"
    ),
    "KSampler //Inspire": SamplerType(),
    "KSamplerAdvanced //Inspire": SamplerType(seed="noise_seed"),
    "SamplerCustom": SamplerType(seed="noise_seed", sampler="sampler", scheduler="sigmas", custom=True),
    "SamplerCustomAdvanced": SamplerType(seed="noise", sampler="sampler", scheduler="sigmas", custom=True),
    **dict.fromkeys(("easy kSampler", "easy fullkSampler", "easy kSamplerTiled"), _piped()),
    **dict.fromkeys(("ttN pipeKSampler", "ttN pipeKSampler_v2", "ttN pipeKSamplerAdvanced_v2"), _piped(own=True)),
    "XlabsSampler": SamplerType(
        seed="noise_seed", guidance="true_gs", positive="conditioning", negative="neg_conditioning"
    ),
    "ClownsharKSampler_Beta": SamplerType(),
    "UltimateSDUpscale": SamplerType(latent="image"),
    "UltimateSDUpscaleNoUpscale": SamplerType(latent="upscaled_image"),
    "FaceDetailer": SamplerType(latent="image"),
    "DetailerForEach": SamplerType(latent="image"),
    "SeargeSDXLSampler": SamplerType(positive="base_positive", negative="base_negative", model="base_model"),
}
"""Nodes that make a picture."""

_PASSED = NodeType(
    (
        ("MODEL", Same(("model",))),
        ("CONDITIONING+", Same(("positive",))),
        ("CONDITIONING-", Same(("negative",))),
        ("LATENT", None),
        ("VAE", Same(("optional_vae",))),
        ("IMAGE", None),
    )
)
PASSED_ON: dict[str, NodeType] = {"KSampler (Efficient)": _PASSED, "KSampler Adv. (Efficient)": _PASSED}
"""Samplers that hand on what came in, for the next one."""

GUIDERS: dict[str, dict[str, str]] = {
    "BasicGuider": {"model": "model", "positive": "conditioning"},
    "CFGGuider": {"model": "model", "positive": "positive", "negative": "negative", "guidance": "cfg"},
    "DualCFGGuider": {"model": "model", "positive": "cond1", "negative": "negative", "guidance": "cfg_conds"},
    "PerpNegGuider": {"model": "model", "positive": "positive", "negative": "negative", "guidance": "cfg"},
    "CFGGuiderAdvanced": {"model": "model", "positive": "positive", "negative": "negative", "guidance": "cfg"},
}
"""Nodes that hold model, prompts and guidance for a custom sampler: what is asked for -> the input's name."""

SIGMAS: dict[str, dict[str, str]] = {
    "BasicScheduler": {"steps": "steps", "scheduler": "scheduler"},
    "KarrasScheduler": {"steps": "steps"},
    "ExponentialScheduler": {"steps": "steps"},
    "PolyexponentialScheduler": {"steps": "steps"},
    "LaplaceScheduler": {"steps": "steps"},
    "VPScheduler": {"steps": "steps"},
    "BetaSamplingScheduler": {"steps": "steps"},
    "SDTurboScheduler": {"steps": "steps"},
    "AlignYourStepsScheduler": {"steps": "steps"},
    "GITSScheduler": {"steps": "steps"},
    "OptimalStepsScheduler": {"steps": "steps"},
    "LTXVScheduler": {"steps": "steps"},
    "Flux2Scheduler": {"steps": "steps"},
    "SplitSigmas": {"from": "sigmas"},
    "SplitSigmasDenoise": {"from": "sigmas"},
    "FlipSigmas": {"from": "sigmas"},
}
"""Nodes that make the spacing of the noise levels; the type is the name of the spacing where the node states none."""

SAMPLER_SELECTORS: dict[str, str] = {
    "KSamplerSelect": "sampler_name",
    "SamplerEulerAncestral": "",
    "SamplerEulerAncestralCFGPP": "",
    "SamplerDPMPP_2M_SDE": "",
    "SamplerDPMPP_3M_SDE": "",
    "SamplerDPMPP_SDE": "",
    "SamplerDPMPP_2S_Ancestral": "",
    "SamplerLMS": "",
    "SamplerLCMUpscale": "",
    "SamplerEulerCFGpp": "",
    "SamplerDPMAdaptative": "",
    "SamplerER_SDE": "",
    "SamplerSASolver": "",
}
"""Nodes that name a sampler: the input with its name, or empty where the type is the name."""

MORE_WIDGETS: dict[str, tuple[str, ...]] = {
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KarrasScheduler": ("steps", "sigma_max", "sigma_min", "rho"),
    "CFGGuider": ("cfg",),
    "SamplerCustom": ("add_noise", "noise_seed", "", "cfg"),
    "SetNode": ("name",),
    "GetNode": ("name",),
}

DECODERS = ("VAEDecode", "VAEDecodeTiled")

PLAIN = frozenset(
    {
        *DECODERS,
        "SaveImage",
        "PreviewImage",
        "SaveImageWebsocket",
        "SaveAnimatedWEBP",
        "LoadImage",
        "CLIPLoader",
        "DualCLIPLoader",
        "TripleCLIPLoader",
        "CLIPSetLastLayer",
        "CLIPVisionLoader",
        "ControlNetLoader",
        "UpscaleModelLoader",
        "ImageUpscaleWithModel",
        "StyleModelLoader",
    }
)
"""Further types of ComfyUI itself, which carry nothing that is read and yet mark a graph as its own: documents with
nodes, links, types and inputs are written by many other programs."""


def widgets(kind: str) -> tuple[str, ...]:
    """Names of the widget values of a drawn node by position; empty where they are not known."""
    if kind in NODES:
        return NODES[kind].widgets
    if kind in SAMPLERS and SAMPLERS[kind].widgets:
        return SAMPLERS[kind].widgets
    return MORE_WIDGETS.get(kind, ())


def known(kind: str) -> bool:
    """Whether the type has a row in any of the tables."""
    tables: tuple[dict[str, Any], ...] = (NODES, SAMPLERS, GUIDERS, SIGMAS, SAMPLER_SELECTORS)
    return any(kind in table for table in tables)
