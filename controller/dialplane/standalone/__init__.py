"""Front door 2: a directory or a Git repository of manifests; status kept in a file."""
