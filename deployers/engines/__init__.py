"""Engines as data: the image, the command line and what each can load. Pure."""
