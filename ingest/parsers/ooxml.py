"""Office files since 2007 as their readers expect them."""

import io
import zipfile
from pathlib import Path

_CONTENT_TYPES = "[Content_Types].xml"
_PLAIN = (
    (b"application/vnd.ms-word.document.macroEnabled.main+xml", b"word"),
    (b"application/vnd.ms-word.template.macroEnabledTemplate.main+xml", b"word"),
    (
        b"application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
        b"word",
    ),
    (b"application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml", b"slides"),
    (b"application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml", b"slides"),
    (b"application/vnd.ms-powerpoint.template.macroEnabled.main+xml", b"slides"),
    (
        b"application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml",
        b"slides",
    ),
    (
        b"application/vnd.openxmlformats-officedocument.presentationml.template.main+xml",
        b"slides",
    ),
)
_DOCUMENTS = {
    b"word": b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
    b"slides": b"application/vnd.openxmlformats-officedocument.presentationml.presentation"
    b".main+xml",
}


def plain(location: Path) -> io.BytesIO:
    """Return a document without the mark of templates, shows and files with macros.

    Their content is the same, but their readers refuse them by that mark. Macros are never run.
    """
    data = location.read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        types = archive.read(_CONTENT_TYPES)
        changed = types
        for marked, kind in _PLAIN:
            changed = changed.replace(marked, _DOCUMENTS[kind])
        if changed == types:
            return io.BytesIO(data)
        return _copied(archive, {_CONTENT_TYPES: changed})


def _copied(archive: zipfile.ZipFile, replaced: dict[str, bytes]) -> io.BytesIO:
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in archive.infolist():
            data = replaced.get(entry.filename)
            target.writestr(entry, archive.read(entry) if data is None else data)
    copy.seek(0)
    return copy
