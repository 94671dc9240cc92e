"""Reading a text file that people write: of a bounded size, in UTF-8, and a file at all."""

from pathlib import Path

from tasks.core.errors import system_message

LONGEST = 1_000_000  # bytes


class UnreadableError(Exception):
    """A file cannot be read; the text says why, and goes on after the file's name."""


def read_text(path: Path, longest: int = LONGEST) -> str:
    """The text of a file.

    Args:
        longest: in bytes; a larger file is not what is meant.

    Raises:
        UnreadableError: it is not there, no file (a pipe would be waited for for ever), too long
            or not UTF-8.
    """
    try:
        if path.exists() and not path.is_file():
            raise UnreadableError("it is no file")
        with path.open("rb") as stream:
            data = stream.read(longest + 1)
    except FileNotFoundError as error:
        raise UnreadableError(f"there is no file {path}; look at the name") from error
    except OSError as error:
        raise UnreadableError(str(system_message(error))) from error
    if len(data) > longest:
        raise UnreadableError(f"it has more than {longest:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise UnreadableError("it is in UTF-16; save it as UTF-8") from error
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableError(f"line {line} is not UTF-8; save the file as UTF-8") from error
