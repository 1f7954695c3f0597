"""Where a signature comes from, and what a table shows."""
