"""Front door 1: Kubernetes. Watches feed an inventory; statuses go back as patches.

What waits and what thinks are apart: `shelf` and `inventory` are pure state, `merge_patch` is a pure function; the rest
speaks to the API server through `api.Api`. Only the command line may import this package.
"""
