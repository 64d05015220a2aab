"""Promises about kernel arguments, checked against GRUB's own parser where GRUB has a say."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pexpect
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mic.kernel_arguments import KernelArgumentError, KernelArguments
from mic.medium.grub_cfg import grub_cfg

# All that a word may hold: printable characters but $ and the backquote.
WORD_CHARACTERS = st.characters(
    min_codepoint=0x20,
    max_codepoint=0x2FF,
    exclude_characters="$`\x7f\xad" + "".join(map(chr, range(0x80, 0xA1))),
)
WORDS = st.lists(st.text(WORD_CHARACTERS, min_size=1, max_size=40), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ds=nocloud;s=file://x", "ds=nocloud;s=file://x"),
        ("'ds=nocloud;s=file://x'", "ds=nocloud;s=file://x"),
        ('a="b c" d', '"a=b c" d'),
        ("  a   b  ", "a b"),
        ("a|b&c#d{e}<f>", "a|b&c#d{e}<f>"),
        ("# not=a-comment", "# not=a-comment"),
        (r"systemd.mask=dev-disk\x2dby.device", r"systemd.mask=dev-disk\\x2dby.device"),
        ("", ""),
        # What GRUB cannot pass on as it is: the documented form arrives instead.
        ("a\\'b", "a\\'b"),
        ("a\\\\b", "a\\\\b"),
        ("a\\b", "a\\\\b"),
        ('"a=b \\"x=y\\""', '"a=b \\"x=y\\""'),
        ("'say \"hi\"'", '"say \\"hi\\""'),
        ("a\\ b", '"a b"'),
    ],
)
def test_text_is_shown_as_the_user_means_it(text: str, shown: str) -> None:
    assert KernelArguments.parse(text).shown == shown


@pytest.mark.parametrize(
    "text",
    ["'a", 'a"', "a$b", "'a$b'", "a`b`", "a\nb", "a\tb", "''", "a\\", "'a\\'b'", "\x7f", "\x85"],
)
def test_text_that_cannot_arrive_is_refused(text: str) -> None:
    with pytest.raises(KernelArgumentError):
        KernelArguments.parse(text)


@given(WORDS)
def test_words_quoted_for_a_shell_are_read_back(words: list[str]) -> None:
    assert KernelArguments.parse(shlex.join(words)).words == tuple(words)


def test_unit_names_may_arrive_in_either_form() -> None:
    """Which of the two is the image's GRUB's matter."""
    assert KernelArguments.parse(r"a\x2db c\d").forms == (r"a\\x2db c\\d", r"a\x2db c\\d")
    assert KernelArguments.parse("a b").forms == ("a b",)


@given(WORDS)
def test_only_spaces_quotes_and_backslashes_alter_a_word(words: list[str]) -> None:
    for word in KernelArguments(tuple(words)).altered:
        assert set(word) & set(" '\"\\")


PLAIN_WORDS = st.lists(st.text(WORD_CHARACTERS, min_size=1).map(lambda word: re.sub(r"[\\\\'\"]", "", word) or "x"))


@given(PLAIN_WORDS)
def test_kernel_reads_the_shown_text_as_the_same_words(words: list[str]) -> None:
    # The kernel's own rule (next_arg in lib/cmdline.c): a space ends a word outside double quotes.
    shown = KernelArguments(tuple(words)).shown
    reader = shlex.shlex(shown, posix=True, punctuation_chars=False)
    reader.whitespace, reader.whitespace_split, reader.quotes, reader.escape, reader.commenters = " ", True, '"', "", ""
    assert list(reader) == words


@settings(max_examples=30, deadline=None)
@given(words=WORDS, title=st.text(st.characters(codec="utf-8"), max_size=30))
def test_grub_accepts_every_grub_cfg(words: list[str], title: str) -> None:
    text = grub_cfg(title, "MIC_00000000", KernelArguments(tuple(words)))
    subprocess.run(["grub-script-check"], input=text.encode(), check=True, timeout=20)


def test_grub_finds_fault_with_unquoted_arguments() -> None:
    """The test above can fail: GRUB's parser objects to what is not quoted."""
    broken = "linux /boot/vmlinuz a={b} }\n"
    assert subprocess.run(["grub-script-check"], input=broken.encode(), check=False, capture_output=True).returncode


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=WORDS)
@example(words=["ds=nocloud;s=file://x", "a|b", "c&d", "#e", "{f}", "<g>", "h=i=j", "k l", "m" * 1500])
def test_grub_hands_every_word_to_the_kernel_loader(words: list[str], tmp_path: Path) -> None:
    """GRUB itself (grub-emu) runs the very line of grub.cfg, with `linux` replaced by a function that prints."""
    arguments = KernelArguments(tuple(words))
    line = next(line for line in grub_cfg("x", "MIC_0", arguments).splitlines() if line.startswith("  linux "))
    printing = 'function linux {\n  for word in "$@"; do\n    echo "<$word>"\n  done\n}'
    (tmp_path / "grub.cfg").write_text(f"set pager=0\n{printing}\n{line}\nexit\n")
    printed = pexpect.run(f"grub-emu -d {shlex.quote(str(tmp_path))}", timeout=20)
    assert isinstance(printed, bytes)
    # GRUB wraps at the edge of its screen: what counts is what was printed, not on which line.
    seen = re.sub(rb"\r|\n|\x1b\[\d+m", b"", printed).decode()
    assert "".join(f"<{word}>" for word in ["/boot/vmlinuz", *words]) in seen
