"""`gantry demo`: a homeserver, the bot and a room to try it in, on this machine alone."""
