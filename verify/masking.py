"""Keeps secrets out of evidence: whatever a command printed goes through here before it is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import SecretStr

from mic.config import Config
from verify.expectations.cloud_seed import CloudSeed

MASK = "(masked)"
_SHORT = 6
# crypt(5): an optional lock mark, an id, parameters, salt and hash between dollar signs.
_CRYPT_HASH = re.compile(r"!*\$[0-9a-z]{1,4}\$[^\s:'\"]{8,}")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Mask:
    """Replaces known secrets, crypt hashes and private keys in a text."""

    secrets: tuple[SecretStr, ...] = ()
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        words = {secret.get_secret_value() for secret in self.secrets} - {""}
        # The longest first, so that a secret within a secret leaves no rest.
        spelt = "|".join(_spelt(word) for word in sorted(words, key=len, reverse=True))
        object.__setattr__(self, "_pattern", re.compile(spelt) if spelt else None)

    def __call__(self, text: str) -> str:
        text = _PRIVATE_KEY.sub(MASK, _CRYPT_HASH.sub(MASK, text))
        return text if self._pattern is None else self._pattern.sub(MASK, text)


def _spelt(word: str) -> str:
    """A pattern for `word`; a short one counts only as a word of its own, or nothing would stay readable."""
    pattern = re.escape(word)
    return rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])" if len(word) < _SHORT else pattern


def mask_for(config: Config, seed: CloudSeed | None) -> Mask:
    """Every password and hash that the configuration or its user-data names."""
    secrets: Iterable[SecretStr] = (user.password for user in config.system_config.users if user.password is not None)
    from_user_data = () if seed is None or seed.user_data is None else seed.user_data.secrets
    return Mask((*secrets, *from_user_data))
