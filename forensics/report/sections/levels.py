"""To what level of detail two pictures agree, never above what the smaller of them can show.

The level of a region is the side of a thumbnail of the overlap. A picture of 128 pixels that was enlarged to 256 has no
detail beyond its own 128, so agreement above them would be agreement of interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass

from forensics.case import Case, Exhibit, Region
from forensics.report import words


@dataclass(frozen=True, slots=True)
class Level:
    """The level of one region, with the ceiling that the sizes of the pictures set."""

    px: int
    """At most `ceiling`; 0 where not even the smallest thumbnail agrees."""
    low: int
    high: int
    ceiling: int
    """Long side of the overlap in the picture that shows it with fewer pixels of its own."""

    @property
    def reached(self) -> bool:
        """Whether the pictures agree as far as the smaller one goes."""
        return self.px >= self.ceiling

    @property
    def said(self) -> str:
        """For a table: "118 px, as far as the smaller picture goes"."""
        if self.px == 0:
            return "not reached"
        if self.reached:
            return f"{self.px} px, as far as the smaller picture goes; finer detail cannot be compared"
        return f"{self.px} px{_interval(self.low, self.high)}; finer detail differs"


def level(region: Region, disputed: Exhibit, work: Exhibit, native: int | None = None) -> Level:
    """The level of a region of two exhibits.

    Args:
        native: pixels at which the disputed image was generated, where that is known to be fewer than it has.
    """
    sides = []
    for place, exhibit, limit in ((region.disputed, disputed, native), (region.work, work, None)):
        across, down = exhibit.width * (place.right - place.left), exhibit.height * (place.bottom - place.top)
        scale = min(1.0, limit / max(exhibit.width, exhibit.height)) if limit else 1.0
        sides.append(max(1, round(max(across, down) * scale)))
    ceiling = min(sides)
    px, low, high = (min(v, ceiling) for v in (region.level, region.level_low, region.level_high))
    return Level(px, low, high, ceiling)


def of(case: Case, region: Region, work: str, laid: str = "") -> Level:
    """The level of a region of the disputed image, or of the exhibit laid in its place, and a work."""
    return level(region, case.exhibit(laid or case.item(case.disputed).exhibit), case.exhibit(work))


def sentence(case: Case, region: Region, work: str, laid: str = "") -> str:
    """Shares and level of a region, for everyone."""
    found, one = of(case, region, work, laid), laid or "the disputed image"
    said = (
        f"Laid over each other, {words.share(region.share_disputed)} of what {one} shows and "
        f"{words.share(region.share_work)} of what {work} shows agree"
    )
    if found.px == 0:
        return f"{said}, in {words.counted(region.places, 'tied point', 'tied points')}."
    if found.reached:
        return f"{said}, as finely as the smaller of the two can show ({found.px} pixels along the overlap)."
    down = f"down to the detail of a thumbnail of {found.px} pixels{_interval(found.low, found.high)}"
    return f"{said}, {down}; finer detail differs."


def _interval(low: int, high: int) -> str:
    return "" if low == high else f" (90 % interval {low} to {high})"
