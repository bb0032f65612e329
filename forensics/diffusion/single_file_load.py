"""Load one `.safetensors` file, offline: what it does not carry comes from the base, or is made here.

diffusers maps the publishers' tensor names to its own; it wants configurations from the hub, so they are the base's, or
written from the header's shapes and the generation's conventions. The tokenizer then is CLIP's, from the byte-pair
table in open_clip.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from forensics.case import Checkpoint
from forensics.diffusion import gguf_files, schedule
from forensics.diffusion import parts as components
from forensics.diffusion.folder import pipeline
from forensics.diffusion.headers import Header
from forensics.diffusion.names import flux_layers
from forensics.diffusion.parts import Parts, Wanted, class_of, from_tensors
from forensics.diffusion.single_file import CONTEXT, EMA, SCALING, UNET, VAE, Contents, read, scaling, zero_snr
from forensics.diffusion.weight_files import Weights, component_weights, place
from forensics.errors import CheckpointError

_WINDOW = 77
_MERGES = 49152 - 256 - 2
"""Merges of CLIP's table in use (Radford et al. 2021; the file holds more)."""
_OLD_TEXT = "cond_stage_model.transformer."


def load(checkpoint: Checkpoint, path: Path, dtype: torch.dtype, wanted: Wanted) -> Parts:
    """The parts of the file. Raises CheckpointError where the tensors do not fit the family's networks."""
    found = read(path)
    base = Path(checkpoint.base).expanduser() if checkpoint.base else None
    with tempfile.TemporaryDirectory() as folder:
        reader = _Reader(found, checkpoint, base, Path(folder), dtype)
        row = found.family
        network = reader.network(wanted.stored or dtype) if wanted.network else None
        if network is None and wanted.reads(row.network, row):
            network = components.skeleton(class_of(row.parts[row.network]), reader.config(row.network))
        texts = {name: reader.text(name) for name in found.wanted if wanted.texts and reader.has(name)}
        vae = reader.vae() if wanted.vae else None
        return Parts(network, vae, texts, reader.tokenizers(list(texts)), reader.schedule(), reader.index)


