"""NovelAI: `Description` holds the prompt, `Comment` the parameters as JSON, `Source` the model, `Software` the name.

The same entries are hidden in the least significant bits of the alpha channel (`stealth`), as one JSON object.
"""

from __future__ import annotations

import re
from typing import Any

from forensics.pictures.metadata.base import Entries, GeneratorMetadata, document, further, real, text, whole

_KNOWN = frozenset({"prompt", "uc", "seed", "steps", "sampler", "noise_schedule", "scale", "width", "height"})


def read(entries: Entries, source: str = "text entries") -> list[GeneratorMetadata]:
    """The record, where the entry `Software` names NovelAI."""
    if not any("NovelAI" in entries.get(name, "") for name in ("Software", "EXIF Software")):
        return []
    comment = next((entries[n] for n in ("Comment", "comment", "EXIF UserComment") if n in entries), "{}")
    record = document(comment)
    if record is not None and isinstance(record.get("Comment"), str):  # all entries in one, as WebP keeps them
        entries = {**entries, **{k: v for k, v in record.items() if isinstance(v, str)}}
        record = document(record["Comment"])
    problems = () if record is not None else ('The entry "Comment" is not a JSON object.',)
    record = record or {}
    model, _, digest = entries.get("Source", "").strip().rpartition(" ")
    if not re.fullmatch(r"[0-9A-Fa-f]{8}", digest):
        model, digest = entries.get("Source", "").strip(), ""
    prompt = _structured(record, "v4_prompt") or text(record.get("prompt")) or entries.get("Description", "").strip()
    return [
        GeneratorMetadata(
            software="NovelAI",
            source=source,
            prompt=prompt,
            negative_prompt=_structured(record, "v4_negative_prompt") or text(record.get("uc")),
            seed=whole(record.get("seed")),
            steps=whole(record.get("steps")),
            sampler=text(record.get("sampler")),
            scheduler=text(record.get("noise_schedule")),
            guidance=real(record.get("scale")),
            model=model,
            model_hash=digest,
            width=whole(record.get("width")),
            height=whole(record.get("height")),
            further=further(record, _KNOWN),
            problems=problems,
            marks=(
                "Software: NovelAI",
                *(
                    f"{n}: {text(record[n])[:60]}"
                    for n in ("noise_schedule", "sampler", "scale", "seed")
                    if n in record
                ),
            ),
            entry="Comment",
        )
    ]


def _structured(record: dict[str, Any], name: str) -> str:
    """Base caption and character captions of the fourth model generation."""
    outer = record.get(name)
    caption = outer.get("caption") if isinstance(outer, dict) else None
    if not isinstance(caption, dict):
        return ""
    characters = caption.get("char_captions")
    rows = [text(caption.get("base_caption"))]
    for row in characters if isinstance(characters, list) else []:
        rows.append(text(row.get("char_caption")) if isinstance(row, dict) else "")
    return "\n".join(row for row in rows if row)
