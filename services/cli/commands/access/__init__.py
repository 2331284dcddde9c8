"""Commands about access: tokens, connected accounts, webhook receivers."""
