"""Report and summary as data, then words, then one page."""
