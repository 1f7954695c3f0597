"""Decide (pure), spell as SQL text (pure), apply to values or to a Spark frame."""
