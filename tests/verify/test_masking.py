"""No secret survives in what is kept as evidence."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import SecretStr

from mic.config import Config
from tests.verify.conftest import EXAMPLE_1
from verify.expectations.cloud_seed import seed_of
from verify.masking import MASK, Mask, mask_for
from verify.outcome import Notebook

HASH = "$6$saltsalt$" + "h" * 86


def test_known_secrets_are_masked_the_longest_first() -> None:
    mask = Mask((SecretStr("secret"), SecretStr("secretsecret"), SecretStr("a.b")))
    assert mask("x secretsecret y secret a.b axb") == f"x {MASK} y {MASK} {MASK} axb"


def test_short_secret_is_masked_as_a_word_only() -> None:
    assert Mask((SecretStr("ab"),))("ab cab ab") == f"{MASK} cab {MASK}"


def test_hashes_and_private_keys_are_masked_without_being_known() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"
    masked = Mask()(f"root:{HASH}:1:\nlocked:!{HASH}:1:\n{key}\nend $5$ a $HOME/x")
    assert "hhhh" not in masked
    assert "AAAA" not in masked
    assert masked.endswith("end $5$ a $HOME/x")


def test_empty_secret_masks_nothing() -> None:
    assert Mask((SecretStr(""),))("abc") == "abc"


def test_secrets_of_configuration_and_user_data_are_known(configured: Callable[..., Config]) -> None:
    config = configured(EXAMPLE_1)
    mask = mask_for(config, seed_of(config))
    assert mask("testpassword cloud-secret") == f"{MASK} {MASK}"
    assert "testpassword" not in repr(mask)


def test_notebook_keeps_masked_and_bounded_output() -> None:
    notebook = Notebook(Mask((SecretStr("secret"),)))
    notebook.note("echo secret", "secret" + "x" * 100_000, exit_code=0)
    (observation,) = notebook.observations
    assert "secret" not in observation.command + observation.output
    assert len(observation.output) < 5000
    assert "left out" in observation.output
