"""Every stage beside what a user would run instead, in one process and turn about: `make bench`.

    python -m tests.benchmarks.bench --out FILE [--only PART ...] [--threads 1]
    python -m tests.benchmarks.bench --print      # the table of docs/figures.md, from the file

On the embedded demonstration checkpoint and the CPU. Parts: loading, regeneration beside diffusers' own pipeline,
inversion beside its inverse scheduler at equal error of the round trip, codelength beside the sequential sum, encoding
beside a loop over pictures, LPIPS and SSIM beside their packages, an overlay beside OpenCV's SIFT, exact search beside
FAISS. Five pairs each; where others use the machine too, the ratio in seconds of the processor is the fair one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from forensics.resources import samples
from tests.benchmarks.timing import host_peak_mib, matrix_peak, operations, spread, turn_about

CPU = torch.device("cpu")
STEPS, SEEDS, GUIDANCE = 20, 4, 3.0
PICTURES = 8
MOST_STEPS = 640
"""Of the inverse scheduler; where its round trip is not as close with so many, that is said."""
CHAINED, DRAWS = 4, 12
"""Pictures, and draws of each, for the precision of the codelength."""


@cache
def checkpoint() -> Path:
    return samples() / "reference" / "twin-a"


@cache
def model() -> Any:
    """The demonstration checkpoint behind the project's interface."""
    from forensics import diffusion
    from forensics.device import choose

    return diffusion.load(diffusion.identify(str(checkpoint())), choose("cpu"))


@cache
def pipeline() -> Any:
    """The same checkpoint in diffusers' own pipeline, in float32."""
    from diffusers import StableDiffusionPipeline

    made = StableDiffusionPipeline.from_pretrained(str(checkpoint()), torch_dtype=torch.float32)
    made.set_progress_bar_config(disable=True)
    return made


@cache
def pictures() -> Tensor:
    """(PICTURES, 3, 128, 128) works of the demonstration."""
    from forensics.pictures.intake import read
    from forensics.pictures.tensors import fit, to_tensor

    files = sorted((samples() / "reference" / "works").iterdir())[:PICTURES]
    tensors = [to_tensor(read(path).picture) for path in files]
    return torch.cat([fit(t, model().native_px, model().stride)[0] for t in tensors])


