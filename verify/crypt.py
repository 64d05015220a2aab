"""crypt(3), by the host's libcrypt: Python has none of its own from 3.13 on."""

from __future__ import annotations

import ctypes
import ctypes.util

from verify.verdict import HarnessFault


def crypt(password: str, setting: str) -> str:
    """The hash of `password` with the method and salt of `setting`, which may be a whole hash (crypt(5)).

    Raises `HarnessFault` when the host's libcrypt does not know the method.
    """
    library = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    hashed: bytes | None = library.crypt(password.encode(), setting.encode())
    # libxcrypt's failure tokens, "*0" and "*1", are no setting's own result.
    if hashed is None or hashed.startswith(b"*"):
        raise HarnessFault("this host's libcrypt does not know the method of the password hash")
    return hashed.decode()
