"""Files and environment in, domain values out."""
