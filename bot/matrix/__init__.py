"""Matrix: the only place that knows nio."""
