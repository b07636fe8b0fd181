"""The ways to a Docker engine: a socket, TCP with certificates, and a supervised ssh."""
