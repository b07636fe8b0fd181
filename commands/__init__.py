"""What people can say: a verb per file, its words, its help and what it does."""
