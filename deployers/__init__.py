"""How things get to run somewhere: one contract, one folder per kind of target."""