def loading() -> dict[str, Any]:
    """Start of the program, import of the libraries, and the checkpoint from the disk."""
    from diffusers import StableDiffusionPipeline

    from forensics import diffusion
    from forensics.device import choose

    def started(*command: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began

    identified = diffusion.identify(str(checkpoint()))
    found = turn_about(
        lambda: diffusion.load(identified, choose("cpu")),
        lambda: StableDiffusionPipeline.from_pretrained(str(checkpoint()), torch_dtype=torch.float32),
        CPU,
    )
    found["beside"] = "StableDiffusionPipeline.from_pretrained"
    found["--help s"] = spread([started("-m", "forensics", "--help") for _ in range(3)])
    found["import of the examination s"] = spread([started("-c", "import forensics.examination") for _ in range(3)])
    return found


@torch.no_grad()
def regeneration() -> dict[str, Any]:
    """As many seeds of one prompt, at equal steps, batch and guidance."""
    from diffusers import DDIMScheduler

    from forensics.device import noise
    from forensics.inversion.regeneration import generate

    ours, theirs = model(), pipeline()
    theirs.scheduler = DDIMScheduler.from_config(theirs.scheduler.config)
    shape, side = ours.latent_shape(ours.native_px, ours.native_px), ours.native_px
    draws = torch.stack([noise(shape, seed, "bench") for seed in range(SEEDS)])
    prompt = "flag, sign"

    def mine() -> Tensor:
        return generate(draws, ours, ours.condition(prompt, GUIDANCE), STEPS)

    def other() -> Tensor:
        made: Tensor = theirs(
            prompt,
            num_images_per_prompt=SEEDS,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            latents=draws.clone(),
            output_type="pt",
            height=side,
            width=side,
        ).images
        return made

    found = turn_about(mine, other, CPU)
    apart = float((mine() - other()).abs().max())
    evaluations = 2 * SEEDS * STEPS
    work = operations(lambda: ours.velocity(draws, ours.times(1)[-1], ours.condition("", 1.0))) / SEEDS
    peak = matrix_peak(CPU, torch.float32, 1024)
    pace = evaluations / found["ours s"]["median"]
    return found | {
        "beside": "StableDiffusionPipeline with DDIM",
        "greatest difference of a pixel": apart,
        "evaluations/s": pace,
        "pictures/s": SEEDS / found["ours s"]["median"],
        "share of the matrix product's pace": pace * work / peak,
    }


@torch.no_grad()
def inversion() -> dict[str, Any]:
    """To noise and back, as the protocol has it (two corrections a step) and with one: each beside as few of the
    scheduler's steps as give a round trip no worse, of the worst of four pictures."""
    from diffusers import DDIMInverseScheduler, DDIMScheduler

    from forensics.inversion.base import Plan, Progress
    from forensics.inversion.ode import _invert, inversion_evaluations

    ours, theirs = model(), pipeline()
    images = pictures()[:4]
    config = theirs.scheduler.config
    forward, backward = DDIMInverseScheduler.from_config(config), DDIMScheduler.from_config(config)
    context = ours.condition("", 1.0).positive.expand(len(images), -1, -1)
    start = ours.unit(ours.encode(images), ours.times(1)[0])

    def mine(corrections: int) -> Any:
        plan = Plan("", "none", 1.0, STEPS, (), corrections)
        return _invert(images, ours, plan, Progress(lambda _: None, 1, "", 1))

    def other(steps: int) -> Tensor:
        state = start
        for scheduler in (forward, backward):
            scheduler.set_timesteps(steps)
            for t in scheduler.timesteps:
                output = theirs.unet(state, t, encoder_hidden_states=context).sample
                state = scheduler.step(output, t, state).prev_sample
        return state

    def away(state: Tensor, origin: Tensor) -> list[float]:
        return ((state - origin).flatten(1).norm(dim=1) / origin.flatten(1).norm(dim=1)).tolist()

    tried: dict[int, list[float]] = {}

    def enough(error: float) -> int:
        """The fewest steps tried, a quarter more each time, whose worst round trip is as close."""
        steps = STEPS
        while True:
            if steps not in tried:
                tried[steps] = away(other(steps), start)
            if max(tried[steps]) <= error or steps >= MOST_STEPS:
                return steps
            steps = -(-steps * 5 // 4)

    found = {}
    for corrections in (2, 1):
        run = mine(corrections)
        errors = away(run.replayed, run.start)
        steps = enough(max(errors))
        paired = turn_about(partial(mine, corrections), partial(other, steps), CPU, within_s=120)
        found[corrections] = paired | {
            "beside": f"DDIMInverseScheduler and DDIMScheduler, {steps} steps each way",
            "errors of the round trip": errors,
            "evaluations a picture": inversion_evaluations(Plan("", "none", 1.0, STEPS, (), corrections)) + STEPS,
            "their errors": tried[steps],
            "their error is as small": max(tried[steps]) <= max(errors),
        }
    return found[2] | {"with one correction": found[1], "their errors by steps": tried}


def codelength() -> dict[str, Any]:
    """One picture, the levels and draws of the profile `standard`, down to its cut."""
    from forensics.inversion.codelength import Grid, codelengths
    from forensics.protocol import PROFILES
    from tests.benchmarks.baselines import sequential_codelength

    ours, standard = model(), PROFILES["standard"]
    grid = Grid(standard.codelength_levels, standard.codelength_cut, standard.codelength_draws)
    target, condition = pictures()[:1], ours.condition("", 1.0)
    mine = codelengths([target], [condition], ours, grid)[0]
    other = sequential_codelength(target, condition, ours, grid)
    found = turn_about(
        lambda: codelengths([target], [condition], ours, grid),
        lambda: sequential_codelength(target, condition, ours, grid),
        CPU,
    )
    chains = _chains(condition, grid)
    return found | {
        "beside": "the code sent level by level, one row at a time (DiffC's sum)",
        "bits": mine.totals.tolist(),
        "their bits": list(other.totals),
        "evaluations/s": mine.evaluations / found["ours s"]["median"],
        "at equal precision": chains
        | {
            "theirs over ours, processor time": {
                name: chains["variance of theirs over that of ours"][name]
                * found["theirs over ours, processor time"]["median"]
                for name in ("low", "value", "high")
            }
        },
    }


def _chains(condition: Any, grid: Any) -> dict[str, Any]:
    """Both totals over many draws: how far one draw of each lies from the mean, and whether the means are the same.

    Chains of the code carry their noise from level to level, ours draws it anew, so that errors of the levels average
    out. Of two unbiased estimates the time to a stated standard error goes with time per draw × variance of a draw.
    The ratio of the variances pooled over the pictures has an F distribution; its 95 % interval is of that.
    """
    from scipy.stats import f, t

    from forensics.inversion.codelength import Grid, codelengths
    from tests.benchmarks.baselines import sequential_codelength

    many = Grid(grid.levels, grid.cut, DRAWS)
    rows = []
    for picture in pictures()[:CHAINED].split(1):
        one = codelengths([picture], [condition], model(), many)[0].totals
        other = torch.tensor(sequential_codelength(picture, condition, model(), many).totals, dtype=torch.float64)
        rows.append((one, other))
    ours, theirs = (torch.stack(column) for column in zip(*rows, strict=True))  # (pictures, draws)
    ratio = float(theirs.var(1).mean() / ours.var(1).mean())
    freedom = CHAINED * (DRAWS - 1)
    gap = (theirs.mean(1) - ours.mean(1)) / ((theirs.var(1) + ours.var(1)) / DRAWS).sqrt()
    return {
        "pictures": CHAINED,
        "draws": DRAWS,
        "bits": ours.mean(1).tolist(),
        "their bits": theirs.mean(1).tolist(),
        "standard deviation of a draw": ours.std(1).tolist(),
        "their standard deviation": theirs.std(1).tolist(),
        "difference of the means, in standard errors": gap.tolist(),
        "its bound at 5 % for all pictures together": float(t.ppf(1 - 0.025 / CHAINED, DRAWS - 1)),
        "variance of theirs over that of ours": {
            "low": ratio / float(f.ppf(0.975, freedom, freedom)),
            "value": ratio,
            "high": ratio * float(f.ppf(0.975, freedom, freedom)),
        },
    }


@torch.no_grad()
def encoding() -> dict[str, Any]:
    """Eight pictures through the autoencoder and back, at once and one by one."""
    ours, images = model(), pictures()
    found = turn_about(
        lambda: ours.decode(ours.encode(images)), lambda: [ours.decode(ours.encode(i)) for i in images.split(1)], CPU
    )
    return found | {"beside": "a loop over pictures", "pictures/s": len(images) / found["ours s"]["median"]}


@torch.no_grad()
def lpips() -> dict[str, Any]:
    """Pairs of pictures; the package's network with the same weights."""
    import lpips as package

    from forensics.similarity.lpips import Lpips
    from samples.recipe.lpips_trunk import load_lpips

    ours, images = Lpips(), pictures()
    theirs = load_lpips(samples() / "weights" / "lpips-alexnet-trunk.safetensors")
    assert isinstance(theirs, package.LPIPS)
    a, b = images[:-1], images[1:]
    mine, other = ours.full_size(a, b), theirs(a, b, normalize=True).flatten()
    found = turn_about(lambda: ours.full_size(a, b), lambda: theirs(a, b, normalize=True), CPU)
    return found | {"beside": "lpips 0.1.4", "greatest difference": float((mine - other).abs().max())}


def ssim() -> dict[str, Any]:
    """Pairs of pictures at the size they have (the program brings them to one size first; scikit-image does not)."""
    from skimage.metrics import structural_similarity

    from forensics.similarity.ssim import luminance, ssim_map

    images = pictures()
    a, b = images[:-1], images[1:]

    def mine() -> Tensor:
        return ssim_map(a, b).mean(dim=(1, 2))

    def other() -> list[float]:
        return [
            float(
                structural_similarity(
                    luminance(x)[0, 0].numpy(),
                    luminance(y)[0, 0].numpy(),
                    gaussian_weights=True,
                    sigma=1.5,
                    use_sample_covariance=False,
                    data_range=1.0,
                )
            )
            for x, y in zip(a.split(1), b.split(1), strict=True)
        ]

    return turn_about(mine, other, CPU) | {
        "beside": "scikit-image",
        "greatest difference": float((mine() - torch.tensor(other(), dtype=torch.float64)).abs().max()),
    }


def overlay() -> dict[str, Any]:
    """A picture of 600 pixels and a cropped copy of it: found, judged over the whole overlap and measured; beside a
    homography from SIFT alone, which judges nothing."""
    import cv2

    from forensics.overlay.correspondence import pair, prepare
    from tests.report.pictures import scene

    work = scene(5, 600, 600, grain=4)
    copy = work.crop((40, 40, 600, 600)).resize((500, 500))
    a, b = np.asarray(copy), np.asarray(work)

    def mine() -> Any:
        return pair(prepare(a), prepare(b))

    def other() -> Any:
        sift, matcher = cv2.SIFT_create(), cv2.BFMatcher()
        (ka, da), (kb, db) = (sift.detectAndCompute(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), None) for p in (a, b))
        good = [m for m, n in matcher.knnMatch(da, db, k=2) if m.distance < 0.75 * n.distance]
        at, to = (
            [k[i].pt for i in where]
            for k, where in ((ka, [m.queryIdx for m in good]), (kb, [m.trainIdx for m in good]))
        )
        return cv2.findHomography(np.float32(at), np.float32(to), cv2.RANSAC, 3.0)

    return turn_about(mine, other, CPU, within_s=90) | {"beside": "OpenCV: SIFT, ratio test, homography"}


def search() -> dict[str, Any]:
    """A hundred queries in 50,000 rows; candidates with their error bound and exact sums, beside FAISS Flat."""
    import faiss

    from forensics.retrieval.exact import block_rows, candidates
    from tests.benchmarks.retrieval import DIMENSION, K, blocks, queries

    rows, asked = next(blocks(50_000)), queries()
    half, size = rows.astype(np.float16), block_rows(DIMENSION)
    flat = faiss.IndexFlatIP(DIMENSION)
    faiss.omp_set_num_threads(torch.get_num_threads())
    flat.add(rows)

    def mine() -> Any:
        starts = range(0, len(half), size)
        return candidates(((np.arange(s, min(s + size, len(half))), half[s : s + size]) for s in starts), asked, K)

    return turn_about(mine, lambda: flat.search(asked, K), CPU) | {"beside": "FAISS Flat, float32 rows in memory"}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    part.__name__: part
    for part in (loading, regeneration, inversion, codelength, encoding, lpips, ssim, overlay, search)
}


