"""Why a document could not be taken in: a closed list, each with what to do about it."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a file is in quarantine."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    UNSUPPORTED_FORMAT = "unsupported_format"
    EMPTY = "empty"
    DAMAGED = "damaged"
    ENCRYPTED = "encrypted"
    TOO_LARGE = "too_large"
    TOO_MANY_PAGES = "too_many_pages"
    TIME_OUT = "time_out"
    OUT_OF_MEMORY = "out_of_memory"
    NESTED_TOO_DEEPLY = "nested_too_deeply"
    NO_TEXT = "no_text"
    RECOGNITION_UNAVAILABLE = "recognition_unavailable"
    LIBREOFFICE_MISSING = "libreoffice_missing"
    CRASHED = "crashed"

    @property
    def sentence(self) -> str:
        """What happened, for the person who looks after the documents."""
        return _WORDS[self][0]

    @property
    def remedy(self) -> str:
        """What that person can do about it."""
        return _WORDS[self][1]


_WORDS: dict[Reason, tuple[str, str]] = {
    Reason.MISSING: (
        "The file disappeared while it was being read.",
        "Check that nothing moves files in the folder, then run the ingestion again.",
    ),
    Reason.UNREADABLE: (
        "The file may not be read by this program.",
        "Give the account that runs the ingestion permission to read it, then run it again.",
    ),
    Reason.UNSUPPORTED_FORMAT: (
        "The file's content is of a format that cannot be read.",
        "Save it as PDF, or as an Office, web, mail or text file; unpack archives other than ZIP.",
    ),
    Reason.EMPTY: (
        "The file holds nothing.",
        "Replace it by the complete file, or remove it from the folder.",
    ),
    Reason.DAMAGED: (
        "The file is damaged: its structure cannot be followed.",
        "Open it in the program that made it, save it anew and put it back.",
    ),
    Reason.ENCRYPTED: (
        "The file is protected by a password.",
        "Put a copy without the password into the folder.",
    ),
    Reason.TOO_LARGE: (
        "The file, or what it unpacks to, is larger than allowed.",
        "Split it, or raise the limit on file size in the settings.",
    ),
    Reason.TOO_MANY_PAGES: (
        "The document has more pages than allowed.",
        "Split it, or raise the limit on pages in the settings.",
    ),
    Reason.TIME_OUT: (
        "Reading the file took longer than allowed, so it was stopped.",
        "Split it, or raise the time limit in the settings.",
    ),
    Reason.OUT_OF_MEMORY: (
        "Reading the file needed more memory than allowed, so it was stopped.",
        "Split it, or raise the memory limit in the settings.",
    ),
    Reason.NESTED_TOO_DEEPLY: (
        "The file lies deeper inside archives and mails than is allowed.",
        "Unpack the outer archive and put what it holds into the folder.",
    ),
    Reason.NO_TEXT: (
        "No text was found in the file.",
        "If it is a picture of text, scan it anew more sharply; otherwise remove it.",
    ),
    Reason.RECOGNITION_UNAVAILABLE: (
        "The file is a picture of text, and text recognition is switched off or not installed.",
        "Switch recognition on in the settings, or install tesseract.",
    ),
    Reason.LIBREOFFICE_MISSING: (
        "The file is of an old Office format that only LibreOffice reads, which is not installed.",
        "Install LibreOffice and retry, or save the document as DOCX, PPTX or PDF.",
    ),
    Reason.CRASHED: (
        "The program that reads this format ended unexpectedly on this file.",
        "Save the document anew or in another format and put it back.",
    ),
}
