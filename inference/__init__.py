"""Talking to what runs: who is asked, how an answer is streamed, how a replica proves itself."""
