"""Background processes: Celery workers that do the jobs of the database, and the relay that places, seals and re-rings."""
