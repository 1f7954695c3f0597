"""The batch job: read, enforce, score, write, reconcile, sum up."""
