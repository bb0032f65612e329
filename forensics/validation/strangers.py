"""Small autoencoders and pictures that are none of the checkpoint, for the studies of origin."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from forensics.device import generator, noise
from forensics.diffusion.base import stack
from forensics.inversion.solvers import euler, last
from forensics.origin.reconstruction import Autoencoder
from forensics.pictures.tensors import to_picture

GUIDANCE = 3.0
STEPS = 20
SEED = 4_000


@dataclass(slots=True)
class Other:
    """Another autoencoder, in the shape of a checkpoint's."""

    name: str
    vae: Any
    stride: int
    scaling: float

    def encode(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> latents."""
        return self.vae.encode(image * 2 - 1).latent_dist.mode() * self.scaling

    def decode(self, state: Tensor) -> Tensor:
        """Latents -> (B, 3, H, W) in [0, 1]."""
        return (self.vae.decode(state / self.scaling).sample / 2 + 0.5).clamp(0, 1)


def decoder_trained_further(model: Any, works: Tensor, steps: int, seed: int, say: Any = print) -> Other:
    """The checkpoint's autoencoder, its decoder trained further with the encoder kept: a published practice."""
    import copy

    vae = copy.deepcopy(model.vae).requires_grad_(False)
    parameters = [p for part in (vae.decoder, vae.post_quant_conv) for p in part.requires_grad_(True).parameters()]
    _train(vae, parameters, works, Training("decoder trained further", steps, 1e-3, seed), say)
    return Other("the checkpoint's, decoder trained further", vae, model.stride, float(vae.config.scaling_factor))


def small_autoencoder(model: Any, works: Tensor, steps: int, seed: int, say: Any = print) -> Other:
    """A small autoencoder trained from nothing on the same works."""
    from diffusers import AutoencoderKL

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vae = AutoencoderKL(
            block_out_channels=(16, 32, 48),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            latent_channels=8,
            layers_per_block=1,
            norm_num_groups=8,
            mid_block_add_attention=False,
            scaling_factor=1.0,
        )
        torch.nn.init.constant_(vae.quant_conv.bias[8:], -8.0)  # nearly without noise, as `mode` is used later
    _train(vae, list(vae.parameters()), works, Training("small autoencoder", steps, 2e-3, seed), say)
    return Other("a small one trained from nothing", vae, model.stride, 1.0)


@dataclass(frozen=True, slots=True)
class Training:
    """How an autoencoder is trained."""

    name: str
    """Of what is trained; the draws hang on it and on the seed."""
    steps: int
    rate: float
    """Highest learning rate."""
    seed: int


def _train(vae: Any, parameters: list[Any], works: Tensor, how: Training, say: Any) -> None:
    batch, name, steps, rate, seed = 8, how.name, how.steps, how.rate, how.seed
    draws = generator(seed, "origin study", name)
    optimizer = torch.optim.Adam(parameters, lr=rate)
    vae.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 20, (steps - step) / (0.5 * steps))
        rows = torch.randint(len(works), (batch,), generator=draws).tolist()
        corners = (torch.randint(9, (batch, 2), generator=draws) * 8).tolist()  # crops of 64 pixels
        crops = torch.stack([works[i, :, y : y + 64, x : x + 64] for i, (y, x) in zip(rows, corners, strict=True)])
        crops = crops * 2 - 1
        error = vae.decode(vae.encode(crops).latent_dist.mode()).sample - crops
        loss = error.abs().mean() + error.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0 or step == steps - 1:
            say(f"{name}: step {step + 1} of {steps}, loss {loss.item():.4f}", flush=True)
    vae.eval().requires_grad_(False)


@torch.no_grad()
def latents(model: Any, captions: Sequence[str], seed: int) -> Tensor:
    """Twin A's end states for captions, one seed each, at its own size: what its `decode` takes."""
    shape = model.latent_shape(model.native_px, model.native_px)
    times = model.times(STEPS).flip(0)
    kept: list[Tensor] = []
    for start in range(0, len(captions), 10):
        part = captions[start : start + 10]
        draws = torch.stack([noise(shape, seed + start + i, "origin study") for i in range(len(part))])
        condition = stack([model.condition(text, GUIDANCE) for text in part])
        field = functools.partial(model.velocity, condition=condition)
        kept.append(last(euler(field, model.start(draws, STEPS), times)).state.cpu())
    return torch.cat(kept)


@torch.no_grad()
def pictures(state: Tensor, autoencoder: Autoencoder) -> list[Image.Image]:
    """The 8-bit pictures an autoencoder makes of latents; a stranger's latents are those of the picture it is shown."""
    return [to_picture(autoencoder.decode(one)) for one in state.split(1)]
