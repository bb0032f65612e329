"""Double reconstruction on the embedded checkpoint, the stated recipe followed to the pixel, and the gate."""

from __future__ import annotations

import dataclasses
import io
import json

import pytest
import torch
from PIL import PngImagePlugin

from forensics import diffusion
from forensics.case import Absent, Checkpoint, Comparison, ControlScore, Outcome, Pair, StatedRecipe, Statistic
from forensics.device import choose, noise
from forensics.inversion.regeneration import generate
from forensics.origin import recipe
from forensics.origin.gate import Candidates, gate, retention_target
from forensics.origin.reconstruction import LAYER, Losses, losses, on_grid
from forensics.pictures import intake
from forensics.pictures.metadata import GeneratorMetadata
from forensics.pictures.tensors import to_picture, to_tensor
from forensics.protocol import PROFILES
from forensics.resources import samples
from forensics.similarity.lpips import Lpips
from forensics.stages import given_back
from forensics.stages.rank import compared
from tests.studies import origin_study

REFERENCE = samples() / "reference"


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return diffusion.identify(str(REFERENCE / "twin-a"))


@pytest.fixture(scope="module")
def model(checkpoint: Checkpoint):  # type: ignore[no-untyped-def]
    return diffusion.load(checkpoint, choose("cpu"))


@pytest.fixture(scope="module")
def lpips() -> Lpips:
    return Lpips()


def test_own_pictures_lose_less_than_works_and_about_the_same_twice(model, lpips: Lpips) -> None:  # type: ignore[no-untyped-def]
    draws = torch.stack([noise((8, 16, 16), seed, "test") for seed in (1, 2)])
    made = generate(draws, model, model.condition("bird, animal", 1.0), 6)
    own = [to_tensor(to_picture(picture)) for picture in made.split(1)]
    works = [to_tensor(intake.read(path).picture) for path in sorted((REFERENCE / "controls").iterdir())[:3]]
    rows = losses([*own, *works], model, lambda a, b: lpips.layer(a, b, LAYER))
    assert max(row.ratio for row in rows[:2]) < min(row.ratio for row in rows[2:])


def test_layers_of_lpips_add_up_to_the_whole(lpips: Lpips) -> None:
    a, b = torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    parts = sum(float(lpips.layer(a, b, i)) for i in range(5))
    assert parts == pytest.approx(float(lpips.full_size(a, b)), abs=1e-6)


def test_pictures_are_cut_to_whole_cells_and_never_resampled() -> None:
    picture = torch.rand(1, 3, 70, 700, generator=torch.Generator().manual_seed(2))
    cut = on_grid(picture, 32)
    assert isinstance(cut, torch.Tensor)
    assert cut.shape[-2:] == (64, 512)
    assert torch.equal(cut, picture[..., 0:64, 64:576])  # begins on the grid
    assert isinstance(on_grid(picture[..., :20, :], 32), Absent)


def written(checkpoint: Checkpoint, **changes: object) -> GeneratorMetadata:
    record = GeneratorMetadata(
        "test",
        "text",
        prompt="bull, animal, mammal",
        seed=7,
        steps=5,
        sampler="DDIM",
        guidance=3.0,
        model_hash=checkpoint.digest[:10],
        width=128,
        height=128,
    )
    return dataclasses.replace(record, **changes)  # type: ignore[arg-type]


def test_the_recipe_of_a_picture_that_diffusers_made_gives_it_back(checkpoint: Checkpoint, model) -> None:  # type: ignore[no-untyped-def]
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(str(REFERENCE / "twin-a"), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    seed = torch.Generator("cpu").manual_seed(7)
    made = pipeline("bull, animal, mammal", num_inference_steps=5, guidance_scale=3.0, generator=seed).images[0]
    info, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    info.add_text(
        "parameters",
        "bull, animal, mammal\nSteps: 5, Sampler: DDIM, CFG scale: 3, Seed: 7, Size: 128x128, "
        f"Model hash: {checkpoint.digest[:10]}",
    )
    made.save(buffer, "PNG", pnginfo=info)
    decoded = intake.decode(buffer.getvalue(), "made.png")
    record = recipe.stated(decoded.records, checkpoint)
    assert isinstance(record, GeneratorMetadata)
    again = recipe.follow(record, model)
    assert isinstance(again, torch.Tensor)
    # One grey level: the rounding of the pipeline's own conversion.
    assert round(float((again - to_tensor(decoded.picture)).abs().max() * 255)) <= 1
    other = recipe.follow(dataclasses.replace(record, seed=8), model)
    assert isinstance(other, torch.Tensor)
    assert (other - again).abs().max() * 255 > 50


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": None}, "seed"),
        ({"steps": None, "guidance": None}, "number of steps and the guidance"),
        ({"sampler": "Restart"}, "no counterpart"),
        ({"model_hash": "0123456789"}, "not the checkpoint"),
        ({"steps": 10**6}, "out of range"),
        ({"width": 10**6}, "out of range"),
    ],
)
def test_a_recipe_that_cannot_be_followed_says_why(
    checkpoint: Checkpoint, changes: dict[str, object], said: str
) -> None:
    found = recipe.stated((written(checkpoint, **changes),), checkpoint)
    assert isinstance(found, Absent)
    assert said in found.reason
    assert isinstance(recipe.stated((written(checkpoint),), checkpoint), GeneratorMetadata)


STANDARD = PROFILES["standard"]


def ranked(k: int, n: int = 59) -> Comparison:
    scores = [ControlScore(f"c{i}", 0.5 if i < k else 2.0) for i in range(n)]
    return compared("O1", Statistic.AUTOENCODER_RATIO, "s", 1.0, scores, primary_for=Pair.ORIGIN)


