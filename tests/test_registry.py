"""Tables of implementations: lazy, and helpful about a name they do not have."""

from __future__ import annotations

import sys

import pytest

from forensics.errors import SettingsError
from forensics.registry import Registry


def test_row_is_imported_only_when_asked_for() -> None:
    name = "xml.sax.saxutils"
    sys.modules.pop(name, None)
    table: Registry[object] = Registry("helper", {"escape": f"{name}:escape"})
    assert list(table) == ["escape"]
    assert "escape" in table
    assert name not in sys.modules
    assert callable(table.load("escape"))
    assert name in sys.modules


def test_unknown_name_says_what_is_near_or_known() -> None:
    table: Registry[object] = Registry("metric", {"lpips": "a:b", "ssim": "c:d"})
    with pytest.raises(SettingsError) as caught:
        table.load("lpip")
    assert caught.value.hint == "Did you mean 'lpips'?"
    with pytest.raises(SettingsError) as caught:
        table.load("x")
    assert caught.value.hint == "Known: lpips, ssim."
