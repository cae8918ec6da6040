"""How many of BDH's neurons are active at a token, as it reads held-out text."""

import torch

from polishgen.evaluation import CHUNK_TOKENS
from polishgen.language_model import LanguageModel

TOKENS = 4096


@torch.inference_mode()
def active_shares(lm: LanguageModel, text: str) -> dict[str, list[float]]:
    """Shares of x, y and both at once (x · y) above zero, per layer, over the first `TOKENS`."""
    tokens = [lm.tokenizer.boundary_id, *lm.tokenizer.encode(text)][: TOKENS + 1]
    inputs = torch.tensor([tokens], device=next(lm.model.parameters()).device)
    state, active = None, []
    for chunk in inputs.split(CHUNK_TOKENS, dim=1):
        _, state, layers = lm.model(chunk, state, return_activity=True)
        active.append(
            torch.stack([torch.stack([x > 0, y > 0, x * y > 0])[:, :, 0] for x, y in layers])
            .double()
            .mean((2, 4))
        )
    # (layers, 3, tokens); the document boundary is read, not counted.
    shares = torch.cat(active, dim=2)[:, :, 1:].mean(2)
    return dict(zip(("x", "y", "x·y"), shares.T.tolist(), strict=True))
