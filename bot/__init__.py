"""The process: whatever touches the loop, the room and the clock."""

__version__ = "0.1.0"
