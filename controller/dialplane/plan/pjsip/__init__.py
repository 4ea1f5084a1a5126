"""PJSIP objects: pure builders, one module per kind that asks for them."""
