"""Findings are a pure function of the measurements: grades, ranks, refusals and the words used for them."""

from __future__ import annotations

import dataclasses
import re

import pytest

from forensics import verbal
from forensics.case import (
    PLAIN,
    PLAIN_MEASURES,
    Absent,
    Checkpoint,
    Comparison,
    ControlScore,
    Exhibit,
    FeatureValue,
    Gate,
    Grade,
    Inversion,
    Item,
    LedgerRow,
    LikelihoodRatio,
    Measurement,
    Neighbour,
    Origin,
    Pair,
    PromptKind,
    Reconstruction,
    Statistic,
    plainly,
    stops_at,
)
from forensics.findings.conclude import conclude
from forensics.findings.evidence import Evidence
from forensics.findings.retention import claim
from forensics.protocol import PROFILES
from forensics.similarity import METRICS
from forensics.stages.rank import across_questions, compared

PROTOCOL = PROFILES["standard"]
FROM_PROMPT = Statistic.PROMPT_MEDIAN_LPIPS.label


def _exhibit(tag: str, pixels: str = "") -> Exhibit:
    return Exhibit(tag, "a" * 64, pixels or tag, f"exhibits/{tag}.png", "image/png", 64, 64, tag, "received")


ITEM = Item("Q1", "disputed", "q.png", "b" * 64, 10, "image/png", 64, 64, "exhibits/q.png", "Q1", (), (), ())


def _values(**values: float) -> tuple[Measurement, ...]:
    return tuple(Measurement(f"M{i}", name, "Q1", "N1", v) for i, (name, v) in enumerate(values.items(), 1))


def _rank(
    statistic: Statistic, value: float, controls: list[float], key: str, pair: Pair | None = None, of: str = ""
) -> Comparison:
    scores = [ControlScore(f"c{i}", v) for i, v in enumerate(controls)]
    return compared(key, statistic, "", value, scores, of=of, primary_for=pair)


CHECKPOINT = Checkpoint(
    "a model", "models/a", "sd", "diffusers folder", "epsilon", 64, 1000, "c" * 64, (), (), demonstration=False
)
ENOUGH = 59
"""Controls with which a result can be announced at the level of the protocol."""
CONTROLS = [0.4 + 0.18 * i / (ENOUGH - 1) for i in range(ENOUGH)]
COSINES = [0.5 + 0.18 * i / (ENOUGH - 1) for i in range(ENOUGH)]


def _evidence(pixels: str = "", **values: float) -> Evidence:
    lpips = values.get("lpips", 0.5)
    return Evidence(
        disputed=ITEM,
        exhibits=(_exhibit("Q1"), _exhibit("N1", pixels)),
        works=("N1",),
        measurements=_values(**values),
        protocol=PROTOCOL,
        comparisons=(
            _rank(Statistic.ALIGNED_TO_NEAREST, lpips, CONTROLS, "K1", Pair.DERIVATION),
            _rank(Statistic.COSINE_TO_NEAREST, 0.9, COSINES, "K2"),
        ),
        neighbours=(Neighbour(1, "t1", "a bull", "someone", "", 0.9, "exact", "N1"),),
    )


@pytest.mark.parametrize(
    ("values", "grade"),
    [
        ({"ssim": 0.95, "lpips": 0.02, "clip": 0.99}, Grade.THROUGHOUT),
        ({"ssim": 0.60, "lpips": 0.30, "clip": 0.99}, Grade.IN_PART),
        ({"ssim": 0.60, "lpips": 0.50, "clip": 0.99}, Grade.SUBJECT),
        ({"ssim": 0.60, "lpips": 0.50, "clip": 0.10}, Grade.NONE),
        ({"ssim": 0.60}, Grade.INSUFFICIENT),
    ],
)
def test_grade_follows_from_the_numbers(values: dict[str, float], grade: Grade) -> None:
    assert conclude(_evidence(**values)).assessments[0].grade is grade


def test_equal_pixels_outrank_every_measure() -> None:
    assessment = conclude(_evidence(pixels="Q1", ssim=1.0, lpips=0.0)).assessments[0]
    assert assessment.grade is Grade.SAME_PIXELS
    assert "SHA-256" in assessment.basis


def test_without_controls_near_agreement_is_graded_and_nothing_less_is() -> None:
    bare = dataclasses.replace(_evidence(ssim=0.6, lpips=0.3), comparisons=())
    assert conclude(bare).assessments[0].grade is Grade.INSUFFICIENT
    near = dataclasses.replace(_evidence(ssim=0.95, lpips=0.02), comparisons=())
    assert conclude(near).assessments[0].grade is Grade.THROUGHOUT


