"""Which text encoder encodes the prompts of a study."""

from __future__ import annotations

from collections.abc import Sequence

from ablations.spec import Budget
from dfpir.prompts import TEXT_ENCODERS, TextEncoder, TextEncoderUnavailableError, load_prompts, without_codes
from dfpir.registry import UnknownNameError, suggestion


def chosen_encoder(asked: str | None, budget: Budget, conditions: Sequence[str]) -> tuple[TextEncoder, str]:
    """The encoder to use and what the reader must know about it. CLIP is replaced only where nobody asked for it.

    Args:
        asked: as on the command line, or None.
        budget: whose usual encoder is taken then.
        conditions: names of those that the study asks for: a stand-in without codes of their sentences is not taken.

    Raises:
        UnknownNameError: an encoder that there is not.
    """
    if asked is not None:
        if asked not in TEXT_ENCODERS:
            raise UnknownNameError(f"Unknown text encoder {asked!r}.{suggestion(asked, TEXT_ENCODERS)}")
        return asked, "as asked"  # type: ignore[return-value]
    foreign = ", ".join(without_codes("minilm", conditions))
    stand_in: TextEncoder = "onehot" if foreign else "minilm"
    why = f"; minilm has no code for the sentence of {foreign}" if foreign else ""
    if budget.text_encoder != "auto" and foreign:
        return stand_in, f"a stand-in for CLIP that encodes any sentence{why}"
    if budget.text_encoder != "auto":
        return budget.text_encoder, f"the {budget.name} budget's: a stand-in for CLIP that needs no download"
    try:
        load_prompts("detailed", "clip")
    except TextEncoderUnavailableError as error:
        return stand_in, f"a stand-in: {error}{why}"
    return "clip", "CLIP ViT-B/32, as in the paper"
