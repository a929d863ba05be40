"""What Office documents say of themselves: title, author, dates, company and added fields."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from lxml import etree  # type: ignore[import-untyped]

_MAXIMUM_BYTES = 1024 * 1024
_CORE = {
    "title": "Title",
    "creator": "Author",
    "subject": "Subject",
    "keywords": "Keywords",
    "category": "Category",
    "created": "Created",
    "modified": "Modified",
}
_APPLICATION = {"Company": "Company", "Manager": "Manager"}
_DATES = frozenset({"Created", "Modified"})
_MAXIMUM_CUSTOM = 20
_LONGEST_VALUE = 300
_DATE = len("2026-01-31")
_PLACEHOLDERS = frozenset({"powerpoint presentation", "untitled", "document", "slide 1"})


def properties_of(location: Path) -> dict[str, str]:
    """Return what an OOXML document says of itself; damaged parts say nothing."""
    found: dict[str, str] = {}
    try:
        with zipfile.ZipFile(location) as archive:
            for name, told in _all(archive):
                value = " ".join(told.split())[: _DATE if name in _DATES else _LONGEST_VALUE]
                if value and value.lower() not in _PLACEHOLDERS:
                    found.setdefault(name, value)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return found
    return found


def _all(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    for part, names in (("docProps/core.xml", _CORE), ("docProps/app.xml", _APPLICATION)):
        for element in _elements(archive, part):
            name = names.get(etree.QName(element).localname)
            if name and element.text:
                yield name, element.text
    for element in list(_elements(archive, "docProps/custom.xml"))[:_MAXIMUM_CUSTOM]:
        name = element.get("name", "")
        if name and not name.startswith("_"):
            yield name, "".join(element.itertext())


def _elements(archive: zipfile.ZipFile, part: str) -> Iterator[etree._Element]:
    if part not in archive.namelist() or archive.getinfo(part).file_size > _MAXIMUM_BYTES:
        return
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(archive.read(part), parser)
    except etree.XMLSyntaxError:
        return
    for element in root:
        if isinstance(element.tag, str):
            yield element
