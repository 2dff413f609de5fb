"""The registry class: what a scope forgets, and what a taken or an unknown name says."""

import pytest

from dfpir.registry import Registry, UnknownNameError


@pytest.fixture
def colours():
    registry: Registry[int] = Registry("colour")
    registry.register("red", label="Red")(1)
    return registry


def test_a_scope_forgets_what_was_registered_within_it_also_after_an_error(colours):
    def fail():
        with colours.scope():
            colours.register("green", label="Green")(2)
            assert (colours["green"], colours.label("green")) == (2, "Green")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(colours) == ["red"]
    assert colours.label("green") == "green"
    colours.register("green")(3)
    assert colours["green"] == 3


def test_a_taken_and_an_unknown_name(colours):
    with pytest.raises(ValueError, match="colour 'red' is registered already"):
        colours.register("red")(2)
    assert colours["red"] == 1
    with pytest.raises(UnknownNameError, match=r"Unknown colour 'rad'\. Did you mean 'red'\?"):
        colours["rad"]
