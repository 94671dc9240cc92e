"""Getting files: one download, the package index, the network."""
