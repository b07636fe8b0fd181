"""What Gantry costs, against a peer or a floor in the same run. Never asserted in tests."""
