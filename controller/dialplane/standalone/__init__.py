"""Front door 2: a directory or a Git repository of manifests; status kept in a file.

`site` reads files into a snapshot and remembers where everything stands, for `validate` and `diff`; `directory` and
`git` follow a source while the controller runs; `status_file` and `credentials` keep what Kubernetes would keep.
Imported by `cli` only.
"""
