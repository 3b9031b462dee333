"""Signatures while a key rotates."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskboard.keyring import KeyRing, key_id

OLD, NEW, NEXT = "o" * 64, "n" * 64, "x" * 64


def test_a_key_is_named_by_its_hash() -> None:
    assert key_id(OLD) == hashlib.sha256(OLD.encode()).hexdigest()[:8]
    assert KeyRing(NEW, OLD).ids == (key_id(NEW), key_id(OLD))


@pytest.mark.parametrize(
    ("signer", "verifier", "is_current"),
    [
        (KeyRing(OLD), KeyRing(OLD), True),
        # Before the rotation, to a process that was started after it: good, and due for a new signature.
        (KeyRing(OLD), KeyRing(NEW, OLD), False),
        # After the rotation, to a process that was started before it and knows the old key alone.
        (KeyRing(NEW, OLD), KeyRing(OLD), True),
        # The old key is retired.
        (KeyRing(NEW, OLD), KeyRing(NEW), True),
        # Both sides are one rotation apart.
        (KeyRing(NEW, OLD), KeyRing(NEXT, NEW), False),
    ],
)
def test_a_signature_is_good_wherever_a_key_is_shared(
    signer: KeyRing, verifier: KeyRing, is_current: bool
) -> None:
    verified = verifier.verify(signer.sign("session"))
    assert verified is not None
    assert (verified.value, verified.is_current) == ("session", is_current)


def test_a_signature_of_a_retired_key_is_worth_nothing() -> None:
    assert KeyRing(NEXT, NEW).verify(KeyRing(OLD).sign("session")) is None


def test_a_signature_belongs_to_its_value() -> None:
    _, _, signature = KeyRing(OLD).sign("mine").partition(".")
    assert KeyRing(OLD).verify(f"yours.{signature}") is None


@given(st.text())
def test_nothing_but_signed_values_passes(text: str) -> None:
    assert KeyRing(OLD).verify(text) is None


@given(st.integers(min_value=0), st.characters(codec="latin-1"))  # as headers are decoded
def test_a_changed_cookie_does_not_pass_as_another_value(position: int, character: str) -> None:
    signed = KeyRing(OLD).sign("session")
    index = position % len(signed)
    verified = KeyRing(OLD).verify(signed[:index] + character + signed[index + 1 :])
    assert verified is None or verified.value == "session"
