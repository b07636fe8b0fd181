"""Gantry's gateway beside nginx, a bare proxy and LiteLLM, over an upstream that costs nothing."""
