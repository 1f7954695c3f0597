"""How artifacts are loaded: `table` has a row for each flavour, `onnx` runs graphs."""

from sparksig.models.flavors.table import (
    FLAVORS,
    PARAMS_LOADER,
    Stored,
    find_flavor,
    graph_signature,
    load_flavor,
)

__all__ = ["FLAVORS", "PARAMS_LOADER", "Stored", "find_flavor", "graph_signature", "load_flavor"]
