"""Many requests from one file, as OpenAI's batches have them: read, asked, written down."""
