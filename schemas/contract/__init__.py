"""Topic files, and the documents and compatibility checks made from them and the types."""
