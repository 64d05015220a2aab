"""verify reads grub.cfg as GRUB does."""

from __future__ import annotations

import pytest

from mic.kernel_arguments import KernelArguments
from verify.grub_cfg import GrubCfg


def test_single_quotes_keep_every_character() -> None:
    cfg = GrubCfg.parse("linux /vmlinuz 'a=b;c' 'd|e&f{g}' '#h' 'i  j'\n")
    assert cfg.linux == ("/vmlinuz", "a=b;c", "d|e&f{g}", "#h", "i  j")


@pytest.mark.parametrize("character", [";", "|", "&", "<", ">", "{", "}"])
def test_unquoted_separator_cuts_the_line(character: str) -> None:
    cfg = GrubCfg.parse(f"linux /vmlinuz ds=nocloud{character}s=x\ninitrd /initrd\n")
    assert cfg.linux == ("/vmlinuz", "ds=nocloud")


def test_hash_comments_only_at_the_start_of_a_word() -> None:
    assert GrubCfg.parse("linux /vmlinuz a#b # c\n").linux == ("/vmlinuz", "a#b")


def test_double_quotes_and_backslashes() -> None:
    cfg = GrubCfg.parse('linux /vmlinuz "a \\" b" c\\;d "e\\x" con\\\ntinued \'\'\n')
    assert cfg.linux == ("/vmlinuz", 'a " b', "c;d", "e\\x", "continued", "")


def test_quote_never_closed_reaches_to_the_end() -> None:
    assert GrubCfg.parse("linux /vmlinuz 'a b\n").linux == ("/vmlinuz", "a b\n")


def test_first_entry_and_searched_labels_are_found() -> None:
    cfg = GrubCfg.parse(
        "search --no-floppy --set=root --label ONE\n"
        "search --set=root --file /x\n"
        "search -l TWO -s root TWO\n"
        "menuentry 'a; linux /no' {\n  linux /one a\n  initrd /initrd-one\n}\n"
        "menuentry b {\n  linux /two b\n  initrd /initrd-two\n}\n"
    )
    assert cfg.searched_labels == ("ONE", "TWO")
    assert cfg.linux == ("/one", "a")
    assert cfg.initrds == ("/initrd-one",)


def test_arguments_quoted_for_grub_are_read_back_as_they_were() -> None:
    arguments = KernelArguments(("ds=nocloud;s=file://x", "a b", "#", "{}", "x\\x2dy"))
    assert GrubCfg.parse(f"linux /vmlinuz {arguments.for_grub}\n").linux[1:] == arguments.words


def test_file_without_a_kernel_has_no_words() -> None:
    assert GrubCfg.parse("set timeout=1\n").linux == ()
    assert GrubCfg.parse("").initrds == ()
