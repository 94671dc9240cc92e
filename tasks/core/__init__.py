"""What all parts of the graph share."""
