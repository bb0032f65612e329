"""Captions from the titles and keywords of the Open Clip Art Library.

The titles come in several languages and uneven quality: file names, serial numbers, the name of the collection or of
the creator instead of a subject. A caption is the cleaned title (the cleaned file name where several works share one
title), followed by at most three keywords that add something.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

MAX_TITLE_WORDS = 8
MAX_KEYWORDS = 3

#: Words that name the collection, the file or the upload rather than the subject.
_NOISE_TEXT = """
clipart clip art openclipart cliparts svg png hash unsorted sibmission submission untitled theme general ganson bwh
image file drawing version copy new misc miscellany various http https www com org net email mimetypes mime
inkscape sodipodi illustrator ocal gfdl gpl
"""
NOISE = frozenset(_NOISE_TEXT.split())
#: Keywords that describe the catalogue, not the picture.
CATALOGUE = frozenset(
    [
        "united nations member",
        "signs and symbols",
        "clip art",
        "remote",
        "externalsource",
        "appicon",
        "ebay",
        "rpg map elements",
    ]
)

#: Keywords too general to lead: used only where nothing better is left.
GENERAL = frozenset(("sign", "symbol", "shape", "icon"))

_CLIPART_BY = re.compile(r"^\s*clip ?art by [^-]*-\s*", re.IGNORECASE)
_BLACK_AND_WHITE = re.compile(r"\(?\bb ?(?:and|&|n|/) ?w\b\)?|\bbw\b", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def fold(text: str) -> str:
    """ASCII form of a text: accents dropped, other scripts removed."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def words(text: str) -> list[str]:
    """Lower-case words of a title, file name or keyword, without numbers and noise."""
    text = _BLACK_AND_WHITE.sub(" black and white ", fold(text).replace("_", " ").replace("'", ""))
    text = _CAMEL.sub(" ", text)
    kept = [w.lower() for w in re.findall(r"[A-Za-z]+", text) if w.lower() not in NOISE]
    return [w for w in kept if 1 < len(w) <= 16]


def _is_name_part(word: str, creator: Sequence[str]) -> bool:
    """Whether a word of a file name is a (possibly cut) part of the creator's name."""
    return len(word) >= 2 and any(part.startswith(word) for part in creator)


def clean_title(title: str, stem: str, creator: str, shared_title: bool) -> list[str]:
    """Words of the subject: from the title, or from the file name where works share one title."""
    creator_words = [w.lower() for w in re.findall(r"[A-Za-z]+", fold(creator))]
    from_title = words(_CLIPART_BY.sub("", title))
    from_stem = [w for w in words(stem) if not _is_name_part(w, creator_words)]
    chosen = from_stem if shared_title and from_stem else from_title
    return (chosen or from_stem)[:MAX_TITLE_WORDS]


def clean_keywords(keywords: Iterable[str], creator: str) -> list[str]:
    """Keywords as plain phrases, without creator names, catalogue terms and hexadecimal debris."""
    creator_words = {w.lower() for w in re.findall(r"[A-Za-z]+", fold(creator))}
    kept: list[str] = []
    for keyword in keywords:
        if re.search(r"hash\(|0x[0-9a-f]|://|@", keyword.lower()):
            continue
        parts = words(keyword)
        phrase = " ".join(parts)
        if not parts or phrase in CATALOGUE or len(parts) > 3 or creator_words.intersection(parts):
            continue
        if phrase not in kept:
            kept.append(phrase)
    return kept


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def choose_keywords(title: Sequence[str], keywords: Sequence[str], frequency: Counter[str]) -> list[str]:
    """At most three keywords: the most common one (the category), then the rarest that occur more than once.

    Words that the title already holds are left out (singular and plural count as one).
    """
    seen = {_singular(w) for w in title}
    fresh = [k for k in keywords if not {_singular(w) for w in k.split()} <= seen]
    fresh = list({_singular(k): k for k in reversed(fresh)}.values())
    if not fresh:
        return []
    ordered = sorted(fresh, key=lambda k: (k in GENERAL, -frequency[k], k))
    category, rest = ordered[0], ordered[1:]
    rest.sort(key=lambda k: (k in GENERAL, frequency[k] < 2, frequency[k], k))
    return [category, *rest][:MAX_KEYWORDS]


def captions(rows: Sequence[dict[str, object]]) -> list[str]:
    """One caption per row of the list (`title`, `rel`, `creator`, `kw`)."""
    titles = Counter(str(row["title"]).lower() for row in rows)
    cleaned = [clean_keywords(_strings(row["kw"]), str(row["creator"])) for row in rows]
    frequency = Counter(k for ks in cleaned for k in ks)
    result = []
    for row, keywords in zip(rows, cleaned, strict=True):
        parts = str(row["rel"]).rsplit(".", 1)[0].split("/")
        title = clean_title(str(row["title"]), parts[-1], str(row["creator"]), titles[str(row["title"]).lower()] > 1)
        if not title:
            title = words(" ".join(parts[-2:-1])) or ["picture"]
        result.append(", ".join([" ".join(title), *choose_keywords(title, keywords, frequency)]))
    return result


def _strings(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else []
