"""The report as a page: the graph as a picture, DLLs that fold, tables; without any request."""
