"""Replicas as Compose projects."""
