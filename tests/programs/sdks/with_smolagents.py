"""``smolagents``: an agent that writes code, against a fake of a model. Argument: its origin."""

from __future__ import annotations

import os
import sys

os.environ["HF_HUB_DISABLE_XET"] = "1"

from report import attempt
from smolagents import CodeAgent, InferenceClientModel, tool


@tool
def weather(place: str) -> str:
    """Tell the weather.

    Args:
        place: Where.
    """
    return f"rain in {place}"


def agent() -> object:
    model = InferenceClientModel(model_id=f"{sys.argv[1]}/v1/chat/completions", api_key="hf_1")
    made = CodeAgent(tools=[weather], model=model, max_steps=3, verbosity_level=0)
    return made.run("What is the weather in Köln?")


attempt("agent", agent)
