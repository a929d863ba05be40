"""LibreOffice, where it is installed: opens old formats and draws documents as pages.

It runs inside the jail like everything that reads a document: in the child's process group and
under its limits, with a profile of its own that is thrown away, without macros, updates of links
or a network.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from ingest.errors import Quarantined
from ingest.quarantine import Reason
from ingest.settings import Limits

SHARE_OF_TIME = 0.4
"""Of the time a document may take, for one run: there may be two."""

_BUILD = re.compile(r"^buildid=(.+)$", re.MULTILINE)
_PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry"
 xmlns:xs="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
{}
</oor:items>
"""
_ITEM = (
    '<item oor:path="/org.openoffice.{}"><prop oor:name="{}" oor:op="fuse">'
    "<value>{}</value></prop></item>"
)
_CHOICES = (
    ("Office.Common/Security/Scripting", "MacroSecurityLevel", "3"),
    ("Office.Common/Security/Scripting", "DisableMacrosExecution", "true"),
    ("Office.Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    ("Office.Common/Misc", "FirstRun", "false"),
    ("Office.Writer/Content/Update", "Link", "0"),
    ("Office.Calc/Content/Update", "Link", "1"),
    ("Inet/Settings", "ooInetProxyType", "1"),
    ("Inet/Settings", "ooInetHTTPProxyName", "127.0.0.1"),
    ("Inet/Settings", "ooInetHTTPSProxyName", "127.0.0.1"),
)


def installed() -> str:
    """Return where LibreOffice is, empty when it is not installed."""
    return shutil.which("soffice") or shutil.which("libreoffice") or ""


def converted(location: Path, *, suffix: str, to: str, limits: Limits) -> bytes:
    """Return a document in another format.

    Args:
        location: The document.
        suffix: What its content is, such as ".doc": kept originals have no extension.
        to: "pdf", "docx" or "pptx".
        limits: For its time.

    Raises:
        Quarantined: LibreOffice is not installed, cannot open the document or took too long.
    """
    program = installed()
    if not program:
        raise Quarantined(Reason.LIBREOFFICE_MISSING, f"a {suffix[1:].upper()} file")
    with tempfile.TemporaryDirectory(prefix="office-") as name:
        folder = Path(name)
        source = folder / f"document{suffix}"
        shutil.copyfile(location, source)
        _write_profile(folder / "profile", Path(program).resolve().parent)
        _run(program, folder, source, to, limits.parse_seconds * SHARE_OF_TIME)
        made = folder / "made" / f"document.{to}"
        if not made.is_file() or not made.stat().st_size:
            raise Quarantined(Reason.DAMAGED, "LibreOffice cannot open it")
        return made.read_bytes()


def _write_profile(profile: Path, program_folder: Path) -> None:
    """Make a profile with our choices in which LibreOffice need not start twice.

    Without the number of its build it would end, start again and stumble over the socket of its
    first start, which it may not remove in the jail.
    """
    (profile / "user" / "extensions").mkdir(parents=True)
    items = "\n".join(_ITEM.format(*choice) for choice in _CHOICES)
    (profile / "user" / "registrymodifications.xcu").write_text(_PROFILE.format(items))

    with contextlib.suppress(OSError):
        about = (program_folder / "versionrc").read_text(encoding="utf-8")
        build = _BUILD.search(about)
        (profile / "user" / "extensions" / "buildid").write_text(build[1] if build else "")


def _run(program: str, folder: Path, source: Path, to: str, seconds: float) -> None:
    arguments = [
        program,
        f"-env:UserInstallation={(folder / 'profile').as_uri()}",
        "--headless",
        "--norestore",
        "--nolockcheck",
        "--convert-to",
        to,
        "--outdir",
        str(folder / "made"),
        str(source),
    ]
    process = subprocess.Popen(  # noqa: S603 - the program found on the path, fixed arguments
        arguments,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(folder),
        process_group=0,
    )
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise Quarantined(Reason.TIME_OUT, "LibreOffice did not finish") from error
    finally:
        # Its start script leaves the program itself behind in the same group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "SAL_USE_VCLPLUGIN": "svp",
        "MALLOC_ARENA_MAX": "2",
    }
