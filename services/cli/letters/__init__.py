"""Dead letters as an operator handles them."""