NAMES = {
    "loading": "a checkpoint loaded",
    "regeneration": "pictures from words, at equal steps, batch and guidance",
    "inversion": "four pictures to noise and back, the worst no further off",
    "codelength": "bits of a picture under a checkpoint, on the same levels and draws",
    "encoding": "pictures through the encoder",
    "lpips": "LPIPS",
    "ssim": "SSIM",
    "overlay": "two pictures laid over each other and judged; beside it only aligned",
    "search": "a hundred queries, exact, in 50,000 rows; held in half precision beside single",
}
"""What each part does, for readers."""


def table(document: Mapping[str, Any]) -> str:
    """Every part beside what one would run instead, as Markdown: how many times as fast, by time of the processor."""
    rows = ["| what | beside | times as fast: median (least to greatest) | peak memory |", "| --- " * 4 + "|"]
    for name, title in NAMES.items():
        found = document["parts"][name]
        ratio = found.get("theirs over ours, processor time", found["theirs over ours"])
        memory = f"{found['peak host MiB']:,} MiB"
        rows.append(f"| {title} | {found['beside']} | {_times(ratio)} | {memory} |")
        if one := found.get("with one correction"):
            ratio = one["theirs over ours, processor time"]
            rows.append(f"| the same with one correction a step | {one['beside']} | {_times(ratio)} | {memory} |")
        if equal := found.get("at equal precision"):
            low, value, high = (equal["theirs over ours, processor time"][k] for k in ("low", "value", "high"))
            spread_of = f"{value:.2g} (95 %: {low:.2g} to {high:.2g})"
            draws = f"the same sum, {equal['pictures']} pictures, {equal['draws']} draws each"
            rows.append(f"| those bits, to an equal standard error | {draws} | {spread_of} | {memory} |")
    return "\n".join(rows)


def _times(ratio: Mapping[str, Any]) -> str:
    pairs = "one pair" if ratio["runs"] == 1 else f"{ratio['runs']} pairs"
    return f"{ratio['median']:.2g} ({ratio['min']:.2g} to {ratio['max']:.2g}), {pairs}"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("bench.json"))
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--print", action="store_true", dest="only_print")
    given = parser.parse_args()
    if given.only_print:
        print(table(json.loads(given.out.read_text("utf-8"))))
        return
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    document = json.loads(given.out.read_text("utf-8")) if given.out.is_file() else {"parts": {}}
    document |= {"made by": "python -m tests.benchmarks.bench", "torch": torch.__version__, "cores": os.cpu_count()}
    for name in given.only:
        load = os.getloadavg()[0]
        found = PARTS[name]() | {"threads": given.threads, "load of the machine before": round(load, 1)}
        document["parts"][name] = found | {"peak host MiB": round(host_peak_mib())}
        given.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        ratio = found.get("theirs over ours, processor time", found["theirs over ours"])
        print(f"{name:<14} {ratio['median']} times as fast as {found['beside']}", flush=True)


if __name__ == "__main__":
    main()