def test_too_few_controls_give_no_grade_and_are_said_to_be_too_few() -> None:
    few = _rank(Statistic.ALIGNED_TO_NEAREST, 0.3, CONTROLS[:9], "K1", Pair.DERIVATION)
    evidence = _evidence(ssim=0.6, lpips=0.3, clip=0.99)
    concluded = conclude(dataclasses.replace(evidence, comparisons=(few, evidence.comparisons[1])))
    assert concluded.assessments[0].grade is Grade.INSUFFICIENT
    assert "too few" in concluded.assessments[0].basis
    assert "outside the range of the controls" not in concluded.findings[0].answer


def test_every_grade_below_the_top_names_what_differs() -> None:
    for lpips in (0.02, 0.3, 0.5):
        assessment = conclude(_evidence(ssim=0.7, lpips=lpips, tiled=0.4)).assessments[0]
        assert any("differs most" in row for row in assessment.differs)


def test_three_questions_are_answered_separately_and_no_likelihood_ratio_is_invented() -> None:
    findings = conclude(_evidence(ssim=0.95, lpips=0.02)).findings
    assert [f.pair for f in findings] == [Pair.DERIVATION, Pair.RETENTION, Pair.ORIGIN]
    assert all(isinstance(f.likelihood_ratio, Absent) for f in findings)
    assert all(f.contrary for f in findings if not f.answer.startswith("Not evaluated"))


def _run(value: float, *, lpips: float = 0.1, controlled: bool = True) -> Evidence:
    run = Inversion(
        "L1",
        "regeneration",
        "Regeneration",
        "1",
        "",
        Absent("bits", "none"),
        "a bull",
        "caption of neighbour N1",
        PromptKind.NEIGHBOUR,
        3.0,
        20,
        (0, 1),
        80,
        1.0,
        (),
        None,
        None,
    )
    ranks = (
        _rank(PROTOCOL.retention(controlled=controlled), value, CONTROLS, "K3", Pair.RETENTION),
        _rank(Statistic.ROUND_TRIP_LPIPS, 0.1, [0.1] * 19, "K4", of="Latent inversion"),
        _rank(Statistic.PROMPT_MEDIAN_LPIPS, lpips, CONTROLS, "K5"),
    )
    # Holm's correction with as many secondary measurements as an examination has.
    ranks = tuple(dataclasses.replace(r, p_holm=None if r.primary_for else min(1.0, 8 * r.p)) for r in ranks)
    evidence = _evidence(ssim=0.9, lpips=0.1)
    return dataclasses.replace(
        evidence, comparisons=(*evidence.comparisons, *ranks), inversions=(run,), checkpoint=CHECKPOINT
    )


def test_retention_is_said_only_outside_the_range_of_the_controls() -> None:
    outside = conclude(_run(0.9)).findings[1]
    inside = conclude(_run(0.5)).findings[1]
    assert "90.0 % fewer bits" in outside.answer
    assert "0 of 59" in outside.answer
    assert "outside the range of the controls" in outside.answer
    assert "does not distinguish" in inside.answer


def test_a_result_that_a_control_reaches_is_never_said_to_lie_outside_their_range() -> None:
    controls = [0.01 * i for i in range(59)] + [0.95]
    evidence = _run(0.9)
    rank = _rank(PROTOCOL.retention(controlled=True), 0.9, controls, "K3", Pair.RETENTION)
    assert rank.k == 1
    assert rank.p <= PROTOCOL.rank_level
    others = tuple(c for c in evidence.comparisons if c.primary_for is not Pair.RETENTION)
    found = conclude(dataclasses.replace(evidence, comparisons=(*others, rank))).findings[1]
    assert "saves more on the disputed image than on 59 of 60 works it has not seen" in found.answer
    assert "1 of 60 control works" in found.answer
    assert "edge of the range of the controls" in found.answer
    assert "outside the range" not in found.answer


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.96, "more on the disputed image than on any of 59 works it has not seen."),
        (0.86, "as much on the disputed image as on some works it has not seen: 3 of 59 reach that or more."),
        (-0.01, "no more on the disputed image than on any of 59 works it has not seen."),
    ],
)
def test_the_first_sentence_of_retention_says_no_more_than_the_rank(value: float, said: str) -> None:
    evidence = _run(0.9)
    rank = _rank(
        PROTOCOL.retention(controlled=True), value, [0.9 * i / 58 for i in range(ENOUGH)], "K3", Pair.RETENTION
    )
    others = tuple(c for c in evidence.comparisons if c.primary_for is not Pair.RETENTION)
    answer = conclude(dataclasses.replace(evidence, comparisons=(*others, rank))).findings[1].answer
    assert answer.startswith(f"Beside the control checkpoint, the one examined saves {said}")


