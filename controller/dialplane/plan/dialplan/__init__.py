"""The dialplan: pure builders of contexts, one module per noun."""
