"""The nouns every layer shares: frozen values, no I/O, no imports of ours."""