def altered(k: int, n: int = 59) -> Comparison:
    scores = [ControlScore(f"c{i}", 0.5 if i < k else 2.0) for i in range(n)]
    return compared("O3", Statistic.AUTOENCODER_RATIO_ALTERED, "s", 1.0, scores, of="saved")


def test_the_gate_opens_only_by_its_rule() -> None:
    none = Absent("regeneration by the stated recipe", "The file states no generation parameters.")
    far = StatedRecipe("g", "P1", 3, 0.5, 0.1)
    near = dataclasses.replace(far, largest_difference=2)
    for primary, followed, output in [
        ((ranked(0),), none, True),
        ((ranked(3),), none, False),
        ((ranked(0, 19),), none, False),
        ((ranked(0), altered(0)), none, True),
        ((ranked(0), altered(9)), none, False),
        ((ranked(3),), far, False),
        ((ranked(19),), near, True),
        ((), none, False),
        ((), near, True),
    ]:
        decided = gate(primary, followed, STANDARD, Candidates(("R1", "N1"), ("R1",)), "Q1")
        assert decided.output is output
        assert bool(decided.grounds) is output
        assert decided.target == ("R1" if output else "Q1") == retention_target(decided, "Q1")
        assert ("R1 instead" in decided.sentence) is output
    # A neighbour that nobody put forward and that the overlay finds no copy of is no picture to ask instead.
    for candidates in (Candidates(()), Candidates(("N1", "N2"))):
        alone = gate((ranked(0),), none, STANDARD, candidates, "Q1")
        assert alone.target == "Q1"
        assert "no picture to ask retention of" in alone.not_asked
        assert "says nothing about training" in alone.sentence
    copied = gate((ranked(0),), none, STANDARD, Candidates(("N1", "N2"), copies={"N2": ()}), "Q1")
    assert copied.target == "N2"
    assert not copied.not_asked
    assert retention_target(None, "Q1") == "Q1"


def test_an_altered_copy_is_asked_of_its_work() -> None:
    none = Absent("regeneration by the stated recipe", "The file states no generation parameters.")
    for copies, target in [
        ({}, "Q1"),
        ({"N1": ("mirrored",)}, "N1"),
        ({"N2": ("mirrored",), "R1": ("cropped",)}, "R1"),
        ({"R1": ("mirrored",), "N1": ()}, "Q1"),
        ({"R1": ()}, "Q1"),
    ]:
        candidates = Candidates(("R1", "N1", "N2"), ("R1",), copies)
        decided = gate((ranked(3),), none, STANDARD, candidates, "Q1")
        assert decided.target == target
        assert not decided.output
        assert bool(decided.grounds) is (target != "Q1")
        assert all(word in decided.sentence for word in copies.get(target, ()))
        # An output of the checkpoint is asked of the first candidate, whatever it is a copy of.
        assert gate((ranked(0),), none, STANDARD, candidates, "Q1").target == "R1"


def test_a_subject_that_rests_on_the_further_source_says_so() -> None:
    none = Absent("regeneration by the stated recipe", "The file states no generation parameters.")
    otherwise = {"N1": Outcome.ARRANGEMENT}
    for put_forward, copies, ranks, rests in [
        ((), {"N1": ("mirrored",)}, 3, True),
        ((), {"N1": ()}, 0, True),
        ((), {"N1": ()}, 3, False),  # an unaltered copy moves nothing
        (("R1",), {"R1": ("mirrored",), "N1": ("mirrored",)}, 3, False),
        (("N1",), {"N1": ()}, 0, False),  # an output is asked of what was put forward, copy or not
    ]:
        names = (*put_forward, "N1") if "N1" not in put_forward else put_forward
        candidates = Candidates(names, put_forward, copies, otherwise, "Some source")
        said = gate((ranked(ranks),), none, STANDARD, candidates, "Q1").sentence
        assert ("only with alignments of Some source; without them" in said) is rests, said
        assert (f"“{Outcome.ARRANGEMENT.said}”, and retention would not be asked of N1" in said) is rests


def test_the_committed_study_supports_what_the_program_says() -> None:
    study = json.loads((REFERENCE / "origin-study.json").read_text(encoding="utf-8"))
    primary = study["primary_chosen_on_calibration"]
    assert primary == next(iter(origin_study.STATISTICS))
    # What the program ranks by is what the study chose, number for number.
    computed = {statistic: value for statistic, _, value in given_back.STATISTICS}[PROFILES["standard"].primary_origin]
    one = Losses(0.7, 0.2, 0.05)
    assert computed(one) == origin_study.STATISTICS[primary](one)
    clean = study["calibration"]["treatments"]["as it is"]
    assert clean[primary]["auc"]["value"] == max(row["auc"]["value"] for row in clean.values())
    stranger = study["test"]["strangers"]["a small one trained from nothing"][primary]
    assert stranger["theirs flagged as the checkpoint's"]["value"] > 0.5


def test_the_table_is_made_from_raw_values_alone() -> None:
    values = {name: [1.0, 1.1, 1.2] for name in origin_study.STATISTICS}
    others = {name: [float(v) for v in range(2, 22)] for name in origin_study.STATISTICS}
    raw = {
        "made": 3,
        "controls": 20,
        "groups": {"as it is": {"made": values, "controls": others}, "lost": {"made": others, "controls": others}},
        "strangers": {},
    }
    rows = origin_study.table(raw)["treatments"]
    for name in origin_study.STATISTICS:
        assert rows["as it is"][name]["auc"]["value"] == 1
        assert rows["as it is"][name]["share_p05_against_controls_as_they_are"]["k"] == 3
        assert rows["as it is"][name]["false_flags_p05"]["k"] == 1  # the lowest of twenty, by leaving it out
        assert rows["lost"][name]["auc"]["value"] == 0.5
