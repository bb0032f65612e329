"""Identify one `.safetensors` file of the Stable Diffusion 1.x / 2.x publishers' layout from its header."""

from __future__ import annotations

import re
from pathlib import Path

from forensics.case import Checkpoint, Fact
from forensics.diffusion.families import tensor_family, unsupported
from forensics.diffusion.headers import Header, combined_digest, file_digest, read_header
from forensics.errors import CheckpointError

UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT_1 = "cond_stage_model.transformer."
"""Text encoder of 1.x, in transformers' names."""
TEXT_2 = "cond_stage_model.model."
"""Text encoder of 2.x, in OpenCLIP's names."""
SCALING = 0.18215
"""Latent scaling of both generations; the file does not carry it."""
CONTEXT = UNET + "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
_SIDECAR = re.compile(r"""parameterization\s*:\s*["']?(v|eps)\b""")


def identify(path: Path, location: str, demonstration: bool) -> Checkpoint:
    """See `forensics.diffusion.identify`."""
    header = read_header(path)
    version = generation(header, path.name)
    prediction, source = _prediction(path, header, version)
    native, size_source = _native(header, version, prediction)
    # A YAML that decides what the weights mean belongs to the checkpoint.
    sidecar = path.with_suffix(".yaml")
    files = tuple(file_digest(p, p.name) for p in (path, sidecar) if p.is_file())
    facts = (
        Fact(
            "generation",
            f"Stable Diffusion {version}.x, from the tensor names and a context width of {header.shapes[CONTEXT][1]}",
        ),
        Fact("prediction", source),
        Fact("native size", size_source),
        Fact("latent scaling factor", f"{SCALING}, by convention: the file does not state it"),
        Fact("noise schedule", "scaled_linear, beta 0.00085 to 0.012, 1000 training steps, by convention"),
        Fact("tokenizer", "CLIP byte pairs (49408 tokens), as shipped with open_clip: the file carries none"),
        *(
            Fact(f"file metadata: {k}", v)
            for k, v in sorted(header.metadata.items())
            if len(v) <= 200 and v.isprintable()
        ),
    )
    return Checkpoint(
        name=path.stem,
        location=location,
        family="sd",
        layout="single file",
        prediction=prediction,
        native_px=native,
        parameters=header.parameters(UNET),
        digest=combined_digest(files),
        files=files,
        facts=facts,
        demonstration=demonstration,
    )


def generation(header: Header, name: str) -> int:
    """1 or 2: which Stable Diffusion generation the tensors belong to.

    Raises:
        CheckpointError: another family, a variant with extra input channels, or parts missing.
    """
    names = header.shapes
    first = names.get(UNET + "input_blocks.0.0.weight")
    if first is None or CONTEXT not in names:
        raise unsupported(name, tensor_family(names))
    text = {1: any(n.startswith(TEXT_1) for n in names), 2: any(n.startswith(TEXT_2) for n in names)}
    if not any(text.values()):
        # XL's UNet has the same names; its two text encoders tell it apart. A bare UNet lands here too.
        raise unsupported(name, tensor_family(names) or "a file without its text encoder")
    if not any(n.startswith(VAE) for n in names):
        raise CheckpointError(
            f"{name} holds no autoencoder.", hint="Give the complete checkpoint, with the tensors first_stage_model.*"
        )
    if first[1] != 4:
        raise unsupported(name, f"an inpainting, depth or upscaling variant ({first[1]} input channels)")
    return 1 if text[1] else 2


def _prediction(path: Path, header: Header, version: int) -> tuple[str, str]:
    """Prediction and where it comes from: the file's own metadata, a YAML beside it, or the generation's convention."""
    stated = header.metadata.get("modelspec.prediction_type", header.metadata.get("modelspec.predict_key", ""))
    if stated in ("v", "epsilon"):
        kind = "v_prediction" if stated == "v" else "epsilon"
        return kind, f"{kind} (the file's own metadata)"
    sidecar = path.with_suffix(".yaml")
    if sidecar.is_file() and (match := _SIDECAR.search(sidecar.read_text("utf-8", errors="replace"))):
        kind = "v_prediction" if match[1] == "v" else "epsilon"
        return kind, f"{kind} ({sidecar.name} beside the file)"
    if version == 1:
        return "epsilon", "epsilon (convention of 1.x; the file does not state it)"
    return "v_prediction", (
        f"v_prediction, ASSUMED: the 768-pixel releases of 2.x predict v, the 512-pixel base releases epsilon, and the "
        f"weights do not tell. To override, put {sidecar.name} with the line `parameterization: eps` beside the file"
    )


def _native(header: Header, version: int, prediction: str) -> tuple[int, str]:
    stated = re.match(r"(\d+)x(\d+)\Z", header.metadata.get("modelspec.resolution", ""))
    if stated:
        return int(stated[1]), f"{stated[1]} pixels (the file's own metadata)"
    native = 768 if version == 2 and prediction == "v_prediction" else 512
    return native, f"{native} pixels (convention of this generation; the file does not state it)"