def test_nothing_is_announced_where_one_unseen_work_in_twenty_comes_first_as_well() -> None:
    evidence = _run(0.9)
    rank = _rank(PROTOCOL.retention(controlled=True), 0.96, CONTROLS[:19], "K3", Pair.RETENTION)
    assert rank.p <= PROTOCOL.rank_level
    others = tuple(c for c in evidence.comparisons if c.primary_for is not Pair.RETENTION)
    answer = conclude(dataclasses.replace(evidence, comparisons=(*others, rank))).findings[1].answer
    assert "saves most on the disputed image among 20 works" in answer
    assert "so few works announce nothing" in answer
    assert "for one unseen work in 20 as well: 19 controls are too few" in answer
    assert "outside the range" not in answer


def _asked_three(retention: float, origin: float = 0.9) -> Evidence:
    """Retention by rank among a hundred controls less one, beside two questions of which nothing is to be said."""
    among = [i / 99 for i in range(99)]
    ranks = (
        _rank(Statistic.ALIGNED_TO_NEAREST, 0.5, among, "K1", Pair.DERIVATION),
        _rank(PROTOCOL.retention(controlled=True), retention, among, "K3", Pair.RETENTION),
        _rank(PROTOCOL.primary_origin, origin, among, "O1", Pair.ORIGIN),
    )
    evidence = _run(0.9)
    others = tuple(c for c in evidence.comparisons if c.primary_for is None)
    return dataclasses.replace(evidence, comparisons=across_questions((*ranks, *others)))


def test_three_questions_share_one_level() -> None:
    apart, chance = _asked_three(0.999), _asked_three(0.975)
    first, third = (next(c for c in e.comparisons if c.id == "K3") for e in (apart, chance))
    assert (first.p, first.p_holm) == (pytest.approx(0.01), pytest.approx(0.03))
    assert (third.p, third.p_holm) == (pytest.approx(0.03), pytest.approx(0.09))
    said = conclude(apart).findings[1].answer
    assert "(p = 0.010, 0.030 after Holm’s correction over the questions asked;" in said
    assert "outside the range of the controls" in said
    unsaid = conclude(chance).findings[1].answer
    assert "2 of 99" in unsaid
    assert "range of the controls" not in unsaid
    assert "controls. By itself this question would set the result apart at the level of 0.05; chance" in unsaid
    assert "as much on the disputed image as on some works" in unsaid


def test_secondary_measurements_keep_their_own_correction() -> None:
    before = {c.id: c.p_holm for c in _run(0.9).comparisons if c.primary_for is None}
    after = {c.id: c.p_holm for c in _asked_three(0.999).comparisons if c.primary_for is None}
    assert before == after
    assert any(before.values())


def test_an_altered_picture_is_corrected_in_the_place_of_the_picture_itself() -> None:
    evidence = _asked_three(0.5)
    origin = next(c for c in evidence.comparisons if c.id == "O1")
    alike = dataclasses.replace(origin, id="O3", primary_for=None, p=0.03, k=2, p_holm=None)
    assert not evidence.announces_in_place(alike, origin)
    assert evidence.announces_in_place(dataclasses.replace(alike, p=0.01, k=0), origin)


def test_what_the_codelength_is_compared_with_is_said() -> None:
    against = conclude(_run(0.9)).findings[1]
    alone = conclude(_run(-0.02, controlled=False)).findings[1]
    assert "than the control checkpoint, which is told the same prompt." in against.answer
    assert "needs 2.0 % more bits for the disputed image than without it." in alone.answer
    assert against.cites == alone.cites == ("K3", "K5")


def test_a_work_that_does_not_come_back_from_its_prompt_is_contrary_to_retention() -> None:
    found = conclude(_run(0.9, lpips=0.5)).findings[1]
    assert "outside the range of the controls" in found.answer
    assert any(row.startswith(FROM_PROMPT) for row in found.contrary)
    assert not any(row.startswith(FROM_PROMPT) for row in conclude(_run(0.9)).findings[1].contrary)


