"""End-to-end encryption: the device's keys, who vouches for it, and where keys are kept safe."""
