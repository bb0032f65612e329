"""The XMP packet as flat text entries, `XMP <prefix>:<name>`, whatever the program's own prefixes.

Properties stand as attributes or as elements, plain or in a list of languages or items. The packet is untrusted XML:
one that declares a document type is not parsed at all, for entities are what such packets are attacked with.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_PREFIXES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    "http://purl.org/dc/terms/": "dcterms",
}
MAX_PROPERTIES = 400
_DEPTH = 30


def entries(packet: str) -> dict[str, str]:
    """Properties of a packet by name; empty where it is no readable XMP."""
    start, end = packet.find("<"), packet.rfind(">")
    if start < 0 or "<!DOCTYPE" in packet or "<!ENTITY" in packet:
        return {}
    try:
        # A packet that was decoded already must not declare another code.
        root = ElementTree.fromstring(re.sub(r"^<\?xml[^>]*\?>", "", packet[start : end + 1].lstrip()))
    except (ElementTree.ParseError, ValueError, RecursionError):
        return {}
    found: dict[str, str] = {}
    for description in root.iter(f"{_RDF}Description"):
        for name, value in description.attrib.items():
            _put(found, name, value)
        for child in description:
            _put(found, child.tag, _value(child, 0))
            for name, value in child.attrib.items():  # rdf:resource names an address as the value
                if name == f"{_RDF}resource":
                    _put(found, child.tag, value)
    return found


def _put(found: dict[str, str], tag: str, value: str) -> None:
    uri, _, local = tag.removeprefix("{").rpartition("}")
    if uri == _RDF[1:-1] or not value.strip() or len(found) >= MAX_PROPERTIES:
        return
    name = f"XMP {_PREFIXES.get(uri, uri.rstrip('/#').rsplit('/', 1)[-1] or 'unnamed')}:{local}"
    found.setdefault(name, value.strip())


def _value(element: ElementTree.Element, depth: int) -> str:
    """The text of a property: its own, the default language of several, or its items, one a line."""
    if depth > _DEPTH:
        return ""
    for kind in ("Alt", "Seq", "Bag"):
        holder = element.find(f"{_RDF}{kind}")
        if holder is not None:
            items = holder.findall(f"{_RDF}li")
            if kind == "Alt":
                chosen = [item for item in items if item.get(_LANG) == "x-default"] or items[:1]
                return "\n".join(_value(item, depth + 1) for item in chosen)
            return "\n".join(filter(None, (_value(item, depth + 1) for item in items)))
    if len(element):
        return "\n".join(filter(None, (_value(child, depth + 1) for child in element)))
    return element.text or ""