def test_a_secondary_measurement_speaks_for_retention_only_by_its_corrected_p() -> None:
    weak = conclude(_run(0.5, lpips=0.1)).findings[1]
    assert not any(row.startswith(FROM_PROMPT) for row in weak.contrary)
    evidence = _run(0.5, lpips=0.1)
    strong = dataclasses.replace(
        evidence,
        comparisons=tuple(
            dataclasses.replace(c, p_holm=0.01) if c.statistic is Statistic.PROMPT_MEDIAN_LPIPS else c
            for c in evidence.comparisons
        ),
    )
    assert any(row.startswith(FROM_PROMPT) for row in conclude(strong).findings[1].contrary)


def test_that_controls_come_back_tells_against_retention_and_is_a_limit_where_it_is_not_said() -> None:
    said, unsaid = (conclude(_run(value)).findings[1] for value in (0.9, 0.45))
    back = "succeeds on unseen works too"
    assert any(back in row for row in said.contrary)
    assert not any(back in row for row in unsaid.contrary)
    assert any(back in row for row in unsaid.limits)


def _beside(evidence: Evidence, value: float) -> Evidence:
    by_copies = _rank(Statistic.COPY_COSINE_TO_NEAREST, value, COSINES, "K9")
    return dataclasses.replace(evidence, comparisons=(*evidence.comparisons, by_copies))


def test_only_what_points_the_other_way_tells_against_an_answer() -> None:
    unlike = {"ssim": 0.6, "lpips": 0.5, "tiled": 0.4, "clip": 0.1}
    # Where nothing corresponds a difference says the same as the answer; a likeness tells against it.
    near, far = (conclude(_beside(_evidence(**unlike), value)).findings[0] for value in (0.99, 0.5))
    assert any(row.startswith("Copy descriptor") for row in near.contrary)
    assert not any(row.startswith("Copy descriptor") or "differs" in row for row in far.contrary)
    # Where something corresponds it is the other way round.
    alike = {"ssim": 0.95, "lpips": 0.02, "tiled": 0.4}
    near, far = (conclude(_beside(_evidence(**alike), value)).findings[0] for value in (0.99, 0.5))
    assert not any(row.startswith("Copy descriptor") for row in near.contrary)
    assert any(row.startswith("Copy descriptor") for row in far.contrary)
    assert any("differs most" in row for row in far.contrary)


def test_another_work_that_corresponds_tells_against_the_answer_on_the_first() -> None:
    evidence = _evidence(ssim=0.6, lpips=0.5, clip=0.1)
    second = tuple(dataclasses.replace(m, id=f"{m.id}b", b="N2") for m in _values(ssim=0.95, lpips=0.02))
    evidence = dataclasses.replace(
        evidence,
        exhibits=(*evidence.exhibits, _exhibit("N2")),
        works=("N1", "N2"),
        measurements=(*evidence.measurements, *second),
    )
    assert any(row.startswith("N2: corresponds throughout") for row in conclude(evidence).findings[0].contrary)


def test_a_comparison_without_a_checkpoint_says_why_it_has_no_ratio() -> None:
    bare = conclude(dataclasses.replace(_evidence(ssim=0.6, lpips=0.3), comparisons=()))
    reasons = [f.likelihood_ratio.reason for f in bare.findings if isinstance(f.likelihood_ratio, Absent)]
    assert "comparison of pictures" in reasons[0]
    assert not any("validation record" in reason for reason in reasons)
    assert {a.what for a in bare.absences} == {"likelihood ratio", "checkpoint"}


def test_the_same_evidence_gives_the_same_words() -> None:
    assert conclude(_run(0.9)) == conclude(_run(0.9))


def _row(rung: str, bits: float, *, reached: bool, controls_succeed: bool) -> LedgerRow:
    return LedgerRow(rung, "", "", bits, 0.1, 0.2, 0.5, 0.4, 0.25, reached, 0, 0, 19, 0.05, controls_succeed)


def test_the_claim_ends_at_the_first_rung_where_controls_succeed_too() -> None:
    prompt = _row("Regeneration", 90.0, reached=True, controls_succeed=False)
    words = _row("Hard prompt", 180.0, reached=True, controls_succeed=False)
    latent = _row("Latent", 32768.0, reached=True, controls_succeed=True)
    assert stops_at((prompt, words, latent)) is latent
    said = claim((prompt, words, latent))
    assert "up to the rung “Hard prompt” (180 bits supplied)" in said
    assert "“Latent” (32\u202f768 bits supplied) control works succeed too" in said


