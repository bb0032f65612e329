"""The adapter's promises: shapes, clocks, guidance, counting, precision."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from forensics import diffusion
from forensics.device import choose, noise
from forensics.diffusion.base import stack
from forensics.diffusion.sd import StableDiffusion
from forensics.errors import CheckpointError

KINDS = ["epsilon", "v", "v-zero-snr", "epsilon-to-one"]


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, models: dict[str, StableDiffusion]) -> StableDiffusion:
    return models[request.param]


def test_shapes_and_stride(model: StableDiffusion) -> None:
    image = torch.rand(2, 3, 32, 48)
    state = model.encode(image)
    assert state.shape[1:] == model.latent_shape(32, 48) == (4, 8, 12)
    assert state.dtype == torch.float32
    assert torch.equal(state, model.encode(image))  # the mode, not a draw
    back = model.decode(state)
    assert back.shape == image.shape
    assert 0 <= back.min() <= back.max() <= 1
    assert (model.stride, model.native_px, model.vocabulary) == (8, 32, 55)
    with pytest.raises(ValueError, match="multiples of 8"):
        model.encode(torch.rand(1, 3, 30, 32))


@pytest.mark.parametrize("steps", [1, 7, 30, 50])
def test_times_rise_from_data_to_noise(model: StableDiffusion, steps: int) -> None:
    times = model.times(steps)
    assert times.shape == (steps + 1,)
    assert times.dtype == torch.float64
    assert bool((times[1:] > times[:-1]).all())
    assert bool(torch.isfinite(times).all())
    assert times[0] == model.times(3)[0]
    with pytest.raises(ValueError, match="steps"):
        model.times(0)


def test_unit_start_and_encode_are_consistent(model: StableDiffusion) -> None:
    draw = noise((4, 8, 8), 1)[None]
    times = model.times(10)
    assert torch.allclose(model.unit(model.start(draw, 10), times[-1]), draw, atol=1e-6)
    c, s = model.schedule.mix(times)
    assert torch.allclose(c**2 + s**2, torch.ones_like(c), atol=1e-12)


def test_clock_is_exact_on_trained_timesteps(model: StableDiffusion) -> None:
    grid = model.schedule.grid
    assert torch.equal(model.schedule.timestep(grid), torch.arange(len(grid), dtype=torch.float32))


def test_zero_signal_ends_in_pure_noise(models: dict[str, StableDiffusion]) -> None:
    model = models["v-zero-snr"]
    assert float(model.times(10)[-1]) == 1.0
    velocity = model.velocity(model.start(noise((4, 8, 8), 1)[None], 10), model.times(10)[-1], model.condition("", 1.0))
    assert bool(torch.isfinite(velocity).all())


def test_linear_path(model: StableDiffusion) -> None:
    """x̂0 = state − time · velocity, which callers of the protocol may use."""
    time = model.times(10)[5]
    c, s = (float(v) for v in model.schedule.mix(time))
    state = model.start(noise((4, 8, 8), 1)[None], 10)
    x = model.unit(state, time)
    condition = model.condition("", 1.0)
    clock = model.schedule.timestep(time).expand(1)
    output = model.unet(x, clock, encoder_hidden_states=condition.positive).sample
    x0 = (x - s * output) / c if model.schedule.prediction == "epsilon" else c * x - s * output
    found = state - float(time) * model.velocity(state, time, condition)
    # float32: the differences are of numbers as large as the state
    assert torch.allclose(found, x0, atol=1e-5 * float(state.abs().max()))


def test_guidance_is_the_known_combination_and_is_counted(model: StableDiffusion) -> None:
    state, time = model.start(noise((4, 8, 8), 2)[None].repeat(3, 1, 1, 1), 10), model.times(10)[4]
    before = model.evaluations
    with_ = model.velocity(state, time, model.condition("a cat", 1.0))
    assert model.evaluations - before == 3
    without = model.velocity(state, time, model.condition("", 1.0))
    before = model.evaluations
    guided = model.velocity(state, time, model.condition("a cat", 5.0))
    assert model.evaluations - before == 6
    assert torch.allclose(guided, without + 5 * (with_ - without), atol=1e-4)


def test_one_time_a_row(model: StableDiffusion) -> None:
    states = torch.stack([noise((4, 8, 8), n) for n in range(3)])
    times, condition = model.times(10)[[2, 5, 9]], model.condition("cat", 3.0)
    together = model.velocity(states, times, condition)
    alone = torch.cat([model.velocity(states[i : i + 1], times[i], condition) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_stacked_conditions_are_rows(model: StableDiffusion) -> None:
    states, time = torch.stack([noise((4, 8, 8), n) for n in range(2)]), model.times(10)[5]
    conditions = [model.condition(p, 3.0) for p in ("cat", "a dog")]
    together = model.velocity(states, time, stack(conditions))
    alone = torch.cat([model.velocity(states[i : i + 1], time, c) for i, c in enumerate(conditions)])
    assert torch.allclose(together, alone, atol=1e-5)
    with pytest.raises(ValueError, match="guidance"):
        stack([model.condition("cat", 1.0), model.condition("cat", 2.0)])


def test_tokens_are_counted_and_cuts_are_said(models: dict[str, StableDiffusion]) -> None:
    model = models["epsilon"]
    assert (model.condition("", 1.0).tokens, model.condition("cat", 1.0).tokens) == (0, 3)
    long = model.condition("abcdefghijklmnopqrst", 1.0)
    assert (long.tokens, long.dropped) == (14, 6)
    with pytest.raises(ValueError, match="at least 1"):
        model.condition("cat", 0.5)


def test_bfloat16_keeps_state_and_autoencoder_in_float32(folders: dict[str, Path]) -> None:
    model = diffusion.load(diffusion.identify(str(folders["v"])), choose("cpu", "bf16"))
    assert model.encode(torch.rand(1, 3, 32, 32)).dtype == torch.float32
    velocity = model.velocity(noise((4, 8, 8), 1)[None], model.times(5)[3], model.condition("cat", 3.0))
    assert velocity.dtype == torch.float32
    assert next(iter(model.unet.parameters())).dtype == torch.bfloat16  # type: ignore[attr-defined]


def test_a_file_changed_after_identification_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    root = Path(shutil.copytree(folders["v"], tmp_path / "changed"))
    found = diffusion.identify(str(root))
    (root / "scheduler" / "scheduler_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="has changed"):
        diffusion.load(found, choose("cpu"))


def test_missing_tensors_are_never_left_at_random(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for part, stem in (
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ):
        root = Path(shutil.copytree(folders["v"], tmp_path / part))
        path = root / part / f"{stem}.safetensors"
        tensors = load_file(path)
        tensors.pop(sorted(tensors)[0])
        save_file(tensors, path)
        with pytest.raises(CheckpointError, match=f"{part}.* (lacks|do not fit)"):
            diffusion.load(diffusion.identify(str(root)), choose("cpu"))


def test_half_precision_variant_and_shards_load(
    folders: dict[str, Path], models: dict[str, StableDiffusion], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(folders["v"], tmp_path / "variant"))
    for part, stem in (("vae", "diffusion_pytorch_model"), ("text_encoder", "model")):
        (root / part / f"{stem}.safetensors").rename(root / part / f"{stem}.fp16.safetensors")
    (root / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    models["v"].unet.save_pretrained(root / "unet", max_shard_size="100KB")
    found = diffusion.identify(str(root))
    assert len([f for f in found.files if f.path.startswith("unet/diffusion")]) > 1
    model = diffusion.load(found, choose("cpu"))
    state, time = noise((4, 8, 8), 1)[None], model.times(5)[3]
    expected = models["v"].velocity(state, time, models["v"].condition("cat", 2.0))
    assert torch.equal(model.velocity(state, time, model.condition("cat", 2.0)), expected)
