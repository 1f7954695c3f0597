"""Airflow: validation and scoring as tasks, and what follows from their verdict. Importing this imports no Airflow."""
