"""What a model declares: the table of types, casts, schemas, params and signatures."""
