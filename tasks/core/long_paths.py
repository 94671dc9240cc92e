"""Whether paths may be longer than the 260 characters that Windows once had.

https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation
"""

import sys

KEY = r"SYSTEM\CurrentControlSet\Control\FileSystem"
VALUE = "LongPathsEnabled"
LIMIT = 259  # characters, without the NUL at the end
# To be run by an administrator.
ENABLE = f'reg add "HKLM\\{KEY}" /v {VALUE} /t REG_DWORD /d 1 /f'


def enabled() -> bool:
    """Whether programs that are made for it may use longer paths; on other systems, yes."""
    if sys.platform != "win32":
        return True
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, KEY) as opened:
            return bool(winreg.QueryValueEx(opened, VALUE)[0])
    except OSError:
        return False
