"""A model without Spark: artifacts, trust, loading, saving."""
