"""What must survive a power cut. SQLAlchemy and Alembic live here and nowhere else."""
