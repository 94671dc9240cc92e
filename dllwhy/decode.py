"""Text of unknown encoding, as logs and exports are: bytes -> text.

Windows PowerShell 5 writes UTF-16 with a byte order mark where `>` sends output to a file:
https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_character_encoding
Programs in a Command Prompt write in the code page of the console, which Windows calls OEM:
https://learn.microsoft.com/windows/console/console-code-pages
"""

from __future__ import annotations

import codecs
import locale
import sys

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def marked(start: bytes) -> str | None:
    """The encoding that a byte order mark at the start of a file tells; None without one."""
    return next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)


def decoded(data: bytes) -> str:
    """Text by its byte order mark or zero bytes, as UTF-8, or in the code page of this machine.

    What cannot be decoded becomes U+FFFD.
    """
    if encoding := marked(data):
        return data.decode(encoding, errors="replace")
    if encoding := _utf_16(data):
        return data.decode(encoding, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        page = "oem" if sys.platform == "win32" else locale.getpreferredencoding(False)
        return data.decode(page, errors="replace")


def _utf_16(data: bytes) -> str | None:
    """The byte order of UTF-16 without a mark: in Latin letters every other byte is zero."""
    start = data[:4000]
    for encoding, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[::2])):
        if zeros and zeros.count(0) > 0.4 * len(zeros):
            return encoding
    return None
