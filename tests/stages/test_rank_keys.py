"""A distance kept from an earlier case is found again for the same work and control, and for no other."""

from __future__ import annotations

from dataclasses import replace

import torch

from forensics.stages.rank import keys_of
from forensics.stages.works import Work


def test_a_stored_distance_belongs_to_one_work_one_control_and_one_version() -> None:
    work = Work("R1", torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(0)), "")
    (key,) = keys_of(work, ["aa"], "1")
    assert keys_of(Work("R2", work.pixels.clone(), ""), ["aa"], "1") == (key,), "its name in the case decides nothing"
    changed = work.pixels.clone()
    changed[0, 0, 0, 0] += 1 / 255
    others = [
        *keys_of(Work("R1", changed, ""), ["aa"], "1"),
        *keys_of(Work("R1", work.pixels.reshape(1, 3, 12, 8), ""), ["aa"], "1"),
        *keys_of(work, ["bb"], "1"),
        *keys_of(work, ["aa"], "2"),
    ]
    assert len({key.digest, *(k.digest for k in others)}) == 5
    assert key == replace(key)
