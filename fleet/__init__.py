"""What should run, what runs, and bringing the two together."""
