"""A model as a UDF: Arrow batches in, predictions out."""
