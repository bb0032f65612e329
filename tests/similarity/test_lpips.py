"""LPIPS: published golden values, our own golden value, and no side effects."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from forensics import weights
from forensics.errors import WeightsError
from forensics.pictures.tensors import to_tensor
from forensics.similarity.lpips import Lpips

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "data" / "lpips_golden"


@pytest.fixture(scope="module")
def lpips() -> Lpips:
    return Lpips()


def gradient(angle: bool) -> torch.Tensor:
    """Two drawings without randomness: stripes with a disc, upright or lying."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    stripes = ((x if angle else y) / 63).expand(3, 64, 64).clone()
    stripes[0][(x - 20) ** 2 + (y - 40) ** 2 < 150] = 1
    stripes[1] = stripes[1] * 0.5
    return stripes[None]


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the example pictures of the LPIPS project are not at hand")
@pytest.mark.parametrize(("name", "expected"), [("ex_p0", 0.7219), ("ex_p1", 0.1376), ("ex_ref", 0.0)])
def test_published_values(lpips: Lpips, name: str, expected: float) -> None:
    reference, other = (to_tensor(Image.open(GOLDEN / f"{n}.png").convert("RGB")) for n in ("ex_ref", name))
    assert float(lpips.full_size(reference, other)) == pytest.approx(expected, abs=5e-4)


def test_own_golden_value(lpips: Lpips) -> None:
    # python -c "import test_lpips as t; l = t.Lpips(); print(l.full_size(t.gradient(True), t.gradient(False)))"
    a, b = gradient(True), gradient(False)
    assert float(lpips.full_size(a, b)) == pytest.approx(OWN_FULL, abs=5e-4)
    assert float(lpips(a, b)) == pytest.approx(OWN_256, abs=5e-4)


OWN_FULL, OWN_256 = 0.1610, 0.2813


def test_a_picture_measured_before_gives_the_same_bits_and_is_seen_anew_once_it_changed(lpips: Lpips) -> None:
    a, b = gradient(True), gradient(False)
    first = [float(Lpips().full_size(x, y)) for x, y in ((a, b), (b, a))]
    assert [float(lpips.full_size(x, y)) for x, y in ((a, b), (a, b), (b, a))] == [first[0], *first]
    assert float(lpips.full_size(a, a)) == 0.0
    a[:] = b  # in place: the same tensor, other pixels
    assert float(lpips.full_size(a, b)) == 0.0
    with torch.inference_mode():
        assert float(lpips.full_size(gradient(True), b)) == first[0]


def test_loading_prints_nothing_and_keeps_the_random_stream(capfd: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    Lpips()
    assert torch.equal(torch.rand(3), expected)
    assert capfd.readouterr() == ("", "")


def test_too_small_for_the_trunk(lpips: Lpips) -> None:
    with pytest.raises(ValueError, match="at least 32"):
        lpips.full_size(torch.zeros(1, 3, 31, 64), torch.zeros(1, 3, 31, 64))


def test_a_damaged_trunk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = weights.resolve("lpips-alexnet")
    data = bytearray(shipped.read_bytes())
    data[-1] ^= 1
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / shipped.name).write_bytes(data)
    monkeypatch.setattr("forensics.resources.samples", lambda: tmp_path)
    with pytest.raises(WeightsError, match="differ from their pinned digest"):
        Lpips()
