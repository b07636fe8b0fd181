"""The gateway: one OpenAI-compatible endpoint in front of every service, backend and route."""
