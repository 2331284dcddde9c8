"""What a platform provides. The ground floor of the adapters: imports only schemas."""
