"""An identified autoencoder made ready to run: float32, every tensor from its files, nothing from the hub."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from forensics import inputs
from forensics.device import Device
from forensics.diffusion import configs
from forensics.diffusion import parts as components
from forensics.diffusion.autoencoder import AutoencoderFiles
from forensics.diffusion.headers import read_header
from forensics.diffusion.single_file_load import vae_config
from forensics.diffusion.weight_files import DIFFUSERS_STEM, network_weights
from forensics.errors import CheckpointError


class Autoencoder:
    """Pictures to latents and back, as `StableDiffusion` does it; latents stay unscaled, as nothing diffuses them."""

    def __init__(self, files: AutoencoderFiles, device: Device, vae: Any) -> None:
        self.name = files.name
        self.device = device
        self.stride = files.cell
        """Sides must be multiples of it, in pixels."""
        self.vae = vae.eval().requires_grad_(False).to(device.device, memory_format=torch.channels_last)

    @torch.no_grad()
    def encode(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> latents (B, C, h, w): the mode of the posterior, without randomness.

        Raises:
            ValueError: the sides are not multiples of `stride`.
        """
        if image.shape[-2] % self.stride or image.shape[-1] % self.stride:
            raise ValueError(f"sides must be multiples of {self.stride}, got {tuple(image.shape[-2:])}")
        latents: Tensor = self.vae.encode(image.to(self.device.device, torch.float32) * 2 - 1).latent_dist.mode()
        return latents

    @torch.no_grad()
    def decode(self, state: Tensor) -> Tensor:
        """Latents -> (B, 3, H, W) in [0, 1].

        Raises:
            FloatingPointError: the picture has values that are not finite, as broken weights give.
        """
        pixels: Tensor = self.vae.decode(state.to(self.device.device, torch.float32)).sample
        if not bool(pixels.isfinite().all()):
            raise FloatingPointError("the pictures it gives have values that are not finite numbers")
        return (pixels / 2 + 0.5).clamp(0, 1)


def load(files: AutoencoderFiles, device: Device) -> Autoencoder:
    """The autoencoder on the device, in float32 whatever the device's precision, like the checkpoint's own.

    Raises:
        CheckpointError: a file is gone or has changed size since it was hashed, or the weights do not fit.
    """
    from diffusers import AutoencoderKL

    folder = files.root if files.root.is_dir() else files.root.parent
    for file in files.files:
        path = folder / file.path
        if not path.is_file() or path.stat().st_size != file.size_bytes:
            raise CheckpointError(
                f"{file.path} of the autoencoder {files.name} has changed since it was identified.",
                hint="Keep it still during the run.",
            )
        inputs.unmoved(path)
    with components.quiet():
        if files.root.is_dir():
            weights = network_weights(files.root, DIFFUSERS_STEM, files.name)
            vae = components.network(AutoencoderKL, files.root, weights, f"autoencoder {files.name}", torch.float32)
        else:
            vae = _from_file(files)
    try:
        configs.finite(vae, f"the autoencoder {files.name}")
    except CheckpointError as exc:
        # One of several that are tried: it is left out with this reason, and the examination goes on.
        raise FloatingPointError(exc.message.removesuffix(".")) from exc
    return Autoencoder(files, device, vae)


def _from_file(files: AutoencoderFiles) -> Any:
    from diffusers import AutoencoderKL

    with safe_open(files.root, framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys() if name.startswith(files.prefix)}  # noqa: SIM118
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "vae" / "config.json"
        config.parent.mkdir()
        config.write_text(json.dumps(vae_config(read_header(files.root), files.prefix)), "utf-8")
        try:
            vae = AutoencoderKL.from_single_file(
                tensors, subfolder="vae", torch_dtype=torch.float32, config=folder, local_files_only=True
            )
        except (KeyError, ValueError, RuntimeError, OSError) as exc:
            raise CheckpointError(
                f"The tensors of the autoencoder {files.name} do not fit Stable Diffusion.",
                hint="Convert the file to a diffusers folder and give that, or fetch it again.",
            ) from exc
    components.complete(f"autoencoder {files.name}", [k for k, v in vae.named_parameters() if v.is_meta])
    return vae
