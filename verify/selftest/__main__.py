"""`python -m verify.selftest`: how many of the known defects does verify catch?"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mic.errors import UserError
from verify.commands.program import run_program
from verify.selftest.defect import BadMedium, Corpus, load_corpus, media_of
from verify.selftest.record import Record
from verify.selftest.run import Job, build_good_media, refuse_unusable, results_of
from verify.selftest.score import Result, summary

DEFAULT_CORPUS = "fixtures.defects:CORPUS"
_SAMPLE = 6


def selftest(
    every: Annotated[bool, typer.Option("--all", help="Every defect, and the good media as controls.")] = False,
    sample: Annotated[int, typer.Option(help="How many media, chosen by the seed, without --all.", min=1)] = _SAMPLE,
    seed: Annotated[int, typer.Option(help="Another seed, another sample.")] = 0,
    keyword: Annotated[str | None, typer.Option("-k", help="Only defects or shared media named like this.")] = None,
    audit_only: Annotated[bool, typer.Option(help="Boot nothing; leaves out what only a boot shows.")] = False,
    alone: Annotated[bool, typer.Option(help="Each defect on a medium of its own.")] = False,
    directory: Annotated[
        Path | None, typer.Option(help="For media and reports; temporary if not given.", show_default=False)
    ] = None,
    keep: Annotated[bool, typer.Option(help="Leave the bad media in the directory.")] = False,
    resume: Annotated[bool, typer.Option(help="Run only what has no good result in the directory yet.")] = False,
    controls: Annotated[
        bool | None,
        typer.Option(
            "--controls/--no-controls",
            help="Whether the good media are verified too; with --all and without -k if not given.",
            show_default=False,
        ),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Print the defects and end.")] = False,
    corpus: Annotated[str, typer.Option(help="Where the defects come from, as package.module:NAME.")] = DEFAULT_CORPUS,
) -> None:
    """Makes media with known defects and has each verified.

    Exit code 0: every one was caught for its own reason. 1: one was not. 2: usage.
    """
    found = load_corpus(corpus)
    media = chosen_media(found, keyword, alone=alone)
    if audit_only:
        media = tuple(medium for medium in media if medium.seen_without_booting)
    if not media:
        raise UserError(f"no defect is called *{keyword}*", hint="--list prints their names")
    if not every and keyword is None:
        media = sampled(media, sample, seed)
    if listing:
        print("\n".join(f"{defect.name:32} {defect.what}" for medium in media for defect in medium.defects))
        return
    if resume and directory is None:
        raise UserError("--resume needs the --directory of the run that it continues")
    if controls if controls is not None else every and keyword is None:
        media = (*(BadMedium(base, ()) for base in found.good_media), *media)
    with tempfile.TemporaryDirectory(prefix="mic-selftest-") as temporary:
        place = directory or Path(temporary)
        refuse_unusable(place)
        sys.exit(run(corpus, media, place, audit_only=audit_only, keep=keep, resume=resume))


def chosen_media(corpus: Corpus, keyword: str | None, *, alone: bool) -> tuple[BadMedium, ...]:
    """The media of the defects that `keyword` names, or all; each defect by itself if `alone`."""
    defects = [d for d in corpus.defects if keyword is None or keyword in d.name or keyword in (d.shares or "")]
    if not alone:
        return media_of(corpus, defects)
    return tuple(medium for defect in defects for medium in media_of(corpus, [defect]))


def sampled(media: Sequence[BadMedium], count: int, seed: int) -> tuple[BadMedium, ...]:
    """`count` of the media, in their order; the same for the same seed."""
    picked = set(random.Random(seed).sample(range(len(media)), min(count, len(media))))
    return tuple(medium for number, medium in enumerate(media) if number in picked)


def run(
    corpus: str,
    media: Sequence[BadMedium],
    directory: Path,
    *,
    audit_only: bool,
    keep: bool,
    resume: bool = False,
) -> int:
    """Runs the media, prints a line for each defect and the score of all; returns the exit code.

    To `resume` leaves out the media that the directory has good results of; the score covers these as well.
    """
    begun = time.monotonic()
    record = Record(directory, resume=resume)
    left = [medium for medium in media if not record.is_done(medium, boots=_boots(medium, audit_only))]
    if len(left) < len(media):
        print(f"{len(media) - len(left)} of {len(media)} media have good results in {directory} already", flush=True)
    good = build_good_media(corpus, left, directory)
    jobs = [Job(corpus, medium, good[medium.base.name], directory, _boots(medium, audit_only), keep) for medium in left]
    for medium, some in results_of(jobs):
        for result in some:
            print(line(result), flush=True)
        record.keep(medium, some)
    results = record.results_of(media)
    if others := record.by_other_code(media):
        print(f"{others} of these results were found before the code was changed")
    print(f"{summary(results)}, {time.monotonic() - begun:.0f} s")
    return 0 if results and all(result.score.is_good for result in results) else 1


def _boots(medium: BadMedium, audit_only: bool) -> bool:
    # A control is booted as well: that nothing is red is what it is there to show.
    return not audit_only and (medium.boot is not None or not medium.defects)


def line(result: Result) -> str:
    """One defect's score for people."""
    how = "boot" if result.booted else "audit"
    return f"{result.score.value:12} {result.name:32} {how:5} {result.seconds:5.0f} s  {result.why}"


if __name__ == "__main__":
    run_program("selftest", selftest)
