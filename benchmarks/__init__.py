"""What things cost, each a module to run: `python -m benchmarks.NAME [--json FILE] [--small]`."""
