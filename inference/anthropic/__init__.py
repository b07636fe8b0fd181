"""OpenAI's chat completions, said to Anthropic's Messages API, and its answers said back. Pure.

What maps to what, what is refused and what is not known: docs/gateway-anthropic.md. The source of
every shape here is https://platform.claude.com/docs/en/api/messages, version 2023-06-01.
"""