class _Reader:
    """Makes one component after the other from a file and the base beside it."""

    def __init__(
        self, found: Contents, checkpoint: Checkpoint, base: Path | None, folder: Path, dtype: torch.dtype
    ) -> None:
        self.found, self.checkpoint, self.base, self.folder, self.dtype = found, checkpoint, base, folder, dtype
        self.row, self.version = found.family, found.mark.generation
        if base is not None:
            index, _ = pipeline(base)
            self.named: Mapping[str, Any] = index
            self.index = {k: v for k, v in index.items() if not k.startswith("_") and not isinstance(v, list)}
        else:
            self.named = {}
            # As the publisher's own folders of XL have it.
            self.index = {"force_zeros_for_empty_prompt": self.version == "base"}
            _write_configs(found, checkpoint, folder)

    def has(self, component: str) -> bool:
        """Whether the file or the base holds it; families have encoders that some checkpoints do without."""
        return component in self.found.texts or bool(self.base and (self.base / component).is_dir())

    def network(self, dtype: torch.dtype) -> Any:
        """The denoising network."""
        name, cls = self.row.network, class_of(self.row.parts[self.row.network])
        if not self.row.latent and not self.found.prefix and not gguf_files.is_gguf(self.found.path):
            # Attention of older files has other names, which diffusers knows.
            whole = Weights(None, (self.found.path,), (self.found.header,))
            return components.network(cls, self.config(name), whole, name, dtype)
        tensors = self._tensors(self.found.prefix, without_others=not self.found.prefix)
        if self.found.mark.names == "diffusers":
            return from_tensors(cls, self.config(name), tensors, name, dtype)
        if self.row.name == "flux":
            return from_tensors(cls, self.config(name), flux_tensors(tensors), name, dtype)
        prefixed = {f"{UNET}{key}": value for key, value in tensors.items()}
        return self._converted(lambda **how: cls.from_single_file(prefixed, **how), name, dtype)

    def vae(self) -> Any:
        """The autoencoder, always in float32; none where the network works on pixels."""
        if not self.row.latent:
            return None
        cls = class_of("AutoencoderKL")
        if self.found.vae is None:
            return self._of_base("vae", torch.float32)
        tensors = self._tensors(self.found.vae)
        if any(name.startswith("encoder.down_blocks.") for name in tensors):
            return from_tensors(cls, self.config("vae"), tensors, "vae", torch.float32)
        named = {f"{VAE}{key}": value for key, value in tensors.items()}
        return self._converted(lambda **how: cls.from_single_file(named, **how), "vae", torch.float32)

    def text(self, component: str) -> Any:
        """A text encoder."""
        from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm

        if component not in self.found.texts:
            return self._of_base(component, self.dtype)
        cls, prefix = class_of(self.row.parts[component]), self.found.texts[component]
        tensors = self._tensors(prefix)
        if prefix.startswith("text_encoders."):
            if "t5xxl" not in prefix and "text_projection.weight" not in tensors and "Projection" in cls.__name__:
                # SD 3's files leave out the projection of the smaller CLIP, which is the identity.
                width = tensors["text_model.embeddings.token_embedding.weight"].shape[1]
                tensors["text_projection.weight"] = torch.eye(width)
            return from_tensors(cls, self.config(component), tensors, component, self.dtype)
        if prefix == _OLD_TEXT:
            wrapped = {f"text_model.{k.removeprefix('text_model.')}": v for k, v in tensors.items()}
            return from_tensors(
                cls, self.config(component), _first_layers(wrapped, self._depth(component)), component, self.dtype
            )
        named = {f"{prefix}{key}": value for key, value in tensors.items()}
        return self._converted(
            lambda **how: create_diffusers_clip_model_from_ldm(cls, named, **how), component, self.dtype
        )

    def tokenizers(self, texts: list[str]) -> dict[str, Any]:
        """The tokenizers of the text encoders, from the base or CLIP's own."""
        if self.base is not None:
            return components.load_tokenizers(self.base, self.row, dict(self.named), texts)
        made = {}
        for text in texts:
            name = text.replace("text_encoder", "tokenizer")
            # OpenCLIP's encoders pad with "!", token 0, CLIP's own with the end mark.
            padded = self.version == "2" or text == "text_encoder_2"
            write_tokenizer(self.folder / name, pad="!" if padded else "<|endoftext|>")
            made[name] = components.clip_tokenizer(self.folder / name)
        return made

    def schedule(self) -> schedule.Schedule:
        """The noise schedule: the base's, or the generation's convention."""
        prediction = self.checkpoint.prediction
        if self.base is not None:
            return schedule.of_folder(self.base, prediction)
        if prediction == "edm":
            return schedule.from_config({"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5}, prediction)
        zero = zero_snr(self.found.header)
        noise = {
            "beta_schedule": "scaled_linear",
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "set_alpha_to_one": False,
            "steps_offset": 0 if zero else 1,
            "timestep_spacing": "trailing" if zero else "leading",
            "rescale_betas_zero_snr": zero,
            "prediction_type": prediction,
        }
        return schedule.from_config(noise, prediction)

    def config(self, component: str) -> Path:
        """The folder of a component's `config.json`."""
        return place(self.base or self.folder, component)

    def _depth(self, component: str) -> int:
        config = json.loads((self.config(component) / "config.json").read_text("utf-8"))
        return int(config["num_hidden_layers"])

    def _of_base(self, component: str, dtype: torch.dtype) -> Any:
        assert self.base is not None  # identification refuses a file that lacks a part and has no base
        weights = component_weights(self.base, component)
        folder = place(self.base, component)
        return components.network(class_of(self.row.parts[component]), folder, weights, component, dtype)

    def _tensors(self, prefix: str, *, without_others: bool = False) -> dict[str, Tensor]:
        """The tensors whose names begin so, without that beginning, in memory."""
        others = (*self.found.texts.values(), self.found.vae or "\0", EMA, "cond_stage_model.", "conditioner.")
        others = (*others, "text_encoders.", VAE)
        if gguf_files.is_gguf(self.found.path):
            return gguf_files.tensors(self.found.path, prefix, self.dtype)
        with safe_open(self.found.path, framework="pt") as opened:
            kept = {
                name.removeprefix(prefix): opened.get_tensor(name)
                for name in opened.keys()  # noqa: SIM118
                if name.startswith(prefix) and not (without_others and name.startswith(others))
            }
        for marker in ("v_pred", "ztsnr", "edm_mean", "edm_std"):
            kept.pop(marker, None)
        return components.widened(kept)

    def _converted(self, make: Callable[..., Any], component: str, dtype: torch.dtype) -> Any:
        source = str(self.base or self.folder)
        try:
            made = make(config=source, subfolder=component, torch_dtype=dtype, local_files_only=True)
        except (KeyError, ValueError, RuntimeError, OSError, IndexError) as exc:
            raise CheckpointError(
                f"The tensors of {self.found.path.name} do not fit {self.found.mark.title} ({component}).",
                hint="Convert the file to a diffusers folder and give that, or fetch it again.",
            ) from exc
        components.complete(component, [k for k, v in made.named_parameters() if v.is_meta])
        return made


def _first_layers(tensors: dict[str, Tensor], depth: int) -> dict[str, Tensor]:
    """Without the layers that the configuration does not build: 2.x reads the last but one."""
    layer = "text_model.encoder.layers."
    return {
        k: v for k, v in tensors.items() if not k.startswith(layer) or int(k.removeprefix(layer).split(".")[0]) < depth
    }


def flux_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of FLUX.1 in diffusers' names, fused ones taken apart.

    Raises:
        CheckpointError: a tensor whose name is none of the publisher's.
    """
    width = tensors["img_in.weight"].shape[0]
    made: dict[str, Tensor] = {}
    for name, value in tensors.items():
        layer, _, end = name.rpartition(".")
        targets = flux_layers(layer)
        if not targets:
            raise CheckpointError(f"FLUX.1 has no tensor {name!r}.", hint="The file is of a relative of FLUX.1.")
        end = "weight" if end == "scale" else end
        if layer == "final_layer.adaLN_modulation.1":
            value = torch.cat(
                value.chunk(2)[::-1]
            )  # the publisher has shift before scale, diffusers scale before shift
        # Queries, keys and values have the width of the network; what is behind them, if anything, is the rest.
        sizes = [width] * (len(targets) - 1)
        pieces = value.split([*sizes, value.shape[0] - sum(sizes)])
        made |= {f"{target}.{end}": piece for target, piece in zip(targets, pieces, strict=True)}
    return made


def _write_configs(found: Contents, checkpoint: Checkpoint, folder: Path) -> None:
    """What a base would state: the configuration of every component, from shapes and convention."""
    version = found.mark.generation
    configs: dict[str, dict[str, Any]] = {"unet": unet_config(found, checkpoint.native_px), "vae": _vae_of(found)}
    for name, prefix in found.texts.items():
        configs[name] = text_config(found.header, prefix, version, second=name == "text_encoder_2")
    for name, config in configs.items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config), "utf-8")


def _vae_of(found: Contents) -> dict[str, Any]:
    assert found.vae is not None
    header = found.header
    config = vae_config(header, found.vae, scaling(header, found.family.name))
    if "edm_mean" in header.shapes:
        with safe_open(found.path, framework="pt") as opened:
            for key, name in (("latents_mean", "edm_mean"), ("latents_std", "edm_std")):
                config[key] = opened.get_tensor(name).flatten().tolist()
    return config


def unet_config(found: Contents, native_px: int) -> dict[str, Any]:
    """Configuration of the UNet: widths and depths from the header, the rest by the generation's convention."""
    if found.mark.names == "diffusers":
        return _own_unet_config(found, native_px)
    shapes, version = found.network(), found.mark.generation
    levels = {"1": 4, "2": 4, "base": 3, "refiner": 4}[version]
    widths = [shapes[f"input_blocks.{3 * i + 1}.0.in_layers.2.weight"][0] for i in range(levels)]
    depths = [_depth(shapes, f"input_blocks.{3 * i + 1}.1.") for i in range(levels)]
    cross, plain = "CrossAttnDownBlock2D", "DownBlock2D"
    downs = [cross if depth else plain for depth in depths]
    config = {
        "_class_name": "UNet2DConditionModel",
        "sample_size": native_px // 8,
        "in_channels": shapes["input_blocks.0.0.weight"][1],
        "out_channels": shapes["out.2.weight"][0],
        "block_out_channels": widths,
        "layers_per_block": 2,
        "down_block_types": downs,
        "up_block_types": ["CrossAttnUpBlock2D" if d == cross else "UpBlock2D" for d in downs[::-1]],
        "cross_attention_dim": shapes[CONTEXT if version in "12" else CONTEXT.replace(".1.1.", ".4.1.")][1],
        # 1.x has 8 heads at every width, later ones heads of 64 channels (the parameter's name is a known misnomer).
        "attention_head_dim": 8 if version == "1" else [max(1, w // 64) for w in widths],
        "use_linear_projection": len(shapes[f"input_blocks.{1 if version in '12' else 4}.1.proj_in.weight"]) == 2,
    }
    return config | _added_config(shapes["label_emb.0.0.weight"][1] if version not in "12" else 0, version, depths)


def _added_config(projected: int, version: str, depths: list[int]) -> dict[str, Any]:
    if not projected:
        return {}
    return {
        "transformer_layers_per_block": [max(1, d) for d in depths],
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": projected,
    }


def _own_unet_config(found: Contents, native_px: int) -> dict[str, Any]:
    """The same for a UNet in diffusers' names."""
    shapes, version = found.network(), found.mark.generation
    levels = len({n.split(".")[1] for n in shapes if n.startswith("down_blocks.")})
    widths = [shapes[f"down_blocks.{i}.resnets.0.conv1.weight"][0] for i in range(levels)]
    depths = [_depth(shapes, f"down_blocks.{i}.attentions.0.") for i in range(levels)]
    layers = len({n.split(".")[3] for n in shapes if n.startswith("down_blocks.0.resnets.")})
    first = next(i for i, depth in enumerate(depths) if depth)
    projection = shapes[f"down_blocks.{first}.attentions.0.proj_in.weight"]
    config = {
        "_class_name": "UNet2DConditionModel",
        "sample_size": native_px // 8,
        "in_channels": shapes["conv_in.weight"][1],
        "out_channels": shapes["conv_out.weight"][0],
        "block_out_channels": widths,
        "layers_per_block": layers,
        "down_block_types": ["CrossAttnDownBlock2D" if d else "DownBlock2D" for d in depths],
        "up_block_types": ["CrossAttnUpBlock2D" if d else "UpBlock2D" for d in depths[::-1]],
        "cross_attention_dim": shapes[f"down_blocks.{first}.attentions.0.transformer_blocks.0.attn2.to_k.weight"][1],
        "attention_head_dim": 8 if version == "1" else [max(1, w // 64) for w in widths],
        "use_linear_projection": len(projection) == 2,
    }
    if "time_embedding.cond_proj.weight" in shapes:
        config["time_cond_proj_dim"] = shapes["time_embedding.cond_proj.weight"][1]
    added = shapes["add_embedding.linear_1.weight"][1] if version not in "12" else 0
    return config | _added_config(added, version, depths)


def _depth(shapes: Mapping[str, tuple[int, ...]], block: str) -> int:
    """Transformer layers of an attention block; 0 where there is none."""
    start = f"{block}transformer_blocks."
    return len({name.removeprefix(start).split(".")[0] for name in shapes if name.startswith(start)})


def vae_config(header: Header, prefix: str = VAE, scale: float = SCALING["sd"]) -> dict[str, Any]:
    """Configuration of the autoencoder, whose tensors' names begin with `prefix`: widths from the header."""
    own = f"{prefix}encoder.down_blocks.0.resnets.0.conv2.weight" in header.shapes
    name = "encoder.down_blocks.{0}.resnets.0.conv2.weight" if own else "encoder.down.{0}.block.0.conv2.weight"
    widths = [header.shapes[prefix + name.format(i)][0] for i in range(4)]
    return {
        "_class_name": "AutoencoderKL",
        "block_out_channels": widths,
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "layers_per_block": 2,
        "latent_channels": 4,
        "scaling_factor": scale,
    }


def text_config(header: Header, prefix: str, version: str, *, second: bool = False) -> dict[str, Any]:
    """Configuration of a CLIP text encoder: 2.x uses the last layer but one, so its last layer is never built."""
    shapes = header.shapes
    open_clip = f"{prefix}token_embedding.weight" in shapes
    if open_clip:
        start, layer, inner_name, table = prefix, "transformer.resblocks.", "mlp.c_fc", "token_embedding.weight"
    else:
        wrapped = f"{prefix}text_model.embeddings.token_embedding.weight" in shapes
        start = f"{prefix}text_model." if wrapped else prefix
        layer, inner_name, table = "encoder.layers.", "mlp.fc1", "embeddings.token_embedding.weight"
    tokens, width = shapes[f"{start}{table}"]
    inner = shapes[f"{start}{layer}0.{inner_name}.weight"][0]
    depth = len({n.removeprefix(start + layer).split(".")[0] for n in shapes if n.startswith(start + layer)})
    config = {
        "model_type": "clip_text_model",
        "vocab_size": tokens,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": min(depth, 23) if version == "2" else depth,
        "num_attention_heads": max(1, width // 64),
        # OpenAI's encoder alone has the quick form; every OpenCLIP one has the exact one.
        "hidden_act": "gelu" if open_clip or version == "2" else "quick_gelu",
        "max_position_embeddings": _WINDOW,
        "bos_token_id": tokens - 2,
        "eos_token_id": tokens - 1,
    }
    if second:
        config["projection_dim"] = shapes[f"{prefix}text_projection"][1]
    return config


def write_tokenizer(folder: Path, pad: str) -> None:
    """CLIP's tokenizer files from the byte-pair table that open_clip ships (Radford et al. 2021, section 2.3).

    2.x pads with "!", token 0; as in diffusers' own folders of 2.x, an exclamation mark in a prompt reads as 0 too.
    """
    table = resources.files("open_clip") / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(table.read_bytes()).decode("utf-8").split("\n")[1 : _MERGES + 1]
    letters = byte_letters()
    start, end = "<|startoftext|>", "<|endoftext|>"
    tokens = [*letters, *(c + "</w>" for c in letters), *("".join(m.split()) for m in lines), start, end]
    marks = {"bos_token": start, "eos_token": end, "unk_token": end, "pad_token": pad}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": _WINDOW, "do_lower_case": True, **marks}
    folder.mkdir()
    folder.joinpath("vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}), "utf-8")
    folder.joinpath("merges.txt").write_text("\n".join(["#version: 0.2", *lines]) + "\n", "utf-8")
    folder.joinpath("tokenizer_config.json").write_text(json.dumps(config), "utf-8")


def byte_letters() -> list[str]:
    """The 256 printable letters that byte-pair tables write bytes with (GPT-2), in CLIP's order."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + n) for n in range(len(others))]
