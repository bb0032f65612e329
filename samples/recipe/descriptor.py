"""The small copy descriptor, trained in the manner of SSCD (Pizzi et al. 2022) on training-role works alone.

Two views of every work of a batch, one as it is or lightly edited, one strongly edited and sometimes mixed with or
pasted into another work, are to be nearer to each other than to any other view (InfoNCE, Chen et al. 2020, SimCLR;
mixed views count for both of their works). The entropy term of SSCD (section 3.3; Kozachenko-Leonenko estimate,
Sablayrolles et al. 2019) pushes every view away from its nearest stranger, so that unrelated pictures spread over the
whole sphere and one threshold fits all. At the end the vectors of the training works are centred and whitened.

Planted works, controls and the fine-tune's works are never seen: the descriptor is as new to them as to a stranger's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from forensics.embedders.copies import CONFIG, WEIGHTS, Network, NetworkConfig
from samples.recipe import edits, training
from samples.recipe.clip import shrink
from samples.recipe.data import read_manifest
from samples.recipe.muon import Muon

SIDE = 96
SOURCE_SIDE = 160
NAME = "copydescriptor"


def network_config() -> NetworkConfig:
    """About 1.3 M parameters."""
    return NetworkConfig(NAME, "1", SIDE, 128, (64, 128, 256), (1, 1, 1), 4, 3.0)


def contrastive(first: Tensor, second: Tensor, content: Tensor, temperature: float) -> Tensor:
    """InfoNCE over all views of a batch, with soft targets where a view shows two works.

    Args:
        first: (n, d) unit vectors of the plain views.
        second: (n, d) unit vectors of the edited views.
        content: (n, n) what each edited view shows; rows sum to 1.
        temperature: of the softmax.
    """
    n = len(first)
    vectors = torch.cat([first, second])
    shown = torch.cat([torch.eye(n, device=first.device), content])
    shared = shown @ shown.T
    same_side = torch.block_diag(torch.ones(n, n, device=first.device), torch.ones(n, n, device=first.device)).bool()
    logits = vectors @ vectors.T / temperature
    # a view is neither a positive nor a negative of another of its own side that shows the same work
    logits = logits.masked_fill(same_side & (shared > 0), float("-inf"))
    target = shared.masked_fill(same_side, 0)
    target = target / target.sum(dim=1, keepdim=True)
    chosen = torch.where(target > 0, logits.log_softmax(dim=1), torch.zeros(()))
    return -(target * chosen).sum(dim=1).mean()


def entropy(first: Tensor, second: Tensor, content: Tensor) -> Tensor:
    """Minus the log distance of every view to its nearest view that shows nothing of the same work."""
    vectors = torch.cat([first, second])
    shown = torch.cat([torch.eye(len(first), device=first.device), content])
    similarity = (vectors @ vectors.T).masked_fill(shown @ shown.T > 0, -2.0)
    nearest = similarity.max(dim=1).values
    return -(2 - 2 * nearest).clamp(min=1e-6).sqrt().log().mean()


@torch.no_grad()
def whiten(network: Network, pixels: Tensor, device: torch.device) -> None:
    """Fit the last layer: the training works' vectors centred and of equal variance along their principal axes."""
    network.eval()
    parts = [network.features(part.to(device) * 2 - 1).cpu() for part in pixels.split(64)]
    vectors = functional.normalize(torch.cat(parts), dim=1).double()
    mean = vectors.mean(dim=0)
    values, axes = torch.linalg.eigh(torch.cov(vectors.T))
    # directions with next to no variance hold noise: they are not blown up beyond a tenth of the mean
    matrix = (axes / values.clamp(min=0.1 * float(values.mean())).sqrt()).T
    network.whiten.weight.copy_(matrix.float())
    network.whiten.bias.copy_((-matrix @ mean).float())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `descriptor`."""
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--samples", type=Path, default=Path("samples/reference"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--minutes", type=float, help="plan the steps so that training takes about this long")
    parser.add_argument("--batch", type=int, default=96, help="works a step; two views of each")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--temperature", type=float, default=0.05)
    parser.add_argument("--entropy", type=float, default=5.0, help="weight of the entropy term")
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int, default=2)


def run(args: argparse.Namespace) -> None:
    """Train, resuming from the last checkpoint; save the folder that `forensics.embedders.copies` loads."""
    torch.set_num_threads(args.threads)
    device = training.pick_device(args.device)
    folder: Path = args.work / NAME
    folder.mkdir(parents=True, exist_ok=True)
    works = [w for w in read_manifest(args.samples) if w.role == "training"]
    cache = torch.from_numpy(shrink(np.load(args.work / "training-256.npy", mmap_mode="r"), SOURCE_SIDE))
    if len(cache) != len(works):
        raise SystemExit(f"{len(cache)} renderings in the cache, {len(works)} training works in the manifest")
    config = network_config()
    with training.seeded(args.seed):
        network = Network(config)
    network = network.to(device).to(memory_format=training.CHANNELS_LAST)
    size = sum(p.numel() for p in network.parameters()) / 1e6
    print(f"descriptor: {size:.2f} M parameters, {len(works)} works", flush=True)
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = Muon(network, lr=args.lr)
    start, spent = 0, 0.0
    if state := training.load(folder / "last.pt"):
        network.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start, spent = state["step"], state["seconds"]
    words = edits.letters(256, SIDE, args.seed)
    began, done = time.monotonic(), start
    progress = training.Progress("descriptor", args.steps, folder / "log.jsonl", start)
    order = training.batches(len(works), args.batch, args.seed + start)

    def checkpoint() -> None:
        seconds = spent + time.monotonic() - began
        kept = {"model": network.state_dict(), "optimizer": optimizer.state_dict(), "step": done, "seconds": seconds}
        training.save(kept, folder / "last.pt")

    network.train()
    for step in range(start, args.steps):
        elapsed = spent + time.monotonic() - began
        fraction = max(step / args.steps, elapsed / (60 * args.minutes)) if args.minutes else step / args.steps
        if fraction >= 1:
            break
        training.set_lr(optimizer, args.lr * training.cosine(fraction) * training.warmup(step, 50))
        source = torch.Generator().manual_seed(args.seed * 1_000_003 + step)
        pixels = cache[next(order)].permute(0, 3, 1, 2).float() / 255
        hard = round(0.4 * len(pixels))
        alone = edits.strong(pixels[:hard], SIDE, words, source, mixed=False).pixels
        plain = torch.cat([alone, edits.light(pixels[hard:], SIDE, source)])
        edited = edits.strong(pixels, SIDE, words, source, mixed=True)
        batch = (torch.cat([plain, edited.pixels]) * 2 - 1).to(device, memory_format=training.CHANNELS_LAST)
        with training.autocast(device):
            features = network.features(batch)
        first, second = functional.normalize(features.float(), dim=1).chunk(2)
        content = edited.content.to(device)
        match = contrastive(first, second, content, args.temperature)
        spread = entropy(first, second, content)
        (match + args.entropy * spread).backward()
        torch.nn.utils.clip_grad_norm_(trained, 5.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        done = step + 1
        with torch.no_grad():
            right = ((first @ second.T).argmax(dim=1).cpu() == torch.arange(len(first))).float().mean()
        progress.step(step, match=float(match.detach()), entropy=float(spread.detach()), found=float(right))
        if done % 50 == 0:
            checkpoint()
    checkpoint()
    plain = cache.permute(0, 3, 1, 2).float() / 255
    whiten(network, functional.interpolate(plain, (SIDE, SIDE), mode="bilinear", antialias=True), device)
    save(network.eval().cpu(), config, args, done, spent + time.monotonic() - began)


def save(network: Network, config: NetworkConfig, args: argparse.Namespace, steps: int, seconds: float) -> None:
    """Weights as float16, configuration, and the manifest of the run."""
    folder = args.work / NAME / "packed"
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.half().contiguous() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    save_file(state, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(asdict(config), indent=1) + "\n", encoding="utf-8")
    works = [w.id for w in read_manifest(args.samples) if w.role == "training"]
    facts: dict[str, Any] = {
        "steps": steps,
        "views": 2 * steps * args.batch,
        "seconds": round(seconds),
        "parameters": training.settings(vars(args)),
        "digests": {
            "manifest": training.digest(args.samples / "manifest.jsonl"),
            "works": hashlib.sha256(json.dumps(works).encode()).hexdigest(),
        },
        "environment": {"torch": torch.__version__, "device": str(args.device or training.pick_device())},
    }
    (args.work / NAME / "run.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(f"descriptor: {steps} steps, {seconds / 60:.1f} min; saved {folder}", flush=True)