def test_the_claim_says_so_where_no_rung_or_every_rung_tells_the_image_apart() -> None:
    open_ = _row("Regeneration", 90.0, reached=False, controls_succeed=True)
    assert "Already at the rung" in claim((open_,))
    assert "Already at the rung" in claim((open_, _row("Latent", 9.0, reached=True, controls_succeed=False)))
    nearer = _row("Regeneration", 90.0, reached=False, controls_succeed=False)
    assert "does not come back" in claim((nearer, _row("Latent", 32768.0, reached=True, controls_succeed=True)))
    assert stops_at((nearer,)) is None
    assert "At none of the 1 rungs" in claim((nearer,))


def _ratio(log10: float) -> LikelihoodRatio:
    return LikelihoodRatio(
        log10, log10, log10, log10, -1.7, 2.0, verbal.band(log10), 50, 300, (FeatureValue("codelength", 0.1),), "d" * 64
    )


@pytest.mark.parametrize(("log10", "lpips", "agree"), [(1.2, 0.30, True), (-1.2, 0.30, False), (1.2, 0.50, False)])
def test_a_ratio_that_disagrees_with_the_rank_is_said_to(log10: float, lpips: float, agree: bool) -> None:
    evidence = dataclasses.replace(
        _evidence(ssim=0.60, lpips=lpips, clip=0.99), ratios={Pair.DERIVATION: _ratio(log10)}
    )
    concluded = conclude(evidence)
    finding = concluded.findings[0]
    assert finding.likelihood_ratio == _ratio(log10)
    assert any("do not agree" in row for row in finding.contrary) is not agree
    assert all(absent.what != "likelihood ratio" for absent in concluded.absences)
    assert isinstance(concluded.findings[1].likelihood_ratio, Absent)


CODED = re.compile(r"\b[A-Z]{3,}|[a-z]/\d|_|\(\w+-\d")
"""Names of methods and their versions, which mean nothing to whoever was not told."""


@pytest.mark.parametrize(
    "names",
    [
        ("ALIGNED (aligned-lpips/2)", "TILED (carlini-2023/1)"),
        ("saved_against_control_checkpoint", "saved_by_prompt"),
        ("LPIPS (alex-v0.1/1)", "SSIM (wang-2004/1)", "DESCRIPTOR (pooled/1 0123abcd)"),
        ("autoencoder_loss_ratio",),
    ],
)
def test_what_a_ratio_rests_on_is_said_in_plain_words(names: tuple[str, ...]) -> None:
    assert CODED.search(names[0])
    ratio = dataclasses.replace(_ratio(1.2), features=tuple(FeatureValue(name, 0.1) for name in names))
    evidence = dataclasses.replace(_evidence(ssim=0.60, lpips=0.50, clip=0.99), ratios={Pair.DERIVATION: ratio})
    (said,) = (row for row in conclude(evidence).findings[0].contrary if "do not agree" in row)
    assert all(plainly(name) in said for name in names)
    assert not CODED.search(said)


def test_every_statistic_and_measure_has_plain_words() -> None:
    assert set(PLAIN) == set(Statistic)
    assert set(PLAIN_MEASURES) == set(METRICS)
    for words in (*PLAIN.values(), *PLAIN_MEASURES.values()):
        assert not CODED.search(words)
        assert "," not in words  # what stands in a row is parted by commas
    assert plainly("another measure (its/1)") == "another measure"


def test_another_autoencoder_that_loses_less_tells_against_the_checkpoint() -> None:
    gate = Gate("A rule.", True, ("A ground.",), "Q1", "A sentence.")
    nothing = Absent("", "")
    low = _rank(Statistic.AUTOENCODER_RATIO, 1.2, [2.0 + i for i in range(ENOUGH)], "O1", Pair.ORIGIN)
    high = _rank(Statistic.AUTOENCODER_RATIO, 9.2, [2.0 + i for i in range(ENOUGH)], "O1", Pair.ORIGIN)
    own, better = Reconstruction("a model", 1.2, 1.0, 0.05), Reconstruction("another", 1.1, 1.0, 0.06)

    def contrary(rank: Comparison, *tried: Reconstruction) -> tuple[str, ...]:
        origin = Origin(tried, nothing, nothing, gate)
        evidence = dataclasses.replace(_evidence(), checkpoint=CHECKPOINT, comparisons=(rank,), origin=origin)
        return conclude(evidence).findings[2].contrary

    assert contrary(low, own, better) == (
        "The autoencoder of another gives a lower ratio: 1.100, the checkpoint's 1.200.",
    )
    # Where the checkpoint is not held to have made the picture, the same is nothing contrary.
    assert contrary(low, own) == contrary(high, own, better) == (verbal.NOTHING_CONTRARY,)
