"""Model files, for every kind of target: what a hub holds, what a header tells, what a file is."""
