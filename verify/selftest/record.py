"""What a self-test has found so far, kept line by line in its directory, so that it can be continued."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mic.errors import UserError
from verify.selftest.defect import BadMedium
from verify.selftest.score import Result, judged_names

RESULTS_NAME = "results.jsonl"
# What a result depends on beside the medium: the packages beside this one, and this one.
_ROOT = Path(__file__).resolve().parents[2]
_CODE = ("mic", "verify", "fixtures")


@dataclass(frozen=True)
class KeptResult:
    """A result, a digest of all that was known of the medium it is of, and one of the code that it was found by."""

    result: Result
    medium: str
    code: str


_KEPT = TypeAdapter(KeptResult)


class Record:
    """The results in one directory. Those of media that have been described otherwise since count no more."""

    def __init__(self, directory: Path, *, resume: bool) -> None:
        """Begins anew, unless it is to `resume`. Raises `UserError` where no results can be kept."""
        self._file = directory / RESULTS_NAME
        self._code = _digest_of_code()
        try:
            kept = list(_read(self._file)) if resume else []
            # Rewritten: the last line may have been cut by what interrupted the run.
            self._file.write_bytes(b"".join(map(_line, kept)))
        except OSError as error:
            raise UserError(f"results cannot be kept: {error.strerror}", where=self._file) from error
        self._latest = {(one.medium, one.result.name): one for one in kept}

    def keep(self, medium: BadMedium, results: Iterable[Result]) -> None:
        """Adds what was found on `medium`; the latest result of a defect is the one that counts."""
        for result in results:
            one = KeptResult(result, _digest_of(medium), self._code)
            self._latest[one.medium, result.name] = one
            with self._file.open("ab") as file:
                file.write(_line(one))

    def is_done(self, medium: BadMedium, *, boots: bool) -> bool:
        """Whether everything on `medium` has a good result already, of a boot where it `boots`."""
        found = [self._latest.get((_digest_of(medium), name)) for name in judged_names(medium, booted=boots)]
        return all(one is not None and one.result.score.is_good and one.result.booted >= boots for one in found)

    def results_of(self, media: Sequence[BadMedium]) -> tuple[Result, ...]:
        """The latest results of `media`, in their order."""
        return tuple(one.result for one in self._kept_of(media))

    def by_other_code(self, media: Sequence[BadMedium]) -> int:
        """How many of these results were found before the code was changed."""
        return sum(one.code != self._code for one in self._kept_of(media))

    def _kept_of(self, media: Sequence[BadMedium]) -> Iterator[KeptResult]:
        for medium in media:
            for name in judged_names(medium, booted=True):
                if (one := self._latest.get((_digest_of(medium), name))) is not None:
                    yield one


def _read(file: Path) -> Iterator[KeptResult]:
    if not file.exists():
        return
    for line in file.read_bytes().splitlines():
        try:
            yield _KEPT.validate_json(line)
        except ValidationError:
            continue


def _line(kept: KeptResult) -> bytes:
    return _KEPT.dump_json(kept) + b"\n"


def _digest_of(medium: BadMedium) -> str:
    return hashlib.sha256(repr(medium).encode()).hexdigest()


def _digest_of_code() -> str:
    digest = hashlib.sha256()
    for file in sorted(path for name in _CODE for path in (_ROOT / name).rglob("*.py")):
        digest.update(f"{file.relative_to(_ROOT)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
