"""Stable Diffusion 1.x / 2.x shaped checkpoints: UNet2DConditionModel + AutoencoderKL + CLIPTextModel.

Rombach et al. 2022. Any latent size and channel count; epsilon and v prediction. diffusers and transformers supply the
networks; the sampler is ours (`schedule`), so that inversion and generation are one ODE.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from forensics.case import Checkpoint
from forensics.device import Device, batch_size
from forensics.diffusion.base import GRADIENT_COST, Condition
from forensics.diffusion.parts import Parts
from forensics.diffusion.read_parts import load_parts
from forensics.diffusion.schedule import column
from forensics.diffusion.words import ClipWords

_CPU_BUDGET_MIB = 1024.0
_CEILING = {"cpu": 16, "cuda": 64}


class StableDiffusion:
    """`DiffusionModel` for this family. Networks run in the device's precision, states stay in float32."""

    def __init__(self, checkpoint: Checkpoint, device: Device, parts: Parts) -> None:
        self.checkpoint = checkpoint
        self.device = device
        self.schedule = parts.schedule
        # Channels last: on a CPU a backward pass takes a quarter less time so, and a forward pass of many rows a tenth.
        self.unet = parts.unet.eval().requires_grad_(False).to(device.device, memory_format=torch.channels_last)
        self.vae = parts.vae.eval().requires_grad_(False).to(device.device, memory_format=torch.channels_last)
        self.text_encoder = parts.text_encoder.eval().requires_grad_(False).to(device.device)
        self.tokenizer = parts.tokenizer
        self.cell = 2 ** (len(self.vae.config.block_out_channels) - 1)
        """Pixels per latent cell."""
        self.stride = self.cell * 2 ** (len(self.unet.config.block_out_channels) - 1)
        self.native_px = checkpoint.native_px
        self.vocabulary = int(self.text_encoder.config.vocab_size)
        self.window = min(int(self.tokenizer.model_max_length), int(self.text_encoder.config.max_position_embeddings))
        """Tokens the text encoder takes, with start and end marks."""
        self.words = ClipWords(self.text_encoder, self.tokenizer, self.window)
        """The text encoder, opened to a search for prompts."""
        signal, noise = self.schedule.mix(self.schedule.grid[[0, -1]])
        low, high = (noise / signal).tolist()
        self.noise_range = (low, high)
        self.evaluations = 0
        self._shift = float(getattr(self.vae.config, "shift_factor", None) or 0.0)
        self._scaling = float(self.vae.config.scaling_factor)

    def capacity(self, height: int, width: int) -> int:
        """Pictures that go through at once, from the largest activations of decoder and UNet (with guidance)."""
        full, next_ = (*self.vae.config.block_out_channels, self.vae.config.block_out_channels[-1])[:2]
        decoder = (2 * full + 2 * next_) * height * width * 4
        cells = height * width // self.cell**2
        unet = self.unet.config.block_out_channels[0] * cells * self.device.dtype.itemsize * 60 * 2
        mib = max(decoder, unet) / 2**20
        if self.device.is_cuda:
            return batch_size(self.device, mib, _CEILING["cuda"])
        # A fixed budget on the CPU: splitting by the memory that happens to be free would change the last bits of a
        # result from run to run.
        return max(1, min(_CEILING["cpu"], int(_CPU_BUDGET_MIB / mib)))

    def gradient_capacity(self, height: int, width: int) -> int:
        """See `DiffusionModel`. A backward pass keeps the activations of all layers, and in float32."""
        return max(1, self.capacity(height, width) // (4 if self.device.is_cuda else 2))

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """See `DiffusionModel`."""
        return int(self.vae.config.latent_channels), height // self.cell, width // self.cell

    def encode(self, image: Tensor) -> Tensor:
        """See `DiffusionModel`. Raises ValueError where the sides are not multiples of `stride`."""
        if image.shape[-2] % self.stride or image.shape[-1] % self.stride:
            raise ValueError(f"sides must be multiples of {self.stride}, got {tuple(image.shape[-2:])}")
        pixels = image.to(self.device.device, torch.float32) * 2 - 1  # the autoencoder expects [-1, 1]
        z = (self.vae.encode(pixels).latent_dist.mode() - self._shift) * self._scaling  # (B, C, h, w)
        return z * column(self.schedule.scale(self._first()), z)

    def decode(self, state: Tensor) -> Tensor:
        """See `DiffusionModel`."""
        z = self.unit(state.to(self.device.device, torch.float32), self._first())
        pixels = self.vae.decode(z / self._scaling + self._shift).sample  # (B, 3, H, W)
        return (pixels / 2 + 0.5).clamp(0, 1)

    def condition(self, prompt: str, guidance: float) -> Condition:
        """See `DiffusionModel`. Raises ValueError for guidance below 1."""
        if guidance < 1:
            raise ValueError(f"guidance must be at least 1, got {guidance}")
        asked = len(self.tokenizer(prompt, add_special_tokens=False).input_ids) if prompt else 0
        tokens = min(asked, self.window - 2)
        positive = self.words.hidden(prompt)
        negative = self.words.hidden("") if guidance > 1 else None
        return Condition(prompt, guidance, tokens, positive, negative, asked - tokens)

    @contextlib.contextmanager
    def full_precision(self) -> Iterator[None]:
        """See `DiffusionModel`. Weights of half precision go to float32 and back without a change."""
        before = self.device
        if before.dtype == torch.float32:
            yield
            return
        self.device = replace(before, dtype=torch.float32)
        self.unet.float()
        self.text_encoder.float()
        try:
            yield
        finally:
            self.device = before
            self.unet.to(before.dtype)
            self.text_encoder.to(before.dtype)

    def times(self, steps: int) -> Tensor:
        """See `DiffusionModel`."""
        return self.schedule.times(steps)

    def velocity(self, state: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """See `DiffusionModel`. Guidance is one forward pass over [negative, positive] (Ho & Salimans 2022, eq. 6)."""
        x = self.unit(state.to(self.device.device, torch.float32), time)  # (B, C, h, w)
        rows = len(x)
        clock = self.schedule.timestep(time).to(self.device.device).expand(rows)  # (B,)
        positive = condition.positive.to(self.device.device).expand(rows, -1, -1)  # (B, L, D)
        if condition.negative is None:
            output = self._predict(x, clock, positive)
        else:
            negative = condition.negative.to(self.device.device).expand(rows, -1, -1)
            both = self._predict(x.repeat(2, 1, 1, 1), clock.repeat(2), torch.cat([negative, positive]))
            without, with_ = both.chunk(2)
            output = without + condition.guidance * (with_ - without)
        return self.schedule.velocity(x, output, time)

    def start(self, noise: Tensor, steps: int) -> Tensor:
        """See `DiffusionModel`."""
        x = noise.to(self.device.device, torch.float32)
        return x * column(self.schedule.scale(self.times(steps)[-1]), x)

    def unit(self, state: Tensor, time: Tensor) -> Tensor:
        """See `DiffusionModel`."""
        return state / column(self.schedule.scale(time), state)

    def at_noise_level(self, sigma: Tensor) -> Tensor:
        """See `DiffusionModel`."""
        return self.schedule.at_noise_level(sigma)

    def diffuse(self, data: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """See `DiffusionModel`."""
        x, eps = (t.to(self.device.device, torch.float32) for t in (data, noise))
        signal, level = (column(m, x) for m in self.schedule.mix(time))
        return (signal * x + level * eps) * column(self.schedule.scale(time), x)

    def _first(self) -> Tensor:
        return torch.tensor(self.schedule.first, dtype=torch.float64)

    def _predict(self, x: Tensor, clock: Tensor, context: Tensor) -> Tensor:
        # A backward pass is about two forward passes of arithmetic, and is charged as such.
        backward = torch.is_grad_enabled() and (x.requires_grad or context.requires_grad)
        self.evaluations += GRADIENT_COST * len(x) if backward else len(x)
        dtype = self.device.dtype
        output: Tensor = self.unet(x.to(dtype), clock, encoder_hidden_states=context.to(dtype)).sample
        return output.float()


def load(checkpoint: Checkpoint, device: Device) -> StableDiffusion:
    """The checkpoint on the device.

    Raises:
        CheckpointError: a file is gone or has changed size since it was hashed, or weights do not fit the networks.
    """
    return StableDiffusion(checkpoint, device, load_parts(checkpoint, device.dtype))
