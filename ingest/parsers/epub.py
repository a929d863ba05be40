"""Books: the chapters in the order of their spine, each read as the web page it is."""

import posixpath
import urllib.parse
import zipfile
from collections.abc import Iterator
from pathlib import Path

from lxml import etree  # type: ignore[import-untyped]

from corpus.documents import ParsedDocument
from ingest.building import DocumentBuilder
from ingest.decoding import decoded_markup
from ingest.errors import Quarantined
from ingest.parsers.html import add_html
from ingest.quarantine import Reason
from ingest.settings import Limits

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_FONT_ALGORITHMS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml"})
_ABOUT = {
    "title": "Title",
    "creator": "Author",
    "publisher": "Publisher",
    "date": "Date",
}


def parse(location: Path, limits: Limits) -> ParsedDocument:  # noqa: ARG001 - every parser's form
    """Read an EPUB file.

    Raises:
        Quarantined: Encrypted, damaged, or no text.
    """
    builder = DocumentBuilder()
    with zipfile.ZipFile(location) as archive:
        _refuse_encrypted(archive)
        package_path = _package_path(archive)
        package = _xml(archive, package_path)
        for chapter in _chapters(package, posixpath.dirname(package_path)):
            if chapter in archive.namelist():
                add_html(builder, decoded_markup(archive.read(chapter)))
    about = _about(package)
    return builder.finish(title=about.pop("Title", ""), properties=about)


def _refuse_encrypted(archive: zipfile.ZipFile) -> None:
    """Refuse a book whose chapters are encrypted; that fonts are is usual and harmless."""
    if _ENCRYPTION not in archive.namelist():
        return
    for method in _local(_xml(archive, _ENCRYPTION), "EncryptionMethod"):
        if method.get("Algorithm") not in _FONT_ALGORITHMS:
            raise Quarantined(Reason.ENCRYPTED, "the book is protected")


def _package_path(archive: zipfile.ZipFile) -> str:
    if _CONTAINER not in archive.namelist():
        raise Quarantined(Reason.DAMAGED, "a book without a list of its contents")
    for root in _local(_xml(archive, _CONTAINER), "rootfile"):
        path = str(root.get("full-path", ""))
        if path in archive.namelist():
            return path
    raise Quarantined(Reason.DAMAGED, "a book whose contents are missing")


def _chapters(package: etree._Element, folder: str) -> Iterator[str]:
    items = {item.get("id"): item for item in _local(package, "item")}
    for reference in _local(package, "itemref"):
        item = items.get(reference.get("idref"))
        if item is None or item.get("media-type") not in _PAGES:
            continue
        if "nav" not in item.get("properties", "").split():
            name = urllib.parse.unquote(item.get("href", "").partition("#")[0])
            yield posixpath.normpath(posixpath.join(folder, name))


def _about(package: etree._Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in package.iter():
        if isinstance(element.tag, str):
            name = _ABOUT.get(etree.QName(element).localname)
            if name and element.text:
                found.setdefault(name, " ".join(element.text.split())[:300])
    return found


def _local(root: etree._Element, name: str) -> Iterator[etree._Element]:
    yield from root.iter(f"{{*}}{name}")


def _xml(archive: zipfile.ZipFile, name: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    root = etree.fromstring(archive.read(name), parser)
    if root is None:
        raise Quarantined(Reason.DAMAGED, "a book whose contents cannot be followed")
    return root
